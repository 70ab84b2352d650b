"""`counterfoil demo`: the main job, start to finish, on real parts. Every line says what happened, where, and how long.

A whole installation in a temporary folder: Postgres, a chain, every process. The demo is its client and its operator,
over HTTP; it looks into the history only to say at which position a thing was recorded.
"""

import http.server
import logging
import multiprocessing
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import psycopg
from rich.console import Console
from rich.table import Table

from core.money import format_amount, parse_amount
from gateways import demo_sweeps as sweeps
from gateways import settings as settings_module
from gateways import up
from gateways.platform import open_database, open_platform, operator_key
from gateways.roles import READER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.webhook_signatures import verify

DEPOSIT: Final = "25.500000"
PAYOUT: Final = "10.000000"
FEE: Final = "0.500000"
PAYEE: Final = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"
"""A test address that anybody can compute: the key is 32 bytes of 01. Never send real coins there."""
GAS_TRX: Final = "15000"
WAIT_S: Final = 90.0


class Mismatch(Exception):
    """Something the demo proves does not hold."""


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
            Journey(story, settings, operator, f"http://127.0.0.1:{devnet_port}").play(world.is_alive)
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
        up.run(settings, Console(quiet=True), devnet_port=devnet_port, block_ms=block_ms)
    except UserError as error:
        Console(stderr=True).print(str(error), soft_wrap=True)
        raise SystemExit(1) from None


class Story:
    """Prints the lines: seconds since the start, what happened, where, and how long it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = self._last = time.monotonic()

    def title(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/bold]\n")

    def tell(self, what: str, *, txid: str = "", position: int | None = None) -> None:
        now = time.monotonic()
        took_ms, self._last = (now - self._last) * 1000, now
        where = f"[cyan]event {position}[/cyan]" if position else ""
        if txid:
            where = f"[magenta]tx {txid[:10]}…{txid[-4:]}[/magenta]  {where}"
        self._console.print(
            f"[dim]{now - self._start:6.2f} s[/dim]  {what}  {where}  [dim]{took_ms:.0f} ms[/dim]", soft_wrap=True
        )

    def table(self, table: Table) -> None:
        self._console.print()
        self._console.print(table)

    def verdict(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


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


class Journey:
    """The company, its customer and the operator, acting one after the other."""

    def __init__(self, story: Story, settings: Settings, operator_key: str, devnet_url: str) -> None:
        self.story = story
        self._settings = settings
        self.settings = settings.model_copy(update={"tron_node_url": devnet_url})
        """With the chain's address, for what is done at the command line."""
        api = f"http://127.0.0.1:{settings.http_port}"
        self.operator = httpx2.Client(base_url=api, headers={"x-api-key": operator_key}, timeout=30)
        self._devnet = httpx2.Client(base_url=devnet_url, timeout=30)
        self._api = api

    def play(self, alive: Callable[[], bool]) -> None:
        self._wait_for_world(alive)
        database = open_database(self._settings)
        self._history = psycopg.connect(database.url(READER), autocommit=True)
        handler: type[_Receiver] = type("Receiver", (_Receiver,), {"arrived": []})
        with self._history, http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as backend:
            threading.Thread(target=backend.serve_forever, daemon=True).start()
            try:
                self._fund_wallets()
                company = self._register(f"http://127.0.0.1:{backend.server_port}/hooks")
                address = self.payin(company, 42)
                self._deposit(company, address)
                self._webhook(company, handler.arrived, "deposit.confirmed")
                self._payout(company)
                self._webhook(company, handler.arrived, "payout.confirmed")
                sweeps.play(self, company)
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
                    if client.get(f"{self._api}/readyz").status_code == 200:
                        self.story.tell("Postgres, a Tron devnet and every process are up")
                        return
                except httpx2.TransportError:
                    pass
                time.sleep(0.05)
        raise UserError(f"the API was not ready within {WAIT_S:.0f} s")

    def _fund_wallets(self) -> None:
        """The operator's own coins: payouts are paid from the hot wallet, and TRX pay for them and for sweeps."""
        hot, gas = (self._wallet(role) for role in ("hot", "gas"))
        txid = self.faucet(hot, usdt="1000", trx="1000")
        self.story.tell(f"operator funds the hot wallet {hot}: 1000 USDT and 1000 TRX", txid=txid)
        self.story.tell(f"and the gas wallet {gas}: {GAS_TRX} TRX", txid=self.faucet(gas, trx=GAS_TRX))
        self.position("deposit.confirmed/1", "transfer", "to_address", hot, count=2)
        position = self.position("deposit.confirmed/1", "transfer", "to_address", gas, count=1)
        self.story.tell("all stand in solid blocks and are booked against Suspense", position=position)
        lines = [
            {"account_id": "treasury", "ledger_account": code, "side": side, "amount": amount, "currency": currency}
            for currency, amount in (("USDT", "1000"), ("TRX", str(1000 + int(GAS_TRX))))
            for code, side in (("Suspense", "debit"), ("Operator_Capital", "credit"))
        ]
        self._post(self.operator, "/v1/adjustments", {"reason": "opening capital", "postings": lines})
        self.story.tell(
            "operator explains them: Suspense -> Operator_Capital", position=self._latest("adjustment.posted/1")
        )

    def _wallet(self, role: str) -> str:
        found = self.until(lambda: [w for w in get(self.operator, "/v1/system-wallets")["data"] if w["role"] == role])
        return str(found[0]["address"])

    def _register(self, webhook_url: str) -> httpx2.Client:
        account = self._post(self.operator, "/v1/accounts", {"name": "Acme Exchange", "webhook_url": webhook_url})
        self.story.tell("company Acme Exchange is registered", position=self._latest("account.registered/1"))
        everything = ["ledger:read", "payins:read", "payins:write", "payouts:read", "payouts:write"]
        everything += ["events:read", "webhooks:read", "webhooks:write"]
        key = self._post(
            self.operator, f"/v1/accounts/{account['id']}/api-keys", {"name": "backend", "permissions": everything}
        )
        self.story.tell(f"and gets an API key, shown once: {key['key'][:12]}…")
        return httpx2.Client(base_url=self._api, headers={"x-api-key": key["key"]}, timeout=30)

    def payin(self, company: httpx2.Client, customer: int) -> str:
        payin = self._post(company, "/v1/payins", {"client_reference": f"customer {customer}"})
        address = str(payin["address"]["tron_address_base58"])
        self.story.tell(
            f"deposit address for customer {customer}: {address}", position=self._latest("address.assigned/1")
        )
        return address

    def _deposit(self, company: httpx2.Client, address: str) -> None:
        txid = self.faucet(address, usdt=DEPOSIT)
        self.story.tell(f"customer 42 sends {DEPOSIT} USDT", txid=txid)
        stream = f"deposit-{txid}-0"
        self.story.tell("seen at the head: detected, not spendable", position=self.event(stream, "deposit.detected/1"))
        position = self.event(stream, "deposit.confirmed/1")
        self.story.tell("19 of 27 producers have built on it: solid, credited", position=position)
        self.until(lambda: self._balance(company) == DEPOSIT)
        self.story.tell(f"balance of User_Liability over HTTP: {DEPOSIT} USDT")

    def _payout(self, company: httpx2.Client) -> None:
        payout = self._post(company, "/v1/payouts", {"to_address": PAYEE, "amount": PAYOUT})
        stream = f"payout-{payout['id']}"
        self.story.tell(
            f"company asks to pay {PAYOUT} USDT to {PAYEE}: {PAYOUT} + {FEE} reserved",
            position=self.event(stream, "payout.requested/1"),
        )
        self.story.tell("bytes built and fixed", position=self.event(stream, "payout.prepared/1"))
        self.story.tell("checked against the request and signed", position=self.event(stream, "payout.signed/1"))
        position = self.event(stream, "payout.broadcast/1")
        # The write's position makes the reader wait for its view: no 404 for what was just created.
        path = f"/v1/payouts/{payout['id']}?min_position={payout['position']}"
        shown = self.until(lambda: get(company, path).get("tron_tx_hash"))
        self.story.tell("broadcast", txid=shown, position=position)
        position = self.event(stream, "payout.confirmed/1")
        self.story.tell("solid, SUCCESS, the Transfer log matches: confirmed", txid=shown, position=position)
        final = self.until(lambda: _final(get(company, path)))
        if final["state"] != "confirmed":
            raise Mismatch(f"the payout ended as {final['state']}")

    def _webhook(self, company: httpx2.Client, arrived: list[tuple[dict[str, str], bytes]], kind: str) -> None:
        secret = get(company, "/v1/webhook-secret")["secret"]

        def found() -> tuple[dict[str, str], bytes] | None:
            return next((hook for hook in list(arrived) if msgspec.json.decode(hook[1])["type"] == kind), None)

        headers, body = self.until(found)
        verify(secret, headers, body, int(time.time()))
        self.story.tell(f"webhook {kind} arrived, signature verified: {headers['webhook-id'][:13]}…")

    def _books(self, company: httpx2.Client) -> None:
        from gateways.operations import reconcile_when_quiet, trial_balance_table

        self.story.table(_balance_table(get(company, "/v1/balances")["data"]))
        self.story.table(trial_balance_table(get(self.operator, "/v1/trial-balance")["data"]))
        with open_platform(self.settings, READER) as platform:
            checks = reconcile_when_quiet(platform, WAIT_S)
        self.story.verdict("")
        for check in checks:
            mark = "[green]holds[/green]" if check.ok else "[red]DOES NOT HOLD[/red]"
            self.story.verdict(f"  {mark}  {check.name}")
        wrong = [difference for check in checks for difference in check.differences]
        if wrong:
            raise Mismatch("; ".join(wrong))
        expected = _left()
        if self._balance(company) != expected:
            raise Mismatch(f"the balance is {self._balance(company)}, expected {expected}")
        self.story.verdict("\n[bold green]ledger = chain[/bold green]: every unit is where the books say it is.\n")

    # Asking

    def ask_operator(self, path: str) -> dict[str, Any]:
        return get(self.operator, path)

    def mismatch(self, what: str) -> Mismatch:
        return Mismatch(what)

    def faucet(self, address: str, **coins: str) -> str:
        answer = self._devnet.post("/devnet/faucet", json={"address": address, **coins})
        if answer.status_code != 200:
            raise Mismatch(f"the faucet answered {answer.status_code}: {answer.text}")
        return str(answer.json()["txid"])

    def _post(self, client: httpx2.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(path, json=body, headers={"idempotency-key": secrets.token_hex(16)})
        if answer.status_code not in (200, 201, 202):
            raise Mismatch(f"POST {path} answered {answer.status_code}: {answer.text}")
        return dict(answer.json())

    def _balance(self, company: httpx2.Client) -> str:
        rows = get(company, "/v1/balances")["data"]
        return next((str(row["amount"]) for row in rows if row["code"] == "User_Liability"), "0.000000")

    def event(self, stream: str, topic: str) -> int:
        return int(self.until(lambda: self._one("stream = %s AND topic = %s", stream, topic)))

    def _latest(self, topic: str) -> int:
        return int(self.until(lambda: self._one("topic = %s", topic)))

    def position(self, topic: str, part: str, field: str, value: str, *, count: int) -> int:
        def found() -> int | None:
            row = self._history.execute(
                'SELECT max("position"), count(*) FROM history WHERE topic = %s AND event -> %s ->> %s = %s',
                (topic, part, field, value),
            ).fetchone()
            return row[0] if row and row[1] >= count else None

        return int(self.until(found))

    def _one(self, condition: str, *values: str) -> int | None:
        statement = f'SELECT max("position") FROM history WHERE {condition}'
        row = self._history.execute(statement, values).fetchone()
        return row[0] if row else None

    def until(self, look: Callable[[], Any]) -> Any:
        """What `look` gives as soon as it gives something. Raises Mismatch when it never does."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(0.02)
        raise Mismatch(f"nothing happened for {WAIT_S:.0f} s")


def _left() -> str:
    deposit, payout, fee, swept = (parse_amount(text, "USDT") for text in (DEPOSIT, PAYOUT, FEE, sweeps.DEPOSIT))
    return format_amount(deposit - payout - fee + 2 * swept, "USDT")


def get(client: httpx2.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    if answer.status_code != 200:
        raise Mismatch(f"GET {path} answered {answer.status_code}: {answer.text}")
    return dict(answer.json())


def _final(payout: dict[str, Any]) -> dict[str, Any] | None:
    return payout if payout["state"] in ("confirmed", "failed", "cancelled") else None


def _balance_table(rows: list[dict[str, Any]]) -> Table:
    table = Table("ledger account", "type", title="Acme Exchange's balances", title_justify="left")
    table.add_column("amount", justify="right")
    table.add_column("pending", justify="right")
    for row in rows:
        table.add_row(
            row["code"],
            row["type"],
            f"{row['amount']} {row['currency']}",
            format_amount(row["pending_minor"], row["currency"]),
        )
    return table
