"""Whose turn a payout is: what hinders it, and that an operator put it first in its lane. No money moves.

Decisions of the stream in core/streams/payouts.py, where its events stand.
"""

from collections.abc import Sequence
from datetime import datetime

from core.ledger.events import New
from core.ledger.ledger import Past
from core.ledger.refusals import NotFound, PayoutNotWaiting, Refusal
from core.streams.payouts import Payout, PayoutCommand, PayoutExpedited, PayoutWaiting, WaitingFor


def _waits(payout: Payout) -> bool:
    """Whether it is open and no bytes of it may be mined: only then can it have a turn."""
    return payout.under_way and payout.attempts.alive is None


class WaitPayout(PayoutCommand, frozen=True, kw_only=True):
    """Record what hinders a payout whose turn it was, once for each reason. `since_ms`: chain time."""

    reason: WaitingFor
    since_ms: int

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        payout = self._payout(past)
        if self.reason in payout.waited_for:
            return ()
        if not _waits(payout):
            return self._wrong(payout, f"waiting for {self.reason}")
        return self._new(PayoutWaiting(occurred_at=now, reason=self.reason, since_ms=self.since_ms, **self._ids))


class ExpeditePayout(PayoutCommand, frozen=True, kw_only=True):
    """Put it at the head of its own account's lane; repeated, it changes nothing."""

    reason: str

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        payout = self._payout(past)
        if payout.order is None:
            return NotFound(noun="payout")
        if not _waits(payout):
            return PayoutNotWaiting(state=payout.state)
        if payout.expedited:
            return ()
        return self._new(PayoutExpedited(occurred_at=now, reason=self.reason, **self._ids))
