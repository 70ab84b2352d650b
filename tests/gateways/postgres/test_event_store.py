"""The event store on Postgres: contiguous positions, seals, the guard, append-only for everybody, the library's contract."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from core.ledger.books import USER_LIABILITY
from core.ledger.events import Recorded
from core.ledger.guard import GuardKey, guard_key
from core.ledger.ledger import Accepted, AppendFailed, Decided, Failed, InvariantBroken, Ledger, Loaded, Refused
from core.ledger.refusals import InsufficientFunds
from core.ledger.seals import BrokenSeal
from core.ports.unavailable import Unavailable
from core.streams.accounts import AccountRenamed
from core.streams.treasury import SystemWalletRegistered
from gateways.postgres.append import EVENTS_CHANNEL
from gateways.postgres.event_store import PostgresEventStore, datastore
from tests.gateways.histories import everything, guard_rows, replayed_guard, verified_head, verify_all
from tests.support.history import (
    ALICE,
    BOB,
    HOT_WALLET,
    TickingClock,
    append_history,
    execute,
    fund,
    order,
    register,
    request_payout,
    wallet,
)
from tests.support.patience import HANG_S
from tests.support.postgres import Database

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


WRITERS: Final = 4


BATCHES: Final = 40


def renamed(name: str) -> AccountRenamed:
    return AccountRenamed(occurred_at=NOW, actor="system:test", account_id=ALICE, name=name)


def append(store: PostgresEventStore, stream: str, count: int) -> None:
    """The next events of a stream, whatever it holds."""

    def decide(loaded: Loaded) -> Decided:
        version = len(loaded.histories.get(stream, ()))
        records = [
            Recorded(loaded.head + number, stream, version + number, renamed(f"{stream} {version + number}"))
            for number in range(1, count + 1)
        ]
        return Decided(records, {}, [])

    store.append(uuid4(), [stream], [], decide)


# Order (I3, FAILURES 33)


class Follower(threading.Thread):
    """Reads behind its last position, as a projector does, until it has seen so many events."""

    def __init__(self, url: str, wanted: int, stop: threading.Event) -> None:
        super().__init__()
        self._store = PostgresEventStore(datastore(url))
        self._wanted = wanted
        self._stop_asked = stop
        self.seen: list[int] = []

    def run(self) -> None:
        while len(self.seen) < self._wanted and not self._stop_asked.is_set():
            self.seen += [item.position for item in self._store.read(self.seen[-1] if self.seen else 0, 50)]
        self._store.close()


def write_at_once(url: str, count: Sequence[int]) -> list[Exception]:
    """Four writers with connections of their own, each with a stream of its own; -> what went wrong."""
    failures: list[Exception] = []

    def write(name: str) -> None:
        store = PostgresEventStore(datastore(url))
        for number in range(BATCHES):
            try:
                append(store, name, count[number % len(count)])
            except Exception as error:
                failures.append(error)
        store.close()

    writers = [threading.Thread(target=write, args=(f"writer-{number}",)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(HANG_S)
    assert not any(writer.is_alive() for writer in writers)
    return failures


def test_a_follower_sees_every_event_of_concurrent_writers_once_and_in_order(database: Database) -> None:
    """Positions are contiguous in commit order: who reads behind its last position misses nothing."""
    counts = (1, 2, 3, 7)
    total = WRITERS * sum(counts[number % len(counts)] for number in range(BATCHES))
    stop = threading.Event()
    follower = Follower(database.reader_url, total, stop)
    follower.start()
    failures = write_at_once(database.writer_url, counts)
    follower.join(HANG_S)
    stop.set()
    assert failures == []
    assert follower.seen == list(range(1, total + 1))
    assert verified_head(database.owner_url) == total


def test_without_the_append_lock_writers_collide(database: Database) -> None:
    """The test above can fail: writers that do not take turns claim the same positions, and the tables refuse them."""
    lock = "PERFORM take_append_lock();"
    with psycopg.connect(database.owner_url) as conn:
        [(made,)] = conn.execute("SELECT pg_get_functiondef('begin_append'::regproc)").fetchall()
        assert lock in made
        conn.execute(made.replace(lock, ""))
    failures = write_at_once(database.writer_url, (3,))
    assert failures
    assert all(isinstance(error, InvariantBroken) for error in failures), failures
    assert verified_head(database.owner_url) == 3 * (WRITERS * BATCHES - len(failures))


def test_a_repeatable_read_default_of_the_database_changes_nothing(database: Database) -> None:
    """The append reads what was committed before it got the lock, whatever isolation the database prefers."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {database.name} SET default_transaction_isolation = 'serializable'")
    assert write_at_once(database.writer_url, (1,)) == []


# Seals (I3)


TAMPERING: Final = (
    "UPDATE events SET state = replace(state, 'Alice', 'Alicf') WHERE notification_id = 1",
    "UPDATE events SET topic = 'account.registered/2' WHERE notification_id = 1",
    "UPDATE events SET originator_id = originator_id || 'x' WHERE notification_id = 3",
    "UPDATE events SET originator_version = 9 WHERE notification_id = 3",
    "DELETE FROM events WHERE notification_id = 7",
    "DELETE FROM events WHERE notification_id = (SELECT max(notification_id) FROM events)",
    "INSERT INTO events SELECT 'x', 1, topic, state, notification_id + 1000 FROM events WHERE notification_id = 1",
    "DELETE FROM seals WHERE first_position = 1",
    "UPDATE seals SET hash = previous_hash WHERE first_position = 1",
    "UPDATE seals SET last_position = last_position + 1 WHERE last_position = (SELECT max(last_position) FROM seals)",
)


def test_a_changed_history_does_not_fit_its_seals(ledger: Ledger, database: Database) -> None:
    """Whatever a superuser changes, adds or takes away once the triggers are off, the seals tell."""
    head = append_history(ledger)
    assert verified_head(database.owner_url) == head
    with psycopg.connect(database.owner_url) as conn:
        conn.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        conn.execute("ALTER TABLE seals DISABLE TRIGGER ALL")
        for statement in TAMPERING:
            with conn.transaction(force_rollback=True):
                assert conn.execute(statement).rowcount == 1, statement
                with pytest.raises(BrokenSeal):
                    verify_all(conn)
        assert verify_all(conn) == head


# The guard (I4, I5)


def test_the_guard_is_the_replay_of_the_events(ledger: Ledger, store: PostgresEventStore, database: Database) -> None:
    """After every kind of event, the guard's rows are exactly what the events give."""
    append_history(ledger)
    assert guard_rows(database.owner_url) == replayed_guard(everything(store))
    assert guard_rows(database.owner_url)[guard_key(ALICE, USER_LIABILITY)] > 0


def test_a_batch_cannot_spend_more_than_there_is(ledger: Ledger, store: PostgresEventStore) -> None:
    """Of ten payouts in one batch, as many are accepted as the balance pays, and the others are refused."""
    execute(ledger, register(ALICE, "Alice"))
    execute(ledger, fund(ALICE, 35, "opening"))
    outcomes = ledger.execute([request_payout(order(ALICE, str(number), 10)) for number in range(10)])
    states = [type(item.events[0].event).__name__ for item in outcomes if isinstance(item, Accepted)]
    assert states == ["PayoutRequested"] * 3 + ["PayoutRefused"] * 7


def moves(key: GuardKey, delta: int) -> Any:
    def decide(loaded: Loaded) -> Decided:
        return Decided([Recorded(loaded.head + 1, "s", 1, renamed("x"))], {key: delta}, [])

    return decide


def test_the_database_refuses_a_negative_liability(store: PostgresEventStore, ledger: Ledger) -> None:
    """A decision that missed an overdraft breaks on the guard's CHECK: an alarm, and nothing is written."""
    execute(ledger, register(ALICE, "Alice"))
    head = store.head()
    key = guard_key(ALICE, USER_LIABILITY)
    with pytest.raises(InvariantBroken, match="no_client_liability_is_negative"):
        store.append(uuid4(), ["s"], [key], moves(key, -1))
    assert store.head() == head


def test_a_guard_row_that_vanished_stops_the_append(store: PostgresEventStore) -> None:
    """Moving a row that is not there is an alarm before the COMMIT: nothing is written."""
    key = guard_key(ALICE, USER_LIABILITY)
    with pytest.raises(InvariantBroken):
        store.append(uuid4(), ["s"], [key], moves(key, 5))
    assert store.head() == 0


def test_a_taken_version_is_an_alarm(store: PostgresEventStore) -> None:
    """A decision over a history that is not the stored one breaks on the primary key, whatever stands behind it."""
    append(store, "s", 1)

    def blind(loaded: Loaded) -> Decided:
        many = [Recorded(loaded.head + n, f"t-{n}", 1, renamed("y" * 2_000)) for n in range(1, 400)]
        return Decided([*many, Recorded(loaded.head + 400, "s", 1, renamed("x"))], {}, [])

    for _ in range(5):
        with pytest.raises(InvariantBroken, match="events_pkey"):
            store.append(uuid4(), ["s"], [], blind)
    assert store.head() == 1


# What a failing command costs


@pytest.mark.parametrize("name", ["a\x00b", "a\udc80b"])
def test_text_that_the_database_cannot_hold_fails_alone(ledger: Ledger, store: PostgresEventStore, name: str) -> None:
    """U+0000 or half a surrogate pair costs one command its outcome; its neighbours are written and the view reads."""
    outcomes = ledger.execute([register(ALICE, "Alice"), register(BOB, name), wallet("hot", HOT_WALLET)])
    assert [type(outcome) for outcome in outcomes] == [Accepted, Failed, Accepted]
    with store.datastore.get_connection() as conn:
        assert len(conn.execute("SELECT event FROM history").fetchall()) == store.head()


def test_a_defective_decision_leaves_a_clean_connection(store: PostgresEventStore) -> None:
    """An append whose decision fails holds no lock afterwards: the next one goes through."""

    def broken(loaded: Loaded) -> Decided:
        raise AppendFailed(RuntimeError("a defect"))

    for _ in range(10):
        with pytest.raises(AppendFailed):
            store.append(uuid4(), [], [], broken)
    append(store, "s", 1)
    assert store.head() == 1


def test_nothing_decided_is_nothing_written(store: PostgresEventStore, database: Database) -> None:
    """A batch without events makes no seal."""
    store.append(uuid4(), ["s"], [], lambda loaded: Decided([], {}, []))
    assert verified_head(database.owner_url) == 0


def test_a_server_that_does_not_answer_is_unavailable(database: Database) -> None:
    """No server behind the address: Unavailable, before anything is decided."""
    with pytest.raises(Unavailable):
        PostgresEventStore(datastore(make_conninfo(database.writer_url, host="/nonexistent"), open_timeout_s=0.2))


def test_a_read_only_default_of_the_database_changes_nothing(store: PostgresEventStore, database: Database) -> None:
    """A database that reads by default is written all the same: the append says what it is."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    other = PostgresEventStore(datastore(database.writer_url))
    append(other, "s", 1)
    other.close()


# For people


def test_the_history_reads_in_psql(ledger: Ledger, database: Database) -> None:
    """An auditor who knows only SQL sees position, stream, topic, time, actor and the event as JSON."""
    execute(ledger, register(ALICE, "Alice"))
    with psycopg.connect(database.reader_url) as conn:
        row = conn.execute(
            """SELECT "position", stream, version, topic, occurred_at, actor, event ->> 'name' FROM history LIMIT 1"""
        ).fetchone()
    clock = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert row == (1, f"account-{ALICE}", 1, "account.registered/1", clock, "system:test", "Alice")


def test_an_append_rings_the_bell(store: PostgresEventStore, database: Database) -> None:
    """One append is one notification, which arrives when the events can be read."""
    with psycopg.connect(database.reader_url, autocommit=True) as conn:
        conn.execute(f"LISTEN {EVENTS_CHANNEL}")
        append(store, "s", 5)
        conn.execute(f"NOTIFY {EVENTS_CHANNEL}, 'and nothing in between'")
        heard = [each.payload for each in conn.notifies(timeout=HANG_S, stop_after=2)]
        assert len(heard) == 2
        assert heard[1] == "and nothing in between"


def test_an_event_is_read_back_as_it_was_written(ledger: Ledger, store: PostgresEventStore) -> None:
    """What was accepted, what a stream holds and what a follower reads are the same values."""
    [outcome] = ledger.execute([wallet("hot", HOT_WALLET)])
    assert isinstance(outcome, Accepted)
    assert isinstance(outcome.events[0].event, SystemWalletRegistered)
    assert list(outcome.events) == store.read(0, 10) == store.histories(["wallet-hot"])["wallet-hot"]
    assert store.histories(["nobody"]) == {}


def test_a_refusal_writes_nothing(ledger: Ledger, store: PostgresEventStore) -> None:
    """A second hot wallet is refused, and the history stays as it was."""
    execute(ledger, wallet("hot", HOT_WALLET))
    [outcome] = ledger.execute([wallet("hot", HOT_WALLET.__class__(b"\x41" + bytes(19) + b"\x01"))])
    assert isinstance(outcome, Refused)
    assert not isinstance(outcome.refusal, InsufficientFunds)
    assert store.head() == 1


def test_the_ledger_takes_more_commands_than_one_batch_holds(
    store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many commands are several appends, and every command has its outcome, in order."""
    monkeypatch.setattr("core.ledger.ledger.BATCH_COMMANDS_MAX", 3)
    ledger = Ledger(store, TickingClock())
    execute(ledger, register(ALICE, "Alice"))
    execute(ledger, fund(ALICE, 100, "opening"))
    outcomes = ledger.execute([request_payout(order(ALICE, str(number), 1)) for number in range(10)])
    positions = [outcome.position for outcome in outcomes if isinstance(outcome, Accepted)]
    assert positions == list(range(store.head() - 9, store.head() + 1))
