"""What the causes of a start that cannot be are made of: a folder with keys, a database, a node that says what it is told."""

import http.server
import json
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateways.embedded.secrets_file import load_or_create
from gateways.settings import GENESIS_IDS
from gateways.wiring.platform import utc_now
from signers.keys.keystore import DEPOSIT_SEED, GAS, HOT, Keystore

PASSPHRASE: Final = "opens the keystore of a test"
QUICK: Final = 2**4
"""scrypt's cost in tests."""


class FakeNode:
    """A node whose block 0 and whose newest block are as a test says; `answer` in their place says something else."""

    def __init__(
        self, *, genesis: str = GENESIS_IDS["nile"], age_s: float = 0, answer: tuple[int, bytes] | None = None
    ) -> None:
        self.genesis, self.age_s, self.answer = genesis, age_s, answer

    def reply(self, path: str) -> tuple[int, bytes]:
        if self.answer is not None:
            return self.answer
        if path.endswith("getblockbynum"):
            return 200, json.dumps({"blockID": self.genesis, "block_header": _header(0, 0)}).encode()
        now_ms = int((utc_now().timestamp() - self.age_s) * 1000)
        return 200, json.dumps({"blockID": f"{900:016x}" + "ab" * 24, "block_header": _header(900, now_ms)}).encode()


def _header(number: int, timestamp_ms: int) -> dict[str, Any]:
    raw = {
        "number": number,
        "timestamp": timestamp_ms,
        "parentHash": f"{max(number - 1, 0):016x}" + "cd" * 24,
        "txTrieRoot": "00" * 32,
        "witness_address": "41" + "11" * 20,
        "version": 30,
    }
    return {"raw_data": raw, "witness_signature": "00" * 65}


@contextmanager
def serving(node: FakeNode) -> Iterator[str]:
    """-> its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status, content = node.reply(self.path)
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Start:
    """One start: its folder, its environment, its arguments, and what is undone afterwards."""

    data: Path
    url: str
    """Of a migrated database, as its owner."""
    environment: dict[str, str] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    undo: list[Callable[[], None]] = field(default_factory=list)

    def set(self, **settings: object) -> "Start":
        self.environment |= {f"COUNTERFOIL_{name.upper()}": str(value) for name, value in settings.items()}
        return self

    def add(self, *arguments: object) -> "Start":
        self.arguments += map(str, arguments)
        return self

    def with_keys(self, *names: str, passphrase: str = PASSPHRASE) -> Path:
        """An installation's secrets and its keystore, which opens quickly -> the keystore's path."""
        load_or_create(self.data / "secrets.json")
        sizes = {HOT: 32, GAS: 32, DEPOSIT_SEED: 64}
        secrets = {name: bytes([7]) * sizes[name] for name in names or sizes}
        return Keystore.create(self.data / "keystore.json", passphrase, secrets, scrypt_n=QUICK).path

    def on_nile(self, node: FakeNode) -> "Start":
        """With keys, the database, and this node."""
        self.with_keys()
        behind = serving(node)
        url = behind.__enter__()
        self.undo.append(lambda: behind.__exit__(None, None, None))
        return self.set(network="nile", keystore_passphrase=PASSPHRASE, tron_node_url=url, database_url=self.url)

    def taken(self) -> int:
        """A port at which somebody listens."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.undo.append(listening.close)
        return int(listening.getsockname()[1])

    def end(self) -> None:
        for each in reversed(self.undo):
            each()
        shutil.rmtree(self.data, ignore_errors=True)
