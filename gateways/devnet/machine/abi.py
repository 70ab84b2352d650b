"""Solidity's ABI as far as the devnet's contracts speak it: words, selectors, and the JSON that describes a contract.

Reading is as lax as solc 0.4's output, which mainnet's USDT is: missing calldata reads as zero, an address is the last 20
bytes of its word whatever the first 12 hold.
"""

import functools
from typing import Any, Final

import msgspec

from core.tron.secp256k1 import keccak256

WORD: Final = 32
UINT_MAX: Final = 2**256 - 1


class Function(msgspec.Struct, frozen=True):
    """A function: its name, its parameters as "type name" texts, the types it returns, and whether it only reads."""

    name: str
    parameters: tuple[str, ...] = ()
    returns: tuple[str, ...] = ()
    reads: bool = False

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(_type_of(parameter) for parameter in self.parameters)})"

    @property
    def selector(self) -> bytes:
        return selector_of(self.signature)

    def entry(self) -> dict[str, Any]:
        """Its entry in a contract's abi, spelled as getcontract spells it."""
        entry: dict[str, Any] = {"name": self.name, "type": "Function"}
        if self.parameters:
            entry["inputs"] = [{"name": _name_of(text), "type": _type_of(text)} for text in self.parameters]
        if self.returns:
            entry["outputs"] = [{"type": kind} for kind in self.returns]
        if self.reads:
            entry["constant"] = True
        entry["stateMutability"] = "View" if self.reads else "Nonpayable"
        return entry


class Event(msgspec.Struct, frozen=True):
    """An event: its name, its indexed parameters, which become topics, and the others, which become data."""

    name: str
    indexed: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(_type_of(parameter) for parameter in self.indexed + self.plain)})"

    @property
    def topic(self) -> bytes:
        return topic_of(self.signature)

    def entry(self) -> dict[str, Any]:
        inputs = [{"indexed": True, "name": _name_of(text), "type": _type_of(text)} for text in self.indexed]
        inputs += [{"name": _name_of(text), "type": _type_of(text)} for text in self.plain]
        return {"name": self.name, "type": "Event", **({"inputs": inputs} if inputs else {})}


@functools.cache
def topic_of(signature: str) -> bytes:
    return keccak256(signature.encode())


def selector_of(signature: str) -> bytes:
    return topic_of(signature)[:4]


def word(arguments: bytes, index: int) -> bytes:
    """The 32 bytes at a position of the arguments; zeros beyond their end."""
    return arguments[index * WORD : (index + 1) * WORD].ljust(WORD, b"\0")


def uint(arguments: bytes, index: int) -> int:
    return int.from_bytes(word(arguments, index), "big")


def address(arguments: bytes, index: int) -> bytes:
    """20 bytes."""
    return word(arguments, index)[12:]


def array(arguments: bytes, index: int) -> list[bytes]:
    """The words of a dynamic array whose offset stands at this position; empty when its length is beyond the calldata."""
    offset = uint(arguments, index)
    length = int.from_bytes(arguments[offset : offset + WORD], "big")
    if offset + WORD * (length + 1) > len(arguments):
        return []
    start = offset + WORD
    return [arguments[start + WORD * i : start + WORD * (i + 1)] for i in range(length)]


def of_uint(number: int) -> bytes:
    return number.to_bytes(WORD, "big")


def of_address(last20: bytes) -> bytes:
    return last20.rjust(WORD, b"\0")


def of_text(text: str) -> bytes:
    data = text.encode()
    return of_uint(WORD) + of_uint(len(data)) + data.ljust(-(-len(data) // WORD) * WORD, b"\0")


def _type_of(parameter: str) -> str:
    return parameter.partition(" ")[0]


def _name_of(parameter: str) -> str:
    return parameter.partition(" ")[2]
