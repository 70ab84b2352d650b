"""What the scanner knows of each Tron node, for those who ask none: how far it came, how far back it reaches, what is wrong."""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

Trouble = Literal["", "silent", "behind", "lacks_blocks", "lite", "other_network", "untrue"]
"""What is wrong: nothing; no answer; an old head; a block that the scanner needs; fewer blocks than the chain, none of which is
needed; another chain; answers that were not true, so that it rests."""


class NodeState(msgspec.Struct, frozen=True, kw_only=True):
    """One node now. Heights are None where it did not say; `lowest` is the first block that it has, once that is known.

    `place` is its place among the settings' nodes, from 1 on, `host` its address without what may be secret in it. `sentence`
    says what is wrong, to follow the node's name; empty where nothing is.
    """

    place: int
    host: str
    head: int | None = None
    solid: int | None = None
    lag_s: int | None = None
    lowest: int | None = None
    trouble: Trouble = ""
    sentence: str = ""


class NodeBoard(Protocol):
    """The nodes as the scanner saw them last."""

    def put(self, states: Sequence[NodeState]) -> None:
        """These are the nodes, and no other. Raises Unavailable."""
