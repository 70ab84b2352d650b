"""The moment a rebuild puts its rows in the place of the live ones, while the view's projector wants to go on."""

import threading
from typing import Any

import psycopg
import pytest
from psycopg import Cursor

import projections.rebuild
from core.ledger import Ledger
from gateways.postgres import PostgresEventStore
from projections import VIEWS
from projections.projector import Projector
from projections.rebuild import rebuild
from projections.tracking import ViewTracking
from tests.gateways.http.harness import until
from tests.support.history import ALICE, USDT, append_history, execute, fund
from tests.support.postgres import Database
from tests.support.views import project

VIEW = VIEWS["balances"]
_WAITING = "SELECT 1 FROM pg_stat_activity WHERE usename = 'counterfoil_projector' AND wait_event_type = 'Lock'"


def test_an_event_that_is_projected_during_the_cut_over_stays(
    ledger: Ledger,
    store: PostgresEventStore,
    tracking: ViewTracking,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An event comes between the last look at the history and the swap: its projector waits, then adds to the new rows."""
    append_history(ledger)
    project(store, tracking)
    with psycopg.connect(database.projector_url) as conn:
        conn.execute("UPDATE balances SET amount_minor = amount_minor + 1 WHERE code = 'Suspense'")
    compare = projections.rebuild._differing
    live: list[threading.Thread] = []

    def compare_while_the_projector_runs(cursor: Cursor[Any], table: str) -> int:
        if not live:
            execute(ledger, fund(ALICE, USDT, "during the cut-over"))
            live.append(threading.Thread(target=Projector([VIEW], store, tracking).step))
            live[0].start()
            with psycopg.connect(database.owner_url, autocommit=True) as conn:
                until(lambda: not live[0].is_alive() or conn.execute(_WAITING).fetchone())
        return compare(cursor, table)

    with monkeypatch.context() as patch:
        patch.setattr(projections.rebuild, "_differing", compare_while_the_projector_runs)
        [result] = rebuild([VIEW], store, tracking)
    assert result.changed
    live[0].join(10)
    project(store, tracking, [VIEW])
    assert tracking.bookmark(VIEW.name) == store.head() == result.position + 1
    [again] = rebuild([VIEW], store, tracking)
    assert not again.changed
