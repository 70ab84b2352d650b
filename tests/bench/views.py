"""A long history: how fast all views are rebuilt from it, what its rows weigh, and how fast an auditor verifies it."""

import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg

from core.ledger.journal import derived_id
from core.ledger.ledger import Accepted, Ledger
from core.streams.accounts import OpenLedgerAccount
from core.streams.transfers import PostTransfer
from gateways import settings as settings_module
from gateways.cli.audit.history import export_history
from gateways.cli.console import Output
from gateways.cli.rebuild import rebuild_views
from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.database import Database
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.migrate import migrate
from gateways.postgres.roles import API, CHECKPOINTER, PROJECTOR
from gateways.processes.registry import PROCESSES
from gateways.settings import Settings
from gateways.wiring.notes import open_signer
from gateways.wiring.opened import open_database, open_platform
from gateways.wiring.platform import utc_now
from projections.engine.projector import Projector
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from tests.bench import growth, library
from tests.support import long_history

HISTORY: Final = int(os.environ.get("BENCH_HISTORY", "1000000"))
VERIFIED: Final = int(os.environ.get("BENCH_VERIFIED", "200000"))
ROOT: Final = Path(__file__).parents[2]
ENTRIES: Final = 50_000
_BYTES: Final = """
SELECT pg_total_relation_size('events') + pg_total_relation_size('seals') + pg_total_relation_size('guard'),
       (SELECT sum(pg_total_relation_size(table_name::regclass)) FROM view_tables)::bigint
"""


@contextmanager
def installation(events: int) -> Iterator[tuple[Settings, Database]]:
    """A server of its own with a history of so many events, and views that hold none of them yet."""
    with tempfile.TemporaryDirectory(prefix="cf-history-") as folder:
        Path(folder).chmod(0o755)
        settings = settings_module.load({}, data=Path(folder) / "data", log_level="error")
        kept = load_or_create(settings.data / "secrets.json")
        database = open_database(settings, kept)
        assert database.server is not None
        try:
            migrate(database.owner_url, kept.role_passwords)
            long_history.load(database.owner_url, events)
            yield settings, database
        finally:
            database.server.stop()


def lines(seconds: float) -> list[str]:
    """Rebuild beside the library's runner, storage, verifier."""
    found = []
    with installation(HISTORY) as (settings, database):
        runner = library.events_per_second(database, seconds)
        began = time.perf_counter()
        assert rebuild_views(
            settings, [], Output(stream=io.StringIO(), notes=io.StringIO()), workers=os.cpu_count() or 1, hold=False
        )
        rate = HISTORY / (time.perf_counter() - began)
        found += [
            f"\nrebuild of all views from {HISTORY:,} events (aim: 60,000/s, 40x the library's runner)",
            f"  rebuild, {os.cpu_count()} processes, verified and swapped in      {rate:>9,.0f} events/s",
            f"  eventsourcing's ProjectionRunner, postings and balances   {runner:>9,.0f} events/s   ({rate / runner:,.0f}x)",
        ]
        with installation(growth.SHORT) as (small, short):
            assert rebuild_views(small, [], Output(stream=io.StringIO(), notes=io.StringIO()), workers=1, hold=False)
            found += growth.lines(short, database, HISTORY, seconds)
    return found + storage() + verifier()


def storage() -> list[str]:
    """What transfers between two ledger accounts of a client add to every table and index, by the server's own count."""
    with installation(1_000) as (_, database):
        store = PostgresEventStore(datastore(database.role_urls[API]))
        ledger = Ledger(store, utc_now)
        accounts = [str(derived_id("account", "long", str(number))) for number in range(10)]
        actor = "api-key:bench"
        ledger.execute([OpenLedgerAccount(account, "Reserve", "Reserve", "liability", actor) for account in accounts])
        before = _sizes(database)
        for _ in range(ENTRIES // 1_000):
            wishes = [_transfer(random.choice(accounts), actor) for _ in range(1_000)]
            assert all(isinstance(outcome, Accepted) for outcome in ledger.execute(wishes))
        store.close()
        after = _sizes(database)
    history, views = ((new - old) // ENTRIES for new, old in zip(after, before, strict=True))
    return [
        f"\nbytes that an entry of two lines adds, indexes and all views included (aim: at most 1,200; {ENTRIES:,} transfers)",
        f"  events, seals, guard {history:,}, views {views:,}, together {history + views:,}",
    ]


def _transfer(account: str, actor: str) -> PostTransfer:
    return PostTransfer(str(uuid4()), account, "User_Liability", account, "Reserve", 1_000, actor)


def _project(database: Database) -> None:
    login = datastore(database.role_urls[PROJECTOR])
    projector = Projector(list(VIEWS.values()), PostgresEventStore(login), ViewTracking(login))
    while projector.step():
        pass
    login.close()


def _sizes(database: Database) -> tuple[int, int]:
    """(history, views) in bytes, once all views are there."""
    _project(database)
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("VACUUM")
        row = conn.execute(_BYTES).fetchone()
    assert row is not None
    return row[0], row[1]


def verifier() -> list[str]:
    """schema/verify.py over an export, by its own clock: a process as an auditor starts it."""
    with installation(VERIFIED) as (settings, database), tempfile.TemporaryDirectory(prefix="cf-export-") as folder:
        _project(database)
        with open_platform(settings, CHECKPOINTER, database) as platform:
            [step] = PROCESSES["checkpoints"].steps(platform)  # type: ignore[misc]
            while step():
                pass
        key = str(open_signer(settings, "checkpoints").key)
        file = Path(folder) / "history.ndjson"
        export_history(settings, file)
        began = time.perf_counter()
        command = [sys.executable, str(ROOT / "schema" / "verify.py"), "history", str(file), "--key", key]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
    said = done.stdout.strip().splitlines()
    return [
        f"\nstand-alone verifier over {VERIFIED:,} events (aim: 50,000/s)",
        f"  {VERIFIED / took:,.0f} events/s, start of three processes included; it says: {said[-1] if said else done.stderr}",
    ]
