"""The Merkle tree over the history, kept in tiles: it grows by new events only, and gives roots and proofs of any size.

It is derived (I4): a tile is what the events say, and a tree that is lost grows again from position 0.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from psycopg import Connection

from core.ledger.events import NewerFormat
from core.ledger.history import must_be_known
from core.ledger.ledger import InvariantBroken
from core.ledger.seals import Sealed, canonical
from core.proofs.merkle import (
    TILE_WIDTH,
    Nodes,
    TileKey,
    TileNodes,
    consistency_path,
    edge,
    grown,
    inclusion_path,
    leaf_hash,
    root,
)
from projections.named import rows
from projections.stored_events import page_of_events

Transaction = Callable[[], AbstractContextManager[Connection[Any]]]
"""A connection in a transaction that is committed at the end of the block. May raise Unavailable."""

GROW_EVENTS_MAX: Final = 5_000

_LOCK: Final = "SELECT size FROM merkle_tree FOR UPDATE"
_SIZE: Final = "SELECT size FROM merkle_tree"
_MOVE: Final = "UPDATE merkle_tree SET size = %s"
_TILE: Final = "SELECT hashes FROM merkle_tiles WHERE level = %s AND index = %s"
_EDGE: Final = (
    "SELECT level, index, hashes FROM merkle_tiles"
    " JOIN unnest(%s::smallint[], %s::bigint[]) AS edge (level, index) USING (level, index)"
)
_LATEST: Final = "SELECT latest_at FROM merkle_tiles WHERE level = 0 AND index = %s"
_WRITE: Final = (
    "INSERT INTO merkle_tiles (level, index, hashes, latest_at)"
    " SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::bytea[], %s::timestamptz[])"
    " ON CONFLICT (level, index) DO UPDATE SET hashes = excluded.hashes, latest_at = excluded.latest_at"
)
_FORGET: Final = ("DELETE FROM merkle_tiles", "UPDATE merkle_tree SET size = 0")


class _Timed(msgspec.Struct):
    """What every event has; its other fields are passed over."""

    occurred_at: datetime


_TIMED: Final = msgspec.json.Decoder(_Timed)
_UNTIMED: Final = datetime(1970, 1, 1, tzinfo=UTC)


class HistoryTree:
    """The tree of one database. Every method is one transaction of its own; `grow` needs the checkpointer's rights."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    @property
    def size(self) -> int:
        """How many events it holds."""
        with self._transaction() as conn:
            [(size,)] = conn.execute(_SIZE)
            return int(size)

    def grow(self, events_max: int = GROW_EVENTS_MAX) -> int:
        """Add the next events, if there are any -> how many. Two at once take turns. Raises NewerFormat."""
        with self._transaction() as conn:
            [(size,)] = conn.execute(_LOCK)
            events = _known(page_of_events(conn, size, events_max))
            if events:
                self._add(conn, size, events)
            return len(events)

    def _add(self, conn: Connection[Any], size: int, events: list[Sealed]) -> None:
        for expected, (position, *_) in enumerate(events, start=size + 1):
            if position != expected:
                raise InvariantBroken(f"the event at position {expected} is missing from the history (I3)")
        wanted = list(edge(size))
        columns = [level for level, _ in wanted], [index for _, index in wanted]
        partial: dict[TileKey, bytes] = {
            (tile.level, tile.index): tile.hashes for tile in rows(conn, _EDGE, columns, binary=True)
        }
        changed = grown(size, partial, [leaf_hash(canonical(event)) for event in events])
        latest = self._latest(conn, size, events)
        conn.execute(
            _WRITE,
            (
                [level for level, _ in changed],
                [index for _, index in changed],
                list(changed.values()),
                [latest[index] if level == 0 else None for level, index in changed],
            ),
        )
        conn.execute(_MOVE, (size + len(events),))

    def _latest(self, conn: Connection[Any], size: int, events: list[Sealed]) -> dict[int, datetime]:
        """The latest time up to the end of each tile that these events reach."""
        known = conn.execute(_LATEST, ((size - 1) // TILE_WIDTH,)) if size else ()
        until: datetime | None = next((latest_at for (latest_at,) in known), None)
        latest: dict[int, datetime] = {}
        for position, *_, state in events:
            at = _time_of(state) or until or _UNTIMED
            until = at if until is None or at > until else until
            latest[(position - 1) // TILE_WIDTH] = until
        return latest

    def root(self, size: int) -> bytes:
        with self._nodes() as nodes:
            return root(nodes, size)

    def inclusion(self, position: int, size: int) -> tuple[bytes, list[bytes]]:
        """The leaf of the event at a position, and the path from it to the root of the first `size`."""
        with self._nodes() as nodes:
            return nodes(0, position - 1), inclusion_path(nodes, position - 1, size)

    def consistency_path(self, old_size: int, size: int) -> list[bytes]:
        with self._nodes() as nodes:
            return consistency_path(nodes, old_size, size)

    def forget(self) -> None:
        """Drop every tile; `grow` makes them again. For the owner: no running process may."""
        with self._transaction() as conn:
            for statement in _FORGET:
                conn.execute(statement)

    @contextmanager
    def _nodes(self) -> Iterator[Nodes]:
        with self._transaction() as conn:
            yield tile_nodes(conn)


def tile_nodes(conn: Connection[Any]) -> Nodes:
    """The tree's nodes as this connection sees its tiles."""

    def read(key: TileKey) -> bytes:
        found = [bytes(hashes) for (hashes,) in conn.execute(_TILE, key, binary=True)]
        assert found, f"the tree has no tile {key}"
        return found[0]

    return TileNodes(read)


def _known(events: list[Sealed]) -> list[Sealed]:
    """Up to where a newer program's begin: what a client sees of those, this program cannot say. Raises NewerFormat."""
    for place, (position, _, _, topic, state) in enumerate(events):
        try:
            must_be_known(position, topic, state)
        except NewerFormat:
            if not place:
                raise
            return events[:place]
    return events


def _time_of(state: bytes) -> datetime | None:
    """When it happened; None where a row that was set aside does not say so."""
    try:
        at = _TIMED.decode(state).occurred_at
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return at if at.tzinfo is not None else None
