"""What is to leave the hot wallet, sorted into lanes; when each lane was last served, and what is set aside for whom.

All of it is folded from the history, and nothing below the oldest open order counts: so a worker that has run for weeks and
one that has just begun at the low-water mark take the same turns.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush
from typing import Any, NamedTuple, Self, TypeVar

import msgspec

from core.ledger.events import Event, Recorded
from core.ledger.history import Beside, SetAside, stopped
from core.ledger.journal import TREASURY
from core.ledger.ledger import EventStore
from core.ports.bookmarks import Bookmarks
from core.ports.payout_lanes import LaneNumbers
from core.streams.accounts import Account, account_stream
from core.streams.instructions import Instruction, SendToken
from core.streams.lost_outgoing import NOTHING_LOST, Lost
from core.streams.payout.approvals import PayoutApproved
from core.streams.payouts import (
    PayoutAttemptFailed,
    PayoutCancelled,
    PayoutConfirmed,
    PayoutExpedited,
    PayoutExpired,
    PayoutFailed,
    PayoutOrder,
    PayoutPrepared,
    PayoutRequested,
    PayoutWaiting,
    WaitingFor,
)
from core.streams.set_aside import Freeze, freeze_stream
from core.streams.signing import SIGNING, SigningStopped
from signers.outgoing.earmarks import Earmarks, inflow
from signers.outgoing.lanes import HIGH_EVERY, Lane, Place
from signers.outgoing.open_orders import OpenOrder, OpenOrders, instructions, payouts

S = TypeVar("S", Account, Freeze, Lost, "_Lacks")


class _Lacks(msgspec.Struct, frozen=True):
    """Whether signing was ever stopped because coins left unexplained, or because the history was restored."""

    ever: bool = False

    def evolve(self, happened: Event) -> Self:
        lacks = isinstance(happened, SigningStopped) and happened.cause in ("restored", "outgoing_unexplained")
        return msgspec.structs.replace(self, ever=self.ever or lacks)


class _Served(NamedTuple):
    """What an account's lane was given: where in the history, and when it last was one of high priority."""

    at: int
    high_requested_at: int = 0
    since_high: int = HIGH_EVERY


class OpenPayouts(OpenOrders):
    """Open orders of the hot wallet. The treasury's instructions are a lane like any account's."""

    def __init__(self, store: EventStore, bookmarks: Bookmarks, bookmark: str, actor: str) -> None:
        super().__init__(store, bookmarks, bookmark, [payouts(actor), instructions(actor, ["hot"])])
        self.earmarks = Earmarks()
        self._earmarks_from: int | None = None
        """The oldest open order when the first of these earmarks began: from there on they can be folded again."""
        self._waiting: dict[str, dict[str, OpenOrder]] = {}
        """By account, what has no bytes that may be mined and is wanted now."""
        self._later: list[tuple[int, int, str]] = []
        """A heap of what is not wanted yet: the chain time of its beginning, its position and its stream."""
        self._unsaid: dict[str, OpenOrder] = {}
        """Of that, what its client was not told of."""
        self._served: dict[str, _Served] = {}
        self._accounts: dict[str, Any] = {}
        """Of those for whom something waited: what may hold their payouts, by its stream."""
        self._stopped: dict[str, bool] = {}
        """The same: whether their streams are stopped. Looked up again when one is, or goes on."""

    def order(self, key: str) -> OpenOrder:
        """By its stream."""
        return self._open[key]

    def lanes(self, chain_time_ms: int, free: Callable[[OpenOrder], bool] = lambda _: True) -> list[Lane]:
        """Of what may be made at this time, and is `free` to: what is not holds nobody up."""
        while self._later and self._later[0][0] <= chain_time_ms:
            stream = heappop(self._later)[2]
            self._unsaid.pop(stream, None)
            order = self._open.get(stream)
            if order is not None and order.attempts.alive is None:
                self._waiting.setdefault(account_of(order), {})[stream] = order
        oldest = super()._oldest() or 0
        found = (
            (
                account_id,
                [_place(key, order) for key, order in waiting.items() if free(order) and not self._may_be_paid(order)],
            )
            for account_id, waiting in self._waiting.items()
        )
        return [self._lane(account_id, places, oldest) for account_id, places in found if places]

    def _lane(self, account_id: str, places: list[Place], oldest: int) -> Lane:
        """What happened below the oldest open order is forgotten: a worker that begins does not read it."""
        places.sort(key=lambda place: place.position)
        served = self._served.get(account_id, _Served(0))
        since_high = served.since_high if served.high_requested_at >= oldest else HIGH_EVERY
        return Lane(account_id, places, max(served.at, oldest), since_high)

    def held(self, order: OpenOrder) -> WaitingFor | None:
        """Why its account may have nothing paid now, or None. The treasury's instructions are no account's."""
        if not isinstance(order.wish, PayoutOrder):
            return None
        if self.account(order.wish).status != "active":
            return "account_suspended"
        frozen = self._known(freeze_stream(order.wish.account_id), Freeze()).waiting
        if frozen or any(map(self._is_stopped, order.wish.owners)):
            return "account_frozen"
        return "may_be_paid_already" if self._may_be_paid(order) else None

    def may_be_paid(self) -> list[OpenOrder]:
        """Those that wait because they may be what left in lost history; none of them holds up its lane."""
        if not self._may_lack:
            return []
        return [order for waiting in self._waiting.values() for order in waiting.values() if self._may_be_paid(order)]

    def attributed(self) -> Iterator[tuple[PayoutOrder, str]]:
        """Those that an operator said were a transfer of lost history, and its txid."""
        for order in self if self._may_lack else ():
            if isinstance(order.wish, PayoutOrder) and order.attempts.alive is None:
                left = self._known(order.wish.lost, NOTHING_LOST).attributed_to(order.wish.payout_id)
                if left is not None:
                    yield order.wish, left.txid

    def _may_be_paid(self, order: OpenOrder) -> bool:
        if not self._may_lack or not isinstance(order.wish, PayoutOrder):
            return False
        return self._known(order.wish.lost, NOTHING_LOST).holds(order.wish.payout_id) is not None

    @property
    def _may_lack(self) -> bool:
        """Whether anything may ever have left that nothing here asked for: else no stream of it is looked for."""
        return self._known(SIGNING, _Lacks()).ever

    def _is_stopped(self, stream: str) -> bool:
        """Whether a stream that each step names holds what cannot be read: every step would be refused."""
        if stream not in self._stopped:
            self._stopped[stream] = stopped(self._store.histories([stream]).get(stream, ()))
        return self._stopped[stream]

    def account(self, wish: PayoutOrder) -> Account:
        """Whose payout it is, as far as this worker has read."""
        return self._known(account_stream(wish.account_id), Account())

    def _known(self, stream: str, nothing: S) -> S:
        """A stream's state. Only the first look at it asks the store."""
        if stream not in self._accounts:
            for recorded in self._store.histories([stream]).get(stream, ()):
                if not isinstance(recorded.event, Beside):
                    nothing = nothing.evolve(recorded.event)
            self._accounts[stream] = nothing
        return self._accounts[stream]  # type: ignore[no-any-return]

    def numbers(self, lacking: Mapping[str, int]) -> list[LaneNumbers]:
        """What each account's head lacks, and what is set aside for whom, in minor units."""
        aside: Counter[str] = Counter()
        for key, minor in self.earmarks.set_aside.items():
            aside[account_of(self.order(key))] += minor
        accounts = sorted({*lacking, *aside} - {TREASURY})
        return [LaneNumbers(account_id, lacking.get(account_id, 0), aside[account_id]) for account_id in accounts]

    def unsaid(self) -> Iterator[OpenOrder]:
        """What is not wanted yet, and its client was not told that it waits."""
        return iter(self._unsaid.values())

    def _fold(self, recorded: Recorded) -> None:
        happened = recorded.event
        if recorded.stream in self._accounts and not isinstance(happened, Beside):
            self._accounts[recorded.stream] = self._accounts[recorded.stream].evolve(happened)
        if isinstance(happened, Beside):
            self._stopped.pop(recorded.stream, None)
        before = self._open.get(recorded.stream)
        super()._fold(recorded)
        if isinstance(happened, SetAside):
            if before is not None:
                self._leave(account_of(before), recorded.stream)
                self._unsaid.pop(recorded.stream, None)
                self.earmarks.ended(recorded.stream, paid=False)
            return
        came = inflow(happened)
        if came is not None:
            self.earmarks.arrived(*came)
        if isinstance(happened, PayoutPrepared):
            self._note_served(recorded, happened)
        order = self._open.get(recorded.stream)
        if order is None:
            if not isinstance(happened, Beside):
                self._forget(recorded.stream, happened)
            return
        self._place(recorded, order)
        if isinstance(happened, PayoutWaiting) and happened.reason == "coins":
            if not self.earmarks:
                self._earmarks_from = super()._oldest()
            self.earmarks.claim(recorded.stream, _amount_of(order), happened.since_ms)
        if isinstance(happened, PayoutPrepared | PayoutExpired | PayoutAttemptFailed):
            self.earmarks.tried(recorded.stream, in_flight=isinstance(happened, PayoutPrepared))

    def _place(self, recorded: Recorded, order: OpenOrder) -> None:
        """Put it where it waits, if it does."""
        stream, happened = recorded.stream, recorded.event
        begins_ms = _begins_ms(order)
        if isinstance(happened, PayoutRequested) and begins_ms > happened.occurred_at.timestamp() * 1000:
            heappush(self._later, (begins_ms, order.position, stream))
            self._unsaid[stream] = order
        elif isinstance(happened, PayoutWaiting) and happened.reason == "not_before":
            self._unsaid.pop(stream, None)
        elif order.attempts.alive is not None:
            self._leave(account_of(order), stream)
        elif not isinstance(happened, PayoutWaiting | PayoutExpedited | PayoutApproved):
            self._waiting.setdefault(account_of(order), {})[stream] = order

    def _note_served(self, recorded: Recorded, happened: PayoutPrepared) -> None:
        before = self._served.get(happened.account_id, _Served(0))
        order = self._open.get(recorded.stream)
        # An older one of high priority that is tried again counts as any other: it may be below the low-water mark.
        if order is not None and _is_high(order) and order.position >= before.high_requested_at:
            self._served[happened.account_id] = _Served(recorded.position, order.position, 0)
        else:
            since_high = min(before.since_high + 1, HIGH_EVERY)
            self._served[happened.account_id] = _Served(recorded.position, before.high_requested_at, since_high)

    def _forget(self, stream: str, happened: Event) -> None:
        """Whatever this event was about is over, or was before the low-water mark."""
        if isinstance(happened, PayoutConfirmed | PayoutFailed | PayoutCancelled):
            self.earmarks.ended(stream, paid=isinstance(happened, PayoutConfirmed))
            self._leave(happened.account_id, stream)
            self._unsaid.pop(stream, None)
            if not self.earmarks:
                self._earmarks_from = None
        else:
            self._leave(TREASURY, stream)

    def _leave(self, account_id: str, stream: str) -> None:
        lane = self._waiting.get(account_id)
        if lane is not None and lane.pop(stream, None) is not None and not lane:
            del self._waiting[account_id]

    def _oldest(self) -> int | None:
        open_from = super()._oldest()
        if open_from is None or self._earmarks_from is None:
            return open_from
        return min(open_from, self._earmarks_from)


def _begins_ms(order: OpenOrder) -> int:
    """The chain time before which it is not wanted."""
    wish = order.wish
    if isinstance(wish, PayoutOrder) and wish.not_before is not None:
        return int(wish.not_before.timestamp() * 1000)
    return 0


def account_of(order: OpenOrder) -> str:
    """Whose lane it is in."""
    return order.wish.account_id if isinstance(order.wish, PayoutOrder) else TREASURY


def _is_high(order: OpenOrder) -> bool:
    return isinstance(order.wish, PayoutOrder) and order.wish.priority == "high"


def _amount_of(order: OpenOrder) -> int:
    """USDT that it takes from the wallet."""
    wish = order.wish
    if isinstance(wish, Instruction):
        return wish.act.amount_minor if isinstance(wish.act, SendToken) else 0
    return wish.amount_minor


def _place(key: str, order: OpenOrder) -> Place:
    expedited = isinstance(order.wish, PayoutOrder) and order.state.expedited
    return Place(key, order.position, _amount_of(order), _is_high(order), expedited)
