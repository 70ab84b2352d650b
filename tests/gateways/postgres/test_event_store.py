"""The event store on Postgres: contiguous positions, seals, the guard, append-only for everybody, the library's contract."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest
from eventsourcing import persistence
from eventsourcing.persistence import StoredEvent
from psycopg.conninfo import make_conninfo

from core.ledger.books import USER_LIABILITY
from core.ledger.events import Recorded, encode
from core.ledger.guard import GuardKey, guard_key
from core.ledger.ledger import Accepted, AppendFailed, Decided, Failed, InvariantBroken, Ledger, Loaded, Refused
from core.ledger.refusals import InsufficientFunds
from core.ledger.seals import BrokenSeal
from core.ports.unavailable import Unavailable
from core.streams.accounts import AccountRenamed
from core.streams.treasury import InternalTransferPosted, SystemWalletRegistered
from gateways.postgres import event_store as adapter
from gateways.postgres.append import EVENTS_CHANNEL
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.migrate import OWNER, ROLES
from gateways.postgres.server import EmbeddedPostgres
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
    lock = f"PERFORM pg_advisory_xact_lock({adapter.APPEND_LOCK});"
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


# Append-only for everybody (I2)


def test_no_role_can_change_the_history(ledger: Ledger, database: Database) -> None:
    """UPDATE, DELETE and TRUNCATE of events and seals fail for every role there is, the owner and superuser included."""
    execute(ledger, wallet("hot", HOT_WALLET))
    logins = {role: f"SET ROLE {role}" for role in (*ROLES, OWNER)}
    logins |= {"superuser": "SELECT 1", "superuser as replica": "SET session_replication_role = replica"}
    for login in logins.values():
        with psycopg.connect(database.owner_url, autocommit=True) as conn:
            conn.execute(login)
            for table, column in (("events", "topic"), ("seals", "hash")):
                for verb in ("UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0}"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        conn.execute(verb.format(table, column))
    assert verified_head(database.owner_url) == 1


def test_upserting_into_the_history_is_refused(ledger: Ledger, database: Database) -> None:
    """INSERT ... ON CONFLICT DO UPDATE and MERGE are updates, and refused as such."""
    execute(ledger, wallet("hot", HOT_WALLET))
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        for statement in (
            "INSERT INTO events SELECT * FROM events ON CONFLICT (notification_id) DO UPDATE SET topic = 'x'",
            "MERGE INTO events e USING (SELECT 1) ON true WHEN MATCHED THEN UPDATE SET topic = 'x'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)


SCHEMA_CHANGES: Final = (
    "CREATE TABLE mine (id int)",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    "ALTER TABLE events ADD COLUMN x int",
    "DROP TRIGGER events_are_append_only ON events",
    "DROP TABLE seals",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "SET session_replication_role = replica",
    "SET ROLE counterfoil_owner",
)


def test_no_process_can_change_the_schema(postgres: EmbeddedPostgres, database: Database) -> None:
    """The roles of running processes change no table, trigger or function, and cannot become the owner."""
    for role in ROLES:
        url = make_conninfo(database.owner_url, user=role, password="of-a-test-only")
        with psycopg.connect(url, autocommit=True) as conn:
            for statement in SCHEMA_CHANGES:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(statement)


def test_only_the_writer_writes(database: Database) -> None:
    """The projector and the reader insert nothing into the write side."""
    for url in (database.projector_url, database.reader_url):
        with psycopg.connect(url, autocommit=True) as conn:
            for table in ("events", "seals", "guard"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(f"INSERT INTO {table} SELECT * FROM {table}")


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
