"""The port `StoreWatch`: what each signer last saw of the high-water mark and of the chain, for whoever asks the API."""

from typing import Protocol

import msgspec


class Watched(msgspec.Struct, frozen=True):
    """Of one signing process: the mark's position, and what of the chain it waits for before it signs ("": nothing)."""

    process: str
    position: int
    waits_for: str


class StoreWatch(Protocol):
    """A board. Raises Unavailable."""

    def put(self, watched: Watched) -> None: ...
