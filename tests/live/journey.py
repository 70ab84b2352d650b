"""One journey of a whole installation on somebody's node: every way in which it moves coins, and the books at the end."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx2

from core.tron.address import SUN_PER_TRX, Address
from core.tron.transactions import UPDATE_PERMISSIONS
from signers.keys.keys import Key, SoftwareKey
from signers.keys.keystore import DEPOSIT_SEED, GAS, HOT, Keystore
from tests.gateways.cli.test_app import counterfoil
from tests.journeys.conftest import Installation, get, post
from tests.live.hand import Hand, key_of, secret_of, token_of
from tests.support.patience import until

PASSPHRASE: Final = "of a journey on a test network"
TOKENS: Final = 10**6
HOT_TRX: Final = 120
COLD_TRX: Final = 60
GAS_TRX: Final = 300
"""Beside its stake: fuel for a sweep, and the fee of a changed permission."""
HOT_TOKENS, COLD_TOKENS, DEPOSIT_TOKENS = 50, 20, 30
TOKENS_NEEDED: Final = HOT_TOKENS + COLD_TOKENS + 2 * DEPOSIT_TOKENS
WORDS: Final = {"fuel": "by a pump", "loan": "by delegation", "own": "by what the address had"}

Step = Callable[[], str]


class Journey:
    """`steps` in order; each says in a few words what it saw. The keys of a run follow from its secret and its name."""

    def __init__(self, hand: Hand, token: Address, run: str, secret: bytes, stake_trx: int, folder: Path) -> None:
        self.hand = hand
        self.token = token
        self.stake_trx = stake_trx
        self.folder = folder
        self._words = (secret.hex(), run)
        self._running: Installation | None = None
        self._company: httpx2.Client | None = None
        self._payins: list[str] = []
        self._settings: dict[str, str] = {}
        self._cold_key: Key | None = None
        self.steps: list[tuple[str, Step]] = [
            ("wallets funded", self._fund),
            ("deposit", lambda: self._deposit(0)),
            ("sweep by a pump", lambda: self._sweep(0)),
            ("payout to a new address", lambda: self._payout(key_of(*self._words, "payee").address)),
            ("payout to a holder", lambda: self._payout(self.hand.address)),
            ("stake", self._stake),
            ("sweep by delegation", self._second_sweep),
            ("cold bundle", self._cold),
            ("reconcile", self._reconcile),
            ("changed permission", self._permission),
        ]

    def installation(self, **settings: str) -> Installation:
        """Made, with keys of this run, not started."""
        data = self.folder / "data"
        data.mkdir(mode=0o755)
        seed = secret_of(*self._words, "seed", "1") + secret_of(*self._words, "seed", "2")
        keys = {HOT: self._secret("hot"), GAS: self._secret("gas"), DEPOSIT_SEED: seed}
        Keystore.create(data / "keystore.json", PASSPHRASE, keys)
        self._settings = {
            **settings,
            "keystore_passphrase": PASSPHRASE,
            "usdt_contract": self.token.base58,
            "sweep_threshold": "10",
            "sweep_interval_s": "3",
            "sweep_cost_max_percent": "100",
            "trx_price": "0.01",
            "address_pool": "5",
            "rate_limit": "100000/minute",
        }
        self._running = Installation(data, **self._settings)
        return self._running

    def wallet(self, role: str) -> Hand:
        """The hand of one of the installation's wallets, for what the installation does not do itself."""
        return Hand(self.hand.node, SoftwareKey(self._secret(role)), self.hand.turn)

    def give_back(self) -> str:
        """What the wallets have left, to the key's account again; stake stays where it is."""
        tokens = sun = 0
        wallets = [self.wallet("hot"), self.wallet("gas")]
        if self._cold_key is not None:
            wallets.append(Hand(self.hand.node, self._cold_key, self.hand.turn))
        for wallet in wallets:
            if held := token_of(wallet.node, self.token, wallet.address):
                wallet.pay_token(self.token, self.hand.address, held)
                tokens += held
            if (rest := wallet.sun() - SUN_PER_TRX) > 0:
                wallet.pay(self.hand.address, rest)
                sun += rest
        return f"{tokens / TOKENS:.6f} tokens and {sun / SUN_PER_TRX:.6f} TRX"

    def _secret(self, role: str) -> bytes:
        return secret_of(*self._words, role)

    @property
    def running(self) -> Installation:
        assert self._running is not None
        return self._running

    def _typed(self, *words: str, **settings: str) -> str:
        done = counterfoil(*words, "--data", str(self.running.data), **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return " ".join(done.stdout.split())

    def _wallets(self) -> dict[str, Any]:
        with self.running.operator() as operator:
            return {row["role"]: row for row in get(operator, "/v1/system-wallets")["data"]}

    def _held(self, role: str, currency: str) -> float:
        balances = self._wallets()[role]["balances"]
        return next((float(each["amount"]) for each in balances if each["currency"] == currency), 0.0)

    def _fund(self) -> str:
        wallets = until(lambda: (found := self._wallets()).keys() >= {"hot", "gas"} and found, "wallets are registered")
        hot, gas = (Address.from_base58(wallets[role]["address"]) for role in ("hot", "gas"))
        self.hand.pay(hot, HOT_TRX * SUN_PER_TRX)
        self.hand.pay(gas, (GAS_TRX + self.stake_trx) * SUN_PER_TRX)
        self.hand.pay_token(self.token, hot, HOT_TOKENS * TOKENS)
        until(lambda: self._held("hot", "USDT") == HOT_TOKENS, "the hot wallet's tokens are booked")
        until(lambda: self._held("gas", "TRX") == GAS_TRX + self.stake_trx, "the gas wallet's TRX are booked")
        return f"hot {hot.base58}, gas {gas.base58}"

    @property
    def company(self) -> httpx2.Client:
        self._company = self._company or self.running.company()
        return self._company

    def _deposit(self, count: int) -> str:
        payin = post(self.company, "/v1/payins", {"client_reference": f"customer {count}"})
        address = str(payin["address"]["tron_address_base58"])
        self._payins.append(address)
        self.hand.pay_token(self.token, Address.from_base58(address), DEPOSIT_TOKENS * TOKENS)
        confirmed = until(
            lambda: len(found := get(self.company, "/v1/deposits", status="confirmed")["data"]) > count and found,
            "the deposit is credited",
        )
        assert float(confirmed[0]["amount"]) == DEPOSIT_TOKENS
        return f"{DEPOSIT_TOKENS} credited to {address}"

    def _sweep(self, count: int) -> str:
        """Of the payin's coins, when it is through."""

        def swept() -> dict[str, Any] | None:
            with self.running.operator() as operator:
                rows = get(operator, "/v1/sweeps")["data"]
            ended = (row for row in rows if row["address"] == self._payins[count] and row["state"] == "confirmed")
            return next((row for row in ended if row["currency"] == "USDT"), None)

        row = until(swept, "the deposit is swept")
        return f"{WORDS.get(row['method'], row['method'])}, {row['burned']} TRX burned"

    def _second_sweep(self) -> str:
        self._deposit(1)
        return self._sweep(1)

    def _payout(self, to: Address) -> str:
        payout = post(self.company, "/v1/payouts", {"to_address": to.base58, "amount": "5"})

        def shown() -> dict[str, Any]:
            return get(self.company, f"/v1/payouts/{payout['id']}", min_position=payout["position"])

        ended = until(
            lambda: (row := shown())["state"] in ("confirmed", "failed", "cancelled") and row,
            "the payout has ended",
        )
        assert ended["state"] == "confirmed", ended
        return f"5 to {to.base58}, {ended['tron_tx_hash'][:12]}…"

    def _stake(self) -> str:
        gas = self.wallet("gas")
        self._typed("stake", "freeze", "gas", "energy", str(self.stake_trx))

        def frozen() -> bool:
            account = gas.node.solid_account(bytes(gas.address))
            return account is not None and account.energy_stake_sun == self.stake_trx * SUN_PER_TRX

        until(frozen, "the stake is solid")
        assert until(
            lambda: re.search(rf"gas \S+ {self.stake_trx}\.000000 ", self._typed("stake", "status")),
            "the stake is shown",
        )
        return f"{self.stake_trx} TRX give {self.hand.node.resources(bytes(gas.address)).energy_limit} energy"

    def _cold(self) -> str:
        away = self.folder / "away"
        away.mkdir()
        keys = str(away / "cold.json")
        # The machine that signs knows network and token by its own settings: it does not believe the bundle.
        alone = {name: self._settings[name] for name in ("network", "usdt_contract", "keystore_passphrase")}
        made = counterfoil("cold", "keygen", "--keystore", keys, **alone)
        assert made.returncode == 0, made.stderr
        address = Address.from_base58(made.stdout.split()[-1])
        self._typed("wallets", "register", "cold", address.base58)
        self.hand.pay(address, COLD_TRX * SUN_PER_TRX)
        self.hand.solid(self.hand.pay_token(self.token, address, COLD_TOKENS * TOKENS).txid)
        bundle, data = away / "bundle.json", str(self.running.data)

        def prepared() -> str:
            done = counterfoil("cold", "prepare", "10", "--output", str(bundle), "--data", data)
            return done.stdout if done.returncode == 0 else ""

        shown = until(prepared, "the coins of cold storage are there")
        fingerprint, txid = (shown.partition(name)[2].split()[0] for name in ("fingerprint", "txid"))
        signed = counterfoil("cold", "sign", str(bundle), "--keystore", keys, "--fingerprint", fingerprint, **alone)
        assert signed.returncode == 0, signed.stdout + signed.stderr
        self._typed("cold", "submit", str(bundle.with_suffix(".signed.json")))
        self.hand.solid(txid)
        until(lambda: "confirmed" in self._typed("cold", "list"), "the transfer from cold storage is booked")
        self._cold_key = Keystore.open(Path(keys), PASSPHRASE).key("keystore:cold")
        shutil.rmtree(away)
        return f"10 from {address.base58}, signed apart"

    def _reconcile(self) -> str:
        answer = json.loads(self._typed("reconcile", "--json"))
        assert isinstance(answer, dict)
        return "events, guard, views and chain agree"

    def _permission(self) -> str:
        """A stranger's key joins the gas wallet's owner permission: signing stops."""
        gas = self.wallet("gas")
        keys = [{"address": bytes(each), "weight": 1} for each in (gas.address, key_of(*self._words, "thief").address)]
        owner = {"permission_name": "owner", "threshold": 1, "keys": keys}
        account = gas.node.account(bytes(gas.address))
        assert account is not None
        allowed = account.actives[0].operations  # which types there are is the network's to say
        active = {"type": 2, "id": 2, "permission_name": "active", "threshold": 1, "operations": allowed}
        parameter = {"owner": owner, "actives": [{**active, "keys": keys[:1]}]}
        gas.solid(gas.send(gas.signed(UPDATE_PERMISSIONS, parameter)).txid)
        until(lambda: "signing is stopped" in self._typed("signing", "status"), "signing stops")
        return "seen, signing stopped"
