"""Stream payout-{id}, beside its story: somebody whose key the signer knows lets a payout go that is above the signer's limits.

    PayoutApproved*

An approval is a signature over the payout's digest. Who appends it proves nothing, and neither does that it stands in the
history: the signer verifies each by its own list of keys, which no database, queue or API host can write (I17).
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.ledger import Past
from core.ledger.refusals import DigestDiffers, NotFound, PayoutNotApprovable, Refusal
from core.streams.payouts import FINAL, PayoutCommand, PayoutOrder

SIGNED_AS: Final = b"counterfoil-payout-v1|"


def canonical_order(order: PayoutOrder) -> bytes:
    """The order as JSON: all its fields by name, in the order of the alphabet, without spaces, in UTF-8."""
    return msgspec.json.encode(order, order="sorted")


def payout_digest(order: PayoutOrder) -> bytes:
    """What an approver signs: SHA-256 over "counterfoil-payout-v1|" and the canonical order."""
    return sha256(SIGNED_AS + canonical_order(order)).digest()


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("payout.approved", by="api", shown=("approver", "payout_id"))
class PayoutApproved(Event, frozen=True, kw_only=True):
    """`signature`: the approver's, by Ed25519 over the digest's 32 bytes; both in hex. Worth what the signer makes of it."""

    payout_id: str
    account_id: str
    approver: str
    digest: str
    signature: str


# Decisions


class ApprovePayout(PayoutCommand, frozen=True, kw_only=True):
    """Record an approver's signature while the payout is not over. The same approver's again changes nothing."""

    approver: str
    digest: str
    signature: str

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        payout = self._payout(past)
        if payout.order is None or payout.state == "refused":
            return NotFound(noun="payout")
        if self.digest != payout_digest(payout.order).hex():
            return DigestDiffers()
        approved = (it.event for it in past.history(payout.order.stream) if isinstance(it.event, PayoutApproved))
        said = (self.approver, self.digest, self.signature)
        if any((it.approver, it.digest, it.signature) == said for it in approved):
            return ()
        if payout.state in FINAL:
            return PayoutNotApprovable(state=payout.state)
        return self._new(
            PayoutApproved(
                occurred_at=now, approver=self.approver, digest=self.digest, signature=self.signature, **self._ids
            )
        )
