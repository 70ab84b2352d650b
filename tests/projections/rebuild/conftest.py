"""Fixtures: the canonical history in all views."""

import pytest

from core.ledger.ledger import Ledger
from gateways.postgres.event_store import PostgresEventStore
from projections.engine.tracking import ViewTracking
from projections.rebuild import rebuild as rebuilding
from tests.support.history import append_history
from tests.support.views import project


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canonical history is short: it is near its end only there."""
    monkeypatch.setattr(rebuilding, "NEAR_EVENTS", 3)


@pytest.fixture
def head(ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking) -> int:
    """The history, in all views."""
    last = append_history(ledger)
    project(store, tracking)
    return last
