"""Addresses: the vectors that every Tron library agrees on, and what only looks like an address."""

import coincurve
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tron.address import USDT_MAINNET, USDT_NILE, ZERO_ADDRESS, Address, InvalidAddress, block_number
from core.tron.secp256k1 import CURVE_ORDER, InvalidSignature, address_of, keccak256, recover, sha256
from tests.recorded import RECORDED

pytestmark = pytest.mark.fast

VECTORS = [
    ("00" * 31 + "01", "417e5f4552091a69125d5dfcb7b8c2659029395bdf", "TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC"),
    ("00" * 31 + "02", "412b5ad5c4795c026514f8317c7a215e218dccd6cf", "TDvSsdrNM5eeXNL3czpa6AxLDHZA9nwe9K"),
    ("01" * 32, "411a642f0e3c3af545e7acbd38b07251b3990914f1", "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"),
    (
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        "41f39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        "TYBNgWfhGuNzdLtjKtxXTfskAhTbMcqbaG",
    ),
]
NAMED = [
    ("41a614f803b6fd780986a42c78ec9c7f77e6ded13c", USDT_MAINNET),
    ("417564105e977516c53be337314c7e53838967bdac", "TLfuw4tRywtxCusvTudbjf7PbcXjfe7qrw"),
    ("4101311788a9736dcc38cf6d53342c076c38e95ef2", "TA5WVDb8QG5SoPNk1HCnombmkS9nWqH9LR"),
    ("41" + "00" * 20, "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb"),
]


@pytest.mark.parametrize(("key", "hex_", "base58"), VECTORS)
def test_a_key_has_one_address(key: str, hex_: str, base58: str) -> None:
    """The address follows from the public key, compressed or not."""
    public = coincurve.PrivateKey(bytes.fromhex(key)).public_key
    for compressed in (True, False):
        assert address_of(public.format(compressed=compressed)).hex() == hex_
    assert address_of(public.format()).base58 == base58


@pytest.mark.parametrize(("hex_", "base58"), [*((hex_, base58) for _, hex_, base58 in VECTORS), *NAMED])
def test_every_form_of_an_address_is_the_same_address(hex_: str, base58: str) -> None:
    """base58, hex and the last 20 bytes give the same 21 bytes, and are given back by them."""
    address = Address.from_base58(base58)
    assert address == Address.from_hex(hex_) == Address.from_evm(bytes.fromhex(hex_)[1:]) == bytes.fromhex(hex_)
    assert (str(address), address.base58, address.hex(), address.evm.hex()) == (base58, base58, hex_, hex_[2:])


def test_the_constants_are_addresses() -> None:
    """The USDT contracts and the zero address are what they claim."""
    assert Address.from_base58(USDT_NILE).base58 == USDT_NILE
    assert ZERO_ADDRESS.base58 == "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("TZJozAg1ruapycCicgz31GxvYJ1G1qELV7", "0x42"),  # a valid checksum over another version byte
        ("TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HD", "checksum"),
        ("TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2hC", "checksum"),
        ("TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2H0", "does not occur in base58"),
        ("TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2Hé", "does not occur in base58"),
        ("TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2H", "34 characters"),
        ("1TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC", "34 characters"),
        (" TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC", "34 characters"),
        ("TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC\n", "34 characters"),
        ("z" * 34, "checksum"),
        ("1" * 34, "checksum"),
        ("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf", "34 characters"),
        ("", "34 characters"),
    ],
)
def test_what_only_looks_like_an_address_is_refused(text: str, reason: str) -> None:
    """Another version byte, a typing mistake, blanks, leading ones and Ethereum's form are refused with the reason."""
    with pytest.raises(InvalidAddress, match=reason):
        Address.from_base58(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "41",
        "41" + "00" * 19,
        "41" + "00" * 21,
        "42" + "00" * 20,
        "0x41" + "00" * 20,
        "zz" * 21,
        "41 " + "00" * 19 + "0",
    ],
)
def test_what_is_no_hexadecimal_address_is_refused(text: str) -> None:
    """Hex addresses have exactly 42 digits and start with 41."""
    with pytest.raises(InvalidAddress):
        Address.from_hex(text)


@given(st.binary(min_size=20, max_size=20))
def test_all_addresses_have_34_characters_and_come_back(last20: bytes) -> None:
    """Every 20 bytes are an address of 34 characters that starts with T."""
    address = Address.from_evm(last20)
    assert len(address.base58) == 34
    assert address.base58[0] == "T"
    assert Address.from_base58(address.base58) == address


@given(st.sampled_from([base58 for _, base58 in NAMED]), st.integers(0, 33), st.characters(codec="utf-8"))
def test_no_single_typing_mistake_is_an_address(base58: str, place: int, character: str) -> None:
    """One other character anywhere is noticed."""
    mistyped = base58[:place] + character + base58[place + 1 :]
    if mistyped != base58:
        with pytest.raises(InvalidAddress):
            Address.from_base58(mistyped)


def test_a_block_id_starts_with_its_height() -> None:
    """Its first 8 bytes are the height."""
    assert block_number("00000000000000001ebf88508a03865c71d452e25f4d51194196a1d22b6653dc") == 0
    assert block_number("0000000004b3512c" + "0" * 48) == 78_860_588


@pytest.mark.parametrize("recorded", RECORDED, ids=[recorded.name for recorded in RECORDED])
def test_signers_of_recorded_transactions_are_recovered(recorded: object) -> None:
    """Mainnet's signatures name their signers, with 0/1 and with 27/28 as recovery id."""
    raw_data, signature = bytes.fromhex(recorded.raw_data), bytes.fromhex(recorded.signature)  # type: ignore[attr-defined]
    for v in (signature[64] % 27, signature[64] % 27 + 27):
        assert recover(sha256(raw_data), signature[:64] + bytes([v])).base58 == recorded.signer  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "signature",
    [b"", bytes(64), bytes(65), bytes(66), b"\xff" * 64 + b"\x00", b"\x01" * 64 + b"\x02", b"\x01" * 64 + b"\x1d"],
)
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    """Wrong lengths, zero and too large numbers and other recovery ids are InvalidSignature, and no other error."""
    with pytest.raises(InvalidSignature):
        recover(bytes(32), signature)


@given(st.integers(1, CURVE_ORDER - 1), st.binary(min_size=32, max_size=32))
def test_the_signer_of_any_digest_is_recovered(secret: int, digest: bytes) -> None:
    """Who signed follows from the signature; over another digest somebody else did."""
    key = coincurve.PrivateKey(secret.to_bytes(32, "big"))
    signature = key.sign_recoverable(digest, hasher=None)
    assert recover(digest, signature) == address_of(key.public_key.format())


def test_keccak_is_ethereums() -> None:
    """keccak256 pads as Ethereum does, unlike SHA3-256."""
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"Transfer(address,address,uint256)").hex().startswith("ddf252ad")
