"""Seals: each append is hashed, length-prefixed and chained to the one before it, so that no event can change unseen (I3)."""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import islice, zip_longest
from typing import Final, NamedTuple, Protocol

GENESIS: Final = bytes(32)
"""The hash before the first seal."""

Sealed = tuple[int, str, int, str, bytes]
"""(position, stream, version, topic, state): every field of an event, as it is stored."""


class Seal(NamedTuple):
    """One append: the positions it covers, the hash before it, and its own."""

    first: int
    last: int
    previous: bytes
    hash: bytes


class SealedPage(NamedTuple):
    """Whole appends in order: the rows, and the seals that cover exactly them. Both empty at the end of the history."""

    records: Sequence[Sealed]
    seals: Sequence[Seal]


class SealedHistory(Protocol):
    """The port to the history as it is stored, rows beside seals, for who believes neither views nor guard."""

    def read(self, after: int) -> SealedPage:
        """The next appends behind a position at which a seal ends: some thousands of events at most, unless one append alone
        is larger. Raises Unavailable."""


class BrokenSeal(Exception):
    """The history is not what was sealed; the message says at which position."""


def verify(records: Iterable[Sealed], seals: Iterable[Seal], after: int = 0, previous: bytes = GENESIS) -> int:
    """All events and all seals, each in order -> the head. Raises BrokenSeal at the first gap or difference (I3).

    Reads both once and side by side, so the history may be larger than memory. `after`, `previous`: the position and the hash
    of a seal up to which it was verified before.
    """
    rows = iter(records)
    head, hash_ = after, previous
    for seal in seals:
        if seal.first != head + 1 or seal.last < seal.first:
            raise BrokenSeal(f"the seal after position {head} covers {seal.first} to {seal.last}")
        if seal.previous != hash_:
            raise BrokenSeal(f"the seal at position {seal.first} does not follow from the one before it")
        covered = list(islice(rows, seal.last - head))
        for expected, row in zip_longest(range(seal.first, seal.last + 1), covered):
            if row is None:
                raise BrokenSeal(f"the history ends before position {expected}, and is sealed up to {seal.last}")
            if row[0] != expected:
                raise BrokenSeal(f"the event at position {expected} is missing: the next one stands at {row[0]}")
        if seal_hash(seal.previous, covered) != seal.hash:
            raise BrokenSeal(f"an event between positions {seal.first} and {seal.last} is not the one that was sealed")
        head, hash_ = seal.last, seal.hash
    for position, *_ in rows:
        raise BrokenSeal(f"the event at position {position} has no seal")
    return head


def seal_hash(previous: bytes, records: Iterable[Sealed]) -> bytes:
    """sha256 over the previous hash and every field of every record, each behind its length: no two histories collide."""
    digest = hashlib.sha256(previous)
    for record in records:
        digest.update(canonical(record))
    return digest.digest()


def canonical(record: Sealed) -> bytes:
    """Every field of a stored event, each behind its length: what seals and the Merkle tree hash."""
    position, stream, version, topic, state = record
    name, kind = stream.encode(), topic.encode()
    return b"".join(
        (
            position.to_bytes(8, "big"),
            len(name).to_bytes(4, "big"),
            name,
            version.to_bytes(8, "big"),
            len(kind).to_bytes(4, "big"),
            kind,
            len(state).to_bytes(4, "big"),
            state,
        )
    )
