"""KMS keys: whatever form a signature comes in, what leaves here is proven, low and of one form; nothing else leaves."""

import random

import coincurve
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ports.unavailable import Unavailable
from core.tron.secp256k1 import CURVE_ORDER, address_of, recover, sha256
from signers.addresses import Addresses, KeyedAddresses
from signers.keys.derivation import deposit_path
from signers.keys.keys import KeyNotHeld
from signers.keys.kms import KmsKey, KmsKeys, SignatureUnproven, UnfitKey, point_of, recoverable
from tests.support.curve import recovered

pytestmark = pytest.mark.fast

SEED = bytes(range(64))
DIGEST = sha256(b"a transaction's raw_data")


class SoftwareKms:
    """The port `KeyService`: keys by name; DER with any s; `lie` replaces what is signed, `shut` closes the door."""

    def __init__(self, seed: int = 0) -> None:
        self.secrets: dict[str, int] = {}
        self.random = random.Random(seed)
        self.asked_keys = 0
        self.lie: bytes | None = None
        self.shut = False

    def add(self, name: str, secret: int | None = None) -> str:
        self.secrets[name] = secret or self.random.randrange(1, CURVE_ORDER)
        return f"kms:{name}"

    def public_key(self, key_id: str) -> bytes:
        self.asked_keys += 1
        if key_id not in self.secrets:
            raise KeyNotHeld(f"there is no key {key_id}")
        key = ec.derive_private_key(self.secrets[key_id], ec.SECP256K1()).public_key()
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign_digest(self, key_id: str, digest: bytes) -> bytes:
        if self.shut:
            raise Unavailable("throttled")
        private = coincurve.PrivateKey(self.secrets[key_id].to_bytes(32, "big"))
        signature = private.sign_recoverable(self.lie or digest, hasher=None)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        return encode_dss_signature(r, self.random.choice((s, CURVE_ORDER - s)))


@pytest.mark.long
@settings(max_examples=60)
@given(st.integers(1, CURVE_ORDER - 1), st.binary(min_size=32, max_size=32), st.integers(0, 1))
def test_every_signature_recovers_to_its_key(secret: int, digest: bytes, seed: int) -> None:
    """65 bytes, v 0 or 1, low s; and the key that an independent recovery finds is the one that signed."""
    kms = SoftwareKms(seed)
    kms.add("k", secret)
    key = KmsKey(kms, "k")
    signature = key.sign_digest(digest)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    assert len(signature) == 65
    assert s <= CURVE_ORDER // 2
    assert recovered(digest, r, s)[signature[64]] == point_of(kms.public_key("k"))
    assert recover(digest, signature) == key.address == address_of(recovered(digest, r, s)[signature[64]])


def test_a_high_and_a_low_s_are_one_signature() -> None:
    """The form does not depend on what KMS happened to give."""
    kms = SoftwareKms()
    kms.add("k")
    key = KmsKey(kms, "k")
    der = [kms.sign_digest("k", DIGEST) for _ in range(20)]
    assert len(set(der)) == 2
    assert len({recoverable(each, DIGEST, key.address) for each in der}) == 1


def test_a_short_integer_keeps_its_place() -> None:
    """DER drops leading zeros; r and s have 32 bytes here."""
    kms = SoftwareKms()
    kms.add("k", 7)
    key = KmsKey(kms, "k")
    digests = (sha256(str(number).encode()) for number in range(5_000))
    short = next(it for it in digests if key.sign_digest(it)[0] == 0 or key.sign_digest(it)[32] == 0)
    assert recover(short, key.sign_digest(short)) == key.address


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"no signature",
        encode_dss_signature(0, 1),
        encode_dss_signature(1, 0),
        encode_dss_signature(CURVE_ORDER, 1),
        encode_dss_signature(1, CURVE_ORDER),
        encode_dss_signature(5, 5),
        encode_dss_signature(1, 1) + b"\x00",
    ],
    ids=["empty", "text", "r 0", "s 0", "r order", "s order", "r of no point", "trailing byte"],
)
def test_what_is_no_signature_of_the_key_is_not_used(der: bytes) -> None:
    """Damaged, out of range, or another's."""
    kms = SoftwareKms()
    kms.add("k")
    with pytest.raises(SignatureUnproven):
        recoverable(der, DIGEST, KmsKey(kms, "k").address)


def test_a_signature_over_something_else_is_not_used() -> None:
    """A service that hashes what it is given once more is found out at once."""
    kms = SoftwareKms()
    kms.add("k")
    key = KmsKey(kms, "k")
    kms.lie = sha256(DIGEST)
    with pytest.raises(SignatureUnproven, match="until a person has looked"):
        key.sign_digest(DIGEST)


def test_a_throttled_signature_is_a_shut_door() -> None:
    """The loop backs off and asks again; nothing was signed."""
    kms = SoftwareKms()
    kms.add("k")
    key = KmsKey(kms, "k")
    kms.shut = True
    with pytest.raises(Unavailable):
        key.sign_digest(DIGEST)


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65_537, 2_048)],
    ids=["another curve", "another kind"],
)
def test_a_key_of_another_kind_is_refused(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    """The sentence says which key spec it must have."""
    with pytest.raises(UnfitKey, match="ECC_SECG_P256K1"):
        point_of(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(UnfitKey, match="no public key"):
        point_of(b"nothing")


def test_a_key_id_names_the_key_and_the_path() -> None:
    """A key in KMS by its id, a derived one by the seed's id and its path; the public key is asked for once."""
    kms = SoftwareKms()
    hot = kms.add("hot")
    keys = KmsKeys(kms, "seed-key", SEED)
    assert keys.key(hot) is keys.key(hot)
    assert kms.asked_keys == 1
    assert str(keys.key(hot)).startswith("KmsKey(hot: T")
    derived = keys.key(f"kms:seed-key:{deposit_path(7)}")
    assert recover(DIGEST, derived.sign_digest(DIGEST)) == derived.address != keys.key(hot).address


@pytest.mark.parametrize(
    ("key_id", "reason"),
    [
        ("keystore:hot", "no key in KMS"),
        ("kms:", "no key in KMS"),
        ("kms:absent", "there is no key absent"),
        ("kms:other:m/44'/195'/0'/0/7", "another seed"),
        ("kms:seed-key:m/44'/195'/0'/1/7", "no deposit address's path"),
        ("kms:seed-key:m/44'/195'/0'/0/07", "is no index"),
        ("kms:seed-key:7", "no deposit address's path"),
    ],
)
def test_a_key_that_is_not_held_is_a_sentence(key_id: str, reason: str) -> None:
    """Which key, and why it is not here."""
    with pytest.raises(KeyNotHeld, match=reason):
        KmsKeys(SoftwareKms(), "seed-key", SEED).key(key_id)


def test_a_process_without_the_seed_derives_nothing() -> None:
    """It signs with keys in KMS only."""
    with pytest.raises(KeyNotHeld, match="does not hold"):
        KmsKeys(SoftwareKms()).key(f"kms:seed-key:{deposit_path(0)}")


def test_no_seed_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither in a representation nor in an error (I13)."""
    keys = KmsKeys(SoftwareKms(), "seed-key", SEED)
    with pytest.raises(KeyNotHeld) as caught:
        keys.key("kms:seed-key:7")
    assert SEED.hex() not in f"{keys!r}{keys._deposits!r}{caught.value}"


# Deposit addresses


class Pool:
    """As much of the port `AddressPool` as the steps use."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.taken: set[str] = set()
        self.adds = 0

    def ready(self) -> int:
        return len(self.rows) - len(self.taken)

    def add(self, addresses: list) -> None:
        self.adds += len(addresses)
        for item in addresses:
            self.rows.setdefault(item.base58, item.key_id)

    def ours(self, evm_addresses: list[bytes]) -> dict[bytes, str]:
        from core.tron.address import Address

        known = {Address.from_base58(base58).evm for base58 in self.rows}
        return {evm: "payin" for evm in evm_addresses if evm in known}

    def highest_index(self, prefix: str) -> int:
        return max((int(it.removeprefix(prefix)) for it in self.rows.values() if it.startswith(prefix)), default=-1)


def test_derived_addresses_name_seed_and_path() -> None:
    """Indexes without a gap, and the ids are those by which the keys are found again."""
    pool, keys = Pool(), KmsKeys(SoftwareKms(), "seed-key", SEED)
    assert Addresses(keys, pool, 3, prefix="kms:seed-key:").step()
    assert sorted(pool.rows.values()) == [f"kms:seed-key:m/44'/195'/0'/0/{index}" for index in range(3)]
    assert all(keys.key(key_id).address.base58 == base58 for base58, key_id in pool.rows.items())


class Maker:
    """The port `KeyMaker`; it dies behind the `dies_at`-th key."""

    def __init__(self, kms: SoftwareKms) -> None:
        self.kms = kms
        self.dies_at = 0

    def made(self) -> list:
        return [(f"kms:{name}", KmsKey(self.kms, name).address) for name in self.kms.secrets]

    def make(self) -> str:
        key_id = self.kms.add(f"payin-{len(self.kms.secrets)}")
        if len(self.kms.secrets) == self.dies_at:
            raise KeyboardInterrupt
        return key_id


def test_no_key_that_was_paid_for_is_left_unused() -> None:
    """A process that dies between the key and the pool leaves a key, which the next one takes in."""
    kms, pool = SoftwareKms(), Pool()
    maker, keys = Maker(kms), KmsKeys(kms)
    maker.dies_at = 2
    addresses = KeyedAddresses(maker, keys, pool, 4)
    assert addresses.step()
    with pytest.raises(KeyboardInterrupt):
        addresses.step()
    assert (len(kms.secrets), len(pool.rows)) == (2, 1)
    again = KeyedAddresses(maker, keys, pool, 4)
    while again.step():
        pass
    assert sorted(pool.rows.values()) == [f"kms:payin-{number}" for number in range(4)]
    assert len(kms.secrets) == 4
    pool.adds = 0
    assert not KeyedAddresses(maker, keys, pool, 4).step()
    assert pool.adds == 0
