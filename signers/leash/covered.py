"""What each account holds and which payouts that covers, folded from the events alone: no guard row, no view, nobody's word.

An entry counts only if it is the one that its business event must have, and if whoever pays by it has what it takes. What the
observed chain brought is *proven*; what an adjustment alone brought is not: whoever can append as the API can post one, so a
payout that rests on it is covered, and above the limits of a signer that has any (leash.py). Pure: the same history gives the
same verdicts.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from core.ledger import books
from core.ledger.events import Event, Recorded
from core.ledger.journal import TREASURY
from core.ledger.money import format_amount
from core.streams.accounts import AccountReactivated, AccountRegistered, AccountSuspendedEvent
from core.streams.attempts import Attempt
from core.streams.deposits import DepositConfirmed
from core.streams.payouts import (
    PayoutAttemptFailed,
    PayoutCancelled,
    PayoutConfirmed,
    PayoutExpired,
    PayoutFailed,
    PayoutOrder,
    PayoutPrepared,
    PayoutRequested,
)
from core.streams.set_aside import AccountPayoutsFrozen, AccountPayoutsUnfrozen, Freeze
from core.streams.transfers import InternalTransferPosted
from core.streams.treasury import AdjustmentPosted

_NO_PAYER: Final = frozenset({books.CLEARING, books.CLIENT_ASSET})


class Held(msgspec.Struct):
    """A ledger account's balance in minor units, and how much of it the chain brought."""

    total: int = 0
    proven: int = 0

    def put(self, minor: int, proven: int) -> None:
        self.total += minor
        self.proven += proven

    def take(self, minor: int) -> int:
        """Take from the balance -> how much of it was proven; what is proven goes first."""
        proven = min(minor, self.proven)
        self.put(-minor, -proven)
        return proven


class Asked(msgspec.Struct):
    """A payout that is not over. `wrong`: why it is not covered; else `proven` minor units of it were."""

    order: PayoutOrder
    position: int
    wrong: str | None = None
    proven: int = 0
    tried: bool = False
    """Bytes were prepared for it: from then on nobody can cancel it."""
    alive: Attempt | None = None
    """The bytes that may still be signed or mined."""
    counted: bool = False
    """It was signed once, and so it counts."""
    approvers: set[str] = msgspec.field(default_factory=set)
    """Whose signatures over its digest the signer has verified."""

    @property
    def is_proven(self) -> bool:
        return self.wrong is None and self.proven == self.order.total_minor


class Covered:
    """Folds events in order. `doubt` is told of every entry that moves what nobody has."""

    def __init__(self, doubt: Callable[[Recorded, str], None]) -> None:
        self._doubt = doubt
        self._held: dict[tuple[str, str], Held] = {}
        self._active: dict[str, bool] = {}
        self._frozen: dict[str, Freeze] = {}
        self.asked: dict[str, Asked] = {}
        """By its stream."""
        self.uncovered: dict[str, Asked] = {}
        """Of these, what is not covered."""

    def fold(self, recorded: Recorded) -> None:
        handle = _HANDLED.get(type(recorded.event))
        if handle is not None:
            handle(self, recorded)

    def may_pay(self, account_id: str) -> bool:
        """Whether the account exists, is active and not frozen."""
        frozen = self._frozen.get(account_id)
        return self._active.get(account_id, False) and not (frozen and frozen.waiting)

    def _of(self, book: str, account: str) -> Held:
        return self._held.setdefault((book, account), Held())

    def _account(self, recorded: Recorded) -> None:
        happened: Any = recorded.event
        self._active[happened.account_id] = not isinstance(happened, AccountSuspendedEvent)

    def _freeze(self, recorded: Recorded) -> None:
        happened: Any = recorded.event
        self._frozen[happened.account_id] = self._frozen.get(happened.account_id, Freeze()).evolve(happened)

    def _deposit(self, recorded: Recorded) -> None:
        happened: Any = recorded.event
        if happened.account_id == TREASURY:
            return
        minor = happened.transfer.amount_minor
        if happened.postings != books.deposit_confirmed(happened.account_id, happened.ledger_account, minor):
            self._doubt(recorded, "its entry is not that of its deposit")
        else:
            self._of(happened.account_id, happened.ledger_account).put(minor, minor)

    def _transfer(self, recorded: Recorded) -> None:
        happened: Any = recorded.event
        source, target = (
            (happened.account_id, happened.from_ledger_account),
            (happened.to_account_id, happened.to_ledger_account),
        )
        minor = happened.amount_minor
        if minor <= 0 or happened.postings != books.internal_transfer(*source, *target, minor):
            self._doubt(recorded, "its entry is not that of its transfer")
        elif self._of(*source).total < minor:
            self._doubt(recorded, f"it moves {_usdt(minor)}, the account has {_usdt(self._of(*source).total)}")
        else:
            self._of(*target).put(minor, self._of(*source).take(minor))

    def _adjustment(self, recorded: Recorded) -> None:
        happened: Any = recorded.event
        for line in happened.postings:
            if line.book == TREASURY or line.account in _NO_PAYER or line.currency != "USDT":
                continue
            if line.side == "credit":
                self._of(line.book, line.account).put(line.amount_minor, 0)
            else:
                self._of(line.book, line.account).take(line.amount_minor)

    # Payouts

    def _requested(self, recorded: Recorded) -> None:
        happened: Any = recorded.event
        if recorded.stream in self.asked:
            self._doubt(recorded, "a payout was asked for twice in one stream")
            self._uncover(recorded.stream, "it was asked for twice")
            return
        order = happened.order
        asked = self.asked[recorded.stream] = Asked(order, recorded.position)
        wrong = self._wrong(recorded, happened)
        if wrong is None:
            asked.proven = self._of(order.account_id, order.ledger_account).take(order.total_minor)
        else:
            self._uncover(recorded.stream, wrong)

    def _uncover(self, stream: str, wrong: str) -> None:
        self.asked[stream].wrong = wrong
        self.uncovered[stream] = self.asked[stream]

    def _wrong(self, recorded: Recorded, happened: PayoutRequested) -> str | None:
        """Why the history does not cover the payout at its request, or None."""
        order = happened.order
        if recorded.version != 1 or recorded.stream != order.stream:
            return f"its request is event {recorded.version} of {recorded.stream}"
        if order.account_id not in self._active:
            return f"there is no account {order.account_id}"
        total = order.total_minor
        if order.ledger_account in _NO_PAYER or order.currency != "USDT" or min(order.amount_minor, total) <= 0:
            return f"nothing can be paid from {order.ledger_account}"
        if happened.postings != books.payout_requested(order.account_id, order.ledger_account, total):
            return "its entry is not that of its request"
        held = self._of(order.account_id, order.ledger_account).total
        if held < total:
            return f"{order.ledger_account} of account {order.account_id} held {_usdt(held)} then, not {_usdt(total)}"
        return None

    def _prepared(self, recorded: Recorded) -> None:
        happened: Any = recorded.event
        asked = self.asked.get(recorded.stream)
        if asked is not None:
            asked.tried, asked.alive = True, happened.attempt

    def _died(self, recorded: Recorded) -> None:
        asked = self.asked.get(recorded.stream)
        if asked is not None:
            asked.alive = None

    def _cancelled(self, recorded: Recorded) -> None:
        asked = self.asked.get(recorded.stream)
        if asked is None or not asked.tried:
            self._released(recorded)
        else:
            self._doubt(recorded, f"bytes of payout {asked.order.payout_id} were made before it was cancelled")

    def _released(self, recorded: Recorded) -> None:
        asked = self._over(recorded.stream)
        if asked is not None and asked.wrong is None:
            self._of(asked.order.account_id, asked.order.ledger_account).put(asked.order.total_minor, asked.proven)

    def _confirmed(self, recorded: Recorded) -> None:
        self._over(recorded.stream)

    def _over(self, stream: str) -> Asked | None:
        self.uncovered.pop(stream, None)
        return self.asked.pop(stream, None)


_HANDLED: Final[Mapping[type[Event], Callable[[Covered, Recorded], None]]] = {
    AccountRegistered: Covered._account,
    AccountSuspendedEvent: Covered._account,
    AccountReactivated: Covered._account,
    AccountPayoutsFrozen: Covered._freeze,
    AccountPayoutsUnfrozen: Covered._freeze,
    DepositConfirmed: Covered._deposit,
    InternalTransferPosted: Covered._transfer,
    AdjustmentPosted: Covered._adjustment,
    PayoutRequested: Covered._requested,
    PayoutPrepared: Covered._prepared,
    PayoutExpired: Covered._died,
    PayoutAttemptFailed: Covered._died,
    PayoutCancelled: Covered._cancelled,
    PayoutFailed: Covered._released,
    PayoutConfirmed: Covered._confirmed,
}
COUNTS: Final = frozenset(_HANDLED)
"""The events that any of this follows from."""


def _usdt(minor: int) -> str:
    return f"{format_amount(minor, 'USDT')} USDT"
