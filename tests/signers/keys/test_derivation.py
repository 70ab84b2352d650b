"""Deposit keys are those that any BIP-32 wallet derives from the same seed."""

import hmac
import pickle
from types import SimpleNamespace
from typing import Any

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tronpy.hdwallet import key_from_seed
from tronpy.keys import PrivateKey

from signers.keys import derivation
from signers.keys.derivation import (
    DEPOSIT_ROOT,
    HARDENED,
    DepositKeys,
    InvalidPath,
    Node,
    deposit_path,
    parse_path,
)

pytestmark = pytest.mark.fast

SEED = bytes(range(64))

BIP32_1 = "000102030405060708090a0b0c0d0e0f"
BIP32_3 = (
    "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4ac"
    "ba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be"
)
BIP32_4 = "3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678"


@pytest.mark.parametrize(
    ("seed", "path", "xprv"),
    [
        (
            BIP32_1,
            "m/0'",
            "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7",
        ),
        (
            BIP32_1,
            "m/0'/1",
            "xprv9wTYmMFdV23N2TdNG573QoEsfRrWKQgWeibmLntzniatZvR9BmLnvSxqu53Kw1UmYPxLgboyZQaXwTCg8MSY3H2EU4pWcQDnRnrVA1xe8fs",
        ),
        (
            BIP32_1,
            "m/0'/1/2'",
            "xprv9z4pot5VBttmtdRTWfWQmoH1taj2axGVzFqSb8C9xaxKymcFzXBDptWmT7FwuEzG3ryjH4ktypQSAewRiNMjANTtpgP4mLTj34bhnZX7UiM",
        ),
        (
            BIP32_1,
            "m/0'/1/2'/2",
            "xprvA2JDeKCSNNZky6uBCviVfJSKyQ1mDYahRjijr5idH2WwLsEd4Hsb2Tyh8RfQMuPh7f7RtyzTtdrbdqqsunu5Mm3wDvUAKRHSC34sJ7in334",
        ),
        (
            BIP32_1,
            "m/0'/1/2'/2/1000000000",
            "xprvA41z7zogVVwxVSgdKUHDy1SKmdb533PjDz7J6N6mV6uS3ze1ai8FHa8kmHScGpWmj4WggLyQjgPie1rFSruoUihUZREPSL39UNdE3BBDu76",
        ),
        (  # leading zeros are kept
            BIP32_3,
            "m/0'",
            "xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L",
        ),
        (  # leading zeros are kept
            BIP32_4,
            "m/0'/1'",
            "xprv9xJocDuwtYCMNAo3Zw76WENQeAS6WGXQ55RCy7tDJ8oALr4FWkuVoHJeHVAcAqiZLE7Je3vZJHxspZdFHfnBEjHqU5hG1Jaj32dVoS6XLT1",
        ),
    ],
)
def test_the_official_vectors_hold(seed: str, path: str, xprv: str) -> None:
    """BIP-32's test vectors 1, 3 and 4 give the chain codes and private keys that it prints."""
    extended = base58.b58decode_check(xprv)
    node = Node.master(bytes.fromhex(seed)).descend(path)
    assert node._chain_code == extended[13:45]
    assert b"\0" + node._private.secret == extended[45:]


@pytest.mark.parametrize("index", [0, 1, 7, 999, 2**31 - 1])
def test_deposit_addresses_are_tronpys(index: int) -> None:
    """tronpy derives the same address from the same seed and path."""
    theirs = PrivateKey(key_from_seed(SEED, deposit_path(index))).public_key.to_base58check_address()
    assert Node.master(SEED).descend(deposit_path(index)).key().address.base58 == theirs


def test_a_pool_of_a_thousand_addresses_costs_a_thousand_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The levels above them are walked once, and each of 1,000 distinct deposit addresses is one HMAC more."""
    digest, hashes = hmac.digest, 0

    def counted(*given: Any) -> bytes:
        nonlocal hashes
        hashes += 1
        return digest(*given)

    monkeypatch.setattr(derivation, "hmac", SimpleNamespace(digest=counted))
    keys = DepositKeys(SEED)
    above = hashes
    assert len({keys.key(deposit_path(index)).address for index in range(1_000)}) == 1_000
    assert (above, hashes - above) == (1 + len(parse_path(DEPOSIT_ROOT)), 1_000)


def test_a_path_has_one_spelling() -> None:
    """m/44'/195'/0'/0/7 is five indexes, the first three of them hardened."""
    assert parse_path("m/44'/195'/0'/0/7") == [44 + HARDENED, 195 + HARDENED, HARDENED, 0, 7]
    assert deposit_path(7) == "m/44'/195'/0'/0/7"


@pytest.mark.parametrize(
    "path", ["", "m", "m/", "44'/195'", "M/0", "m/07", "m/-1", "m/0h", "m/0''", "m/2147483648", "m/٣", "m/0/", "m/ 0"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    """Anything else than m and canonical indexes below 2^31 is refused with an example."""
    with pytest.raises(InvalidPath, match="write m/44'/195'/0'/0/7"):
        Node.master(SEED).descend(path)


@given(st.binary(max_size=100))
def test_a_seed_of_another_length_is_refused(seed: bytes) -> None:
    """A seed has 16 to 64 bytes, and no other length derives anything."""
    if 16 <= len(seed) <= 64:
        Node.master(seed)
    else:
        with pytest.raises(ValueError, match="16 to 64 bytes"):
            Node.master(seed)


def test_nodes_and_keys_show_no_secret() -> None:
    """Neither a node nor a key shows its secret in a repr, nor lets itself be pickled (I13)."""
    node = Node.master(SEED)
    secret, chain_code = node._private.secret.hex(), node._chain_code.hex()
    for holder in (node, node.key()):
        shown = f"{holder!r} {holder}"
        assert secret not in shown
        assert chain_code not in shown
        with pytest.raises(TypeError, match="is not pickled"):
            pickle.dumps(holder)
