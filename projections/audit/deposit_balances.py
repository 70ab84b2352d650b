"""Step: hold deposit addresses against the chain, some at a time, and ring where books and chain do not agree about one.

TRX that a contract hands on to a deposit address stand in no transaction of a block: only the balance tells (FAILURES 41). As
many are looked at in a round as cost little, those that hold something or were touched of late, in turn; `counterfoil
reconcile` looks at all. What differs twice in a row by the same amount is a difference, and ends by itself.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from core.ledger.books import PAYIN_WALLETS
from core.ledger.ledger import EventStore
from core.ledger.money import format_amount
from core.ports.alarm import Alarm, Condition
from core.streams.holdings import movements
from core.streams.wallet_numbers import AddressBoard
from projections.audit.on_chain import TRX, Difference, OnChain, row_of, sentence
from projections.audit.wallet_balances import EVERY, PAGE, SOON

ADDRESSES_PER_ROUND: Final = 20
"""Four questions each: a round of ten minutes asks a node eighty."""
SUSPECTS_MAX: Final = 20
"""So many that differed are looked at in each round besides."""
DIFFERENCES_MAX: Final = 1_000
"""More are not remembered: each is an alarm, and by then a person looks."""

Key = tuple[str, str]
"""Address and currency."""

log = logging.getLogger(__name__)


class Held(NamedTuple):
    """What the view has these addresses hold, minor units by address and currency, as of an event's position."""

    position: int
    amounts: Mapping[Key, int]


class DepositSight(Protocol):
    """What a round needs of chain and views. Every method may raise Unavailable."""

    def addresses(self, after: str, limit: int) -> Sequence[str]:
        """The next addresses in order that hold something or were touched of late."""

    def at(self, addresses: Sequence[str]) -> Sequence[OnChain]:
        """Each at one solid block."""

    def has_reached(self, block_number: int) -> bool:
        """Whether all that the chain did up to a solid block stands in the history."""

    def held(self, addresses: Sequence[str]) -> Held: ...


class _Look(NamedTuple):
    """What the chain said, the history's head before it was asked, and when that was."""

    found: Sequence[OnChain]
    head: int
    at: datetime


class DepositBalances:
    """A round every ten minutes, and half a minute after a first sight of a difference."""

    def __init__(
        self,
        store: EventStore,
        sight: DepositSight,
        board: AddressBoard,
        clock: Callable[[], datetime],
        *,
        alarm: Alarm,
    ) -> None:
        self._store = store
        self._sight = sight
        self._board = board
        self._clock = clock
        self._differs = Condition(alarm, "deposit_address_differs")
        self._look: _Look | None = None
        self._next: datetime | None = None
        self._after = ""
        self._seen: dict[Key, int] = {}
        """By how much each was off when it was looked at last."""
        self._told: dict[Key, int] | None = None
        """What stands, and by how much; None until the board was asked what stood before this process."""
        self._turn = 0

    def step(self) -> bool:
        """Nothing that others wait for, so it is never busy. Raises Unavailable."""
        now = self._clock()
        if self._told is None:
            self._told = {(each.address, each.currency): each.found - each.booked for each in self._board.standing()}
            self._seen = dict(self._told)
        if self._look is None:
            if self._next is not None and now < self._next:
                return False
            self._next = now + EVERY
            if not (chosen := self._choose()):
                return False
            head = self._store.head()
            self._look = _Look(self._sight.at(chosen), head, now)
        look = self._look
        if not self._sight.has_reached(max(each.block_number for each in look.found)):
            if now - look.at > EVERY:
                self._look = None  # the scanner stands: it rings for itself, and what was seen is old
            return False
        self._look = None
        if self._compare(look, self._told):
            self._next = now + SOON
        return False

    def _choose(self) -> list[str]:
        """Those that were off, and the next ones in turn."""
        suspects = sorted({address for address, _ in self._seen})
        self._turn = self._turn % len(suspects) if suspects else 0
        chosen = (suspects[self._turn :] + suspects[: self._turn])[:SUSPECTS_MAX]
        self._turn += SUSPECTS_MAX
        found = self._sight.addresses(self._after, ADDRESSES_PER_ROUND)
        self._after = found[-1] if len(found) == ADDRESSES_PER_ROUND else ""
        return list(dict.fromkeys([*chosen, *found]))

    def _compare(self, look: _Look, told: dict[Key, int]) -> bool:
        """-> whether something was off for the first time, and is to be looked at again soon."""
        off = {(each.address or "", each.currency): each for each in self._off(look)}
        amounts = {key: each.found - each.booked for key, each in off.items()}
        standing = {key: each for key, each in off.items() if self._seen.get(key) == amounts[key]}
        looked = {each.address for each in look.found}
        others = {key: amount for key, amount in self._seen.items() if key[0] not in looked}
        self._seen = dict(list({**others, **amounts}.items())[:DIFFERENCES_MAX])
        self._board.differ_at(sorted(looked), [row_of(each, explain) for each in standing.values()])
        for key, each in standing.items():
            if told.get(key) != amounts[key]:
                if key in told:
                    self._differs.end(_about(key, told[key]))
                self._differs.begin(_about(key, amounts[key]), sentence(each, explain))
                told[key] = amounts[key]
        for key in [key for key in told if key[0] in looked and key not in standing]:
            self._differs.end(_about(key, told.pop(key)))
            log.info("%s: books and chain agree about %s again", *key)
        return off.keys() != standing.keys()

    def _off(self, look: _Look) -> Iterator[Difference]:
        booked = self._books(look)
        for each in look.found:
            for currency, has in each.amounts().items():
                says = booked[each.address, currency]
                if has != says:
                    yield Difference(PAYIN_WALLETS, each.address, currency, says, has, each.block_number)

    def _books(self, look: _Look) -> Mapping[Key, int]:
        """What the events up to each address' block make it hold: the view, and what was appended since the chain was asked."""
        blocks = {each.address: each.block_number for each in look.found}
        view = self._sight.held(list(blocks))
        booked = {(address, currency): 0 for address in blocks for currency in ("USDT", TRX)} | dict(view.amounts)
        after = min(look.head, view.position)
        while records := self._store.read(after, PAGE):
            for record in records:
                for moved in movements(record.event):
                    if moved.address not in blocks:
                        continue
                    counts = moved.block_number <= blocks[moved.address]
                    if counts is (record.position <= view.position):
                        continue  # the view has it, and it counts; or neither
                    booked[moved.address, moved.currency] += moved.delta_minor if counts else -moved.delta_minor
            after = records[-1].position
        return booked


def _about(key: Key, off: int) -> str:
    """Which address, currency and amount: another amount is another difference."""
    return f"{key[0]} {off} {key[1]}"


def explain(each: Difference) -> str:
    """What may be behind a difference, and what to do."""
    by = format_amount(abs(each.found - each.booked), each.currency)
    if each.found < each.booked:
        return (
            f"{by} {each.currency} left otherwise than ordered, or were destroyed: `counterfoil signing status` says whether"
            " that was seen"
        )
    if each.currency == TRX:
        return (
            f"{by} TRX came in a way that no transaction of a block shows, as from a contract. Where two nodes, or one that"
            " you trust, keep internal transactions (java-tron: vm.saveInternalTx), `counterfoil scan --from BLOCK --to BLOCK`"
            " books them: an explorer shows the block"
        )
    return "coins came in a block that was not read as it is: `counterfoil scan --from BLOCK` finds them"
