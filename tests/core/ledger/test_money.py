"""Money: text to integers and back, exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger.money import MAX_MINOR, InvalidAmount, format_amount, parse_amount

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("text", "minor", "written"),
    [
        ("12.5", 12_500_000, "12.500000"),
        ("12.50", 12_500_000, "12.500000"),
        ("0.000001", 1, "0.000001"),
        ("1", 1_000_000, "1.000000"),
        ("007.1", 7_100_000, "7.100000"),
        ("9223372036854.775807", MAX_MINOR, "9223372036854.775807"),
    ],
)
def test_an_amount_is_read_and_written(text: str, minor: int, written: str) -> None:
    """Decimal text is so many minor units, and minor units are written with six decimals."""
    assert parse_amount(text, "USDT") == minor
    assert format_amount(minor, "USDT") == written


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".", "1.", ".5", "+1", "-1", "1e6", "1E6", "0x10", "1_000", "1,5", "1 ", " 1", "1\n", "NaN", "Infinity",
        "0", "0.0", "0.000000", "0.0000001", "1.0000000", "1.1234567", "9223372036854.775808", "99999999999999",
        "١", "１", "1.٥", "1\x00", "--1", "1.2.3", "null", "true",
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Signs, exponents, separators, other digits, zero, a seventh decimal and what no bigint holds are refused."""
    with pytest.raises(InvalidAmount):
        parse_amount(text, "USDT")


@given(st.integers(min_value=1, max_value=MAX_MINOR))
def test_what_is_written_is_read_back(minor: int) -> None:
    """Every amount survives the way to text and back."""
    assert parse_amount(format_amount(minor, "USDT"), "USDT") == minor


@given(st.text(alphabet="0123456789.+-eE_ ", max_size=24))
def test_no_two_amounts_are_read_from_one_text(text: str) -> None:
    """Whatever is accepted is written with the same value; everything else is InvalidAmount and no other error."""
    try:
        minor = parse_amount(text, "TRX")
    except InvalidAmount:
        return
    whole, _, fraction = text.partition(".")
    assert format_amount(minor, "TRX") == f"{int(whole)}.{fraction:0<6}"


@pytest.mark.parametrize(("minor", "text"), [(0, "0.000000"), (-1, "-0.000001"), (-1_500_000, "-1.500000")])
def test_balances_below_one_are_written_with_their_sign(minor: int, text: str) -> None:
    """A balance may be zero or negative; no rounding touches it."""
    assert format_amount(minor, "TRX") == text
