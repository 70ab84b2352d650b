"""Seals: each append is hashed, length-prefixed and chained to the one before it, so that no event can change unseen (I3)."""

import hashlib
from collections.abc import Iterable
from typing import Final

GENESIS: Final = bytes(32)
"""The hash before the first seal."""

Sealed = tuple[int, str, int, str, bytes]
"""(position, stream, version, topic, state): every field of an event, as it is stored."""


def seal_hash(previous: bytes, records: Iterable[Sealed]) -> bytes:
    """sha256 over the previous hash and every field of every record, each behind its length: no two histories collide."""
    digest = hashlib.sha256(previous)
    for position, stream, version, topic, state in records:
        name, kind = stream.encode(), topic.encode()
        digest.update(
            b"".join(
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
        )
    return digest.digest()
