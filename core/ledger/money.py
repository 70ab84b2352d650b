"""Money is an integer in minor units and a currency; text is its only other form. No float comes near it."""

import re
from typing import Final

EXPONENTS: Final = {"USDT": 6, "TRX": 6}
"""Decimal places per currency: 1 USDT = 10^6 minor units, 1 TRX = 10^6 sun."""

MAX_MINOR: Final = 2**63 - 1
"""The largest amount a bigint column holds."""

LINE_MAX: Final = 10**17
"""The largest line of an entry: 100 billion coins, more than there are of any currency here."""

SUM_MAX: Final = 2**62
"""The largest sum of an account: whatever is posted to it next fits where it is stored (FAILURES 73)."""

_DECIMAL = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,6})?", re.ASCII)


class InvalidAmount(ValueError):
    """The text is not an amount: give digits with at most 6 decimals, above zero and at most 9223372036854.775807."""


def parse_amount(text: str, currency: str) -> int:
    """Text 12.5 in USDT -> 12500000 minor units. Raises InvalidAmount: no sign, exponent, zero or 7th decimal."""
    if not _DECIMAL.fullmatch(text):
        raise InvalidAmount(f'{text!r} is not a decimal amount: write digits with at most 6 decimals, such as "12.50"')
    whole, _, fraction = text.partition(".")
    exponent = EXPONENTS[currency]
    minor = int(whole + fraction.ljust(exponent, "0"))
    if minor == 0:
        raise InvalidAmount("the amount is zero: it must be at least 0.000001")
    if minor > MAX_MINOR:
        raise InvalidAmount(f"{text} is above the largest amount, 9223372036854.775807")
    return minor


def in_its_unit(minor: int, currency: str) -> str:
    """12500000 USDT minor units -> "12.500000 USDT"; of a currency that is none here its number as it is."""
    return f"{format_amount(minor, currency) if currency in EXPONENTS else minor} {currency}"


def format_amount(minor: int, currency: str) -> str:
    """12500000 USDT minor units -> "12.500000"; a negative balance keeps its sign."""
    exponent = EXPONENTS[currency]
    digits = str(abs(minor)).zfill(exponent + 1)
    return f"{'-' if minor < 0 else ''}{digits[:-exponent]}.{digits[-exponent:]}"
