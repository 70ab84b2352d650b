"""The port `HighWater`: how far the history was when something was last signed, kept with the keys and not with the history."""

from typing import Literal, Protocol

import msgspec


class Mark(msgspec.Struct, frozen=True):
    """One append of one store: the store's name, the append's last position, and its seal's hash in hex.

    Seals chain, so a store that has this seal at this position has the whole history up to it.
    """

    store_id: str
    position: int
    seal: str


class MarkMoved(Exception):
    """Another writer was first: `there` is the mark now."""

    def __init__(self, there: Mark | None) -> None:
        super().__init__("another writer has moved the high-water mark")
        self.there = there


class MarkCopied(Exception):
    """The mark lies in a copy of the place in which it was written; the text says where, and what that may mean."""


class HighWater(Protocol):
    """One mark for all who sign with the same keys. Every method may raise Unavailable."""

    def load(self) -> Mark | None:
        """The mark, None where there never was one, or it is lost. Raises MarkCopied."""

    def move(self, before: Mark | None, after: Mark) -> None:
        """Write it, durably, if what `load` gives is still `before`; None also takes the place of one that was copied.

        Raises MarkMoved.
        """


class GivenIndexes(Protocol):
    """Up to where deposit addresses may have been given out, by whichever copy of the history; kept beside the mark.

    By the prefix of their key ids. Every method may raise Unavailable.
    """

    def load(self, prefix: str) -> int:
        """Behind every index that a copy has come to; 0 where nothing is kept."""

    def reserve(self, prefix: str, least: int, count: int) -> int:
        """So many that nobody else is given, none below `least` -> the first of them. Durable when it returns."""


class Sight(msgspec.Struct, frozen=True):
    """What the archive says of this store: whether it has any checkpoint, and what it holds against it."""

    checkpoints: bool
    doubt: Literal["archive_ahead", "archive_differs"] | None = None
    seen: int = 0
    """The last position of the checkpoint that this store lacks, or has another one for."""
    sentence: str = ""


class ArchiveSight(Protocol):
    """The archive of checkpoints beside this store. Raises Unavailable."""

    def look(self) -> Sight: ...
