"""This store beside the archive of its checkpoints: whether the archive has a later one, or another one, than the store (I16).

Each checkpoint is signed into the store first and archived from there. So one that the archive has and the store lacks was made
by a later store of the same name, or by another copy. Two histories that part have different checkpoints from there on: the
newest that both have says whether they parted.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from core.ports.high_water import Sight
from core.proofs.checkpoints import ArchivedCheckpoint, CheckpointArchive
from core.proofs.notes import NoteRefused
from projections.audit.history_tree import Transaction
from projections.named import structs

EVERY: Final = timedelta(seconds=1)
"""Checkpoints come once a minute: a look that is a second old says the same."""
UNARCHIVED_MAX: Final = 100
"""So many of the store's newest checkpoints may be on their way to the archive."""
_NEWEST: Final = f"SELECT number, note FROM checkpoints ORDER BY number DESC LIMIT {UNARCHIVED_MAX}"


class _Signed(msgspec.Struct, frozen=True):
    number: int
    note: str


class StoreBesideArchive:
    """The port `ArchiveSight`."""

    def __init__(self, transaction: Transaction, archive: CheckpointArchive, clock: Callable[[], datetime]) -> None:
        self._transaction = transaction
        self._archive = archive
        self._clock = clock
        self._looked: tuple[datetime, Sight] | None = None

    def look(self) -> Sight:
        now = self._clock()
        if self._looked is None or now - self._looked[0] >= EVERY:
            self._looked = now, self._compare()
        return self._looked[1]

    def _compare(self) -> Sight:
        with self._transaction() as conn:
            rows = structs(conn, _Signed, _NEWEST).fetchall()
        last = rows[0].number if rows else 0
        later = self._archive.get(last + 1)
        if later is not None and not self._has(last + 1):
            size = _size(_note(later))
            sentence = (
                f"the archive has checkpoint {last + 1}, of position {size}, which this store lacks: it is an old copy"
            )
            return Sight(True, "archive_ahead", size, sentence)
        for row in rows:
            kept = self._archive.get(row.number)
            if kept is None:
                continue
            note = _note(kept)
            if note != row.note:
                size = _size(note)
                sentence = (
                    f"checkpoint {row.number} of the archive, of position {size}, is not the one of this store: it is an old"
                    " copy that has gone on, or two copies run at once"
                )
                return Sight(True, "archive_differs", size, sentence)
            return Sight(True)
        return Sight(later is not None)

    def _has(self, number: int) -> bool:
        """Whether the store has it by now: it may have been signed, and archived, since the look at the store."""
        with self._transaction() as conn:
            return conn.execute("SELECT FROM checkpoints WHERE number = %s", (number,)).fetchone() is not None


def numbers_of(transaction: Transaction) -> list[int]:
    """Of the store's newest checkpoints, the newest first."""
    with transaction() as conn:
        return [row.number for row in structs(conn, _Signed, _NEWEST).fetchall()]


def _note(content: bytes) -> str:
    """Empty for what is no checkpoint, which then is not this store's."""
    try:
        return ArchivedCheckpoint.decode(content).checkpoint
    except NoteRefused:
        return ""


def _size(note: str) -> int:
    """The position that a checkpoint covers, 0 where it does not say: a number for a person, nothing rests on it."""
    lines = note.split("\n")
    return int(lines[1]) if len(lines) > 1 and lines[1].isdigit() else 0
