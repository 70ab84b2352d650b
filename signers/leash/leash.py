"""What the signer lets go: covered by its own reading, within its own limits, or approved by keys that it knows (I17).

Asked before bytes are prepared and again before each signature. Nothing that a database role, a queue or the API's host can
write raises a limit: the limits and the approvers' keys are this process' settings, what was signed is counted from the
history and kept a second time beside the keys (core/ports/spent_totals.py), so that an older copy of the store resets nothing.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from core.ledger.events import Event, Recorded
from core.ledger.seals import BrokenSeal, SealedHistory
from core.ports.alarm import Alarm
from core.ports.spent_totals import Spent, SpentMoved, SpentTotals
from core.ports.unavailable import Unavailable
from core.streams.attempts import Attempt
from core.streams.payout.approvals import PayoutApproved
from core.streams.payouts import PayoutOrder, PayoutSigned
from signers.leash.approvers import Approvers
from signers.leash.covered import COUNTS, Asked, Covered
from signers.leash.limits import Counted, SignerLimits, with_added
from signers.leash.reading import KnownRoot, SealedReading

KINDS: Final[frozenset[type[Event]]] = COUNTS | {PayoutSigned, PayoutApproved}
PAGES_MAX: Final = 20
"""Of the history, read in one step: at a start others are let in between."""
TRIES_MAX: Final = 3
"""At the record beside the keys, when another signer writes it at the same time."""

Cause = Literal["unread", "not_covered", "account", "approval"]


class Objection(NamedTuple):
    """Why a payout is not signed now. `unread`: the reading has not come to it. `approval`: it needs one, whatever the hour."""

    cause: Cause
    sentence: str


class Leash:
    """`totals` is asked for only where a limit counts what was signed."""

    def __init__(
        self,
        history: SealedHistory,
        totals: SpentTotals,
        limits: SignerLimits,
        approvers: Approvers,
        clock: Callable[[], datetime],
        *,
        alarm: Alarm,
        newest: Callable[[], KnownRoot | None] = lambda: None,
    ) -> None:
        self._reading = SealedReading(history, KINDS, newest)
        self._covered = Covered(self._doubted)
        self._totals = totals
        self._limits = limits
        self._approvers = approvers
        self._clock = clock
        self._alarm = alarm
        self._counted = Counted()
        """As the history has it, whichever hot wallet it left: another key resets no limit."""
        self._kept: dict[str, Spent] = {}
        self.broken: str | None = None
        """Why the history cannot be believed: from then on nothing is signed."""

    # Reading

    def read_on(self) -> bool:
        """Read what was appended; -> whether there may be more. Raises Unavailable, NewerFormat."""
        for _ in range(PAGES_MAX):
            if self.broken is not None:
                return False
            try:
                page = self._reading.read_on()
            except BrokenSeal as error:
                self.broken = str(error)
                return False
            if page is None:
                return False
            for recorded in page:
                self._fold(recorded)
        return True

    @property
    def position(self) -> int:
        """Up to where the history was read."""
        return self._reading.position

    def _fold(self, recorded: Recorded) -> None:
        happened, asked = recorded.event, self._covered.asked.get(recorded.stream)
        if isinstance(happened, PayoutSigned):
            if asked is not None and asked.alive is not None and not asked.counted:
                asked.counted = True
                self._counted.add(happened.occurred_at, asked.order.amount_minor)
        elif isinstance(happened, PayoutApproved):
            if asked is not None and (name := self._approvers.approver_of(asked.order, happened)):
                asked.approvers.add(name)
        else:
            self._covered.fold(recorded)

    def _doubted(self, recorded: Recorded, sentence: str) -> None:
        name = type(recorded.event).__name__
        self._alarm(
            "entry_not_covered",
            f"{recorded.stream}, {name} at position {recorded.position}: {sentence}. The signer leaves it out of account:"
            " somebody appended what no command of ours decides",
        )

    # Answers

    @property
    def uncovered(self) -> dict[str, Asked]:
        """By their streams, the payouts that are not over and that the history does not cover."""
        return self._covered.uncovered

    def objection(self, order: PayoutOrder) -> Objection | None:
        """Why this payout is not to be made or signed, whatever was signed of late; None: it may, within the limits of time."""
        asked = self._covered.asked.get(order.stream)
        if asked is None or self.broken is not None:
            return Objection("unread", self.broken or "the signer has not read of it")
        wrong = not_covered(asked) if asked.order == order else "it is not the payout that was asked for"
        if wrong is not None:
            return Objection("not_covered", wrong)
        if not self._covered.may_pay(order.account_id):
            return Objection("account", f"account {order.account_id} is suspended or frozen")
        if self._approved(asked):
            return None
        most = self._limits.payout_max
        if most is not None and order.amount_minor > most:
            return Objection("approval", "it is more than SIGNER_PAYOUT_MAX lets one payout be")
        if self._limits.any and not asked.is_proven:
            return Objection("approval", "it is paid from an adjustment, not from deposits that were seen on chain")
        return None

    def _approved(self, asked: Asked) -> bool:
        return len(asked.approvers) >= self._limits.approvals

    def left_minor(self, wallet: str) -> int | None:
        """What may be signed for the wallet now without an approval; None: any amount. Raises Unavailable."""
        if not self._limits.counts:
            return None
        kept = self._kept_of(wallet)
        left = self._limits.left(self._counted.slots, kept.slots, now=self._clock())
        assert left is not None
        return left - sum(
            each.order.amount_minor for each in self._covered.asked.values() if self._will_count(each, kept)
        )

    def fits(self, order: PayoutOrder, left_minor: int | None) -> bool:
        """Whether it is signed although so much is left: it was counted before, or is approved."""
        if left_minor is None or order.amount_minor <= left_minor:
            return True
        asked = self._covered.asked.get(order.stream)
        return asked is not None and (asked.counted or self._approved(asked))

    def reserve(self, wallet: str, wanted: Sequence[tuple[PayoutOrder, Attempt]]) -> set[str]:
        """Count what is about to be signed, durably -> the txids that may be. Raises Unavailable.

        What was counted is granted again. Nothing is signed by a record that another signer has moved on.
        """
        if not self._limits.counts:
            return {attempt.txid for _, attempt in wanted}
        for _ in range(TRIES_MAX):
            kept, now = self._kept_of(wallet), self._clock()
            left = self._limits.left(self._counted.slots, kept.slots, now=now)
            granted, new = self._granted(wanted, kept, left)
            if not new:
                return granted
            spent = with_added(kept, new, now, self._pending())
            try:
                self._totals.save(wallet, spent)
            except SpentMoved:
                self._kept.pop(wallet, None)
            else:
                self._kept[wallet] = spent
                return granted
        raise Unavailable(f"what was signed for {wallet} is being counted by another signer at the same time")

    def _granted(
        self, wanted: Sequence[tuple[PayoutOrder, Attempt]], kept: Spent, left: int | None
    ) -> tuple[set[str], dict[str, int]]:
        """(what may be signed, what of it is yet to be counted): txid -> minor units."""
        granted: set[str] = set()
        new: dict[str, int] = {}
        for order, attempt in wanted:
            asked = self._covered.asked[order.stream]
            if asked.counted or attempt.txid in kept.counted:
                granted.add(attempt.txid)
            elif left is None or order.amount_minor <= left or self._approved(asked):
                granted.add(attempt.txid)
                new[attempt.txid] = order.amount_minor
                left = None if left is None else left - order.amount_minor
        return granted, new

    def _kept_of(self, wallet: str) -> Spent:
        if wallet not in self._kept:
            self._kept[wallet] = self._totals.load(wallet)
        return self._kept[wallet]

    def _will_count(self, asked: Asked, kept: Spent) -> bool:
        """Its bytes are made and may be signed: it is not counted yet."""
        return asked.alive is not None and not asked.counted and asked.alive.txid not in kept.counted

    def _pending(self) -> set[str]:
        attempts = (each.alive for each in self._covered.asked.values() if not each.counted)
        return {attempt.txid for attempt in attempts if attempt is not None}


def not_covered(asked: Asked) -> str | None:
    """The sentence of a payout that its history does not cover, or None."""
    if asked.wrong is None:
        return None
    return f"asked for at position {asked.position} by account {asked.order.account_id}: {asked.wrong}"
