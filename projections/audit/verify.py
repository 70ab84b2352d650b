"""Verify: is the history the one that was signed? Every event against the tree, every checkpoint against both, and the archive.

Reconcile asks whether what was computed is what the events say; this asks whether the events are the ones there were.
One reading of the history in one snapshot; memory grows with the events of one checkpoint, not of all.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from psycopg import Connection, IsolationLevel

from core.ledger.seals import Sealed, canonical
from core.proofs.checkpoints import Checkpoint, ReceiptNote, check_archive
from core.proofs.merkle import TILE_WIDTH, Frontier, ProofRefused, TileKey, hashes_in, leaf_hash, levels_of
from core.proofs.notes import NoteKey, NoteRefused, opened_by
from core.proofs.receipts import filled, split, tree_root
from projections.audit.checkpoints import COLUMNS, SignedCheckpoint, entries_in
from projections.audit.reconcile import Check, Progress, limited
from projections.named import rows, structs
from projections.stored_events import all_events

_FETCH: Final = 5_000
HOLE_MAX: Final = 100_000
"""A gap of more positions is shown as one, and ends the reading."""
_TILE: Final = "SELECT hashes FROM merkle_tiles WHERE level = %s AND index = %s"
_CHECKPOINTS: Final = f"SELECT {COLUMNS} FROM checkpoints ORDER BY number"
_TREES: Final = "SELECT leaves FROM receipt_trees WHERE checkpoint = %s ORDER BY number"
_SIZES: Final = "SELECT coalesce(max(notification_id), 0) AS head, (SELECT size FROM merkle_tree) AS tiled FROM events"
_KEYS: Final = "SELECT key FROM note_keys WHERE purpose = 'checkpoints' ORDER BY since"

TREE: Final = "every event is the one in the tree"
SIGNED: Final = "every checkpoint is of this history"
ARCHIVE: Final = "the archive outside has this history's checkpoints"
KEPT: Final = "the checkpoints that were kept are of this history"


class Verified(msgspec.Struct, frozen=True):
    """What was compared, and how far the history is signed: behind `signed_to` an event is nobody's word."""

    checks: tuple[Check, ...]
    head: int
    signed_to: int
    signed_at: datetime | None


def published_keys(conn: Connection[Any]) -> list[NoteKey]:
    """The keys that the database itself says sign checkpoints."""
    return [NoteKey.parse(key) for (key,) in conn.execute(_KEYS)]


def verify(
    conn: Connection[Any],
    keys: Sequence[NoteKey],
    archive: Iterable[tuple[int, bytes]],
    progress: Progress | None = None,
    kept: Sequence[str] = (),
) -> Verified:
    """Compare everything, the notes of checkpoints that somebody kept as well.

    `conn` needs SELECT on events and the checkpoints' tables; it must be outside a transaction.
    """
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    conn.read_only = True
    try:
        with conn.transaction():
            return _Reading(conn, keys, progress, kept).verified(archive)
    finally:
        conn.isolation_level = None
        conn.read_only = None


class _Reading:
    """One reading of the history, with the tree and the checkpoints beside it."""

    def __init__(
        self, conn: Connection[Any], keys: Sequence[NoteKey], progress: Progress | None, kept: Sequence[str]
    ) -> None:
        self._conn = conn
        self._keys = keys
        self._progress = progress or (lambda *_: None)
        self._tiles = _Tiles(self._kept_tile)
        self._frontier = Frontier()
        self._signed = structs(conn, SignedCheckpoint, _CHECKPOINTS, binary=True).fetchall()
        self._waiting = list(reversed(self._signed))
        self._entries: list[Any] = []
        self._wrong: list[str] = []
        self._kept_wrong: list[str] = []
        self._kept = self._opened(kept)
        self._signed_to = 0
        self._signed_at: datetime | None = None

    def verified(self, archive: Iterable[tuple[int, bytes]]) -> Verified:
        [sizes] = rows(self._conn, _SIZES)
        head, in_tree = sizes.head, sizes.tiled
        self._check_order()
        for stored in all_events(self._conn):
            position, *_ = stored
            if position - self._frontier.size > HOLE_MAX:
                self._tiles.differences.append(f"positions {self._frontier.size + 1} to {position - 1} are missing")
                break
            while self._frontier.size < position - 1:
                self._add(None, bytes(32))
            self._add(stored, leaf_hash(canonical(stored)))
            if position % _FETCH == 0 or position == head:
                self._progress(position, head)
        self._wrong += [
            f"checkpoint {late.number} signs {late.size} events, and the history ends at {self._frontier.size}"
            for late in reversed(self._waiting)
        ]
        size = self._frontier.size
        self._tiles.finish()
        if in_tree > size:
            self._tiles.differences.append(f"the tree holds {in_tree - size} events behind position {size}")
        behind = f"positions {in_tree + 1} to {size} are not in the tree yet" if in_tree < size else ""
        checks = [
            limited(TREE, self._tiles.differences, behind, empty=size == 0),
            limited(SIGNED, self._wrong, self._uncovered(size), empty=not self._signed),
            self._check_archive(archive),
        ]
        if self._kept or self._kept_wrong:
            self._kept_wrong += [
                f"checkpoint {note.number} over {note.size} events was seen, and the history ends at {size}"
                for note in self._kept
                if note.size > size
            ]
            checks.append(limited(KEPT, self._kept_wrong))
        return Verified(tuple(checks), size, self._signed_to, self._signed_at)

    def _opened(self, kept: Sequence[str]) -> list[Checkpoint]:
        """Those of the kept notes that are signed."""
        found = []
        for note in kept:
            try:
                found.append(Checkpoint.parse(opened_by(note, self._keys)))
            except NoteRefused as error:
                self._kept_wrong.append(str(error))
        return found

    def _reach(self, note: Checkpoint) -> None:
        """So far the history is the one that was signed."""
        if note.size > self._signed_to:
            self._signed_to, self._signed_at = note.size, note.made_at

    def _add(self, stored: Sealed | None, leaf: bytes) -> None:
        """The event at the next position, or None where there is none."""
        self._tiles.add(leaf, there=stored is not None)
        self._frontier.add(leaf)
        if self._waiting:
            self._entries += entries_in(stored) if stored else ()
            while self._waiting and self._waiting[-1].size == self._frontier.size:
                self._check_checkpoint(self._waiting.pop())
        for note in self._kept:
            if note.size == self._frontier.size:
                if note.root == self._frontier.root():
                    self._reach(note)
                else:
                    self._kept_wrong.append(f"checkpoint {note.number} at position {note.size} is of another history")

    def _uncovered(self, size: int) -> str:
        covered = self._signed[-1].size if self._signed else 0
        return f"positions {covered + 1} to {size} wait for the next checkpoint" if covered < size else ""

    def _check_order(self) -> None:
        for before, after in zip(self._signed, self._signed[1:], strict=False):
            if after.size <= before.size or after.made_at < before.made_at:
                self._wrong.append(f"checkpoint {after.number} does not come after {before.number}")
        missing = sorted(set(range(1, len(self._signed) + 1)) - {each.number for each in self._signed})
        self._wrong += [f"checkpoint {number} is missing" for number in missing]

    def _check_checkpoint(self, kept: SignedCheckpoint) -> None:
        """The note is signed, and says what the events up to here make; so do the receipt trees."""
        here = f"checkpoint {kept.number} at position {kept.size}"
        receipt_leaves = [entry.leaf(kept.blind) for entry in self._entries]
        self._entries = []
        try:
            note = Checkpoint.parse(opened_by(kept.note, self._keys))
            receipts = [ReceiptNote.parse(opened_by(each, self._keys)) for each in kept.receipts]
        except NoteRefused as error:
            self._wrong.append(f"{here}: {error}")
            return
        if (note.number, note.size, note.root, note.made_at) != (kept.number, kept.size, kept.root, kept.made_at):
            self._wrong.append(f"{here}: its row does not say what was signed")
        if note.root != self._frontier.root():
            self._wrong.append(f"{here}: what was signed is not the history up to there")
        else:
            self._reach(note)
        parts = split(receipt_leaves)
        roots = tuple(tree_root(filled(part, number, kept.blind)) for number, part in enumerate(parts))
        if roots != note.receipt_roots or roots != tuple(each.root for each in receipts):
            self._wrong.append(f"{here}: its receipts are not those of its events")
        joined = [b"".join(part) for part in parts]
        if [leaves for (leaves,) in self._conn.execute(_TREES, (kept.number,), binary=True)] != joined:
            self._wrong.append(f"{here}: the receipt trees that are kept are not those of its events")

    def _check_archive(self, archive: Iterable[tuple[int, bytes]]) -> Check:
        known = {each.number: each for each in self._signed}
        wrong, last = [], 0
        try:
            for archived, note in check_archive(archive, self._keys):
                last = archived.number
                ours = known.get(archived.number)
                if ours is None:
                    wrong.append(
                        f"the archive has checkpoint {archived.number} over {archived.size} events,"
                        f" which this database has not; its history ends at {self._frontier.size}"
                    )
                elif ours.note != note:
                    wrong.append(f"checkpoint {archived.number} at position {ours.size} is another one in the archive")
        except (ProofRefused, NoteRefused) as error:
            wrong.append(str(error))
        behind = len(known) - last
        note = f"{behind} checkpoints are not in the archive yet" if behind > 0 else ""
        return limited(ARCHIVE, wrong, note, empty=last == 0)

    def _kept_tile(self, key: TileKey) -> bytes:
        return b"".join(hashes for (hashes,) in self._conn.execute(_TILE, key, binary=True))


class _Tiles:
    """The tiles as the events make them, each compared with the kept one as soon as it is full."""

    def __init__(self, kept: Callable[[TileKey], bytes]) -> None:
        self._kept = kept
        self._open: list[list[bytes]] = [[]]
        self._done: list[int] = [0]
        self._holes: set[int] = set()
        self.differences: list[str] = []

    def add(self, leaf: bytes, *, there: bool) -> None:
        if not there:
            self._holes.add(self._done[0] * TILE_WIDTH + len(self._open[0]) + 1)
        self._push(0, leaf)

    def finish(self) -> None:
        """Compare those that are not full."""
        for level, hashes in enumerate(self._open):
            if hashes:
                self._close(level)

    def _push(self, level: int, hashed: bytes) -> None:
        if level == len(self._open):
            self._open.append([])
            self._done.append(0)
        self._open[level].append(hashed)
        if len(self._open[level]) == TILE_WIDTH:
            self._push(level + 1, levels_of(self._close(level))[-1][0])

    def _close(self, level: int) -> list[bytes]:
        """-> the kept tile, if it is whole: what stands above it was made of it, whether it is right or not."""
        made, index = self._open[level], self._done[level]
        self._open[level] = []
        self._done[level] += 1
        kept = hashes_in(self._kept((level, index)))
        common = min(len(made), len(kept))
        if level:
            if made[:common] != kept[:common]:
                self.differences.append(f"tile {index} of level {level} is not what the tiles below it make")
        else:
            self._compare(index * TILE_WIDTH + 1, made[:common], kept)
        return kept if len(kept) == TILE_WIDTH else made

    def _compare(self, first: int, made: Sequence[bytes], kept: Sequence[bytes]) -> None:
        self.differences += [f"the event at position {position} is missing" for position in sorted(self._holes)]
        self.differences += [
            f"the event at position {position} is not the one that the tree holds"
            for position, (ours, theirs) in enumerate(zip(made, kept, strict=False), start=first)
            if ours != theirs and position not in self._holes
        ]
        self._holes.clear()
