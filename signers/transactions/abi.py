"""Solidity's call encoding, the few calls the gateway makes: a 4-byte selector and 32-byte words, big-endian.

Reading is lenient where the contract is: mainnet carries address words whose padding holds 0x41 or worse, and the
token masks them to 20 bytes. Writing is exact. Every reader answers None for what it does not recognise.
"""

from typing import Final

from core.tron.address import TRANSFER_SELECTOR, Address

BALANCE_OF_SELECTOR: Final = bytes.fromhex("70a08231")
IS_BLACKLISTED_SELECTOR: Final = bytes.fromhex("e47d6060")
WORD: Final = 32


def transfer_call(to: Address, amount: int) -> bytes:
    """transfer(address,uint256): 68 bytes. Raises OverflowError outside 0..2^256-1."""
    return TRANSFER_SELECTOR + _address_word(to) + amount.to_bytes(WORD, "big")


def balance_of_call(holder: Address) -> bytes:
    return BALANCE_OF_SELECTOR + _address_word(holder)


def is_blacklisted_call(holder: Address) -> bytes:
    """isBlackListed(address), as the USDT contract spells it."""
    return IS_BLACKLISTED_SELECTOR + _address_word(holder)


def read_transfer_call(data: bytes) -> tuple[Address, int] | None:
    """Calldata -> (to, amount), or None if it is no transfer(address,uint256) of exactly two words."""
    if len(data) != 4 + 2 * WORD or data[:4] != TRANSFER_SELECTOR:
        return None
    return Address.from_evm(data[16:36]), int.from_bytes(data[36:], "big")


def read_uint256(returned: bytes) -> int | None:
    """The one word that balanceOf returns, or None for anything else (an empty answer is no zero)."""
    return int.from_bytes(returned, "big") if len(returned) == WORD else None


def read_bool(returned: bytes) -> bool | None:
    """The one word that isBlackListed returns. Never ask transfer's: USDT's is false even when it succeeded."""
    return {0: False, 1: True}.get(int.from_bytes(returned, "big")) if len(returned) == WORD else None


def _address_word(address: Address) -> bytes:
    return address.evm.rjust(WORD, b"\0")
