"""What a payout is made of: the order, the bytes of each try to fulfil it, and the proof that such a try is dead."""

from typing import Self

import msgspec


class PayoutOrder(msgspec.Struct, frozen=True):
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


class Attempt(msgspec.Struct, frozen=True):
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


class PayoutWork(msgspec.Struct, frozen=True):
    """The body of a message on payout-requests, as JSON: a hint to look, never an order to pay (I14)."""

    payout_id: str
    account_id: str
