"""Tron's names for things: addresses, transaction ids, blocks, and the constants every layer shares.

An address is kept as its 21 bytes (0x41 and 20 more); base58check and hex are how it is written down.
"""

import hashlib
from typing import Final, Self

ADDRESS_PREFIX: Final = 0x41
BASE58_LENGTH: Final = 34
_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = {character: value for value, character in enumerate(_ALPHABET)}

SUN_PER_TRX: Final = 1_000_000
TRANSFER_TOPIC: Final = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
TRANSFER_SELECTOR: Final = bytes.fromhex("a9059cbb")
USDT_MAINNET: Final = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
USDT_NILE: Final = "TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf"


class InvalidAddress(ValueError):
    """The text or bytes are no Tron address; the message says which rule is broken."""


class Address(bytes):
    """21 bytes: 0x41 and the last 20 bytes of the public key's keccak256."""

    def __new__(cls, raw: bytes) -> Self:
        if len(raw) != 21:
            raise InvalidAddress(f"a Tron address has 21 bytes, this has {len(raw)}")
        if raw[0] != ADDRESS_PREFIX:
            raise InvalidAddress(f"a Tron address starts with byte 0x41, this one with 0x{raw[0]:02x}")
        return super().__new__(cls, raw)

    @classmethod
    def from_base58(cls, text: str) -> Self:
        """T... text of exactly 34 characters -> Address. Raises InvalidAddress; never repairs what it is given."""
        if len(text) != BASE58_LENGTH:
            raise InvalidAddress(f"a Tron address has 34 characters, this has {len(text)}")
        number = 0
        for character in text:
            digit = _DIGITS.get(character)
            if digit is None:
                raise InvalidAddress(f"{character!r} does not occur in base58")
            number = number * 58 + digit
        decoded = number.to_bytes(25, "big")  # 58^34 is below 2^200
        if _checksum(decoded[:21]) != decoded[21:]:
            raise InvalidAddress("the address's checksum is wrong: a character is mistyped")
        # No second spelling to refuse: among texts of one length every number has exactly one.
        return cls(decoded[:21])

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """42 hex digits starting with 41 -> Address. Raises InvalidAddress."""
        try:
            if len(text) != 42:
                raise InvalidAddress(f"it has {len(text)} characters instead of 42")
            return cls(bytes.fromhex(text))
        except ValueError as error:
            raise InvalidAddress(f"{text!r} is no hexadecimal Tron address: {error}") from error

    @classmethod
    def from_evm(cls, last20: bytes) -> Self:
        """The 20 bytes that logs and ABI words carry -> Address."""
        return cls(bytes([ADDRESS_PREFIX]) + last20)

    @property
    def base58(self) -> str:
        number = int.from_bytes(bytes(self) + _checksum(self), "big")
        digits = []
        while number:
            number, digit = divmod(number, 58)
            digits.append(_ALPHABET[digit])
        return "".join(reversed(digits))

    @property
    def evm(self) -> bytes:
        """The 20 bytes without the prefix, as logs and ABI words have them."""
        return bytes(self[1:])

    def __repr__(self) -> str:
        return f"Address({self.base58})"

    def __str__(self) -> str:
        return self.base58


ZERO_ADDRESS: Final = Address(bytes([ADDRESS_PREFIX]) + bytes(20))


def block_number(block_id: str) -> int:
    """The height that the first 8 bytes of a block id state."""
    return int(block_id[:16], 16)


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
