"""Solidity's call encoding, against the documentation's vector and calldata recorded on mainnet."""

import pytest

from core.tron.address import Address
from signers.transactions.abi import (
    balance_of_call,
    is_blacklisted_call,
    read_bool,
    read_transfer_call,
    read_uint256,
    transfer_call,
)

pytestmark = pytest.mark.fast

PAYEE = Address.from_base58("TLfuw4tRywtxCusvTudbjf7PbcXjfe7qrw")
PAYEE_WORD = "0000000000000000000000007564105e977516c53be337314c7e53838967bdac"
TRANSFER_1000 = "a9059cbb" + PAYEE_WORD + "3e8".rjust(64, "0")


def test_a_transfer_is_encoded_as_trons_documentation_shows() -> None:
    """transfer(TLfuw4tR…, 1000) is the 68 bytes that Tron's documentation prints."""
    assert transfer_call(PAYEE, 1000).hex() == TRANSFER_1000


def test_queries_name_their_holder() -> None:
    """balanceOf and isBlackListed are their selector and the holder's word."""
    assert balance_of_call(PAYEE).hex() == "70a08231" + PAYEE_WORD
    assert is_blacklisted_call(PAYEE).hex() == "e47d6060" + PAYEE_WORD


@pytest.mark.parametrize(
    ("calldata", "expected"),
    [
        (TRANSFER_1000, (PAYEE, 1000)),
        (TRANSFER_1000.replace("0" * 24 + "75", "0" * 22 + "4175"), (PAYEE, 1000)),  # as in mainnet's 0130dfde…
        (TRANSFER_1000[:-64] + "f" * 64, (PAYEE, 2**256 - 1)),
        (TRANSFER_1000[:-2], None),
        (TRANSFER_1000 + "00", None),
        ("23b872dd" + TRANSFER_1000[8:], None),
        ("", None),
    ],
)
def test_transfers_are_read_as_the_token_reads_them(calldata: str, expected: tuple[Address, int] | None) -> None:
    """A transfer call is read with its address masked to 20 bytes, and anything else is not a transfer."""
    assert read_transfer_call(bytes.fromhex(calldata)) == expected


@pytest.mark.parametrize(
    ("returned", "number", "truth"),
    [
        ("00" * 32, 0, False),
        ("00" * 31 + "01", 1, True),
        ("00" * 31 + "02", 2, None),
        ("", None, None),
        ("00" * 33, None, None),
    ],
)
def test_an_answer_of_another_size_is_no_answer(returned: str, number: int | None, truth: bool | None) -> None:
    """A returned word is a number or a truth value, and an empty answer is neither zero nor false."""
    assert read_uint256(bytes.fromhex(returned)) == number
    assert read_bool(bytes.fromhex(returned)) is truth
