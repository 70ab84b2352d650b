"""Who may let go what the signer does not by itself, a payout above its limits or a wallet's other permissions: its list."""

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
        signed = approved.digest == digest.hex() and self.has_signed(approved.approver, digest, approved.signature)
        return approved.approver if signed else None

    def has_signed(self, name: str, digest: bytes, signature: str) -> bool:
        """Whether the approver of this name, one on the list, made this signature (hex) over the digest."""
        key = next((each for each in self.keys if each.name == name), None)
        if key is None:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(bytes.fromhex(signature), digest)
        except (InvalidSignature, ValueError):
            return False
        return True
