"""Unfinished heads: connections on which nothing was asked yet. They are bounded per peer, and the oldest goes first."""

from typing import Generic, TypeVar

from gateways.http.peers import group

C = TypeVar("C")


class Unfinished(Generic[C]):
    """Connections by peer, each peer's in the order in which they began. Every step takes a constant time."""

    def __init__(self, per_peer_max: int) -> None:
        self._per_peer_max = per_peer_max
        self._by_peer: dict[str, dict[C, None]] = {}

    def begin(self, peer: str | None, connection: C) -> C | None:
        """A head begins -> the peer's oldest, which must go, when it holds too many."""
        held = self._by_peer.setdefault(group(peer), {})
        held.setdefault(connection)
        return next(iter(held)) if len(held) > self._per_peer_max else None

    def end(self, peer: str | None, connection: C) -> None:
        """It is finished, or its connection is gone."""
        name = group(peer)
        held = self._by_peer.get(name)
        if held is None:
            return
        held.pop(connection, None)
        if not held:
            del self._by_peer[name]

    def oldest(self, but: C) -> C | None:
        """The first of the peer that holds most: who must go when there is no room for `but`."""
        most = max(self._by_peer.values(), key=len, default={})
        return next((each for each in most if each is not but), None)
