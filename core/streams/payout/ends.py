"""How a payout ends or its attempt does: on a receipt in a solid block, or before anything was signed; or it is cancelled.

Decisions of the stream in core/streams/payouts.py, where its events stand.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.ledger import books
from core.ledger.events import New
from core.ledger.guard import guard_key
from core.ledger.ledger import Past
from core.ledger.refusals import NotFound, PayoutNotCancellable, Refusal
from core.streams.lost_outgoing import may_be_paid
from core.streams.payouts import (
    FINAL,
    RETRIED,
    RETRIES_MAX,
    PayoutAttemptFailed,
    PayoutCancelled,
    PayoutCommand,
    PayoutConfirmed,
    PayoutFailed,
)


class ConfirmPayout(PayoutCommand, frozen=True, kw_only=True):
    """A solid SUCCESS receipt with the matching Transfer log: the coins have left."""

    txid: str
    block_number: int
    block_timestamp_ms: int
    burned_sun: int

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        payout = self._payout(past)
        if payout.state == "confirmed" and payout.txid == self.txid:
            return ()
        if payout.state in FINAL or payout.order is None or not payout.attempts.has(self.txid):
            return self._wrong(payout, f"confirmed as {self.txid}")
        order = payout.order
        return self._new(
            PayoutConfirmed(
                occurred_at=now,
                txid=self.txid,
                block_number=self.block_number,
                block_timestamp_ms=self.block_timestamp_ms,
                burned_sun=self.burned_sun,
                postings=books.payout_confirmed(order.account_id, order.amount_minor, order.fee_minor, self.burned_sun),
                **self._ids,
            )
        )


class FailPayout(PayoutCommand, frozen=True, kw_only=True):
    """No coins have left: a solid failed receipt, or a payee found unpayable before signing.

    A receipt that says nothing of the payee ends only its attempt, RETRIES_MAX times; anything else ends the payout. Refused
    while an attempt is alive that the receipt does not end: funds are released only on proof (FAILURES 30).
    """

    failure_code: str
    txid: str | None
    burned_sun: int

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        payout = self._payout(past)
        attempts = payout.attempts
        if payout.state == "failed" or self.txid in attempts.failed:
            return ()
        proven = attempts.dead or payout.state == "requested"
        if self.txid is not None:
            proven = attempts.last is not None and attempts.last.txid == self.txid
        if payout.state in FINAL or payout.order is None or not proven:
            return self._wrong(payout, f"failed with {self.failure_code}")
        said = {"failure_code": self.failure_code, "txid": self.txid, "burned_sun": self.burned_sun}
        fields: dict[str, Any] = {**said, **self._ids}
        if self.txid is not None and self.failure_code in RETRIED and len(attempts.failed) < RETRIES_MAX:
            burned = books.network_fee(books.HOT_WALLET, self.burned_sun)
            return self._new(PayoutAttemptFailed(occurred_at=now, postings=burned, **fields))
        order = payout.order
        released = books.payout_released(order.account_id, order.ledger_account, order.total_minor, self.burned_sun)
        return self._new(PayoutFailed(occurred_at=now, postings=released, **fields))


class CancelPayout(PayoutCommand, frozen=True):
    """Release the reserve while nothing was prepared yet, and it cannot have been paid in lost history either."""

    def streams(self) -> list[str]:
        return [*super().streams(), self.order.lost]

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        payout = self._payout(past)
        if payout.state == "cancelled":
            return ()
        if payout.order is None or payout.order.account_id != self.order.account_id:
            return NotFound(noun="payout")
        if payout.state != "requested":
            return PayoutNotCancellable(state=payout.state)
        order = payout.order
        if may_be_paid(past, order.payout_id, order.to_address, order.amount_minor):
            return PayoutNotCancellable(state="held: may_be_paid_already")
        if (past.balance(guard_key(order.account_id, books.CLEARING)) or 0) < order.total_minor:
            return PayoutNotCancellable(
                state="requested by an event that reserved nothing"
            )  # no command of ours made it
        postings = books.payout_released(order.account_id, order.ledger_account, order.total_minor, 0)
        return self._new(PayoutCancelled(occurred_at=now, postings=postings, **self._ids))
