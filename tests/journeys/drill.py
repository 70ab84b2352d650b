"""`make drill`: an installation dies, a backup some payouts old is restored, and nobody is paid twice.

A devnet of its own goes on meanwhile. Clients repeat all their requests with the same keys; an operator says of each transfer
of lost history which payout it was. Then each payout stands on the chain once, no address was given to two, and the books
are the chain. What cannot be known is listed, and written off.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from uuid import uuid4

import httpx2

from core.tron.address import TRANSFER_TOPIC, Address
from gateways.cli.recovery.settle import Open, look
from gateways.postgres.roles import API
from gateways.postgres.server import EmbeddedPostgres
from gateways.processes.up import free_port
from gateways.settings import load
from gateways.tron.node import TronNode
from gateways.wiring.opened import open_platform
from tests.journeys.conftest import ROOT, Installation, get, post
from tests.support.patience import HANG_S, until

PAYEES: Final = (
    "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7",
    "TLfuw4tRywtxCusvTudbjf7PbcXjfe7qrw",
    "TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC",
)
DEPOSIT: Final = 5_000
BLOCK_MS: Final = 60
LIFE_MS: Final = 30_000
QUIET_MS: Final = LIFE_MS + 2 * 60_000
"""More than the life of any bytes that were signed before."""
Variant = Literal["plain", "archive-inside", "long-gap", "slow-observer", "original-running"]


class Drill(NamedTuple):
    """How many payouts in all, how many of them after the backup, and what else goes wrong."""

    payouts: int
    lost: int
    variant: Variant = "plain"


class Told(NamedTuple):
    """What the drill found."""

    listed: int
    attributed: int
    written_off: int


def play(drill: Drill, folder: Path) -> Told:
    """The whole of it. Raises AssertionError where anything does not hold."""
    with _devnet(folder / "chain") as chain:
        settings = {
            "tron_node_url": chain,
            "payout_expiration_s": str(LIFE_MS // 1000),
            "address_pool": "5",
            "rate_limit": "60000/minute",
        }
        if drill.variant == "archive-inside":
            settings["checkpoint_interval_s"] = "1"
        first = Installation(folder / "first", block_ms=BLOCK_MS, **settings)
        with first:
            clients = _Clients(first, chain, drill)
            clients.ask(0, drill.payouts - drill.lost)
            clients.assigned(2)
            first.until_happened("payout.confirmed", max(1, (drill.payouts - drill.lost) // 2))
            command(first, "backup", "--to", str(folder / "backup"))
            known = clients.assigned(2)
            clients.ask(drill.payouts - drill.lost, drill.payouts)
            unknown = clients.unknown_to_the_copy()
            first.until_happened("payout.confirmed", drill.payouts - drill.lost // 2)
            if drill.variant != "original-running":
                _kill(first)
            second = Installation(folder / "second", block_ms=BLOCK_MS, **settings)
            _restore(second, folder / "backup")
            if drill.variant == "long-gap":
                _advance(chain, 6 * 3_600_000)
            return _second_life(drill, clients, second, first, chain, {*known, *unknown.addresses}, unknown.payouts)


def _second_life(
    drill: Drill,
    clients: "_Clients",
    second: Installation,
    first: Installation,
    chain: str,
    given: set[str],
    nobodys: int,
) -> Told:
    with second:
        if drill.variant == "slow-observer":
            _control(chain, "faults", {"kind": "http_429", "path": "/wallet*/getblock*", "times": 20})
        refused = subprocess.run(
            [*_line(second, "signing", "resume"), "--reason", "too early"],
            env=_environment(second),
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        assert refused.returncode == 2, refused
        assert b"not settled" in refused.stderr, refused.stderr
        clients.move_to(second)
        assert not given & set(clients.assigned(4)), "an address was given out twice"
        clients.ask(0, drill.payouts)
        if drill.variant == "original-running":
            clients.ask_elsewhere(first, drill.payouts, lambda: _advance(chain, QUIET_MS))
            until(lambda: "still runs" in _look(second).waits_for, "the other installation is noticed")
            _kill(first)
        until(lambda: _later(chain) and not _look(second).waits_for, "all that was signed before is read or dead")
        found = _look(second)
        listed = sum(1 for state in found.lost.values() for _ in state.open)
        attributed, written_off = clients.settle(found)
        assert written_off == nobodys
        command(second, "signing", "resume", "--reason", "the restore is settled")
        until(lambda: clients.states() == {"confirmed": len(clients.numbers)}, "every payout is confirmed")
        paid = _transfers(chain, second.hot_wallet())
        asked = Counter({(payee, amount): count for (payee, amount), count in clients.asked.items()})
        assert paid == asked + clients.nobodys, (paid - asked, asked - paid)
        until(lambda: command(second, "reconcile", may_fail=True)["ok"], "books = chain")
        return Told(listed, attributed, written_off)


class _Unknown(NamedTuple):
    """What one client did that it will not repeat."""

    addresses: set[str]
    payouts: int


class _Clients:
    """A company that asks for payouts, again with the same keys wherever it is told to; and its operator."""

    def __init__(self, running: Installation, chain: str, drill: Drill) -> None:
        self.chain = chain
        self.drill = drill
        self.running = running
        hot = running.hot_wallet()
        _faucet(chain, hot, usdt=str(DEPOSIT), trx="100000")
        self.company = running.company()
        self.addresses: list[str] = []
        self.asked: Counter[tuple[str, int]] = Counter()
        self.nobodys: Counter[tuple[str, int]] = Counter()
        self.numbers: set[int] = set()
        [address] = self.assigned(1)
        _faucet(chain, address, usdt=str(DEPOSIT))
        until(lambda: self._balance(), "the deposit is credited")

    def move_to(self, running: Installation) -> None:
        """The same key, at another installation."""
        self.running = running
        self.company.base_url = httpx2.URL(running.api)

    def assigned(self, count: int) -> list[str]:
        """So many more deposit addresses."""
        made = [_address(self.company) for _ in range(count)]
        self.addresses += made
        return made

    def ask(self, first: int, last: int) -> None:
        """Payouts by number; every fourth equals the one before it."""
        for number in range(first, last):
            same = number - (number % 4 == 3)
            payee, amount_minor = PAYEES[same % len(PAYEES)], 1_000_000 + same * 1_000
            body = {"to_address": payee, "amount": f"{amount_minor / 1_000_000:.6f}"}
            known = number in self.numbers
            post(self.company, "/v1/payouts", body, f"payout {number}")
            if not known:
                self.numbers.add(number)
                self.asked[payee, amount_minor] += 1

    def ask_elsewhere(self, running: Installation, number: int, later: Callable[[], None]) -> None:
        """One more payout, of the installation that should have ended and pays it, long after the restore; and here."""
        here = self.running
        self.move_to(running)
        later()
        self.ask(number, number + 1)
        until(lambda: self.states() == {"confirmed": number + 1}, "the other installation pays")
        self.move_to(here)
        self.ask(number, number + 1)

    def unknown_to_the_copy(self) -> _Unknown:
        """Another company, which the copy does not know: it is paid, and will not come again."""
        stranger = self.running.company("Ephemeral Ltd")
        address = _address(stranger)
        _faucet(self.chain, address, usdt="10")
        until(lambda: self._balance(stranger), "its deposit is credited")
        post(stranger, "/v1/payouts", {"to_address": PAYEES[0], "amount": "7.777777"}, "gone")
        until(lambda: [it["state"] for it in get(stranger, "/v1/payouts")["data"]] == ["confirmed"], "it is paid")
        self.nobodys[PAYEES[0], 7_777_777] += 1
        return _Unknown({address}, 1)

    def settle(self, found: Open) -> tuple[int, int]:
        """The operator says of each transfer which payout it was -> (attributed, written off)."""
        waiting = [it for it in self._payouts() if it["state"] == "requested"]
        attributed = written_off = 0
        with httpx2.Client(
            base_url=self.running.api, headers={"x-api-key": self.running.operator_key}, timeout=HANG_S
        ) as operator:
            for left in [left for state in found.lost.values() for left in state.open]:
                equal = [it for it in waiting if (it["to_address"], it["amount_minor"]) == (left.to, left.amount_minor)]
                if equal:
                    waiting.remove(equal[0])
                    attributed += 1
                    post(operator, f"/v1/lost-outgoing/{left.txid}/attribute", {"payout_id": equal[0]["id"]})
                else:
                    written_off += 1
                    post(operator, f"/v1/lost-outgoing/{left.txid}/write-off", {"reason": "no client asks for it"})
        return attributed, written_off

    def states(self) -> dict[str, int]:
        return dict(Counter(it["state"] for it in self._payouts()))

    def _payouts(self) -> list[dict[str, Any]]:
        found, after = [], None
        while True:
            page = get(self.company, "/v1/payouts", limit=100, **({"after": after} if after else {}))
            found += page["data"]
            after = page.get("next_cursor")
            if not after:
                return found

    def _balance(self, client: httpx2.Client | None = None) -> bool:
        rows = get(client or self.company, "/v1/balances")["data"]
        return any(row["code"] == "User_Liability" and row["amount_minor"] for row in rows)


def _address(client: httpx2.Client) -> str:
    """A deposit address, once a signer has looked at the store and made some."""

    def given() -> str:
        answer = client.post("/v1/payins", json={}, headers={"idempotency-key": str(uuid4())})
        assert answer.status_code in (201, 503), answer.text
        return str(answer.json()["address"]["tron_address_base58"]) if answer.status_code == 201 else ""

    return str(until(given, "an address is given out"))


# The world


@contextlib.contextmanager
def _devnet(data: Path) -> Iterator[str]:
    """A chain that outlives the installations."""
    port = free_port()
    line = [
        sys.executable,
        "-m",
        "gateways",
        "devnet",
        "--port",
        str(port),
        "--block-ms",
        str(BLOCK_MS),
        "--data",
        str(data),
    ]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return httpx2.post(f"{url}/wallet/getnowblock", json={}, timeout=HANG_S).status_code == 200
        return False

    try:
        until(answers, "the devnet answers")
        yield url
    finally:
        process.terminate()
        process.wait(HANG_S)


def _control(chain: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx2.post(f"{chain}/devnet/{path}", json=body, timeout=HANG_S)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _faucet(chain: str, address: str, **coins: str) -> None:
    _control(chain, "faucet", {"address": address, **coins})


def _advance(chain: str, ms: int) -> None:
    _control(chain, "time", {"advance_ms": ms})


def _kill(running: Installation) -> None:
    """kill -9; its database ends as well, as with the machine."""
    running.kill()
    EmbeddedPostgres(running.data / "postgres").stop()


def _later(chain: str) -> bool:
    """So much time passes at once that what was signed before is mined by then, or never."""
    _advance(chain, QUIET_MS)
    return True


def _transfers(chain: str, hot: str) -> Counter[tuple[str, int]]:
    """(payee, amount) of every transfer out of the hot wallet that the chain has."""
    sender, topic = Address.from_base58(hot).evm, bytes.fromhex(TRANSFER_TOPIC)
    node = TronNode(chain)
    logs = [
        log
        for number in range(1, node.head().number + 1)
        for receipt in node.receipts(number)
        if receipt.succeeded
        for log in receipt.logs
        if len(log.topics) == 3 and log.topics[0] == topic and log.topics[1][12:] == sender
    ]
    return Counter((Address.from_evm(log.topics[2][12:]).base58, int.from_bytes(log.data, "big")) for log in logs)


def _look(running: Installation) -> Open:
    settings = load(
        {}, data=running.data, tron_node_url=running.settings["tron_node_url"], payout_expiration_s=LIFE_MS // 1000
    )
    with open_platform(settings, API) as platform:
        found = look(platform)
    assert found is not None
    return found


def _restore(second: Installation, backup: Path) -> None:
    line = [*_line(second, "restore"), "--from", str(backup), "--reason", "the machine burnt down"]
    done = subprocess.run(line, env=_environment(second), cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def command(running: Installation, *words: str, may_fail: bool = False) -> dict[str, Any]:
    """A command beside an installation -> its JSON."""
    done = subprocess.run(
        [*_line(running, *words), "--json"], env=_environment(running), cwd=ROOT, capture_output=True, check=False
    )
    assert may_fail or done.returncode == 0, done.stderr.decode()
    return {**json.loads(done.stdout or b"{}"), "ok": done.returncode == 0}


def _line(running: Installation, *words: str) -> list[str]:
    return [sys.executable, "-m", "gateways", *words, "--data", str(running.data)]


def _environment(running: Installation) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    return clean | {f"COUNTERFOIL_{name.upper()}": value for name, value in running.settings.items()}


def main() -> None:
    """200 payouts, a copy 50 payouts old, and every variant of it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--payouts", type=int, default=200)
    parser.add_argument("--lost", type=int, default=50)
    parser.add_argument("--variant", choices=Variant.__args__, action="append")  # type: ignore[attr-defined]
    given = parser.parse_args()
    for variant in given.variant or Variant.__args__:  # type: ignore[attr-defined]
        with tempfile.TemporaryDirectory(prefix="cf-drill-") as folder:
            told = play(Drill(given.payouts, given.lost, variant), Path(folder))
        print(
            f"{variant}: {given.payouts} payouts, each on the chain once; of {told.listed} transfers of lost history"
            f" {told.attributed} were payouts that clients asked for again, {told.written_off} nobody's; books = chain"
        )


if __name__ == "__main__":
    main()
