"""A bundle that several holders sign in turn: each signature of another key of the permission, until they weigh enough."""

from collections.abc import Sequence
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.tron.permissions import Grant, KeyWeight
from core.tron.transactions import RAW, SIGNED
from signers.keys.keys import SoftwareKey
from signers.transactions import bundles
from signers.transactions.bundles import Bundle, BundleRefused, bundle_of, read, signed, transaction_of
from signers.transactions.intents import attempt_of, envelope_of, intent_of_instruction
from signers.transactions.signer import SignatureRefused
from tests.signers.transactions.test_bundles import CEILING, INSTRUCTION, KEY, TOKEN, attempt, policy

pytestmark = pytest.mark.fast

HOLDERS = tuple(SoftwareKey(sha256(f"holder {number}".encode()).digest()) for number in range(5))
STRANGER = SoftwareKey(sha256(b"nobody's").digest())
TRANSFERS = ("TransferContract", "TriggerSmartContract")


def grant(threshold: int, weights: Sequence[int], permission_id: int = 0) -> Grant:
    keys = tuple(KeyWeight(key.address.base58, weight) for key, weight in zip(HOLDERS, weights, strict=False))
    return Grant(permission_id, threshold, keys, TRANSFERS if permission_id else ())


def made(of: Grant) -> Bundle:
    envelope = msgspec.structs.replace(envelope_of(attempt()), permission_id=of.id)
    built = attempt_of(intent_of_instruction(INSTRUCTION, TOKEN), envelope, 1)
    return bundle_of("mainnet", "00" * 32, INSTRUCTION, built, policy(), of)


def by(bundle: Bundle, *keys: SoftwareKey) -> Bundle:
    """As each holder does it: from the file to the file."""
    for key in keys:
        bundle = signed(read(bundle.encode()), key, CEILING)
    return read(bundle.encode())


TWO_OF_THREE = made(grant(2, (1, 1, 1)))
SIGNED_ONCE = by(TWO_OF_THREE, HOLDERS[1])
SIGNED_TWICE = by(SIGNED_ONCE, HOLDERS[0])


def test_two_of_three_sign_and_the_transaction_bears_both() -> None:
    """Each sees who has signed and what is missing; the fingerprint stays the same throughout."""
    assert (TWO_OF_THREE.missing, SIGNED_ONCE.missing, SIGNED_TWICE.missing) == (2, 1, 0)
    assert SIGNED_ONCE.signers == (HOLDERS[1].address.base58,)
    assert SIGNED_ONCE.waits_for == (HOLDERS[0].address.base58, HOLDERS[2].address.base58)
    assert TWO_OF_THREE.fingerprint == SIGNED_ONCE.fingerprint == SIGNED_TWICE.fingerprint
    transaction = SIGNED.decode(transaction_of(SIGNED_TWICE))
    assert transaction["signature"] == [bytes.fromhex(each) for each in SIGNED_TWICE.given]
    assert len(transaction["signature"]) == 2


def test_an_active_permission_stands_in_the_bytes() -> None:
    """By permission 3 the transaction names it, and the fingerprint is another than the owner's."""
    bundle = by(made(grant(2, (1, 1), 3)), *HOLDERS[:2])
    contract = RAW.decode(bytes.fromhex(bundle.attempt.raw_data))["contract"][0]
    assert contract["Permission_id"] == 3
    assert bundle.fingerprint != by(made(grant(2, (1, 1))), *HOLDERS[:2]).fingerprint


@pytest.mark.parametrize(
    ("bundle", "key", "words"),
    [
        (SIGNED_ONCE, HOLDERS[1], "has signed it already"),
        (SIGNED_ONCE, STRANGER, "is no key of the owner permission"),
        (SIGNED_ONCE, KEY, "is no key of the owner permission"),
        (SIGNED_TWICE, HOLDERS[2], "has all its signatures"),
    ],
    ids=["the same holder", "a stranger", "the wallet's own old key", "one too many"],
)
def test_who_has_signed_or_may_not_sign_is_refused(bundle: Bundle, key: SoftwareKey, words: str) -> None:
    """In words that say whose signature it waits for."""
    with pytest.raises(BundleRefused, match=words):
        signed(bundle, key, CEILING)


def forged(bundle: Bundle, *signatures: str) -> bytes:
    return msgspec.structs.replace(bundle, signatures=signatures).encode()


def test_no_file_brings_a_signature_that_does_not_count() -> None:
    """One twice, a stranger's, one that is none, one more than it takes: each is refused as it is read."""
    one, two = SIGNED_TWICE.given
    three = HOLDERS[2].sign_digest(bytes.fromhex(TWO_OF_THREE.attempt.txid)).hex()
    strange = STRANGER.sign_digest(bytes.fromhex(TWO_OF_THREE.attempt.txid)).hex()
    for content, words in (
        (forged(TWO_OF_THREE, one, one), "signed twice"),
        (forged(TWO_OF_THREE, one, strange), "signature is not"),
        (forged(TWO_OF_THREE, one, two, three), "more signatures than it takes"),
        (forged(TWO_OF_THREE, one[:-2] + "1b"), "signature is not"),
        (forged(TWO_OF_THREE, "00" * 65), "signature is not"),
    ):
        with pytest.raises(BundleRefused, match=words):
            read(content)


def test_what_the_permission_says_is_what_two_people_compare() -> None:
    """Fewer keys, a lower threshold, another weight: another fingerprint; with the old one the file is refused."""
    for other in (grant(1, (1, 1, 1)), grant(2, (1, 1)), grant(2, (2, 1, 1))):
        assert made(other).fingerprint != TWO_OF_THREE.fingerprint
        changed = msgspec.structs.replace(SIGNED_ONCE, permission=other)
        with pytest.raises(BundleRefused):
            read(changed.encode())


def test_forms_are_not_mixed() -> None:
    """A bundle of one key has no permission in it, a shared one no single signature."""
    single = bundle_of("mainnet", "00" * 32, INSTRUCTION, attempt(), policy())
    for mixed in (
        msgspec.structs.replace(SIGNED_ONCE, format=bundles.FORMAT),
        msgspec.structs.replace(single, format=bundles.SHARED_FORMAT),
        msgspec.structs.replace(SIGNED_ONCE, signature=None),
        msgspec.structs.replace(single, permission=grant(2, (1, 1, 1))),
    ):
        with pytest.raises(BundleRefused):
            read(mixed.encode())


def test_the_bytes_and_the_permission_are_one() -> None:
    """Bytes of the owner's permission are no bundle of another, nor a permission whose mask lacks transfers of tokens."""
    wrong = made(grant(2, (1, 1)))
    for permission in (
        grant(2, (1, 1), 2),
        msgspec.structs.replace(grant(2, (1, 1), 2), operations=("TransferContract",)),
    ):
        bare = msgspec.structs.replace(wrong, permission=permission)
        with pytest.raises(BundleRefused):
            read(msgspec.structs.replace(bare, fingerprint=bundles.fingerprint_of(bare)).encode())


@settings(max_examples=120)
@given(
    weights=st.lists(st.integers(1, 5), min_size=2, max_size=5),
    share=st.floats(0, 1),
    order=st.lists(st.integers(0, 5), max_size=7),
)
def test_it_is_complete_when_its_keys_weigh_the_threshold(weights: list[int], share: float, order: list[int]) -> None:
    """Whoever comes in whatever order: refused, or one more signature; at the threshold it is complete, never before."""
    threshold = max(1, round(share * sum(weights)))
    bundle = made(grant(threshold, weights))
    counted: set[int] = set()
    for place in order:
        key = (*HOLDERS, STRANGER)[place]
        is_due = place < len(weights) and place not in counted and sum(weights[it] for it in counted) < threshold
        if is_due:
            bundle = by(bundle, key)
            counted.add(place)
        else:
            with pytest.raises(BundleRefused):
                signed(bundle, key, CEILING)
        assert bundle.missing == max(0, threshold - sum(weights[it] for it in counted))


def test_the_signer_keeps_its_own_limits_of_a_shared_bundle() -> None:
    """A fee limit above this machine's ceiling, and a life longer than a day: no signature of any holder."""
    with pytest.raises(SignatureRefused, match="fee_limit"):
        signed(TWO_OF_THREE, HOLDERS[0], 20_000_000)
    with pytest.raises(SignatureRefused, match="expiration"):
        signed(
            msgspec.structs.replace(TWO_OF_THREE, policy=policy(prepared_at_ms=policy().prepared_at_ms - 3_600_000)),
            HOLDERS[0],
            CEILING,
        )


def test_without_its_look_at_who_signed_a_bundle_takes_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: what reads a file believes what stands in it."""
    monkeypatch.setattr(bundles, "_check_signatures", lambda _: None)
    strange = STRANGER.sign_digest(bytes.fromhex(TWO_OF_THREE.attempt.txid)).hex()
    assert read(forged(TWO_OF_THREE, strange)).given == (strange,)


def test_without_its_look_at_the_key_a_bundle_is_signed_by_one_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: the machine signs for anybody; the file that comes of it is refused where it is read."""
    monkeypatch.setattr(bundles, "must_take", lambda *_: None)
    twice = signed(SIGNED_ONCE, HOLDERS[1], CEILING)
    with pytest.raises(BundleRefused, match="signed twice"):
        read(twice.encode())
