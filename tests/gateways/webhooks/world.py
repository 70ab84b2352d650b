"""The webhook process on a real database, with a clock that is set by hand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from core.ledger.ledger import Accepted, Command, Ledger
from core.ports.clients import Delivery
from core.streams.accounts import RegisterAccount
from gateways.embedded.webhook_outbox import PostgresWebhookOutbox
from gateways.postgres.bookmarks import PostgresBookmarks
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import WEBHOOKS
from gateways.webhooks.deliveries import Deliverer, Feed
from gateways.webhooks.post import Poster
from projections.engine.tracking import ViewTracking
from tests.support.patience import until
from tests.support.postgres import Database

MASTER = b"m" * 32
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME, SLOW, QUIET = (f"0190f0aa-0000-7000-8000-00000000000{digit}" for digit in (1, 2, 3))


class Post:
    """The webhook process: feed, deliverer and outbox on a real database, with a clock that is set by hand."""

    def __init__(self, database: Database, store: PostgresEventStore, tracking: ViewTracking) -> None:
        self.now = START
        self.store = store
        self.tracking = tracking
        self.ledger = Ledger(store, lambda: self.now)
        # The process logs in as its own role: what it is not granted fails here as it would in service (I14).
        login = database.role_urls[WEBHOOKS]
        self.own_store = PostgresEventStore(datastore(login))
        self.own_tables = Connections(login)
        self.reader = Connections(database.reader_url)
        self.outbox = PostgresWebhookOutbox(self.own_tables)
        self.bookmarks = PostgresBookmarks(self.own_tables)
        self.feed = Feed(self.reader, self.own_store, self.bookmarks, self.outbox)
        self.deliverers: list[Deliverer] = []
        self.deliverer = self.restarted()
        self.put = 0

    def restarted(self) -> Deliverer:
        """A new process's deliverer."""
        self.deliverer = Deliverer(
            self.outbox,
            self.own_store,
            Ledger(self.own_store, lambda: self.now),
            Poster(allow_loopback=True),
            master=MASTER,
            clock=lambda: self.now,
            jitter=lambda: 0.5,
        )
        self.deliverers.append(self.deliverer)
        return self.deliverer

    def do(self, *commands: Command) -> None:
        for outcome in self.ledger.execute(commands):
            assert isinstance(outcome, Accepted), outcome

    def register(self, account_id: str, url: str | None) -> None:
        self.do(RegisterAccount(account_id, "A client", url, "operator:test"))

    def due(self, account_id: str, subject: str, sequence: int = 1) -> str:
        """A delivery that is due now -> its event id."""
        self.put += 1
        event_id = f"0190f0aa-0000-7000-9000-{self.put:012d}"
        delivery = Delivery(
            account_id=account_id,
            event_id=event_id,
            event_type="deposit.confirmed",
            subject=subject,
            sequence=sequence,
            payload=b'{"type":"deposit.confirmed"}',
            status="pending",
            attempts=0,
            created_at=self.now + timedelta(milliseconds=self.put),
            next_retry_at=self.now,
        )
        self.outbox.put([delivery])
        return event_id

    def deliver(self) -> None:
        """Steps until nothing is due, waits or runs."""
        while self.deliverer.step() or self.deliverer._running or self.deliverer._waiting:
            pass

    def until(self, condition: Callable[[], object]) -> None:
        """Steps until the condition holds."""
        until(lambda: condition() or (self.deliverer.step() and None))

    def of(self, account_id: str, event_id: str) -> Delivery:
        delivery = self.outbox.find(account_id, event_id)
        assert delivery is not None
        return delivery
