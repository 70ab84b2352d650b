"""A day under load: each outage ends by itself when its cause ends (I19, FAILURES 46, 47, 51).

Each lasts until it is seen. OUTAGE_S=300 holds each for five minutes.
"""

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
import pytest

from gateways.postgres.server import EmbeddedPostgres
from gateways.settings import load
from gateways.wiring.opened import visiting
from tests.journeys.conftest import ROOT, Installation, get, post
from tests.journeys.load import PAYEE, Load, everything
from tests.support.patience import HANG_S, until

HELD_S = float(os.environ.get("OUTAGE_S", "0"))
DISK_MIB = 300
FULL = "ALTER DATABASE postgres CONNECTION LIMIT 0"
OPEN = "ALTER DATABASE postgres CONNECTION LIMIT -1"
HANG_UP = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"


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


class Day:
    """One installation under load, to which one thing after the other happens."""

    def __init__(self, running: Installation, *, may_fill: bool) -> None:
        self.running = running
        self.may_fill = may_fill
        running.faucet(running.hot_wallet(), usdt="10000", trx="300000")
        self.company = running.company()
        address = post(self.company, "/v1/payins", {"client_reference": "1"})["address"]["tron_address_base58"]
        self.address: str = address
        self.deposits = 0
        self.deposit("50000")
        until(lambda: "50000.000000" in self.company.get("/v1/balances").text, "the deposit is credited")
        self.load = Load(self.company)
        self.server = EmbeddedPostgres(running.data / "postgres")

    def deposit(self, usdt: str = "7") -> None:
        self.running.faucet(self.address, usdt=usdt)
        self.deposits += 1

    def hold(self, *, deposit: bool = True) -> None:
        """The outage lasts; a deposit may come in the meantime."""
        if deposit:
            self.deposit()
        threading.Event().wait(HELD_S)

    def settle(self) -> None:
        """Every deposit is credited once, every payout sent once, nobody needs a hand, and no client saw a 500."""
        running, company, load = self.running, self.company, self.load
        until(lambda: is_ready(running), "all is ready")
        assert not {(what, status) for what, status in load.answers if status >= 500 and status != 503}
        states = Counter[str]()

        def all_paid() -> bool:
            states.clear()
            states.update(each["state"] for each in everything(company, "/v1/payouts"))
            return states == {"confirmed": len(load.orders)}

        try:
            until(all_paid, f"{len(load.orders)} payouts are confirmed")
        except AssertionError as error:
            log = (running.data / "logs" / "payouts.log").read_text(encoding="utf-8")
            raise AssertionError(f"{error}; they are {states}; payouts says {log[-1500:]}") from error
        until(lambda: len(everything(company, "/v1/deposits", status="confirmed")) == self.deposits, "all are credited")
        until(lambda: reconciled(running), "books, views and chain agree")
        ended = [line for line in running.output if " ended with " in line]
        assert not [line for line in ended if "devnet" not in line], (
            "a process ended of an outage"
        )  # nor has a chain a disk


@pytest.fixture(scope="module")
def day() -> Iterator[Day]:
    with tempfile.TemporaryDirectory(prefix="cf out ") as folder, contextlib.ExitStack() as ending:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", folder]
        may_fill = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        if may_fill:
            ending.callback(subprocess.run, ["umount", "--lazy", folder], check=True)
        Path(folder).chmod(0o755)
        data, limit = Path(folder) / "data folder", "100000 per 1 minute"
        running = ending.enter_context(Installation(data, block_ms=150, rate_limit=limit, sweep_interval_s="0"))
        day = Day(running, may_fill=may_fill)
        yield day
        assert running.stop() == 0


def no_second_up(day: Day) -> None:
    second = second_up(day.running)
    assert (second.returncode, "another `counterfoil up` runs in" in second.stderr) == (1, True), second.stderr
    day.load.until_served("the second `up` has touched nothing")


def nobody_let_in(day: Day) -> None:
    with owner(day.running) as conn:
        conn.execute(FULL)
        conn.execute(HANG_UP)
        day.load.until_refused("the server takes nobody")
        day.hold()
        conn.execute(OPEN)


def cut_connections(day: Day) -> None:
    for _ in range(3):
        with owner(day.running) as conn:
            conn.execute(HANG_UP)
        day.load.until_served("every connection was cut")


def a_killed_server(day: Day) -> None:
    os.kill(day.server.pid, signal.SIGKILL)
    day.deposit()


def a_standby(day: Day) -> None:
    """The server is stopped, and comes back as one that only reads, until it is promoted."""
    standby = day.running.data / "postgres" / "standby.signal"
    standby.touch()
    owned = (day.running.data / "postgres" / "PG_VERSION").stat()
    os.chown(standby, owned.st_uid, owned.st_gid)
    day.server.stop()
    until(lambda: day.server.runs, "its owner has started it again")
    day.load.until_refused("nothing is written to a standby")
    asked = day.load.answers["GET", 200]
    until(lambda: day.load.answers["GET", 200] > asked, "a standby is read")
    day.hold()
    with owner(day.running) as conn:
        until(lambda: conn.execute("SELECT pg_promote()").fetchone() == (True,), "it is promoted")


def no_node(day: Day) -> None:
    """The node hangs up on everybody; orders are taken all the same."""
    with httpx2.Client(base_url=f"{day.running.devnet}/devnet", timeout=HANG_S) as devnet:
        devnet.post("/faults", json={"kind": "drop_connection", "path": "/wallet*", "times": None}).raise_for_status()
        until(lambda: devnet.get("/faults").json()["struck"].get("drop_connection", 0) > 5, "nobody reaches the node")
        day.load.until_served("orders are taken without a node")
        day.hold()
        devnet.delete("/faults").raise_for_status()


def test_every_outage_ends_by_itself(day: Day) -> None:
    """Nobody let in, cut connections, a killed server, a standby, no node, a second `up`: no 500, no hand, nothing twice."""
    with day.load as load:
        load.until_served("orders are taken")
        for outage in (no_second_up, nobody_let_in, cut_connections, a_killed_server, a_standby, no_node):
            outage(day)
            load.until_served(f"{outage.__name__} has ended")
    day.settle()


def test_a_full_disk_ends_by_itself(day: Day) -> None:
    """Nothing can be written until somebody makes room; then all goes on, and nothing is lost or done twice."""
    if not day.may_fill:
        pytest.skip("no tmpfs can be mounted here: fill a small disk by hand")
    ballast = day.running.data / "ballast"
    day.load = Load(day.company, before=day.load)
    with day.load as load:
        load.until_served("orders are taken")
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 16)):
                pass
        load.until_refused("the disk is full")
        day.hold(deposit=False)  # the devnet's disk is full, too
        ballast.unlink()
        load.until_served("there is room again")
        until(lambda: is_ready(day.running), "the devnet is back")
        day.deposit()
    day.settle()


def test_a_payout_that_the_wallet_lacks_holds_up_nobody_else(day: Day) -> None:
    """Another client's goes at once, the same client's once an operator puts it first; the large one is short, and says so."""
    rich, other = day.company, day.running.company("Other Ltd")
    address = post(other, "/v1/payins", {"client_reference": "1"})["address"]["tron_address_base58"]
    day.running.faucet(address, usdt="5")
    until(lambda: "5.000000" in other.get("/v1/balances").text, "the deposit is credited")
    large = post(rich, "/v1/payouts", {"to_address": PAYEE, "amount": "20000"})["id"]
    behind = post(rich, "/v1/payouts", {"to_address": PAYEE, "amount": "1"})["id"]
    small = post(other, "/v1/payouts", {"to_address": PAYEE, "amount": "1"})["id"]
    until(lambda: state_of(other, small) == "confirmed", "the other client's payout is confirmed")
    with day.running.operator() as operator:
        lanes = until(
            lambda: [each for each in get(operator, "/v1/payout-lanes")["data"] if each["short_minor"]], "it is short"
        )
        assert [(each["name"], each["waiting"]) for each in lanes] == [("Acme Exchange", 2)]
        post(operator, f"/v1/payouts/{behind}/expedite", {"reason": "they asked"})
    until(lambda: state_of(rich, behind) == "confirmed", "the expedited one is confirmed")
    assert state_of(rich, large) == "requested"
    post(rich, f"/v1/payouts/{large}/cancel", {})


def state_of(company: httpx2.Client, payout_id: str) -> str:
    """Empty while the view does not know it yet."""
    return str(company.get(f"/v1/payouts/{payout_id}").json().get("state", ""))
