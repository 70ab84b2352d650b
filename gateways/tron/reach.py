"""How far one node reaches: how old its head is, and the first block that it has. Said in words, without its address."""

from collections.abc import Sequence
from typing import Final, Protocol
from urllib.parse import urlsplit

from core.ports.chain import UnusableAnswer
from core.ports.unavailable import Unavailable
from core.tron.chain import Block

LITE: Final = "lite fullnode"
"""What a java-tron without history says when it is asked for any block."""


class _Blocks(Protocol):
    def solid_block(self, number: int) -> Block | None: ...


def has_block(node: _Blocks, number: int) -> bool:
    """Whether it shows this solid block. Raises Unavailable where it is silent."""
    try:
        return node.solid_block(number) is not None
    except UnusableAnswer:
        return False
    except Unavailable as error:
        if LITE in str(error):
            return False
        raise


class LowestBlock:
    """The search for the first block that a node has: one question at a time, so that no rate limit is met."""

    def __init__(self, solid: int) -> None:
        self._low, self._high = 0, max(solid, 1)
        self._order = [1, self._high]
        """Most nodes have all blocks: the first is asked for first; then a lite one is told from one that shows none."""
        self.number: int | None = None
        """Once it is known; above the solid height it began with where the node shows no block at all."""

    def ask(self, node: _Blocks) -> None:
        """One question. Raises Unavailable."""
        number = self._order[0] if self._order else (self._low + self._high) // 2
        if has_block(node, number):
            self._high = number
        else:
            self._low = number
            if number == self._high:
                self._high += 1
        del self._order[:1]
        if self._high - self._low <= 1:
            self.number = self._high


def lowest_block(node: _Blocks, solid: int) -> int:
    """The whole search. Raises Unavailable."""
    search = LowestBlock(solid)
    while search.number is None:
        search.ask(node)
    return search.number


def behind(lag_s: int, head: int, before: int | None) -> str:
    """An old head in words; `before` is the head of an earlier look."""
    how = "" if before is None else ", and catches up" if head > before else ", and stands there"
    return f"is {lag_s} s behind the chain, at block {head}{how}"


def lacks_blocks(lowest: int | None, needed: int) -> str:
    """A block that the scanner needs and the node has not."""
    first = "" if lowest is None else f": its first is {lowest}, as of a lite node"
    return f"has not the block {needed} that the scanner needs{first}"


def host_of(name: str) -> str:
    """A node's address without path, key and login: who may see it need not know them."""
    parts = urlsplit(name)
    host = parts.hostname or name
    return f"{host}:{parts.port}" if parts.port else host


def second_newest(times_ms: Sequence[int]) -> int:
    """The newest of up to two, of more the one before: what one node alone claims is no measure of the others."""
    return sorted(times_ms)[-2 if len(times_ms) > 2 else -1]
