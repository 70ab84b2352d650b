"""What the database itself refuses of an INSERT into events, whoever makes it and whatever it says."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.ledger.clock import CheckedClock
from core.ledger.ledger import Ledger
from core.ports.unavailable import Unavailable
from gateways.postgres.event_store import PostgresEventStore
from gateways.postgres.roles import API
from tests.gateways.poison import insert
from tests.support.history import HOT_WALLET, append_history, execute, wallet
from tests.support.postgres import Database

GOOD = '{"occurred_at":"2026-01-01T00:00:00Z","actor":"x"}'


@pytest.fixture
def api(database: Database, ledger: Ledger) -> Iterator[psycopg.Connection[Any]]:
    """The API's own login, in a history of 80 events."""
    assert append_history(ledger) == 80
    with psycopg.connect(database.role_urls[API], autocommit=True) as conn:
        yield conn


@pytest.mark.parametrize(
    ("stream", "state", "position", "why"),
    [
        ("account-x", "[]", 81, "state_is_an_event"),
        ("account-x", "no JSON", 81, "state_is_an_event"),
        ("account-x", '{"actor":"x"}', 81, "state_is_an_event"),
        ("account-x", GOOD[:-1], 81, "state_is_an_event"),
        ("account-x", '{"occurred_at":"2026-01-01T00:00:00Z","actor":7}', 81, "state_is_an_event"),
        ("account-x", GOOD[:-1] + ',"name":"' + "x" * 1_000_000 + '"}', 81, "state_is_an_event"),
        ("account-x", GOOD.replace("2026", "2106"), 81, "before its time"),
        ("payout-x", GOOD, 81, "no event of the stream payout-x"),
        ("account-x", GOOD, 82, "do not follow"),
        ("account-x", GOOD, 10**12, "do not follow"),
        ("account-x", GOOD, 81, "has no seal"),
    ],
)
def test_what_no_append_would_write_is_refused(
    api: psycopg.Connection[Any], stream: str, state: str, position: int, why: str
) -> None:
    """A row that is no event, in no stream of its kind, behind a gap, of another century or without a seal is not taken."""
    with pytest.raises(psycopg.errors.IntegrityError, match=why):
        api.execute("INSERT INTO events VALUES (%s, 1, 'account.renamed/1', %s, %s)", (stream, state, position))
    assert api.execute("SELECT max(notification_id) FROM events").fetchone() == (80,)


def test_a_wrong_clock_writes_nothing_until_it_is_set(database: Database, store: PostgresEventStore) -> None:
    """A host an hour ahead, or behind, waits and rings; set right it writes, and a step back of seconds is smoothed."""
    now, rung = datetime.now(UTC), list[str]()
    clock = [now + timedelta(hours=1)]
    ledger = Ledger(store, lambda: clock[0], None, CheckedClock("here", lambda name, _: rung.append(name)))
    for wrong in (timedelta(hours=1), -timedelta(hours=1)):
        clock[0] = now + wrong
        with pytest.raises(Unavailable, match="3600 s"):
            execute(ledger, wallet("hot", HOT_WALLET))
    assert (store.head(), rung) == (0, ["clock_wrong"])
    clock[0] = now
    execute(ledger, wallet("hot", HOT_WALLET))
    clock[0] = now - timedelta(seconds=20)
    execute(ledger, wallet("gas", HOT_WALLET))
    assert [recorded.event.occurred_at for recorded in store.read(0, 9)] == [now, now]


def test_an_owner_cannot_leave_an_event_without_a_seal(database: Database, ledger: Ledger) -> None:
    """Else no append could follow: the position is taken, and the seals end before it."""
    append_history(ledger)
    with (
        psycopg.connect(database.owner_url, autocommit=True) as owner,
        pytest.raises(psycopg.errors.IntegrityError, match="has no seal"),
    ):
        insert(owner, "account-x", "account.renamed/1", "", sealed=False)
