"""How what left in lost history ends: it is said to be a payout, which then ends with it, or nobody will ask for it again.

Decisions of the stream in core/streams/lost_outgoing.py, where its events stand.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from core.ledger import books
from core.ledger.events import New
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past
from core.ledger.refusals import AlreadyAttributed, NotFound, PayoutNotAttributable, Refusal
from core.streams.lost_outgoing import (
    NOTHING_LOST,
    LeftInLostHistory,
    Lost,
    LostOutgoingAttributed,
    LostOutgoingWrittenOff,
)
from core.streams.payouts import Payout, PayoutCommand, PayoutConfirmed, PayoutOrder, payout_stream


class AttributeLost(msgspec.Struct, frozen=True):
    """Say which payout a transfer was. `stream` is where the caller found the transfer."""

    stream: str
    txid: str
    payout_id: str
    actor: str

    def streams(self) -> list[str]:
        return [self.stream, payout_stream(self.payout_id)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        lost = past.state(self.stream, NOTHING_LOST)
        ended = lost.ended.get(self.txid)
        if isinstance(ended, LostOutgoingAttributed) and ended.payout_id == self.payout_id:
            return ()
        if refusal := _not_open(lost, self.txid):
            return refusal
        payout = past.state(payout_stream(self.payout_id), Payout())
        if payout.order is None:
            return NotFound(noun="payout")
        if reason := _mismatch(payout, payout.order, lost, lost.found[self.txid]):
            return PayoutNotAttributable(txid=self.txid, reason=reason)
        attributed = LostOutgoingAttributed(occurred_at=now, actor=self.actor, txid=self.txid, **payout.order.ids)
        return [New(self.stream, attributed)]


class WriteOffLost(msgspec.Struct, frozen=True):
    """Say that nobody will ask for a transfer again: the operator bears it."""

    stream: str
    txid: str
    reason: str
    actor: str

    def streams(self) -> list[str]:
        return [self.stream]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        lost = past.state(self.stream, NOTHING_LOST)
        if isinstance(lost.ended.get(self.txid), LostOutgoingWrittenOff):
            return ()
        if refusal := _not_open(lost, self.txid):
            return refusal
        left = lost.found[self.txid]
        written_off = LostOutgoingWrittenOff(
            occurred_at=now,
            actor=self.actor,
            txid=self.txid,
            reason=self.reason,
            postings=books.lost_outgoing_written_off(left.amount_minor, left.currency),
        )
        return [New(self.stream, written_off)]


class ConfirmLostPayout(PayoutCommand, frozen=True, kw_only=True):
    """End a payout as what an operator said it was: the coins have left."""

    txid: str

    def streams(self) -> list[str]:
        return [*super().streams(), self.order.lost]

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        payout = self._payout(past)
        if payout.state == "confirmed":
            return ()
        left: LeftInLostHistory | None = past.state(self.order.lost, NOTHING_LOST).attributed_to(self.order.payout_id)
        order = payout.order
        if order is None or not payout.under_way or payout.attempts.alive or left is None or left.txid != self.txid:
            return self._wrong(payout, f"confirmed as {self.txid} of lost history")
        return self._new(
            PayoutConfirmed(
                occurred_at=now,
                txid=left.txid,
                block_number=left.block_number,
                block_timestamp_ms=left.block_timestamp_ms,
                burned_sun=0,  # it was booked when the transfer was found
                postings=books.lost_outgoing_attributed(order.account_id, order.amount_minor, order.fee_minor),
                **self._ids,
            )
        )


def _not_open(lost: Lost, txid: str) -> Refusal | None:
    if txid not in lost.found or not lost.found[txid].was_payout:
        return NotFound(noun="lost outgoing transfer")
    ended = lost.ended.get(txid)
    if ended is None:
        return None
    state = "written off" if isinstance(ended, LostOutgoingWrittenOff) else f"attributed to payout {ended.payout_id}"
    return AlreadyAttributed(txid=txid, state=state)


def _mismatch(payout: Payout, order: PayoutOrder, lost: Lost, left: LeftInLostHistory) -> str:
    """Why the payout cannot have been what left, "" where it can."""
    if (order.lost, order.currency) != (left.stream, left.currency):
        return "its payee or its amount is another"
    if not payout.under_way:
        return f"it is {payout.state}"
    if payout.attempts.alive is not None:
        return "bytes of its own may still be mined: wait until they are, or are proven dead"
    if lost.attributed_to(order.payout_id) is not None:
        return "another transfer is attributed to it"
    return ""
