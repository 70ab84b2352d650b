"""The operator's page, run from its first command to its last beside an installation of its own, on a devnet."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.documents.blocks import commands
from tests.documents.shell import Shell
from tests.journeys.conftest import Installation, get, post
from tests.support.patience import HANG_S, until

PAYEE: Final = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"
_PATIENT: Final = {"rate_limit": "100000/minute"}
FIFTEEN_DAYS_MS: Final = 15 * 86_400_000


def outputs(page: str) -> Mapping[int, tuple[str, str]]:
    """Run every block of shell -> where the text below each begins, what it says, and what was printed."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="cf-operated-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres runs as a user of its own where we are root
        (folder / "cold-passphrase").write_text("of a test, and of nothing else\n")
        with (
            Installation(folder / "data", sweep_interval_s="0", payout_fee="0.5", **_PATIENT) as running,
            Shell(folder, data=str(running.data)) as shell,
        ):
            stage = _Stage(running, shell)
            stage.begin()
            for block, below in commands(page):
                stage.before(block.text)
                printed = stage.shell.run(block.text)
                if below is not None:
                    found[below.start] = below.text, printed
            stage.end()
    return found


class _Stage:
    """The client, its customers and the world, who do what the page's next command is about."""

    def __init__(self, running: Installation, shell: Shell) -> None:
        self.shell = shell
        self._running = running
        self._operator = running.operator()
        self._scenes: dict[str, Callable[[], None]] = {
            "sweeps release": self._an_address_is_set_aside,
            "stake status": lambda: self._on_chain("gas", "frozenV2", 1_000_000_000),
            "stake withdraw": self._fifteen_days_pass,
            "cold prepare": self._cold_storage_is_funded,
            "cold list": self._cold_storage_has_paid,
            "signing resume": self._coins_are_destroyed,
            "restore --from": lambda: _ended(running),
        }

    def begin(self) -> None:
        """Wallets with coins, a client with a deposit that is credited and a payout that is paid."""
        hot = self._running.hot_wallet()
        self._running.faucet(hot, usdt="1000", trx="1000")
        self._running.faucet(self._wallet("gas")["address"], trx="15000")
        until(lambda: self._wallet("gas")["balances"], "the gas wallet's TRX are booked")
        self._company = self._running.company()
        self._paid(self._address())
        payout = post(self._company, "/v1/payouts", {"to_address": PAYEE, "amount": "10.00"})
        path, since = f"/v1/payouts/{payout['id']}", payout["position"]
        until(lambda: get(self._company, path, min_position=since)["state"] == "confirmed", "the payout is paid")
        [deposit] = get(self._company, "/v1/deposits")["data"]
        self.shell.set(PAYOUT=payout["id"], TXID=deposit["tx_hash"])

    def before(self, block: str) -> None:
        """What must have happened before these commands."""
        for words, scene in self._scenes.items():
            if words in block:
                scene()

    def end(self) -> None:
        self._operator.close()
        self._company.close()

    def _address(self) -> str:
        return str(post(self._company, "/v1/payins", {})["address"]["tron_address_base58"])

    def _paid(self, address: str) -> None:
        self._running.faucet(address, usdt="500")
        until(
            lambda: any(
                each["address"] == address for each in get(self._company, "/v1/deposits", status="confirmed")["data"]
            ),
            "the deposit is credited",
        )

    def _wallet(self, role: str) -> dict[str, Any]:
        wallets = get(self._operator, "/v1/system-wallets")["data"]
        return next(each for each in wallets if each["role"] == role)

    def _on_chain(self, role: str, field: str, amount_sun: int) -> None:
        """Wait until the wallet has such a stake, or such an amount on its way back."""
        asked = {"address": self._wallet(role)["address"], "visible": True}

        def has() -> bool:
            account = httpx2.post(
                f"{self._running.devnet}/walletsolidity/getaccount", json=asked, timeout=HANG_S
            ).json()
            return any(amount_sun in each.values() for each in account.get(field, ()))

        until(has, f"{amount_sun} sun of {role} in {field}")

    def _token(self, call: dict[str, Any]) -> None:
        httpx2.post(f"{self._running.devnet}/devnet/usdt", json=call, timeout=HANG_S).raise_for_status()

    def _an_address_is_set_aside(self) -> None:
        until(
            lambda: any(each["state"] == "confirmed" for each in get(self._operator, "/v1/sweeps")["data"]),
            "the first sweep is confirmed",
        )
        address = self._address()
        self._paid(address)
        self._token({"blacklist": address})
        until(lambda: "set aside" in self.shell.run("counterfoil sweeps run"), "the address is set aside")
        self.shell.set(ADDRESS=address)

    def _fifteen_days_pass(self) -> None:
        self._on_chain("gas", "unfrozenV2", 100_000_000)
        call = {"advance_ms": FIFTEEN_DAYS_MS}
        httpx2.post(f"{self._running.devnet}/devnet/time", json=call, timeout=HANG_S).raise_for_status()

    def _cold_storage_is_funded(self) -> None:
        self._running.faucet(self._wallet("cold")["address"], usdt="1000", trx="100")
        until(lambda: len(self._wallet("cold")["balances"]) == 2, "cold storage's coins are booked")

    def _cold_storage_has_paid(self) -> None:
        def booked() -> bool:
            return any(each["amount"] == "975.000000" for each in self._wallet("cold")["balances"])

        until(booked, "the transfer from cold storage is booked")

    def _coins_are_destroyed(self) -> None:
        """The issuer destroys what the hot wallet holds; what the chain takes back ends by itself, this does not."""
        hot = self._wallet("hot")["address"]
        for call in ("blacklist", "destroy", "unblacklist"):
            self._token({call: hot})
        stopped = 'counterfoil_signing_stopped{cause="hot_wallet_funds_destroyed"} 1'
        ended = 'counterfoil_signing_stopped{cause="hot_wallet_blacklisted"} 0'

        def holds() -> bool:
            shown = self._operator.get("/metrics").text
            return stopped in shown and ended in shown

        until(holds, "signing is stopped")


def _ended(running: Installation) -> None:
    assert running.stop() == 0
