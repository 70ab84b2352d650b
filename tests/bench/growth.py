"""What an append, a balance and a projected event cost beside a long history, in turns with a short one."""

import random
import time
from collections.abc import Callable
from typing import Final, NamedTuple
from uuid import uuid4

import psycopg

from core.ledger.journal import derived_id
from core.ledger.ledger import Accepted, Ledger
from core.streams.payouts import PayoutOrder, RequestPayout
from gateways.http.reading.queries import _OPTIONS
from gateways.postgres.database import Database
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import API, PROJECTOR, READER
from gateways.wiring.platform import utc_now
from projections.engine.projector import Projector
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS

SHORT: Final = 10_000
TURNS: Final = 4
BATCH: Final = 20
ACCOUNTS: Final = [str(derived_id("account", "long", str(number))) for number in range(50)]
_BALANCES: Final = (
    "SELECT code, currency, amount_minor, pending_minor FROM balances WHERE account_id = %s ORDER BY code"
)


class Costs(NamedTuple):
    """A second's worth of each."""

    appended: float
    balances: float
    projected: float


class Subject:
    """One database, asked for a while each turn."""

    def __init__(self, database: Database) -> None:
        login = datastore(database.role_urls[PROJECTOR])
        self._ledger = Ledger(PostgresEventStore(datastore(database.role_urls[API])), utc_now)
        self._projector = Projector(list(VIEWS.values()), PostgresEventStore(login), ViewTracking(login))
        self._reader = psycopg.connect(database.url(READER), autocommit=True, options=_OPTIONS, prepare_threshold=1)
        self._done = [[0, 0.0] for _ in Costs._fields]

    def turn(self, seconds: float) -> None:
        self._count(0, self._append, seconds)
        self._count(2, self._project, float("inf"))
        self._count(1, self._balance, seconds / 2)

    def costs(self) -> Costs:
        return Costs(*(times / took for times, took in self._done))

    def _count(self, place: int, act: Callable[[], int], seconds: float) -> None:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds and (times := act()):
            self._done[place][0] += times
        self._done[place][1] += time.perf_counter() - began

    def _append(self) -> int:
        outcomes = self._ledger.execute([_payout(random.choice(ACCOUNTS)) for _ in range(BATCH)])
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        return BATCH

    def _project(self) -> int:
        before = self._position()
        return self._position() - before if self._projector.step() else 0

    def _position(self) -> int:
        row = self._reader.execute("SELECT min(notification_id) FROM projection_tracking").fetchone()
        assert row is not None
        return int(row[0])

    def _balance(self) -> int:
        self._reader.execute(_BALANCES, (random.choice(ACCOUNTS),), binary=True).fetchall()
        return 1


def _payout(account: str) -> RequestPayout:
    payee = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"
    order = PayoutOrder(str(uuid4()), account, "User_Liability", payee, 1_000, 0, "USDT", None)
    return RequestPayout(order, 1, "api-key:bench")


def lines(short: Database, long: Database, events: int, seconds: float) -> list[str]:
    """Both in turns; the first turn of each is thrown away, since caches fill in it."""
    for database in (short, long):
        with psycopg.connect(database.owner_url, autocommit=True) as conn:
            conn.execute("VACUUM ANALYZE")  # what a load at once leaves behind would otherwise be cleared meanwhile
        Subject(database).turn(seconds / 4)
    subjects = [Subject(short), Subject(long)]
    for _ in range(TURNS):
        for subject in subjects:
            subject.turn(seconds / TURNS)
    few, many = (subject.costs() for subject in subjects)
    names = ("appended in batches of 20", "balance queries", "projected")
    return [f"\nbeside {events:,} events and beside {SHORT:,}, per second (aim: within 15 %)"] + [
        f"  {name:<28} {new:>9,.0f}  {old:>9,.0f}   {new / old:.0%}"
        for name, old, new in zip(names, few, many, strict=True)
    ]
