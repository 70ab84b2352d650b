"""The verifier's own Ed25519 is the world's."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from core.proofs.notes import NoteKey
from tests.support.exports import verifier


@pytest.mark.fast
@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.data())
def test_its_ed25519_is_the_worlds(seed: bytes, message: bytes, data: st.DataObject) -> None:
    """It accepts what the library signs, and nothing where a bit of message, signature or key differs."""
    module = verifier()
    private = Ed25519PrivateKey.from_private_bytes(seed)
    note_key = NoteKey("test", private.public_key().public_bytes_raw())
    key, signature = module.Key(str(note_key)), private.sign(message)
    assert key.verifies(message, signature)
    bit = data.draw(st.integers(0, 511))
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not key.verifies(message, bytes(flipped))
    assert not key.verifies(message + b"x", signature)
    with pytest.raises(ValueError, match="id does not belong"):
        module.Key(str(note_key).replace("test", "tost", 1))


@pytest.mark.fast
def test_rfc_8032s_own_vectors() -> None:
    """TEST 1 to 3 of section 7.1, and a signature whose s is not reduced."""
    module = verifier()
    for public, message, signature in (
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ):
        key = module.Key(str(NoteKey("rfc", bytes.fromhex(public))))
        raw = bytes.fromhex(signature)
        assert key.verifies(bytes.fromhex(message), raw)
        s = int.from_bytes(raw[32:], "little") + module.L
        assert not key.verifies(bytes.fromhex(message), raw[:32] + s.to_bytes(32, "little"))


@pytest.mark.fast
def test_what_is_no_key_is_refused() -> None:
    """Text that is no key, or no point of the curve, is named."""
    module = verifier()
    off_the_curve = NoteKey("n", (2).to_bytes(32, "little"))
    for text in ("", "n+00000000+AQ==", str(off_the_curve), base64.b64encode(bytes(33)).decode()):
        with pytest.raises(ValueError, match="is no Ed25519 verifier key"):
            module.Key(text)
