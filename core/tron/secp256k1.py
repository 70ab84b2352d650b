"""Who signed: public keys to addresses, signatures to signers. Public mathematics only; no private key comes here.

It stands in core because scanners, signers and the devnet, blind to each other, must agree on it.
"""

import hashlib
from typing import Final

import coincurve
import sha3

from core.tron.address import Address

CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class InvalidSignature(ValueError):
    """The 65 bytes are no signature over this digest."""


def keccak256(data: bytes) -> bytes:
    return bytes(sha3.keccak_256(data).digest())


def address_of(public_key: bytes) -> Address:
    """33 or 65 byte SEC1 public key -> Address."""
    point = coincurve.PublicKey(public_key).format(compressed=False)
    return Address.from_evm(keccak256(point[1:])[12:])


def recover(digest: bytes, signature: bytes) -> Address:
    """32-byte digest and r(32) s(32) v(1; 0/1 or 27/28) -> the signer's Address. Raises InvalidSignature."""
    if len(signature) != 65:
        raise InvalidSignature(f"a signature has 65 bytes, this has {len(signature)}")
    recovery_id = signature[64] - 27 if signature[64] >= 27 else signature[64]
    if recovery_id not in (0, 1):
        raise InvalidSignature(f"the recovery id must be 0, 1, 27 or 28, not {signature[64]}")
    try:
        point = coincurve.PublicKey.from_signature_and_message(
            signature[:64] + bytes([recovery_id]), digest, hasher=None
        )
    except Exception as error:  # coincurve raises bare Exception and ValueError for unrecoverable points
        raise InvalidSignature("no public key fits this signature and digest") from error
    return Address.from_evm(keccak256(point.format(compressed=False)[1:])[12:])


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
