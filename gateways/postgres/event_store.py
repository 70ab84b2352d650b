"""The event store on Postgres: eventsourcing's recorder, with an append of our own.

One append is one transaction under one advisory lock: read, decide, write events at contiguous positions, move the
guard, seal. Two round trips. A COMMIT whose answer is lost is resolved before anything else happens (I15).
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
from eventsourcing import persistence
from eventsourcing.persistence import Notification, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

import core.streams.all_events  # noqa: F401  declares every event, so that any row can be decoded
from core.ledger.events import NewerFormat, Recorded, decode, encode, newest_level
from core.ledger.guard import GuardKey, guard_deltas
from core.ledger.history import readable
from core.ledger.ledger import AppendFailed, Decided, InvariantBroken, LastSeal, Loaded
from core.ledger.seals import GENESIS, Sealed
from core.ports.unavailable import Unavailable
from gateways.postgres.append import Batch, columns
from gateways.postgres.connections import RECONNECT_S, Login, conninfo_of, live
from gateways.postgres.pipeline import Pipeline, Statement
from projections.engine.binary import bigints_of, text_array, values_of
from projections.engine.outages import is_outage, reachable

APPEND_LOCK: Final = 0x436F756E74657266
"""The advisory lock that every append holds until it has committed: position order is commit order."""

RESOLVE_BACKOFF_MAX_S: Final = 2.0
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Whatever the database's default is: a snapshot taken before the lock was granted would show an old history.
_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_LOCK: Final = "SELECT take_append_lock()"
_PATIENCE: Final = b"15s"
"""So long an append may take before the server ends it and lets go of the lock (PostgreSQL 17 and newer)."""
_LOAD: Final = Statement(
    "begin_append",
    "SELECT *, (SELECT max(level) FROM format_levels), set_config('counterfoil.format_level', $4::text, true)"
    " FROM begin_append($1::text[], $2::uuid[], $3::text)",
    4,
)
"""The lock, then everything that decisions may look at, in arrays; NULL where there is nothing. The format level may have been
raised while the lock was waited for: what is written at the one before is read at every later one, and a program that does not
read the new one is refused by the server, to which it says here what it reads.
"""
# Events are read by position here, as plain tuples in the order of these columns: a name a value would cost every append.
# Arrays go in binary (%b): psycopg escapes a text array with a regular expression per string, half of a batch's time.
_STREAMS: Final = (
    "SELECT notification_id, originator_id, originator_version, topic, state FROM events"
    " WHERE originator_id = ANY(%b) ORDER BY originator_id, originator_version"
)
_LAST_SEAL: Final = "SELECT last_position, encode(hash, 'hex') FROM seals ORDER BY last_position DESC LIMIT 1"
_SEAL_AT: Final = "SELECT encode(hash, 'hex') FROM seals WHERE last_position = %s"
_NEWER_FROM: Final = "SELECT min(since) FROM format_levels WHERE level > %s"
_FIND_SEAL: Final = "SELECT 1 FROM seals WHERE batch_id = %s"
_READ: Final = (
    "SELECT notification_id, originator_id, originator_version, topic, state FROM events"
    " WHERE notification_id > %s ORDER BY notification_id LIMIT %s"
)


_SESSION_OPTIONS: Final = {
    # Every statement here has its index. So its plan is made once, and is right whatever the tables held at that time.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "lock_timeout": "30s",
    # The server must notice when a writer's machine has vanished with the append lock in its hands.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


class InDoubt(Exception):
    """The store was closed before a batch could be resolved: whether it was written is known to the next start only."""


def datastore(login: Login, *, connections_max: int = 4, open_timeout_s: float = 10) -> PostgresDatastore:
    """eventsourcing's datastore over any libpq connection string. Each new connection asks for the password that holds now."""
    given = conninfo_to_dict(conninfo_of(login))
    store = PostgresDatastore(
        dbname=str(given.pop("dbname", "postgres")),
        host=str(given.pop("host", "")),
        port=str(given.pop("port", "5432")),
        user=str(given.pop("user", "")),
        password=str(given.pop("password", "")),
        schema="public",
        originator_id_type="text",
        pool_size=1,
        max_overflow=connections_max - 1,
        pool_open_timeout=open_timeout_s,
        get_password_func=None if isinstance(login, str) else lambda: _password(login),
    )
    options = " ".join(f"-c {name}={value}" for name, value in _SESSION_OPTIONS.items())
    store.pool.reconnect_timeout = RECONNECT_S
    assert isinstance(store.pool.kwargs, dict)
    store.pool.kwargs.update({**given, "options": f"{options} {given.get('options') or ''}".strip()})
    return store


def _password(login: Login) -> str:
    return str(conninfo_to_dict(conninfo_of(login)).get("password") or "")


class PostgresEventStore(PostgresApplicationRecorder):
    """Both the library's application recorder and the port `EventStore`."""

    def __init__(self, store: PostgresDatastore) -> None:
        """Connects once. Raises Unavailable when the server does not answer."""
        try:
            super().__init__(store, events_table_name="events")
        except persistence.OperationalError as error:
            raise Unavailable(f"the event store cannot be reached: {error}") from error

    # The port

    def append(
        self,
        batch_id: UUID,
        streams: Sequence[str],
        guards: Sequence[GuardKey],
        decide: Callable[[Loaded], Decided],
    ) -> None:
        """Read, decide, write and seal in one transaction. Raises Unavailable only when nothing was written (I15)."""

        def build(loaded: Loaded) -> tuple[Iterator[Sealed], Decided]:
            decided = decide(loaded)
            level = loaded.format_level
            records = (
                (record.position, record.stream, record.version, *encode(record.event, level))
                for record in decided.records
            )
            return records, decided

        try:
            self._transact(batch_id, streams, guards, build)
        except (Unavailable, AppendFailed, InDoubt):
            raise
        except psycopg.IntegrityError as error:
            raise InvariantBroken(f"the event store refused what the ledger decided: {error}") from error
        except Exception as error:  # one command's fault, such as text that no database can hold: bisect
            if isinstance(error, psycopg.Error) and is_outage(error):
                raise Unavailable(f"the event store cannot be reached: {error}") from error
            raise AppendFailed(error) from error

    def read(self, after: int, limit: int) -> list[Recorded]:
        """Events behind a position, in order, up to where a newer program's begin. Raises NewerFormat where they do at once."""
        with self._reading() as conn:
            rows = conn.execute(_READ, (after, limit), binary=True).fetchall()
            beyond = _newer_from(conn) if rows else None
            if beyond is not None and after >= beyond:  # whose bookmark another has moved past the event that says so
                raise NewerFormat(beyond, "format level beyond this program's")
            return readable(rows, lambda: beyond)

    def histories(self, streams: Sequence[str]) -> dict[str, list[Recorded]]:
        """Whole streams, from their start. Raises NewerFormat."""
        with self._reading() as conn:
            return _grouped(conn, conn.execute(_STREAMS, (list(streams),), binary=True).fetchall())

    def head(self) -> int:
        """The last position, 0 when there is none."""
        return self.max_notification_id() or 0

    def last_seal(self) -> LastSeal | None:
        """Where the last append ends, and its hash."""
        with self._reading() as conn:
            row = conn.execute(_LAST_SEAL).fetchone()
        return None if row is None else LastSeal(*row)

    def seal_at(self, position: int) -> str | None:
        """The hash of the append that ends at a position."""
        with self._reading() as conn:
            row = conn.execute(_SEAL_AT, (position,)).fetchone()
        return None if row is None else str(row[0])

    # The append's parts

    def _transact(
        self,
        batch_id: UUID,
        streams: Sequence[str],
        guards: Sequence[GuardKey],
        build: Callable[[Loaded], tuple[Iterator[Sealed], Decided]],
    ) -> range:
        """One append -> its positions, durable. Whatever it raises, nothing was written: a lost COMMIT is resolved first."""
        batch = Batch(batch_id)
        try:
            with self._connection() as conn:
                loaded, previous = self._load(conn, streams, guards)
                with Pipeline(conn) as pipeline:
                    batch.write(pipeline, loaded.head, previous, *build(loaded))
        except Exception:
            # No kind of error is proof: a server that dies while it commits may say anything, or nothing.
            if not (batch.sent and self._committed(batch_id)):
                raise
        return batch.positions

    def _load(
        self, conn: psycopg.Connection[Any], streams: Sequence[str], guards: Sequence[GuardKey]
    ) -> tuple[Loaded, bytes]:
        """One round trip: begin, lock, and everything the decisions may look at."""
        with Pipeline(conn) as pipeline:
            pipeline.command(_BEGIN.encode())
            reads = str(newest_level()).encode()
            pipeline.send(_LOAD, text_array(map(str.encode, streams)), columns(guards)[0], _PATIENCE, reads)
        _, answer = pipeline.answers
        head, head_hash, positions, names, versions, topics, states, accounts, currencies, balances, *times, level = (
            answer.get_value(0, column) for column in range(13)
        )
        rows = zip(
            bigints_of(positions),
            map(bytes.decode, values_of(names)),
            bigints_of(versions),
            map(bytes.decode, values_of(topics)),
            values_of(states),
            strict=True,
        )
        asked = {(key.ledger_account_id.bytes, key.currency): key for key in guards}
        found = zip(values_of(accounts), map(bytes.decode, values_of(currencies)), bigints_of(balances), strict=True)
        loaded = Loaded(
            histories=_grouped(conn, rows),
            guards={asked[account, code]: minor for account, code, minor in found if (account, code) in asked},
            head=int.from_bytes(head or b"", "big"),
            server_now=_time_of(times[0]),
            last_at=_time_of(times[1]),
            format_level=None if level is None else int.from_bytes(level, "big"),
        )
        if loaded.format_level is not None and loaded.format_level > newest_level():
            raise NewerFormat(_newer_from(conn) or 0, f"format level {loaded.format_level}")
        return loaded, head_hash or GENESIS

    def _committed(self, batch_id: UUID) -> bool:
        """Resolve a batch in doubt: only under the append lock does an absent seal mean that it never will be (I15).

        Waits for the server as long as it takes. Raises InDoubt only when this store was closed meanwhile.
        """
        wait_s = 0.05
        while True:
            try:
                with self._connection() as conn, conn.pipeline():
                    conn.execute(_BEGIN)
                    conn.execute(_LOCK)
                    found = conn.execute(_FIND_SEAL, (batch_id,))
                    conn.execute("COMMIT")
                return found.fetchone() is not None
            except (Unavailable, psycopg.Error) as error:
                if self.datastore.pool.closed:
                    raise InDoubt(f"batch {batch_id} is in doubt and the store is closed") from error
                time.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311  jitter, not a secret
                wait_s = min(2 * wait_s, RESOLVE_BACKOFF_MAX_S)

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A pooled connection, clean again afterwards; psycopg's own errors come through."""
        try:
            self.datastore.pool.open()
            conn = live(self.datastore.pool, 10)
        except psycopg.OperationalError as error:
            raise Unavailable(f"the event store cannot be reached: {error}") from error
        conn.row_factory = tuple_row
        try:
            yield conn
        except BaseException:
            if conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                conn.close()
            raise
        finally:
            self.datastore.pool.putconn(conn)

    @contextmanager
    def _reading(self) -> Iterator[psycopg.Connection[Any]]:
        with reachable("the event store"), self._connection() as conn:
            yield conn

    # The library's recorder contract

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """The library's way in -> positions. Lock, seal and guard hold here too; a taken version is its IntegrityError."""
        events = [decode(stored.topic, stored.state) for stored in stored_events]
        changes = [change for item in events for change in guard_deltas(item)]

        def build(loaded: Loaded) -> tuple[Iterator[Sealed], Decided]:
            opened = [change.key for change in changes if change.opens]
            guarded = {*loaded.guards, *opened}
            deltas = Counter[GuardKey]()
            for change in changes:
                if change.key in guarded and not change.opens:
                    deltas[change.key] += change.delta_minor
            rows = (
                (loaded.head + offset, str(stored.originator_id), stored.originator_version, stored.topic, stored.state)
                for offset, stored in enumerate(stored_events, start=1)
            )
            return rows, Decided([], deltas, opened)

        try:
            return list(self._transact(uuid4(), [], [change.key for change in changes], build))
        except psycopg.IntegrityError as error:
            raise persistence.IntegrityError(str(error)) from error
        except psycopg.Error as error:
            if is_outage(error):
                raise persistence.OperationalError(str(error)) from error
            raise

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """A stream's stored events, with versions above `gt` and up to `lte`."""
        statement = (
            "SELECT originator_id, originator_version, topic, state FROM events WHERE originator_id = %s"
            " AND originator_version > %s AND originator_version <= %s"
            f" ORDER BY originator_version {'DESC' if desc else 'ASC'} LIMIT %s"
        )
        bounds = (str(originator_id), gt or 0, 2**62 if lte is None else lte, limit)
        with self._reading() as conn:
            return [
                StoredEvent(originator_id=stream, originator_version=version, topic=topic, state=state.encode())
                for stream, version, topic, state in conn.execute(statement, bounds)
            ]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events as the library's notifications, by position."""
        after = (start or 0) - (1 if inclusive_of_start else 0)
        statement = (
            "SELECT notification_id, originator_id, originator_version, topic, state FROM events"
            " WHERE notification_id > %s AND notification_id <= %s AND (%s::text[] IS NULL OR topic = ANY(%s))"
            " ORDER BY notification_id LIMIT %s"
        )
        wanted = list(topics) or None
        with self._reading() as conn:
            rows = conn.execute(statement, (after, 2**62 if stop is None else stop, wanted, wanted, limit))
            return [
                Notification(
                    id=position, originator_id=stream, originator_version=version, topic=topic, state=state.encode()
                )
                for position, stream, version, topic, state in rows
            ]

    def max_notification_id(self) -> int | None:
        """The head position, None when the history is empty."""
        with self._reading() as conn:
            [(head,)] = conn.execute("SELECT max(notification_id) FROM events")
            return None if head is None else int(head)

    def close(self) -> None:
        self.datastore.close()


def _time_of(microseconds: bytes | None) -> datetime | None:
    """Since 1970, as a bigint."""
    return (
        None
        if microseconds is None
        else _UNIX + timedelta(microseconds=int.from_bytes(microseconds, "big", signed=True))
    )


def _grouped(
    conn: psycopg.Connection[Any], rows: Iterable[tuple[int, str, int, str, str | bytes]]
) -> dict[str, list[Recorded]]:
    """Raises NewerFormat where any of them is a newer program's: nothing is decided over a part of a stream."""
    grouped: dict[str, list[Recorded]] = {}
    for row in rows:
        [record] = readable([row], lambda: _newer_from(conn))
        grouped.setdefault(record.stream, []).append(record)
    return grouped


def _newer_from(conn: psycopg.Connection[Any]) -> int | None:
    """From which position on the history has a format level that this program does not read; None where it has none."""
    found = conn.execute(_NEWER_FROM, (newest_level(),)).fetchone()
    return None if found is None or found[0] is None else int(found[0])
