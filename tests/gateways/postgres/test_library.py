"""The event store behind the eventsourcing library's own doors."""

from typing import Any

import pytest
from eventsourcing import persistence
from eventsourcing.persistence import StoredEvent

from core.ledger.books import USER_LIABILITY
from core.ledger.events import encode
from core.ledger.guard import guard_key
from core.ledger.ledger import Ledger
from core.streams.transfers import InternalTransferPosted
from gateways.postgres.event_store import PostgresEventStore
from tests.gateways.histories import everything, guard_rows, replayed_guard, verified_head
from tests.gateways.postgres.test_event_store import NOW, renamed
from tests.support.history import (
    ALICE,
    BOB,
    execute,
    fund,
    register,
)
from tests.support.postgres import Database

# The library's recorder contract


def stored(stream: str, version: int, name: str = "x") -> StoredEvent:
    topic, state = encode(renamed(name))
    return StoredEvent(originator_id=stream, originator_version=version, topic=topic, state=state)


def test_the_library_inserts_selects_and_follows(store: PostgresEventStore, database: Database) -> None:
    """insert_events, select_events, select_notifications and max_notification_id do what eventsourcing defines."""
    assert store.max_notification_id() is None
    assert store.insert_events([]) == []
    assert store.insert_events([stored("s", 1), stored("t", 1), stored("s", 2)]) == [1, 2, 3]
    assert store.insert_events([stored("s", 3)]) == [4]
    assert store.max_notification_id() == 4

    def versions(**options: Any) -> list[int]:
        return [item.originator_version for item in store.select_events("s", **options)]

    assert versions() == [1, 2, 3]
    assert versions(gt=1) == [2, 3]
    assert versions(lte=2) == [1, 2]
    assert versions(desc=True) == [3, 2, 1]
    assert versions(desc=True, limit=1) == [3]
    assert versions(gt=0, lte=0) == []
    assert store.select_events("nobody") == []
    assert store.select_events("s", limit=1) == [stored("s", 1)]

    def ids(*arguments: Any, **options: Any) -> list[Any]:
        return [item.id for item in store.select_notifications(*arguments, **options)]

    assert ids(None, 10) == [1, 2, 3, 4]
    assert ids(2, 10) == [2, 3, 4]
    assert ids(2, 10, inclusive_of_start=False) == [3, 4]
    assert ids(1, 2) == [1, 2]
    assert ids(1, 10, stop=3) == [1, 2, 3]
    assert ids(1, 10, topics=["account.renamed/1"]) == [1, 2, 3, 4]
    assert ids(1, 10, topics=["account.suspended/1"]) == []
    assert verified_head(database.owner_url) == 4


def test_a_version_conflict_is_the_librarys_integrity_error(store: PostgresEventStore, database: Database) -> None:
    """Of two writers of one version the second gets IntegrityError, nothing of its batch stays, and no position is lost."""
    store.insert_events([stored("s", 1)])
    with pytest.raises(persistence.IntegrityError):
        store.insert_events([stored("t", 1), stored("s", 1)])
    assert store.insert_events([stored("s", 2)]) == [2]
    assert verified_head(database.owner_url) == 2


def test_the_librarys_door_moves_the_guard_too(ledger: Ledger, store: PostgresEventStore, database: Database) -> None:
    """An event with postings that comes through the library moves the guard, or is refused with it (I4, I5)."""
    execute(ledger, register(ALICE, "Alice"), register(BOB, "Bob"))
    execute(ledger, fund(ALICE, 100, "opening"))

    def moved(name: str, amount_minor: int) -> StoredEvent:
        lines = fund(BOB, amount_minor, name).postings[:2]
        event = InternalTransferPosted(
            occurred_at=NOW,
            actor="system:test",
            transfer_id=name,
            account_id=ALICE,
            from_ledger_account=USER_LIABILITY,
            to_account_id=BOB,
            to_ledger_account=USER_LIABILITY,
            amount_minor=amount_minor,
            currency="USDT",
            postings=lines,
        )
        topic, state = encode(event)
        return StoredEvent(originator_id=f"transfer-{name}", originator_version=1, topic=topic, state=state)

    store.insert_events([moved("a", 7), moved("b", 5)])
    assert guard_rows(database.owner_url) == replayed_guard(everything(store))
    assert guard_rows(database.owner_url)[guard_key(BOB, USER_LIABILITY)] == 12
