"""What eventsourcing's own ProjectionRunner makes of the same history: one event, one transaction, one tracking row."""

import time
from typing import Any, Final

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import ApplicationRecorder, Mapper, StoredEvent, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

import core.streams.all_events  # noqa: F401  declares every event
from core.ledger.events import decode, postings_of
from core.ledger.journal import ledger_account_id
from gateways.postgres.database import Database
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import READER

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS library_postings (position bigint, line int, ledger_account_id uuid, side text,"
    " amount_minor bigint, currency text, PRIMARY KEY (position, line))",
    "CREATE TABLE IF NOT EXISTS library_balances (ledger_account_id uuid, currency text, amount_minor bigint,"
    " PRIMARY KEY (ledger_account_id, currency))",
)
_POST: Final = "INSERT INTO library_postings VALUES (%s, %s, %s, %s, %s, %s)"
_MOVE: Final = (
    "INSERT INTO library_balances AS b VALUES (%s, %s, %s) ON CONFLICT (ledger_account_id, currency)"
    " DO UPDATE SET amount_minor = b.amount_minor + excluded.amount_minor"
)


class Books(PostgresTrackingRecorder):
    """A view of postings and balances, kept as the library keeps views."""

    def __init__(self, datastore: Any, *, tracking_table_name: str, **more: Any) -> None:
        super().__init__(datastore, tracking_table_name=tracking_table_name, **more)
        self.sql_create_statements.extend(map(sql.SQL, _TABLES))

    def post(self, event: Any, tracking: Tracking) -> None:
        """The event's lines, their balances and the tracking, in one transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            for line, posting in enumerate(postings_of(event)):
                account = ledger_account_id(posting.book, posting.account)
                amount = posting.amount_minor if posting.side == "debit" else -posting.amount_minor
                row = (tracking.notification_id, line, account, posting.side, posting.amount_minor, posting.currency)
                cursor.execute(_POST, row)
                cursor.execute(_MOVE, (account, posting.currency, amount))
            self._insert_tracking(cursor, tracking)


class _Decoded(Mapper[Any]):
    """Our events are not the library's: a topic and JSON."""

    def to_domain_event(self, stored: StoredEvent) -> Any:
        return decode(stored.topic, stored.state)


class History(Application[str]):
    """Our event store as one of the library's applications."""

    store: PostgresEventStore

    def construct_mapper(self) -> Mapper[Any]:
        return _Decoded(transcoder=None)  # type: ignore[arg-type]

    def construct_recorder(self) -> ApplicationRecorder:
        return self.store


class BooksProjection(Projection[Books]):
    """One event after the other."""

    name = "library_books"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.post(domain_event, tracking)


def events_per_second(database: Database, seconds: float) -> float:
    """How many events the runner has behind it after so long, from the first on."""
    url = conninfo_to_dict(database.owner_url)
    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(url["dbname"]),
        "POSTGRES_HOST": str(url["host"]),
        "POSTGRES_PORT": str(url.get("port", "5432")),
        "POSTGRES_USER": str(url["user"]),
        "POSTGRES_PASSWORD": str(url["password"]),
        "POSTGRES_ORIGINATOR_ID_TYPE": "text",
    }
    History.store = PostgresEventStore(datastore(database.role_urls[READER]))
    with psycopg.connect(database.owner_url, autocommit=True) as conn, conn.cursor() as cursor:
        runner = ProjectionRunner(
            application_class=History, projection_class=BooksProjection, view_class=Books, env=environment
        )
        with runner:
            began = time.perf_counter()
            time.sleep(seconds)
            row = cursor.execute("SELECT max(notification_id) FROM library_books_tracking").fetchone()
            took = time.perf_counter() - began
    return float(row[0] or 0) / took if row else 0.0
