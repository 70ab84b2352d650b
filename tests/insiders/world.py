"""The signer over a real database, a chain in process, and an insider's hands: a login of a role, and SQL of one's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
import psycopg

from core.ledger import books
from core.ledger.events import Event, encode
from core.ledger.guard import guard_key
from core.ledger.ledger import Command, Ledger
from core.ledger.seals import GENESIS, seal_hash
from core.proofs.checkpoints import CheckpointArchive
from core.streams.payouts import PayoutOrder, PayoutRequested
from core.streams.signing import SIGNING, Signing
from gateways.postgres.alarms import Alarms, last_alarms
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import READER, SIGNER
from gateways.wiring.leash import newest_root
from projections.sealed_history import PostgresSealedHistory
from signers.leash.approvers import Approvers
from signers.leash.leash import Leash
from signers.leash.limits import SignerLimits
from signers.outgoing.homes import Homes
from signers.outgoing.hot_wallet import PayoutRules
from signers.outgoing.payouts import Payouts
from signers.outgoing.permissions import Permissions
from tests.signers.leash.limited import ANN, BEN, LIMITS, Hands
from tests.signers.outgoing.world import MemoryBookmarks
from tests.signers.payments import KEY
from tests.support.devnet import BLOCK_MS, SOLID_LAG, USDT, DevnetLog, DevnetNode
from tests.support.history import (
    ALICE,
    TickingClock,
    address,
    confirm,
    execute,
    order,
    payin,
    register,
    request_payout,
    transfer,
)
from tests.support.memory import MemoryPool, MemoryQueue, MemorySpentTotals
from tests.support.postgres import Database

HOT = KEY.address
COLD = address("nobody's but its owner's")
"""By the signer's own settings."""
COINS = 1_000_000
RULES = PayoutRules(lifetime_ms=60_000)
STEPS_MAX = 60
"""Of a worker, in one block: an alarm that takes more is too late."""


class Forged(NamedTuple):
    """A row of somebody's own making."""

    stream: str
    version: int
    topic: str
    state: bytes


class Insiders:
    """Alice, whose 900 USDT came on chain, a hot wallet with 100,000, and the process that pays, with its own login."""

    def __init__(self, database: Database, limits: SignerLimits = LIMITS) -> None:
        self.database = database
        self.node = DevnetNode()
        self.node.fund(HOT, usdt_minor=100_000 * COINS, sun=10_000 * COINS)
        self.log, self.pool, self.queue = DevnetLog(self.node), MemoryPool({HOT: "hot"}), MemoryQueue()
        self.books = PostgresEventStore(datastore(database.writer_url))
        self.store = PostgresEventStore(datastore(database.role_urls[SIGNER]))
        self.own = Connections(database.role_urls[SIGNER], connections_max=1)
        self.eyes = Connections(database.role_urls[READER], connections_max=1)
        self.ledger = Ledger(self.books, TickingClock())
        self.totals, self.time = MemorySpentTotals(), Hands()
        self.start(limits)
        to = address(f"{ALICE}'s")
        self.do(register(ALICE, "Alice Ltd"), payin(ALICE, to, "one"))
        self.do(confirm(transfer("opening", to, 900 * COINS), ALICE, books.USER_LIABILITY))

    def start(self, limits: SignerLimits, archive: CheckpointArchive | None = None) -> None:
        """The process that pays, begun anew. Ann and Ben may approve."""
        newest = (lambda: None) if archive is None else partial(newest_root, self.own.transaction, archive)
        alarm, approvers = Alarms(self.own), Approvers((ANN.key, BEN.key))
        history = PostgresSealedHistory(self.own.transaction)
        self.worker = Payouts(
            Ledger(self.store, self.time),
            self.store,
            MemoryBookmarks(),
            self.queue,
            self.node,
            self.log,
            self.pool,
            KEY,
            USDT,
            RULES,
            leash=Leash(history, self.totals, limits, approvers, self.time, alarm=alarm, newest=newest),
            alarm=alarm,
            homes=Homes(self.pool, {"hot": HOT}, None, COLD),
            permissions=Permissions(self.store, self.node, approvers, 1),
        )

    def close(self) -> None:
        for opened in (self.books, self.store, self.own, self.eyes):
            opened.close()

    # What happens rightly

    def do(self, *commands: Command) -> None:
        execute(self.ledger, *commands)

    def asked(self, name: str, minor: int, account_id: str = ALICE) -> PayoutOrder:
        """A payout that was asked for as it should be, by whoever has the account's key."""
        wished = order(account_id, name, minor)
        self.do(request_payout(wished))
        return wished

    def live(self, blocks: int = RULES.lifetime_ms // BLOCK_MS + SOLID_LAG + 2) -> None:
        for _ in range(blocks):
            self.look()
            self.node.mine()

    def look(self) -> None:
        """The signer until it has nothing to do; the chain stands still."""
        for _ in range(STEPS_MAX):
            if not self.worker.step():
                return

    # An insider's hands

    @contextmanager
    def login(self, role: str) -> Iterator[psycopg.Connection[Any]]:
        """Whoever has this role's password, and nothing else."""
        with psycopg.connect(self.database.role_urls[role]) as conn:
            yield conn

    def append_as(self, role: str, *rows: Forged) -> None:
        """Append rows with the seal that fits them, as whoever knows the login and this program can."""
        with self.login(role) as conn:
            conn.execute("SELECT take_append_lock()")
            found = conn.execute("SELECT last_position, hash FROM seals ORDER BY last_position DESC LIMIT 1").fetchone()
            head, previous = found or (0, GENESIS)
            sealed = [(head + place, *row) for place, row in enumerate(rows, start=1)]
            for position, stream, version, topic, state in sealed:
                conn.execute(
                    "INSERT INTO events VALUES (%s, %s, %s, %s, %s)", (stream, version, topic, state.decode(), position)
                )
            conn.execute(
                "INSERT INTO seals (batch_id, first_position, last_position, previous_hash, hash)"
                " VALUES (%s, %s, %s, %s, %s)",
                (uuid4(), head + 1, head + len(rows), previous, seal_hash(previous, sealed)),
            )

    def move_guard(self, role: str, account_id: str, code: str, delta_minor: int) -> None:
        """The rows by which the API decides are there to be written by those who append."""
        key = guard_key(account_id, code)
        with self.login(role) as conn:
            conn.execute(
                "UPDATE guard SET balance_minor = balance_minor + %s WHERE ledger_account_id = %s AND currency = %s",
                (delta_minor, key.ledger_account_id, key.currency),
            )

    # What came of it

    @property
    def paid_minor(self) -> int:
        """What has left the hot wallet."""
        return sum(amount for _, amount in self.node.transfers_from(HOT))

    def alarms(self) -> dict[str, str]:
        """Of those in the table, the last sentence of each name."""
        return {each.name: each.sentence for each in reversed(last_alarms(self.eyes, 100))}

    def causes(self) -> tuple[str, ...]:
        """What stops signing."""
        signing = Signing()
        for recorded in self.books.histories([SIGNING]).get(SIGNING, ()):
            signing = signing.evolve(recorded.event)
        return signing.causes


def forged(stream: str, version: int, event: Event) -> Forged:
    return Forged(stream, version, *encode(event))


def request_of(wished: PayoutOrder, **changes: Any) -> Forged:
    """The event of a payout's request, as the API would append it had it been accepted."""
    requested = PayoutRequested(
        occurred_at=TickingClock()(),
        actor="api-key:1",
        order=wished,
        postings=books.payout_requested(wished.account_id, wished.ledger_account, wished.total_minor),
    )
    return forged(wished.stream, 1, msgspec.structs.replace(requested, **changes))
