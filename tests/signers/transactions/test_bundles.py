"""A bundle for cold storage: signed by its own key alone, and refused with any byte changed."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.streams.attempts import Attempt
from core.streams.instructions import Instruction, SendToken
from core.tron.address import USDT_MAINNET, Address
from core.tron.chain import BlockRef
from core.tron.secp256k1 import recover
from signers.keys.keys import SoftwareKey
from signers.transactions.build import envelope_for
from signers.transactions.bundles import (
    Bundle,
    BundleRefused,
    Policy,
    bundle_of,
    fingerprint_of,
    read,
    signed,
    transaction_of,
)
from signers.transactions.intents import attempt_of, intent_of_instruction
from signers.transactions.signer import SignatureRefused

pytestmark = pytest.mark.fast

KEY, OTHER = SoftwareKey(b"\x07" * 32), SoftwareKey(b"\x08" * 32)
HOT = SoftwareKey(b"\x09" * 32).address
TOKEN = Address.from_base58(USDT_MAINNET)
NOW_MS = 1_790_000_000_000
CEILING = 60_000_000
INSTRUCTION = Instruction(
    "0198c1f2-0000-7000-8000-000000000001",
    "refill",
    "",
    KEY.address.base58,
    "cold",
    SendToken(HOT.base58, 2_500_000_000),
)


def attempt(instruction: Instruction = INSTRUCTION, lifetime_ms: int = 86_000_000) -> Attempt:
    block = BlockRef(70_000_000, f"{70_000_000:016x}" + "ab" * 24, "00" * 32, NOW_MS - 57_000)
    envelope = envelope_for(
        bytes(16), 1, block, chain_time_ms=NOW_MS, lifetime_ms=lifetime_ms, fee_limit_sun=30_000_000
    )
    return attempt_of(intent_of_instruction(instruction, TOKEN), envelope, 1)


def policy(**changes: object) -> Policy:
    known = Policy(HOT.base58, TOKEN.base58, 2_500_000_000, CEILING, NOW_MS)
    return msgspec.structs.replace(known, **changes)


def made(instruction: Instruction = INSTRUCTION, of: Attempt | None = None, held_to: Policy | None = None) -> Bundle:
    return bundle_of("mainnet", "00" * 32, instruction, of or attempt(instruction), held_to or policy())


UNSIGNED = made().encode()
SIGNED = signed(read(UNSIGNED), KEY, CEILING).encode()


def test_a_signed_bundle_is_the_owners_transaction() -> None:
    """The signature is over the txid and recovers to cold storage; the file tells the same twice."""
    done = read(SIGNED)
    assert done.signature is not None
    assert recover(bytes.fromhex(done.attempt.txid), bytes.fromhex(done.signature)) == KEY.address
    assert bytes.fromhex(done.attempt.raw_data) in transaction_of(done)
    assert signed(read(UNSIGNED), KEY, CEILING).encode() == SIGNED
    assert done.fingerprint == read(UNSIGNED).fingerprint == fingerprint_of(done)


@settings(max_examples=400)
@given(content=st.sampled_from([UNSIGNED, SIGNED]), place=st.integers(0), byte=st.integers(1, 255))
def test_any_changed_byte_is_refused(content: bytes, place: int, byte: int) -> None:
    """Wherever it stands: in a value, a name, white space, the picture, the signature."""
    at = place % len(content)
    changed = content[:at] + bytes([content[at] ^ byte]) + content[at + 1 :]
    with pytest.raises(BundleRefused):
        read(changed)


@pytest.mark.parametrize("content", [UNSIGNED, SIGNED], ids=["unsigned", "signed"])
def test_each_byte_turned_by_one_bit_is_refused(content: bytes) -> None:
    """One bit, the lowest, of the first and the last 2,500 bytes, one after the other."""
    for at in {*range(2_500), *range(len(content) - 2_500, len(content))}:
        with pytest.raises(BundleRefused):
            read(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


@given(cut=st.integers(1, len(UNSIGNED)))
def test_a_cut_or_longer_file_is_refused(cut: int) -> None:
    """A copy that broke off, and one with something behind it."""
    for changed in (UNSIGNED[:-cut], UNSIGNED + b" " * cut):
        with pytest.raises(BundleRefused):
            read(changed)


@pytest.mark.parametrize(
    "bundle",
    [
        made(held_to=policy(amount_minor=1)),
        made(held_to=policy(to=OTHER.address.base58)),
        made(of=attempt(msgspec.structs.replace(INSTRUCTION, act=SendToken(HOT.base58, 2_500_000_001)))),
        made(of=attempt(msgspec.structs.replace(INSTRUCTION, act=SendToken(OTHER.address.base58, 2_500_000_000)))),
        made(msgspec.structs.replace(INSTRUCTION, purpose="excess")),
        made(msgspec.structs.replace(INSTRUCTION, wallet="hot")),
        made(of=msgspec.structs.replace(attempt(), expiration_ms=attempt().expiration_ms + 1)),
        made(of=msgspec.structs.replace(attempt(), txid="ab" * 32)),
    ],
)
def test_a_bundle_that_says_two_things_is_refused(bundle: Bundle) -> None:
    """Well-formed, with its own fingerprint, and yet: intent, bytes, envelope and policy are one thing or none."""
    with pytest.raises(BundleRefused):
        read(bundle.encode())


def test_another_content_has_another_fingerprint() -> None:
    """What two people compare by voice tells a larger amount, though the file around it is made anew throughout."""
    larger = msgspec.structs.replace(INSTRUCTION, act=SendToken(HOT.base58, 9_900_000_000))
    other = read(made(larger, held_to=policy(amount_minor=9_900_000_000)).encode())
    assert other.fingerprint != read(UNSIGNED).fingerprint
    assert len(other.fingerprint) == len("XXXX-XXXX-XXXX-XXXX-XXXX")


def test_the_signer_keeps_its_own_limits() -> None:
    """Another key, a fee limit above this machine's ceiling, a life longer than a day: no signature."""
    bundle = read(UNSIGNED)
    with pytest.raises(SignatureRefused, match="the key is"):
        signed(bundle, OTHER, CEILING)
    with pytest.raises(SignatureRefused, match="fee_limit"):
        signed(bundle, KEY, 20_000_000)
    with pytest.raises(SignatureRefused, match="expiration"):
        signed(msgspec.structs.replace(bundle, policy=policy(prepared_at_ms=NOW_MS - 3_600_000)), KEY, CEILING)


def test_another_keys_signature_is_refused() -> None:
    """A valid signature over the same bytes, by somebody else."""
    bundle = read(UNSIGNED)
    foreign = OTHER.sign_digest(bytes.fromhex(bundle.attempt.txid)).hex()
    with pytest.raises(BundleRefused, match="signature"):
        read(msgspec.structs.replace(bundle, signature=foreign).encode())
