"""A database's day under load: each outage ends by itself when its cause ends (I19, FAILURES 46, 47, 51)."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg

from gateways.postgres.server import EmbeddedPostgres
from gateways.settings import load
from gateways.wiring.opened import visiting
from tests.journeys.conftest import ROOT, Installation, get, post
from tests.support.patience import HANG_S, until

PAUSE_S = 0.05
PAYEE = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"
FULL = "ALTER DATABASE postgres CONNECTION LIMIT 0"
OPEN = "ALTER DATABASE postgres CONNECTION LIMIT -1"
HANG_UP = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"


class Load:
    """A client that asks and orders all the time, and keeps what it was answered."""

    def __init__(self, company: httpx2.Client) -> None:
        self._company = company
        self._stop = threading.Event()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.orders: set[str] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(HANG_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            name = f"p{len(self.orders)}"
            with contextlib.suppress(httpx2.TransportError):
                wish = {"to_address": PAYEE, "amount": "1"}
                answer = self._company.post("/v1/payouts", json=wish, headers={"idempotency-key": name})
                self.answers["POST", answer.status_code] += 1
                if answer.status_code in (200, 201, 202):
                    self.orders.add(answer.json()["id"])
                for path in ("/v1/balances", "/v1/payouts?limit=1"):
                    self.answers["GET", self._company.get(path).status_code] += 1
            self._stop.wait(PAUSE_S)

    def until_served(self, what: str) -> None:
        """Until three more orders were taken, and three more questions answered."""
        orders, asked = len(self.orders), self.answers["GET", 200]
        until(lambda: len(self.orders) >= orders + 3 and self.answers["GET", 200] >= asked + 3, what)

    def until_refused(self, what: str) -> None:
        refused = self.answers["POST", 503]
        until(lambda: self.answers["POST", 503] > refused, what)


@contextlib.contextmanager
def owner(running: Installation) -> Iterator[psycopg.Connection]:
    with (
        visiting(load({"COUNTERFOIL_DATA": str(running.data)})) as database,
        psycopg.connect(database.owner_url, autocommit=True) as conn,
    ):
        yield conn


def is_ready(running: Installation) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return httpx2.get(f"{running.api}/readyz", timeout=HANG_S).status_code == 200
    return False


def reconciled(running: Installation) -> bool:
    """Whether all agrees; False where the database was not reached in time, which is no answer."""
    command = [sys.executable, "-m", "gateways", "reconcile", "--data", str(running.data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return done.returncode == 0


def second_up(running: Installation) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable,
        "-m",
        "gateways",
        "up",
        "--data",
        str(running.data),
        "--http-port",
        "0",
        "--devnet-port",
        "0",
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_outage_of_the_database_ends_by_itself() -> None:
    """Nobody let in, cut connections, a killed server, a second `up`, a folder with a space: no 500, no hand, nothing twice."""
    with (
        tempfile.TemporaryDirectory(prefix="cf out ") as folder,
        Installation(Path(folder) / "data folder", rate_limit="100000 per 1 minute") as running,
    ):
        running.faucet(running.hot_wallet(), usdt="10000", trx="30000")
        company = running.company()
        address = post(company, "/v1/payins", {"client_reference": "1"})["address"]["tron_address_base58"]
        running.faucet(address, usdt="5000")
        until(lambda: "5000.000000" in company.get("/v1/balances").text, "the deposit is credited")
        with Load(company) as load:
            load.until_served("orders are taken")
            second = second_up(running)
            assert (second.returncode, "another `counterfoil up` runs in" in second.stderr) == (2, True), second.stderr
            load.until_served("the second `up` has touched nothing")

            with owner(running) as conn:
                conn.execute(FULL)
                conn.execute(HANG_UP)
                load.until_refused("the server takes nobody")
                running.faucet(address, usdt="7")
                conn.execute(OPEN)
            load.until_served("a server that took nobody takes everybody again")

            for _ in range(3):
                with owner(running) as conn:
                    conn.execute(HANG_UP)
                load.until_served("every connection was cut")

            server = EmbeddedPostgres(running.data / "postgres")
            os.kill(server.pid, signal.SIGKILL)
            load.until_served("the server was killed, and is started again by its owner")
        until(lambda: is_ready(running), "all is ready")
        assert not {(what, status) for what, status in load.answers if status >= 500 and status != 503}
        paid = len(load.orders)
        states = Counter[str]()

        def all_paid() -> bool:
            states.clear()
            cursor: dict[str, str] = {}
            while True:
                page = get(company, "/v1/payouts", limit=100, **cursor)
                states.update(each["state"] for each in page["data"])
                if not page["has_more"]:
                    return states == {"confirmed": paid}
                cursor = {"after": page["next_cursor"]}

        try:
            until(all_paid, f"{paid} payouts are confirmed")
        except AssertionError as error:
            log = (running.data / "logs" / "payouts.log").read_text(encoding="utf-8")
            raise AssertionError(f"{error}; they are {states}; payouts says {log[-1500:]}") from error
        assert {each["status"] for each in get(company, "/v1/deposits")["data"]} == {"confirmed"}
        until(lambda: reconciled(running), "books, views and chain agree")
        assert running.stop() == 0
