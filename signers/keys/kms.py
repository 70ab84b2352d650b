"""Keys in KMS: what it signs is DER with any s, and is believed only when it recovers to the key's own address.

A key id is `kms:<key>` for a key in KMS itself, and `kms:<key>:m/44'/195'/0'/0/7` for one derived from a seed that this KMS key
wrapped when it was made. The first never leaves KMS; the second is in the memory of the process that may unwrap the seed.
"""

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from core.tron.address import Address
from core.tron.secp256k1 import CURVE_ORDER, InvalidSignature, address_of, recover
from signers.keys.derivation import DepositKeys, InvalidPath
from signers.keys.keys import Key, KeyNotHeld

PREFIX: Final = "kms:"


class UnfitKey(Exception):
    """The key in KMS cannot be a Tron wallet's; the text says why."""


class SignatureUnproven(Exception):
    """What KMS gave as a signature is none of this key over this digest: it signs otherwise, or somebody answers for it."""


class KeyService(Protocol):
    """As much of KMS as a signer needs. Raises Unavailable, and KeyNotHeld for a key that is not there."""

    def public_key(self, key_id: str) -> bytes:
        """DER SubjectPublicKeyInfo."""

    def sign_digest(self, key_id: str, digest: bytes) -> bytes:
        """ECDSA over these 32 bytes as they are -> DER."""


class KmsKey:
    """One secp256k1 key in KMS. It signs the digest and hashes nothing (MessageType DIGEST)."""

    def __init__(self, service: KeyService, key_id: str) -> None:
        self._service = service
        self._key_id = key_id
        self.address: Final = address_of(point_of(service.public_key(key_id)))

    def sign_digest(self, digest: bytes) -> bytes:
        """Raises SignatureUnproven unless the signature recovers to this key's address."""
        return recoverable(self._service.sign_digest(self._key_id, digest), digest, self.address)

    def __repr__(self) -> str:
        return f"KmsKey({self._key_id}: {self.address})"


class KmsKeys:
    """The port `Keys` on AWS: keys in KMS, and those derived from the seeds that this process may unwrap.

    Addresses are made from the one of `seed_id`, the newest; `older` has those before it, by their ids.
    """

    def __init__(
        self,
        service: KeyService,
        seed_id: str = "",
        seed: bytes | None = None,
        older: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        self._service = service
        self._seed_id = seed_id
        self._deposits = {each: DepositKeys(secret) for each, secret in older.items()}
        if seed is not None:
            self._deposits[seed_id] = DepositKeys(seed)
        self._known: dict[str, Key] = {}
        self._lock = threading.Lock()

    @property
    def derived_prefix(self) -> str:
        """What the ids of keys derived from the newest seed begin with."""
        return f"{PREFIX}{self._seed_id}:"

    @property
    def first_prefix(self) -> str:
        """The same of the first."""
        return f"{PREFIX}{self._seed_id.partition('/')[0]}:"

    def key(self, key_id: str) -> Key:
        """Raises KeyNotHeld; UnfitKey for a key of another kind. KMS is asked once for each public key."""
        key, _, path = key_id.removeprefix(PREFIX).partition(":")
        if not key_id.startswith(PREFIX) or not key:
            raise KeyNotHeld(f"{key_id} is no key in KMS")
        if path:
            return self._derived(key_id, key, path)
        with self._lock:
            if key_id not in self._known:
                self._known[key_id] = KmsKey(self._service, key)
            return self._known[key_id]

    def _derived(self, key_id: str, seed_id: str, path: str) -> Key:
        if not self._deposits:
            raise KeyNotHeld(f"{key_id} is derived from a seed that this process does not hold")
        if seed_id not in self._deposits:
            raise KeyNotHeld(f"{key_id} is derived from another seed than those made with {', '.join(self._deposits)}")
        try:
            return self._deposits[seed_id].key(path)
        except InvalidPath as error:
            raise KeyNotHeld(f"{key_id} is no key id: {error}") from error


def point_of(public_key: bytes) -> bytes:
    """DER SubjectPublicKeyInfo -> the 65 bytes of its point. Raises UnfitKey for another curve."""
    try:
        key = load_der_public_key(public_key)
    except ValueError as error:
        raise UnfitKey(f"this is no public key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256K1):
        raise UnfitKey("the key is not on the curve of Tron: it must have the key spec ECC_SECG_P256K1")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def recoverable(der: bytes, digest: bytes, signer: Address) -> bytes:
    """A DER signature -> r(32) s(32) v(1). KMS gives a high s half of the time; a low one is the only form that we send.

    Raises SignatureUnproven when neither recovery id leads to the signer.
    """
    try:
        r, s = decode_dss_signature(der)
    except ValueError as error:
        raise SignatureUnproven(f"KMS gave no signature for {signer}: {error}") from error
    if not (0 < r < CURVE_ORDER and 0 < s < CURVE_ORDER):
        raise SignatureUnproven(f"KMS gave a signature outside the curve's order for {signer}")
    low = min(s, CURVE_ORDER - s)
    for recovery_id in (0, 1):
        signature = r.to_bytes(32, "big") + low.to_bytes(32, "big") + bytes([recovery_id])
        try:
            if recover(digest, signature) == signer:
                return signature
        except InvalidSignature:
            continue
    raise SignatureUnproven(
        f"what KMS signed does not recover to {signer}: nothing is signed until a person has looked"
    )
