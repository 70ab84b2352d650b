"""Who may let a payout go that is above the signer's limits: names and public keys, on the signer's own list and no other."""

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from core.proofs.notes import NoteKey
from core.streams.payout.approvals import PayoutApproved, payout_digest
from core.streams.payouts import PayoutOrder


class Approvers(msgspec.Struct, frozen=True):
    """The keys, each under its name."""

    keys: tuple[NoteKey, ...] = ()

    def approver_of(self, order: PayoutOrder, approved: PayoutApproved) -> str | None:
        """Whose signature over this order's digest it is; None where it is nobody's on the list, or of something else."""
        digest = payout_digest(order)
        key = next((each for each in self.keys if each.name == approved.approver), None)
        if key is None or approved.digest != digest.hex():
            return None
        try:
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(bytes.fromhex(approved.signature), digest)
        except (InvalidSignature, ValueError):
            return None
        return key.name
