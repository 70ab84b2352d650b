"""Everything measured in one run on one server: first the baselines, then the engine, then HTTP, then the projectors.

Numbers on a shared machine swing by a third; the ratios within a run are what to read.
"""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg
from rich.console import Console
from rich.table import Table

from core.ledger.ledger import Ledger
from gateways import settings as settings_module
from gateways.embedded.secrets_file import SecretsFile, load_or_create
from gateways.http.resources.transfers import ITEMS_MAX
from gateways.postgres.database import Database
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.migrate import migrate
from gateways.postgres.roles import API, PROJECTOR, READER
from gateways.processes import up
from gateways.processes.run import run_with
from gateways.processes.supervisor import Supervisor
from gateways.settings import Settings
from gateways.wiring.opened import open_database, open_platform
from gateways.wiring.platform import utc_now
from projections.engine.projector import Projector
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from tests.bench import (
    bare,
    baselines,
    engine,
    lag,
    load,
    recorder,
    scanner,
    stored_bytes,
    treasury,
    under_rebuild,
    views,
)
from tests.bench.costs import table as costs
from tests.bench.costs.played import play
from tests.bench.unwinding import Unwinding

BATCHES = (1, 10, 100, 1000)
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))


def main() -> None:
    """Print one table."""
    console = Console(highlight=False, width=150)
    unwinding = Unwinding()
    with tempfile.TemporaryDirectory(prefix="cf-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = settings_module.load(
            data=Path(folder) / "data", http_port=up.free_port(), rate_limit="100000000/minute", log_level="error"
        )
        kept = load_or_create(settings.data / "secrets.json")
        database = open_database(settings, kept)
        assert database.server is not None
        try:
            unwinding.begin()
            migrate(database.owner_url, kept.role_passwords)
            _run(console, settings, kept, database)
        finally:
            database.server.stop()


def _run(console: Console, settings: Settings, kept: SecretsFile, database: Database) -> None:
    console.print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with psycopg.connect(database.owner_url) as conn:
        [(version, fsync)] = conn.execute("SELECT version(), current_setting('fsync')").fetchall()
        console.print(f"{version.split(' on ')[0]}, fsync {fsync}; {SECONDS:.0f} s a measure\n")
    measured: list[tuple[str, float, str]] = []
    pgbench: list[float] = []

    def row(name: str, rate: float, note: str = "") -> None:
        measured.append((name, rate, note))

    def baseline() -> None:
        pgbench.append(baselines.tpcb(database.owner_url, seconds=int(SECONDS)))

    baselines.prepare(database.owner_url)
    baseline()
    store = PostgresEventStore(datastore(database.role_urls[API]))
    ledger = Ledger(store, utc_now)
    engine.open_accounts(ledger)
    for batch in BATCHES:
        row(f"Ledger.execute, batches of {batch}", engine.entries_per_second(ledger, batch, seconds=SECONDS))
    baseline()
    _callers(database, ledger, row)
    recorder.prepare(database)
    recorded = recorder.deposits_per_second(database, recorder.count())
    row(
        "recorder, deposits from a full queue",
        recorded.rate,
        f"{recorded.deposits:,} reports, each an event with its entries",
    )
    baseline()
    row("projection, all views, one process", _projection(database), "events/s, every view holds each event")
    late = lag.at_a_steady_rate(settings, database, ledger, SECONDS)
    row(
        "projection lag at 2,000 events/s, every view", late.rate, f"p50 {late.p50_ms:.0f} ms, p99 {late.p99_ms:.0f} ms"
    )
    notes = _http(settings, kept, database, row)
    store.close()
    baseline()
    base = statistics.median(pgbench)
    table = Table("measure", "rate", "beside pgbench", "", box=None, pad_edge=False, show_edge=False)
    runs = ", ".join(f"{rate:,.0f}" for rate in pgbench)
    table.add_row(
        "pgbench tpcb-like, 8 clients", f"{base:,.0f}/s", "1.00x", f"median of {runs}, taken between the others"
    )
    for name, rate, note in measured:
        table.add_row(name, f"{rate:,.0f}/s", f"{rate / base:.2f}x", note)
    console.print(table)
    console.print("\n".join(notes))
    found = scanner.blocks_per_second(SECONDS)
    console.print("\nscanner, blocks of 400 transactions, per second of one core (mainnet makes one in 3 s)")
    console.print(f"  verified, from memory              {found.verified:,.0f}")
    console.print(f"  fetched over HTTP and verified     {found.fetched_and_verified:,.0f}")
    console.print(f"  tronpy, fetched and not verified   {found.tronpy_fetched:,.0f}")
    console.print("\n" + "\n".join(stored_bytes.lines(SECONDS)))
    console.print("\nwhat AWS is asked for, and what that costs")
    console.print("\n".join(costs.lines(play())))
    console.print("\n".join(views.lines(SECONDS)))
    console.print("\n" + "\n".join(treasury.lines(treasury.table())))


def _callers(database: Database, ledger: Ledger, row) -> None:  # type: ignore[no-untyped-def]
    """Callers at once through group commit, each beside a row-lock ledger with as many clients."""
    for callers, accounts in ((20, 50), (20, 2), (200, 50)):
        locked = baselines.row_lock_ledger(
            database.owner_url, clients=min(callers, 64), seconds=SECONDS, accounts=accounts
        )
        row(
            f"row-lock ledger, {min(callers, 64)} clients, {accounts} accounts",
            locked.rate,
            f"p99 {locked.p99_ms:.1f} ms",
        )
        found = engine.concurrent(ledger, callers, engine.ACCOUNTS[:accounts], seconds=SECONDS)
        times = (
            f"p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms; {found.rate / locked.rate:.1f}x the row-lock ledger"
        )
        row(f"engine, {callers} callers, {accounts} accounts", found.rate, times)


def _projection(database: Database) -> float:
    login = datastore(database.role_urls[PROJECTOR])
    store, tracking = PostgresEventStore(login), ViewTracking(login)
    projector = Projector(list(VIEWS.values()), store, tracking)
    start = time.perf_counter()
    while projector.step():
        pass
    rate = store.head() / (time.perf_counter() - start)
    login.close()
    return rate


def _http(settings: Settings, kept: SecretsFile, database: Database, row) -> list[str]:  # type: ignore[no-untyped-def]
    """The API in a process of its own; the client in this one. -> what is told below the table."""
    notes: list[str] = []

    def serve() -> None:
        with open_platform(settings, API, database) as opened:
            run_with("api", opened)

    from core.ports.clients import ApiKey
    from gateways.http.auth import key_hash

    key = "cf_bench_" + uuid4().hex + uuid4().hex
    with open_platform(settings, API, database) as opened:
        record = ApiKey(
            id=str(uuid4()),
            account_id=engine.ACCOUNTS[0],
            name="bench",
            permissions=("payouts:write", "ledger:read", "ledger:write"),
            status="active",
            created_at=utc_now(),
            expires_at=None,
        )
        opened.api_keys.put(key_hash(kept.keys.api_key_pepper, key), record)
    supervisor = Supervisor(settings.data / "logs")
    supervisor.start("api", serve)
    url = f"http://127.0.0.1:{settings.http_port}"
    try:
        up.wait_for(f"{url}/healthz", "the API")
        body = load.as_json({"to_address": "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7", "amount": "0.001"})
        headers = {"x-api-key": key, "content-type": "application/json"}

        def balances() -> load.Request:
            return "GET", "/v1/balances", headers, b""

        _writes(url, headers, body, row)
        notes += under_rebuild.lines(settings, database, supervisor, url, balances, SECONDS)
        port = up.free_port()
        supervisor.start("bare", lambda: bare.serve(database.url(READER), port, engine.ACCOUNTS[0]))
        up.wait_for(f"http://127.0.0.1:{port}/healthz", "bare Starlette")
        least, ours = [], []
        for _ in range(2):  # in turns: what else the machine does falls on both
            least.append(
                load.measure(f"http://127.0.0.1:{port}", 32, SECONDS / 2, lambda: ("GET", "/balances", {}, b""))
            )
            ours.append(load.measure(url, 32, SECONDS / 2, balances))
        bare_rate, rate = (sum(each.rate for each in found) / 2 for found in (least, ours))
        row("bare Starlette, one select, 32 connections", bare_rate, _note(least[-1]))
        row("GET /v1/balances, 32 connections", rate, f"{_note(ours[-1])}; {rate / bare_rate:.0%} of bare Starlette")
    finally:
        supervisor.stop()
    return notes


def _writes(url: str, headers: dict[str, str], payout: bytes, row) -> None:  # type: ignore[no-untyped-def]
    """Payouts, transfers, and transfers in batches."""
    transfer = {"from_ledger_account": "User_Liability", "to_ledger_account": engine.RESERVE, "amount": "0.001"}

    def posted(path: str, body: bytes) -> Callable[[], load.Request]:
        return lambda: ("POST", path, {**headers, "idempotency-key": uuid4().hex}, body)

    def batch() -> load.Request:
        items = [{**transfer, "idempotency_key": uuid4().hex} for _ in range(ITEMS_MAX)]
        return "POST", "/v1/transfers/batch", headers, load.as_json({"items": items})

    for path, body in (("/v1/payouts", payout), ("/v1/transfers", load.as_json(transfer))):
        for connections in (16, 64):
            found = load.measure(url, connections, SECONDS, posted(path, body))
            row(f"POST {path}, {connections} connections", found.rate, _note(found))
    found = load.measure(url, 4, SECONDS, batch)
    row(f"POST /v1/transfers/batch of {ITEMS_MAX}, 4 connections", found.rate * ITEMS_MAX, _note(found))


def _note(found: load.Measured) -> str:
    failed = f", {found.failed} failed" if found.failed else ""
    return f"p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms{failed}"


if __name__ == "__main__":
    main()
