"""`counterfoil demo`: the main job, start to finish, on real parts. Every line says what happened, where, and how long.

A whole installation in a temporary folder: Postgres, a chain, every process. The demo is its client and its operator,
over HTTP; it looks into the history only to say at which position a thing was recorded.
"""

import http.server
import logging
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import httpx2
import msgspec
from cyclopts import Parameter, validators
from rich.console import Console

from core.ledger.money import format_amount, parse_amount
from gateways import settings as settings_module
from gateways.cli.console import Table, number
from gateways.cli.demo import sweeps
from gateways.cli.demo.world import WAIT_S, Mismatch, Story, World, get
from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.roles import READER
from gateways.processes import up
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.webhooks.signatures import verify
from gateways.wiring.opened import open_database, open_platform, operator_key

DEPOSIT: Final = "25.500000"
PAYOUT: Final = "10.000000"
FEE: Final = "0.500000"
PAYEE: Final = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"
"""A test address that anybody can compute: the key is 32 bytes of 01. Never send real coins there."""
GAS_TRX: Final = "15000"


def run(console: Console, *, block_ms: int) -> int:
    """-> exit code: 0 when everything held, 1 at the first mismatch."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-demo-") as folder:
        # The embedded server runs as a user of its own when we are root: it must be able to reach its folder.
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        settings = settings_module.load(
            data=data,
            http_port=up.free_port(),
            network="devnet",
            payout_fee=FEE,
            webhook_allow_loopback=True,
            address_pool=20,
            sweep_interval_s=3,
        )
        devnet_port = up.free_port()
        if settings.mode == "embedded":
            load_or_create(data / "secrets.json")
        operator = operator_key(settings)
        world = multiprocessing.get_context("fork").Process(
            target=_world, args=(settings, devnet_port, block_ms), name="world"
        )
        story = Story(console)
        story.title(
            "Counterfoil demo: a deposit, a payout, and what becomes of the coins, on a ledger that can be replayed"
        )
        world.start()
        try:
            Play(World(story, settings, operator, f"http://127.0.0.1:{devnet_port}")).play(world.is_alive)
        except (Mismatch, UserError) as error:
            console.print(f"\n[red]mismatch:[/red] {error}", soft_wrap=True)
            return 1
        finally:
            world.terminate()
            world.join(30)
            if world.is_alive():
                world.kill()
    return 0


def _world(settings: Settings, devnet_port: int, block_ms: int) -> None:
    logging.getLogger().setLevel(logging.ERROR)
    try:
        up.run(settings, lambda _: None, devnet_port=devnet_port, block_ms=block_ms)
    except UserError as error:
        Console(stderr=True).print(str(error), soft_wrap=True)
        raise SystemExit(1) from None


class _Receiver(http.server.BaseHTTPRequestHandler):
    """The company's own backend: takes webhooks and answers 204."""

    arrived: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.arrived.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing: the story does."""


class Play:
    """The company, its customer and the operator, acting one after the other."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tell = world.story.tell

    def play(self, alive: Callable[[], bool]) -> None:
        self._wait_for_world(alive)
        database = open_database(self._world.settings)
        history = self._world.read_history(database.url(READER))
        handler: type[_Receiver] = type("Receiver", (_Receiver,), {"arrived": []})
        with history, http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as backend:
            threading.Thread(target=backend.serve_forever, daemon=True).start()
            try:
                self._fund_wallets()
                company = self._register(f"http://127.0.0.1:{backend.server_port}/hooks")
                address = self._world.payin(company, 42)
                self._deposit(company, address)
                self._webhook(company, handler.arrived, "deposit.confirmed")
                self._payout(company)
                self._webhook(company, handler.arrived, "payout.confirmed")
                sweeps.play(self._world, company)
                self._books(company)
            finally:
                backend.shutdown()

    def _wait_for_world(self, alive: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        with httpx2.Client(timeout=5) as client:
            while time.monotonic() < deadline:
                if not alive():
                    raise UserError("the processes ended before they were ready: run `counterfoil up` to see why")
                try:
                    if client.get(f"{self._world.api}/readyz").status_code == 200:
                        self._tell("Postgres, a Tron devnet and every process are up")
                        return
                except httpx2.TransportError:
                    pass
                time.sleep(0.05)
        raise UserError(f"the API was not ready within {WAIT_S:.0f} s")

    def _fund_wallets(self) -> None:
        """The operator's own coins: payouts are paid from the hot wallet, and TRX pay for them and for sweeps."""
        hot, gas = (self._wallet(role) for role in ("hot", "gas"))
        txid = self._world.faucet(hot, usdt="1000", trx="1000")
        self._tell(f"operator funds the hot wallet {hot}: 1000 USDT and 1000 TRX", txid=txid)
        self._tell(f"and the gas wallet {gas}: {GAS_TRX} TRX", txid=self._world.faucet(gas, trx=GAS_TRX))
        self._world.position("deposit.confirmed/1", "transfer", "to_address", hot, count=2)
        position = self._world.position("deposit.confirmed/1", "transfer", "to_address", gas, count=1)
        self._tell("all stand in solid blocks and are booked against Suspense", position=position)
        lines = [
            {"account_id": "treasury", "ledger_account": code, "side": side, "amount": amount, "currency": currency}
            for currency, amount in (("USDT", "1000"), ("TRX", str(1000 + int(GAS_TRX))))
            for code, side in (("Suspense", "debit"), ("Operator_Capital", "credit"))
        ]
        self._world.post(self._world.operator, "/v1/adjustments", {"reason": "opening capital", "postings": lines})
        self._tell(
            "operator explains them: Suspense -> Operator_Capital", position=self._world.latest("adjustment.posted/1")
        )

    def _wallet(self, role: str) -> str:
        found = self._world.until(
            lambda: [w for w in get(self._world.operator, "/v1/system-wallets")["data"] if w["role"] == role]
        )
        return str(found[0]["address"])

    def _register(self, webhook_url: str) -> httpx2.Client:
        account = self._world.post(
            self._world.operator, "/v1/accounts", {"name": "Acme Exchange", "webhook_url": webhook_url}
        )
        self._tell("company Acme Exchange is registered", position=self._world.latest("account.registered/1"))
        everything = ["ledger:read", "payins:read", "payins:write", "payouts:read", "payouts:write"]
        everything += ["events:read", "webhooks:read", "webhooks:write"]
        key = self._world.post(
            self._world.operator,
            f"/v1/accounts/{account['id']}/api-keys",
            {"name": "backend", "permissions": everything},
        )
        self._tell(f"and gets an API key, shown once: {key['key'][:12]}…")
        return httpx2.Client(base_url=self._world.api, headers={"x-api-key": key["key"]}, timeout=30)

    def _deposit(self, company: httpx2.Client, address: str) -> None:
        txid = self._world.faucet(address, usdt=DEPOSIT)
        self._tell(f"customer 42 sends {DEPOSIT} USDT", txid=txid)
        stream = f"deposit-{txid}-0"
        seen, position = self._world.first_of(stream, "deposit.detected/1", "deposit.confirmed/1")
        if seen == "deposit.detected/1":  # a slow machine sees it when it is solid
            self._tell("seen at the head: detected, not spendable", position=position)
        position = self._world.event(stream, "deposit.confirmed/1")
        self._tell("19 of 27 producers have built on it: solid, credited", position=position)
        self._world.until(lambda: self._world.balance(company) == DEPOSIT)
        self._tell(f"balance of User_Liability over HTTP: {DEPOSIT} USDT")

    def _payout(self, company: httpx2.Client) -> None:
        payout = self._world.post(company, "/v1/payouts", {"to_address": PAYEE, "amount": PAYOUT})
        stream = f"payout-{payout['id']}"
        self._tell(
            f"company asks to pay {PAYOUT} USDT to {PAYEE}: {PAYOUT} + {FEE} reserved",
            position=self._world.event(stream, "payout.requested/2"),
        )
        self._tell("bytes built and fixed", position=self._world.event(stream, "payout.prepared/1"))
        self._tell("checked against the request and signed", position=self._world.event(stream, "payout.signed/1"))
        position = self._world.event(stream, "payout.broadcast/1")
        # The write's position makes the reader wait for its view: no 404 for what was just created.
        path = f"/v1/payouts/{payout['id']}?min_position={payout['position']}"
        shown = self._world.until(lambda: get(company, path).get("tron_tx_hash"))
        self._tell("broadcast", txid=shown, position=position)
        position = self._world.event(stream, "payout.confirmed/1")
        self._tell("solid, SUCCESS, the Transfer log matches: confirmed", txid=shown, position=position)
        final = self._world.until(lambda: _final(get(company, path)))
        if final["state"] != "confirmed":
            raise Mismatch(f"the payout ended as {final['state']}")

    def _webhook(self, company: httpx2.Client, arrived: list[tuple[dict[str, str], bytes]], kind: str) -> None:
        secret = get(company, "/v1/webhook-secret")["secret"]

        def found() -> tuple[dict[str, str], bytes] | None:
            return next((hook for hook in list(arrived) if msgspec.json.decode(hook[1])["type"] == kind), None)

        headers, body = self._world.until(found)
        verify(secret, headers, body, int(time.time()))
        self._tell(f"webhook {kind} arrived, signature verified: {headers['webhook-id']}")

    def _books(self, company: httpx2.Client) -> None:
        from gateways.cli.reconcile import reconcile_when_quiet, trial_balance_table

        self._world.story.table(_balance_table(get(company, "/v1/balances")["data"]))
        self._world.story.table(trial_balance_table(get(self._world.operator, "/v1/trial-balance")["data"]))
        with open_platform(self._world.settings, READER) as platform:
            checks = reconcile_when_quiet(platform, WAIT_S)
        self._world.story.verdict("")
        for check in checks:
            mark = "[green]holds[/green]" if check.ok else "[red]DOES NOT HOLD[/red]"
            self._world.story.verdict(f"  {mark}  {check.name}")
        wrong = [difference for check in checks for difference in check.differences]
        if wrong:
            raise Mismatch("; ".join(wrong))
        expected = _left()
        if self._world.balance(company) != expected:
            raise Mismatch(f"the balance is {self._world.balance(company)}, expected {expected}")
        self._world.story.verdict(
            "\n[bold green]ledger = chain[/bold green]: every unit is where the books say it is.\n"
        )


def _left() -> str:
    deposit, payout, fee, swept = (parse_amount(text, "USDT") for text in (DEPOSIT, PAYOUT, FEE, sweeps.DEPOSIT))
    return format_amount(deposit - payout - fee + 2 * swept, "USDT")


def _final(payout: dict[str, Any]) -> dict[str, Any] | None:
    return payout if payout["state"] in ("confirmed", "failed", "cancelled") else None


def _balance_table(rows: list[dict[str, Any]]) -> Table:
    titles = ("ledger account", "type", number("amount"), number("pending"))
    lines = [
        (
            row["code"],
            row["type"],
            f"{row['amount']} {row['currency']}",
            f"{format_amount(row['pending_minor'], row['currency'])} {row['currency']}",
        )
        for row in rows
    ]
    return Table(titles, lines, title="Acme Exchange's balances")


def command(
    *,
    block_ms: Annotated[
        int, Parameter(help="Milliseconds between two blocks of its devnet", validator=validators.Number(gte=1))
    ] = 100,
) -> int:
    """The main job, start to finish: a deposit credited, a payout confirmed, coins swept, books and chain equal."""
    return run(Console(highlight=False), block_ms=block_ms)
