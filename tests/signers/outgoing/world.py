"""Alice, a hot wallet, a chain and the worker that pays: the world in which payouts are tried."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from core.ledger import books
from core.ledger.events import Event
from core.ledger.journal import TREASURY, derived_id
from core.ledger.ledger import Ledger
from core.ports.unavailable import Unavailable
from core.streams.attempts import Attempt
from core.streams.payouts import (
    Payout,
    PayoutOrder,
    payout_stream,
)
from core.tron.address import Address
from core.tron.chain import BroadcastAnswer
from signers.keys.keys import Key
from signers.leash.approvers import Approvers
from signers.leash.limits import SignerLimits
from signers.outgoing.hot_wallet import PayoutRules
from signers.outgoing.payouts import Payouts
from tests.signers.payments import KEY
from tests.support.devnet import ACCEPTED, BLOCK_MS, SOLID_LAG, USDT, DevnetLog, DevnetNode
from tests.support.history import (
    ALICE,
    PAYEE,
    TickingClock,
    confirm,
    detect,
    execute,
    fund,
    order,
    register,
    request_payout,
    transfer,
)
from tests.support.leash import leash
from tests.support.memory import Fuse, MemoryPool, MemoryQueue, MemorySpentTotals, MemoryStore

HOT = KEY.address
COINS = 1_000_000
AMOUNT = 12_500_000
FEE = 100_000
RULES = PayoutRules(lifetime_ms=60_000)
LIFE_BLOCKS = RULES.lifetime_ms // BLOCK_MS + SOLID_LAG + 2
"""After so many blocks an attempt is either solid or proven dead."""


class MemoryBookmarks:
    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def load(self, name: str) -> int:
        return self.rows.get(name, 0)

    def save(self, name: str, position: int) -> None:
        self.rows[name] = position


class World:
    """Alice with 1,000 USDT, a hot wallet with as much and TRX for fees, a chain, and the worker."""

    def __init__(
        self,
        *,
        usdt_minor: int = 1_000 * COINS,
        sun: int = 1_000 * COINS,
        rules: PayoutRules = RULES,
        block_ms: int = BLOCK_MS,
        limits: SignerLimits = SignerLimits(),  # noqa: B008 (frozen)
        approvers: Approvers = Approvers(),  # noqa: B008 (frozen)
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """`clock`: the worker's own; without one it ticks a second a look."""
        self.rules, self.limits, self.approvers = rules, limits, approvers
        self.totals, self.hands = MemorySpentTotals(), clock
        self.node = DevnetNode(block_ms)
        self.node.fund(HOT, usdt_minor=usdt_minor, sun=sun)
        self.funded = (self.node.usdt_of(HOT), self.node.sun_of(HOT))
        self.log, self.pool = DevnetLog(self.node), MemoryPool({HOT: "hot"})
        self.alarms: list[str] = []
        self.sentences: list[str] = []
        self.store, self.queue, self.bookmarks = MemoryStore(), MemoryQueue(), MemoryBookmarks()
        self.ledger = Ledger(self.store, TickingClock())
        self.guards: dict[str, Any] = {}
        """What holds the worker back: a fence, and whether the chain is read."""
        execute(self.ledger, register(ALICE, "Alice Ltd"), fund(ALICE, 1_000 * COINS, "opening"))
        self.worker = self.start()

    def start(self, fuse: Fuse | None = None, key: Key = KEY) -> Payouts:
        """A new worker process, with a crash at the fuse's call if there is one."""
        through = fuse.through if fuse else lambda port: port
        store = through(self.store)
        ledger = Ledger(store, TickingClock() if self.hands is None else self.hands)
        queue, node, bookmarks = through(self.queue), through(self.node), through(self.bookmarks)
        log, pool = through(self.log), through(self.pool)
        own = leash(self.store, self._ring, self.limits, self.approvers, self.totals, self.hands)
        ports = (ledger, store, bookmarks, queue, node, log, pool, key, USDT, self.rules)
        self.worker = Payouts(*ports, leash=own, alarm=self._ring, **self.guards)
        return self.worker

    def _ring(self, name: str, sentence: str) -> None:
        self.alarms.append(name)
        self.sentences.append(sentence)

    def request(
        self, name: str, amount_minor: int = AMOUNT, to: Address = PAYEE, *, account_id: str = ALICE, **wishes: Any
    ) -> PayoutOrder:
        wished = msgspec.structs.replace(order(account_id, name, amount_minor, FEE), to_address=to.base58, **wishes)
        execute(self.ledger, request_payout(wished))
        return wished

    def client(self, name: str, usdt_minor: int) -> str:
        """Another account with coins in the books; -> its id. The chain's coins are somewhere else."""
        account_id = str(derived_id("account", "", name))
        execute(self.ledger, register(account_id, name), fund(account_id, usdt_minor, "opening"))
        return account_id

    def refill(self, name: str, usdt_minor: int) -> None:
        """Coins reach the hot wallet in a block, and the books once it is solid."""
        self.node.fund(HOT, usdt_minor=usdt_minor)
        fact = transfer(name, HOT, usdt_minor, wallet="hot", block=self.node.head().number)
        fact = msgspec.structs.replace(fact, block_timestamp_ms=self.node.head().timestamp_ms)
        execute(self.ledger, detect(fact), confirm(fact))

    def work(self) -> None:
        """Until the worker has nothing to do but wait."""
        for _ in range(100):
            if not self.worker.step():
                return
        raise AssertionError("the worker is busy and gets nowhere")

    def live(self, blocks: int = LIFE_BLOCKS) -> None:
        for _ in range(blocks):
            self.work()
            self.node.mine()
        self.work()

    def payout(self, wished: PayoutOrder) -> Payout:
        state = Payout()
        for recorded in self.store.histories([payout_stream(wished.payout_id)])[payout_stream(wished.payout_id)]:
            state = state.evolve(recorded.event)
        return state

    def attempt(self, wished: PayoutOrder) -> Attempt:
        attempt = self.payout(wished).attempts.last
        assert attempt is not None
        return attempt

    def events(self, kind: type[Event]) -> list[Event]:
        return [recorded.event for recorded in self.store.events if isinstance(recorded.event, kind)]

    def balance(self, book: str, account: str, currency: str = "USDT") -> int:
        """Debits less credits."""
        return sum(
            posting.amount_minor if posting.side == "debit" else -posting.amount_minor
            for recorded in self.store.events
            for posting in getattr(recorded.event, "postings", ())
            if (posting.book, posting.account, posting.currency) == (book, account, currency)
        )

    def assert_books_are_the_chain(self) -> None:
        """The hot wallet's accounts moved exactly as its coins did, and nothing is left in flight (I7, I10)."""
        usdt_minor, sun = self.funded
        assert self.balance(TREASURY, books.HOT_WALLET) - 1_000 * COINS == self.node.usdt_of(HOT) - usdt_minor
        assert self.balance(TREASURY, books.HOT_WALLET, "TRX") == self.node.sun_of(HOT) - sun
        assert self.balance(TREASURY, books.CUSTODY_CONTROL) == -self.balance(ALICE, books.CLIENT_ASSET)
        open_minor = -self.balance(ALICE, books.CLEARING)
        assert open_minor == 0
        paid = Counter(
            getattr(recorded.event, "txid", "") for recorded in self.store.events if _confirms(recorded.event)
        )
        assert paid == Counter({txid for txid, _ in self.node.transfers_from(HOT)})


def _confirms(happened: Event) -> bool:
    return type(happened).__name__ == "PayoutConfirmed"


REFUSALS = [
    "SIGERROR",
    "CONTRACT_VALIDATE_ERROR",
    "CONTRACT_EXE_ERROR",
    "BANDWITH_ERROR",
    "TAPOS_ERROR",
    "TOO_BIG_TRANSACTION_ERROR",
    "TRANSACTION_EXPIRATION_ERROR",
    "SERVER_BUSY",
    "NO_CONNECTION",
    "BLOCK_UNSOLIDIFIED",
]


UNCLEAR = ["DUP_TRANSACTION_ERROR", "OTHER_ERROR", "NOT_ENOUGH_EFFECTIVE_CONNECTION", "timeout", "{}"]
ANSWERS = [
    ACCEPTED,
    *(BroadcastAnswer("refused", code) for code in REFUSALS),
    *(BroadcastAnswer("unclear", code) for code in UNCLEAR),
]


class ShutKey:
    """The hot wallet's key behind a door that is shut."""

    address = HOT

    def sign_digest(self, digest: bytes) -> bytes:
        raise Unavailable("the key does not answer")
