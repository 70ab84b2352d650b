"""The moment a new version takes the place of the one that serves, while the view's projector wants to go on (FAILURES 34)."""

import threading
from typing import Any

import psycopg
import pytest

from core.ledger.ledger import Ledger
from gateways.postgres.event_store import PostgresEventStore
from projections.engine.projector import Projector
from projections.engine.tracking import ViewTracking
from projections.rebuild import rebuild as rebuilding
from projections.views import VIEWS
from tests.support.history import ALICE, USDT, append_history, execute, fund
from tests.support.patience import HANG_S, until
from tests.support.postgres import Database
from tests.support.rebuilding import connect, differing, rebuilt
from tests.support.views import project

VIEW = VIEWS["balances"]
_WAITING = (
    "SELECT 1 FROM pg_stat_activity WHERE usename = 'counterfoil_projector' AND wait_event_type = 'Lock'"
    " AND datname = current_database()"
)


@pytest.mark.parametrize("fences", [1, 2], ids=["while it is verified", "while it is swapped"])
def test_an_event_that_is_projected_during_the_cut_over_stays(
    ledger: Ledger,
    store: PostgresEventStore,
    tracking: ViewTracking,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    fences: int,
) -> None:
    """An event comes while the fence holds: its projector waits, then adds to whichever version serves then."""
    append_history(ledger)
    project(store, tracking)
    with connect(database) as conn:
        conn.execute("UPDATE balances SET amount_minor = amount_minor + 1 WHERE code = 'Suspense'")
    fenced = rebuilding._fenced
    live: list[threading.Thread] = []
    held = 0

    def fence_while_the_projector_runs(conn: psycopg.Connection[Any], view: str) -> int:
        nonlocal held
        bookmark, held = fenced(conn, view), held + 1
        if held == fences:
            execute(ledger, fund(ALICE, USDT, "during the cut-over"))
            live.append(threading.Thread(target=Projector([VIEW], store, tracking).step))
            live[0].start()
            with psycopg.connect(database.owner_url, autocommit=True) as owner:
                until(lambda: owner.execute(_WAITING).fetchone())
        return bookmark

    with monkeypatch.context() as patch:
        patch.setattr(rebuilding, "_fenced", fence_while_the_projector_runs)
        row = rebuilt(database, store, [VIEW])["balances"]
    assert held == 2
    assert row.state == "done"
    assert differing(row).keys() == {"balances"}
    live[0].join(HANG_S)
    project(store, tracking, [VIEW])
    assert tracking.bookmark(VIEW.name) == store.head()
    again = rebuilt(database, store, [VIEW])["balances"]
    assert not differing(again)
