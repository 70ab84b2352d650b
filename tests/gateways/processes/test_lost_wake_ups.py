"""A notification only wakes: what is waiting is found without one."""

import threading
from collections.abc import Iterator

import pytest

from core.ledger.ledger import Ledger
from gateways.postgres.append import EVENTS_CHANNEL
from gateways.postgres.event_store import PostgresEventStore
from gateways.processes.loop import NotifyWait, run
from projections.engine.projector import Projector
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from tests.support.history import append_history
from tests.support.patience import HANG_S, until
from tests.support.postgres import Database

IDLE_S = 0.05


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    told = threading.Event()
    yield told
    told.set()


@pytest.mark.parametrize("channel", [EVENTS_CHANNEL, "nobody_rings"], ids=["rung", "every ring lost"])
def test_a_projector_that_hears_nothing_still_follows(
    channel: str,
    ledger: Ledger,
    store: PostgresEventStore,
    tracking: ViewTracking,
    database: Database,
    stop: threading.Event,
) -> None:
    """With every NOTIFY lost, and no message on any queue, the view reaches the head: it looks by itself."""
    projector = Projector([VIEWS["balances"]], store, tracking)
    bell = NotifyWait(database.reader_url, [channel], stop)
    rested = threading.Event()

    def step() -> bool:
        worked = projector.step()
        if not worked:
            rested.set()
        return worked

    thread = threading.Thread(target=run, args=([step], bell, stop), kwargs={"idle_s": IDLE_S})
    thread.start()
    try:
        assert rested.wait(HANG_S)  # it had nothing to do and went to sleep
        head = append_history(ledger)
        until(lambda: tracking.bookmark("balances") == head)
    finally:
        stop.set()
        thread.join(HANG_S)
    assert not thread.is_alive()
