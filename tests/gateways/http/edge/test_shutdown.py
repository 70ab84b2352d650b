"""SIGTERM under load: every request that was sent is answered, the process exits 0, and the history has what was answered."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import psycopg
import pytest

from gateways.http.app import server
from gateways.postgres.roles import ROLES
from tests.gateways.http.harness import OPERATOR_KEY, PAYEE, World, platform_of, settings_of
from tests.support.patience import HANG_S, until
from tests.support.postgres import Database

CHILD = """
import sys
from pathlib import Path
from gateways.embedded.secrets_file import load_or_create
from gateways.http.app import server
from gateways.postgres.database import Database
from gateways.wiring.opened import embedded
from gateways.postgres.roles import API
from gateways.settings import Settings

data, port, key, owner, *urls = sys.argv[1:]
roles = dict(pair.split("=", 1) for pair in urls)
settings = Settings(data=Path(data), http_port=int(port), operator_api_key=key, rate_limit="1000000/minute")
load_or_create(settings.data / "secrets.json")
platform = embedded(settings, Database(owner, roles, None), API)
server(platform, linger_s=1.0).run()
platform.close()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Load:
    """Clients that pay out without pause, until nobody listens any more. A request that was sent must be answered."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key
        self.answered: list[int] = []
        self.lost: list[str] = []
        self.numbers = 0

    async def run(self, clients: int, process: "subprocess.Popen[bytes]") -> None:
        tasks = [asyncio.create_task(self._client()) for _ in range(clients)]
        while len(self.answered) < 200:
            await asyncio.sleep(0.01)
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*tasks), HANG_S)

    async def _client(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionRefusedError:
                return
            try:
                while await self._ask(reader, writer):
                    pass
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request -> whether the connection lives on."""
        self.numbers += 1
        number = self.numbers
        body = b'{"to_address": "%s", "amount": "1"}' % PAYEE.encode()
        head = (
            f"POST /v1/payouts HTTP/1.1\r\nhost: x\r\nx-api-key: {self.key}\r\nidempotency-key: {number}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.lost.append(f"{number}: {error!r}")
            return False
        self.answered.append(int(answer.split(b" ", 2)[1]))
        return b"connection: close" not in answer.lower()


def test_sigterm_under_load_loses_no_request(database: Database, tmp_path: Path) -> None:
    """Sixteen clients, SIGTERM in the middle: 202 for every request that was sent, exit 0, and as many payouts as answers."""
    port = free_port()
    urls = [f"{role}={database.role_urls[role]}" for role in ROLES]
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path), str(port), OPERATOR_KEY, database.owner_url, *urls],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        key = _prepare(port, process)
        load = Load(port, key)
        asyncio.run(load.run(16, process))
        assert process.wait(HANG_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert load.lost == []
    assert set(load.answered) == {202}
    with psycopg.connect(database.owner_url) as conn:
        row = conn.execute("SELECT count(*) FROM events WHERE topic LIKE 'payout.requested/%'").fetchone()
    assert row == (len(load.answered),)


def _prepare(port: int, process: "subprocess.Popen[bytes]") -> str:
    """Wait until it is ready; -> the key of a company with coins."""

    def ready() -> bool:
        assert process.poll() is None
        try:
            return httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=HANG_S).status_code == 200
        except httpx2.TransportError:
            return False

    until(ready)
    operator: Any = World.__new__(World)
    operator.url = f"http://127.0.0.1:{port}"
    operator.operator = operator.client(OPERATOR_KEY)
    company = operator.company(usdt="1000000")
    return str(company.headers["x-api-key"])


def test_readyz_says_that_it_ends(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it lingers it is not ready, still serves, and ends its connections."""
    platform = platform_of(database, settings_of(tmp_path))
    seen = threading.Event()

    async def lingering(linger_s: float) -> None:
        """Not by the clock: until the test has seen what it came to see."""
        assert linger_s == 0.2
        await asyncio.to_thread(seen.wait, HANG_S)

    monkeypatch.setattr("gateways.http.edge.server.asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": lingering}))
    made = server(platform, linger_s=0.2)
    thread = threading.Thread(target=made.run)
    thread.start()
    until(lambda: made.started)
    url = f"http://127.0.0.1:{made.port}"
    assert httpx2.get(f"{url}/readyz", timeout=HANG_S).status_code == 200
    made.should_exit = True
    answer = until(lambda: _unready(url))
    assert answer.json()["wrong"] == ["the process is ending"]
    assert answer.headers["connection"] == "close"
    assert httpx2.get(f"{url}/livez", timeout=HANG_S).status_code == 503  # so that no balancer asks it any more
    served = httpx2.get(f"{url}/v1/accounts", headers={"x-api-key": OPERATOR_KEY}, timeout=HANG_S)
    assert served.status_code == 200
    seen.set()
    thread.join(HANG_S)
    assert not thread.is_alive()
    platform.close()


def _unready(url: str) -> Any:
    answer = httpx2.get(f"{url}/readyz", timeout=HANG_S)
    return answer if answer.status_code == 503 else None
