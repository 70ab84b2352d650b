"""A whole installation, started as an operator starts it: `counterfoil up` in a process of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest

from gateways.settings import load
from gateways.wiring.opened import visiting
from tests.support.patience import HANG_S, until

ROOT = Path(__file__).parents[2]
PERMISSIONS = [
    "ledger:read",
    "ledger:write",
    "payins:read",
    "payins:write",
    "payouts:read",
    "payouts:write",
    "events:read",
    "webhooks:read",
    "webhooks:write",
]


class Installation:
    """`counterfoil up` on a data folder: start it, kill it, start it again."""

    def __init__(
        self, data: Path, *options: str, block_ms: int = 60, python: str = sys.executable, **settings: str
    ) -> None:
        """`options` are the command's, beside those that every journey gives."""
        self.data = data
        self.python = python
        self.options = options
        self.block_ms = block_ms
        self.settings = settings
        self._process: subprocess.Popen[str] | None = None
        self.output: list[str] = []

    def start(self) -> "Installation":
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
        environment |= {f"COUNTERFOIL_{name.upper()}": value for name, value in self.settings.items()}
        environment["PYTHONPATH"] = sysconfig.get_paths()["purelib"]
        command = [self.python, "-m", "gateways", "up", "--data", str(self.data), "--http-port", "0"]
        self.output = []
        self._process = subprocess.Popen(
            [*command, "--devnet-port", "0", "--block-ms", str(self.block_ms), *self.options],
            cwd=ROOT,
            env={**environment, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        until(lambda: self._ended() or "Ctrl-C" in "".join(self.output), "counterfoil up says where it is")
        assert self._process.poll() is None, "".join(self.output)
        return self

    def _ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.output.extend(process.stdout)

    def _printed(self, pattern: str) -> str:
        found = re.search(pattern, "".join(self.output))
        assert found, "".join(self.output)
        return found.group(1)

    @property
    def api(self) -> str:
        return self._printed(r"API\s+(http://\S+)")

    @property
    def operator_key(self) -> str:
        return self._printed(r"operator key\s+(\S+)")

    @property
    def devnet(self) -> str:
        return self._printed(r"devnet\s+(http://\S+)")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def child(self, name: str) -> int | None:
        """The pid of one of its processes: the one that writes this log. Only where there is /proc."""
        log = str(self.data / "logs" / f"{name}.log")
        for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/1") == log:
                    return int(pid)
        return None

    def kill(self) -> None:
        """SIGKILL the supervisor; its children notice and end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(HANG_S)

    def stop(self) -> int:
        """SIGTERM -> the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(HANG_S)

    def __enter__(self) -> "Installation":
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Where the test has not ended it, so that no server writes to a folder that is being removed."""
        if not self._ended():
            self.stop()

    def operator(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.api, headers={"x-api-key": self.operator_key}, timeout=HANG_S)

    def company(self, name: str = "Acme Exchange", webhook_url: str | None = None) -> httpx2.Client:
        """A registered company's own client, with every permission a company may have."""
        with self.operator() as operator:
            account = post(operator, "/v1/accounts", {"name": name, "webhook_url": webhook_url})
            body = {"name": "backend", "permissions": PERMISSIONS}
            key = post(operator, f"/v1/accounts/{account['id']}/api-keys", body)
        return httpx2.Client(base_url=self.api, headers={"x-api-key": key["key"]}, timeout=HANG_S)

    def faucet(self, address: str, **coins: str) -> str:
        answer = httpx2.post(f"{self.devnet}/devnet/faucet", json={"address": address, **coins}, timeout=HANG_S)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["txid"])

    def until_happened(self, topic: str, times: int = 1) -> None:
        """Until the history has so many events of a topic, whatever their version."""
        with (
            visiting(load({"COUNTERFOIL_DATA": str(self.data)})) as database,
            psycopg.connect(database.owner_url, autocommit=True) as conn,
        ):
            count = "SELECT count(*) >= %s FROM events WHERE topic LIKE %s"
            until(lambda: conn.execute(count, (times, f"{topic}/%")).fetchone() == (True,), topic)

    def hot_wallet(self) -> str:
        with self.operator() as operator:
            wallets = until(lambda: get(operator, "/v1/system-wallets")["data"], "the wallets are registered")
        return next(str(wallet["address"]) for wallet in wallets if wallet["role"] == "hot")


def post(client: httpx2.Client, path: str, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    """POST with an idempotency key; must succeed."""
    answer = client.post(path, json=body, headers={"idempotency-key": key or str(uuid4())})
    assert answer.status_code in (200, 201, 202), f"{path}: {answer.status_code} {answer.text}"
    return dict(answer.json())


def get(client: httpx2.Client, path: str, **query: Any) -> dict[str, Any]:
    """GET; must succeed."""
    answer = client.get(path, params=query)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
    return dict(answer.json())


@pytest.fixture(scope="package")
def installation() -> Iterator[Installation]:
    """One installation for the journeys that only use it."""
    with (
        tempfile.TemporaryDirectory(prefix="cf-up-") as folder,
        Installation(Path(folder) / "data", webhook_allow_loopback="true", payout_fee="0.5") as running,
    ):
        yield running
