"""How anything leaves a wallet of ours: the order, the bytes of each try to fulfil it, the proof that such a try is dead.

Payouts and the treasury's own instructions share `Attempts`: whoever may be mined is never replaced (I7).
"""

from typing import Literal, Self

import msgspec


class PayoutOrder(msgspec.Struct, frozen=True, gc=False):
    """What the client wishes, in minor units: the recorded intent that every later step is checked against (I8)."""

    payout_id: str
    account_id: str
    ledger_account: str
    to_address: str
    amount_minor: int
    fee_minor: int
    currency: str
    client_reference: str | None

    @property
    def total_minor(self) -> int:
        return self.amount_minor + self.fee_minor

    def differences(self, wished: Self) -> list[str]:
        """The names of what a repeated request wishes otherwise; the fee is ours and may have changed since."""
        fields = ("to_address", "amount_minor", "currency", "ledger_account", "client_reference")
        return [name.removesuffix("_minor") for name in fields if getattr(self, name) != getattr(wished, name)]


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """The bytes of one try: raw_data (hex), their txid, and the chain time (ms) after which they are dead.

    With the order, the other fields are everything the bytes were built from: the signer builds them again (I8).
    """

    number: int
    txid: str
    raw_data: str
    expiration_ms: int
    ref_block_number: int
    ref_block_id: str
    timestamp_ms: int
    fee_limit_sun: int
    from_address: str


class ProofOfDeath(msgspec.Struct, frozen=True):
    """A run of our own log of solid blocks: from the one behind the reference block to the first as old as the expiration.

    Each names the one before it as its parent, the first the attempt's reference block, and none holds the txid.
    `blocks` is their count; 0 in a proof of version 1, which rested on a node's word about its last block.
    """

    first_block_number: int
    first_block_id: str
    last_block_number: int
    last_block_id: str
    last_timestamp_ms: int
    blocks: int

    def covers(self, attempt: Attempt) -> bool:
        """Whether the run has the length and the ends that the attempt's bytes ask for."""
        return (
            self.first_block_number == attempt.ref_block_number + 1
            and self.blocks == self.last_block_number - attempt.ref_block_number > 0
            and self.last_timestamp_ms >= attempt.expiration_ms
        )


Verdict = Literal["new", "known", "wrong"]
"""Of a wish: it is the next thing to happen, it has happened, or it must not."""


class Attempts(msgspec.Struct, frozen=True):
    """Every attempt at one transaction, and how far the last of them came: prepared, signed, broadcast, dead."""

    made: tuple[Attempt, ...] = ()
    signature: str | None = None
    """Of the last attempt, once it is signed."""
    sent: bool = False
    """The last attempt was given to a node."""
    dead: bool = False
    """The last attempt can never be mined, proven."""

    @property
    def last(self) -> Attempt | None:
        return self.made[-1] if self.made else None

    @property
    def alive(self) -> Attempt | None:
        """The attempt that may still be mined: while there is one, no other may be prepared (I7)."""
        return None if self.dead else self.last

    # What happened

    def prepared(self, attempt: Attempt) -> Self:
        return msgspec.structs.replace(self, made=(*self.made, attempt), signature=None, sent=False, dead=False)

    def signed(self, signature: str) -> Self:
        return msgspec.structs.replace(self, signature=signature)

    def broadcast(self) -> Self:
        return msgspec.structs.replace(self, sent=True)

    def expired(self) -> Self:
        return msgspec.structs.replace(self, dead=True)

    # What may happen

    def has(self, txid: str) -> bool:
        """Whether any of the attempts is this transaction."""
        return any(attempt.txid == txid for attempt in self.made)

    def preparing(self, attempt: Attempt) -> Verdict:
        if self.last is not None and self.last.txid == attempt.txid:
            return "known"
        return "new" if self.alive is None and attempt.number == len(self.made) + 1 else "wrong"

    def signing(self, txid: str) -> Verdict:
        if self.last is None or self.last.txid != txid:
            return "wrong"
        if self.signature is not None:
            return "known"
        return "wrong" if self.dead else "new"

    def broadcasting(self, txid: str) -> Verdict:
        if self.alive is None or self.alive.txid != txid or self.signature is None:
            return "wrong"
        return "known" if self.sent else "new"

    def expiring(self, txid: str, proof: ProofOfDeath) -> Verdict:
        if self.last is None or self.last.txid != txid:
            return "wrong"
        if self.dead:
            return "known"
        return "new" if proof.covers(self.last) else "wrong"


class PayoutWork(msgspec.Struct, frozen=True):
    """The body of a message on payout-requests, as JSON: a hint to look, never an order to pay (I14)."""

    payout_id: str
    account_id: str
