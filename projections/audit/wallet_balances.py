"""Step: hold every system wallet's coins and stake on chain against the books, at one solid block, and ring where they differ.

What moves a wallet without standing in a block's transactions shows here alone: TRX by a contract, a maintenance reward, a
transfer that was not read (FAILURES 41). The chain is asked first, the books once they have reached that block. What differs
twice in a row, by the same amount, is a difference; it ends by itself when the books have it too.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from core.ledger.books import COLD_WALLET, STAKED
from core.ledger.events import postings_of
from core.ledger.journal import TREASURY
from core.ledger.ledger import EventStore
from core.ledger.money import format_amount
from core.ports.alarm import Alarm, Condition
from core.streams.wallet_numbers import WalletBoard
from projections.audit.on_chain import ROLES, TRX, Difference, OnChain, block_of, row_of, sentence

EVERY: Final = timedelta(minutes=10)
SOON: Final = timedelta(seconds=30)
"""After events that touch a wallet, and after a first sight of a difference."""
PAGE: Final = 1_000

log = logging.getLogger(__name__)


class Balances(NamedTuple):
    """The wallets' accounts as the view has them: debits less credits by (account, currency), as of an event's position."""

    position: int
    amounts: Mapping[tuple[str, str], int]


class Sight(Protocol):
    """What a look needs of chain and views. Every method may raise Unavailable."""

    def wallets(self) -> Sequence[OnChain]:
        """Every system wallet, each at one solid block."""

    def has_reached(self, block_number: int) -> bool:
        """Whether all that the chain did up to a solid block stands in the history."""

    def balances(self) -> Balances:
        """Of every account of the treasury."""


class _Look(NamedTuple):
    """What the chain said, the history's head before it was asked, and when that was."""

    found: Sequence[OnChain]
    head: int
    at: datetime


class WalletBalances:
    """A look every ten minutes, and half a minute after events that touched a wallet."""

    def __init__(
        self, store: EventStore, sight: Sight, board: WalletBoard, clock: Callable[[], datetime], *, alarm: Alarm
    ) -> None:
        self._store = store
        self._sight = sight
        self._board = board
        self._clock = clock
        self._differs = Condition(alarm, "wallet_differs")
        self._look: _Look | None = None
        self._next: datetime | None = None
        self._peek = datetime.max.replace(tzinfo=UTC)
        """When to see whether events touched a wallet."""
        self._booked: Mapping[tuple[str, str], int] = {}
        """The accounts at the last comparison: another sum means that a wallet was touched."""
        self._seen: Mapping[tuple[str, str], int] = {}
        """By how much each account was off at the last look."""
        self._told: dict[tuple[str, str], int] = {}
        """What stands, and by how much."""

    def step(self) -> bool:
        """Nothing that others wait for, so it is never busy. Raises Unavailable."""
        now = self._clock()
        if self._look is None:
            if not self._is_due(now):
                return False
            head = self._store.head()
            self._look = _Look(self._sight.wallets(), head, now)
        look = self._look
        if look.found and not self._sight.has_reached(max(each.block_number for each in look.found)):
            if now - look.at > EVERY:
                self._look = None  # the scanner stands: it rings for itself, and what was seen is old
            return False
        self._look = None
        off = self._compare(look)
        self._next = now + (EVERY if off.keys() == self._told.keys() else SOON)
        self._peek = now + SOON
        return False

    def _is_due(self, now: datetime) -> bool:
        """By the clock, or because a wallet's account has moved since the last look."""
        if self._next is None or now >= self._next:
            return True
        if now < self._peek:
            return False
        self._peek = now + SOON
        return self._sight.balances().amounts != self._booked

    def _compare(self, look: _Look) -> Mapping[tuple[str, str], Difference]:
        """-> what is off now, by account and currency; what was off by as much before is told and kept."""
        off = {(each.account, each.currency): each for each in self._off(look)}
        amounts = {key: each.found - each.booked for key, each in off.items()}
        standing = {key: each for key, each in off.items() if self._seen.get(key) == amounts[key]}
        self._seen = amounts
        self._board.differ([row_of(each, explain) for each in standing.values()])
        said = {
            f"{account} {amounts[account, currency]} {currency}": sentence(each, explain)
            for (account, currency), each in standing.items()
        }
        self._differs.stand(said)
        for account, currency in self._told.keys() - standing.keys():
            log.info("%s: books and chain agree about %s again", account, currency)
        self._told = {key: amounts[key] for key in standing}
        return off

    def _off(self, look: _Look) -> Iterator[Difference]:
        booked, found, blocks = self._books(look), look.found, _blocks(look.found)
        staked = sum(each.staked_sun for each in found)
        for code, role in ROLES.items():
            there = [each for each in found if each.role == role]
            address = there[0].address if len(there) == 1 else None
            for currency in ("USDT", TRX):
                has, says = sum(each.amounts()[currency] for each in there), booked[code, currency]
                if has != says:
                    yield Difference(code, address, currency, says, has, blocks[code])
        if booked[STAKED, TRX] != staked:
            yield Difference(STAKED, None, TRX, booked[STAKED, TRX], staked, blocks[STAKED])

    def _books(self, look: _Look) -> Mapping[tuple[str, str], int]:
        """The accounts as the events up to each wallet's block make them.

        The view has all up to its position, later blocks included; only what was appended since the chain was asked can be
        of a later block, so that much of the history is read.
        """
        view = self._sight.balances()
        self._booked = view.amounts
        blocks = _blocks(look.found)
        booked: defaultdict[tuple[str, str], int] = defaultdict(int, view.amounts)
        after = min(look.head, view.position)
        while records := self._store.read(after, PAGE):
            for record in records:
                number = block_of(record.event)
                for line in postings_of(record.event):
                    if line.book != TREASURY or line.account not in blocks:
                        continue
                    counts = number is None or number <= blocks[line.account]
                    if counts is (record.position <= view.position):
                        continue  # the view has it, and it counts; or neither
                    amount = line.amount_minor if line.side == "debit" else -line.amount_minor
                    booked[line.account, line.currency] += amount if counts else -amount
            after = records[-1].position
        return booked


def _blocks(found: Sequence[OnChain]) -> dict[str, int]:
    """By account the block at which its wallets were asked."""
    blocks = {
        code: max((each.block_number for each in found if each.role == role), default=0) for code, role in ROLES.items()
    }
    return blocks | {STAKED: max((each.block_number for each in found), default=0)}


def explain(each: Difference) -> str:
    """What may be behind a difference, and what to do."""
    by = format_amount(abs(each.found - each.booked), each.currency)
    if each.account == STAKED:
        return "TRX was staked or taken back by another way than `counterfoil stake`"
    if each.currency == TRX and each.found > each.booked:
        return (
            f"{by} TRX came in a way that no transaction of a block shows, as from a contract (two nodes with"
            " vm.saveInternalTx would show that) or as a reward; when you know whose they are, POST /v1/adjustments books them"
        )
    if each.currency == TRX and each.account == COLD_WALLET:
        return f"its owner paid {by} TRX for transfers of his own: POST /v1/adjustments books it"
    if each.found > each.booked:
        return "coins came in a block that was not read as it is: `counterfoil scan --from BLOCK` finds them"
    return (
        f"{by} {each.currency} left otherwise than ordered, or were destroyed: `counterfoil signing status` says whether"
        " that was seen, and `counterfoil reconcile` looks at every address"
    )
