"""Step: let the tree grow by what is new, sign a checkpoint at a set interval, and keep it outside the database.

A checkpoint is written to its table first and to the archive from there, so that a crash between the two leaves no signed
note that the database does not know. What may not be missed is the archive: its bookmark moves once it has answered (I9).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from psycopg.errors import UniqueViolation

from core.ledger.events import NewerFormat
from core.ledger.history import SetAside, read
from core.ledger.seals import Sealed
from core.ports.bookmarks import Bookmarks
from core.proofs.checkpoints import ArchivedCheckpoint, Checkpoint, CheckpointArchive, ReceiptNote, encoded
from core.proofs.notes import NoteKey, NoteSigner, signed
from core.proofs.receipts import Entry, entries_of, filled, split, tree_root
from projections.audit.history_tree import GROW_EVENTS_MAX, HistoryTree, Transaction
from projections.named import structs
from projections.stored_events import page_of_events

ARCHIVED: Final = "checkpoint-archive"
"""The bookmark: the number of the last checkpoint that the archive has."""
EVENTS_MAX: Final = 100_000
"""A checkpoint covers at most so many new events; more are spread over several, without waiting for the interval."""
_READ_EVENTS: Final = 5_000

COLUMNS: Final = "number, size, root, made_at, note, receipts, blind"
_LAST: Final = f"SELECT {COLUMNS} FROM checkpoints ORDER BY number DESC LIMIT 1"
_NUMBER: Final = f"SELECT {COLUMNS} FROM checkpoints WHERE number = %s"
_INSERT: Final = (
    f"INSERT INTO checkpoints ({COLUMNS})"
    " VALUES (%(number)s, %(size)s, %(root)s, %(made_at)s, %(note)s, %(receipts)s, %(blind)s)"
)
_PUBLISH: Final = "INSERT INTO note_keys (key, purpose) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_INSERT_TREES: Final = (
    "INSERT INTO receipt_trees (checkpoint, number, first_leaf, leaves)"
    " SELECT %s, * FROM unnest(%s::int[], %s::bytea[], %s::bytea[])"
)


class SignedCheckpoint(msgspec.Struct, frozen=True):
    """A row of the table checkpoints."""

    number: int
    size: int
    root: bytes
    made_at: datetime
    note: str
    receipts: list[str]
    blind: bytes


class Checkpoints:
    """Makes checkpoints of one history, as one signer, into one archive."""

    def __init__(
        self,
        transaction: Transaction,
        signer: NoteSigner,
        archive: CheckpointArchive,
        bookmarks: Bookmarks,
        clock: Callable[[], datetime],
        draw_blind: Callable[[], bytes],
        *,
        interval_s: int,
        events_max: int = EVENTS_MAX,
    ) -> None:
        self._transaction = transaction
        self._tree = HistoryTree(transaction)
        self._signer = signer
        self._archive = archive
        self._bookmarks = bookmarks
        self._clock = clock
        self._draw_blind = draw_blind
        self._interval = timedelta(seconds=interval_s)
        self._events_max = events_max

    def step(self) -> bool:
        """One piece of each: the tree, a checkpoint, the archive. True while there may be more.

        Raises NewerFormat when everything before a newer program's events is signed and kept.
        """
        newer = None
        try:
            more = self._tree.grow() == GROW_EVENTS_MAX
        except NewerFormat as error:
            more, newer = False, error
        made = self._sign_next()
        worked = self._archive_next() or made or more
        if newer is not None and not worked:
            raise newer
        return worked

    def _sign_next(self) -> bool:
        """Sign what the tree holds, if it is time."""
        with self._transaction() as conn:
            before = structs(conn, SignedCheckpoint, _LAST, binary=True).fetchone()
        covered = before.size if before else 0
        now, size = self._clock().astimezone(UTC).replace(microsecond=0), self._tree.size
        due = before is None or now - before.made_at >= self._interval or size - covered >= self._events_max
        if size <= covered or not due:
            return False
        return self._sign(before, min(size, covered + self._events_max), now)

    def _sign(self, before: SignedCheckpoint | None, size: int, now: datetime) -> bool:
        blind = self._draw_blind()
        leaves = self._receipt_leaves(before.size if before else 0, size, blind)
        parts = split(leaves)
        key = self._signer.key
        checkpoint = Checkpoint(
            origin=key.name,
            number=before.number + 1 if before else 1,
            size=size,
            root=self._tree.root(size),
            made_at=max(now, before.made_at) if before else now,
            receipt_roots=tuple(tree_root(filled(part, number, blind)) for number, part in enumerate(parts)),
        )
        notes = [
            ReceiptNote(key.name, checkpoint.number, checkpoint.made_at, root).text()
            for root in checkpoint.receipt_roots
        ]
        made = SignedCheckpoint(
            number=checkpoint.number,
            size=size,
            root=checkpoint.root,
            made_at=checkpoint.made_at,
            note=signed(checkpoint.text(), key, self._signer.sign),
            receipts=[signed(note, key, self._signer.sign) for note in notes],
            blind=blind,
        )
        return self._keep(made, parts)

    def _receipt_leaves(self, after: int, upto: int, blind: bytes) -> list[bytes]:
        """The leaf hash of every entry in a range of the history."""
        leaves = []
        while after < upto:
            with self._transaction() as conn:
                events = page_of_events(conn, after, min(_READ_EVENTS, upto - after))
            leaves += [entry.leaf(blind) for event in events for entry in entries_in(event)]
            after += len(events)
        return leaves

    def _keep(self, made: SignedCheckpoint, parts: Sequence[Sequence[bytes]]) -> bool:
        """False when another process signed meanwhile: what was signed here is then shown to nobody."""
        firsts, joined = [part[0] for part in parts], [b"".join(part) for part in parts]
        try:
            with self._transaction() as conn:
                conn.execute(_INSERT, msgspec.structs.asdict(made))
                conn.execute(_INSERT_TREES, (made.number, list(range(len(parts))), firsts, joined))
        except UniqueViolation:
            return False
        return True

    def _archive_next(self) -> bool:
        """Put the next checkpoint that the archive may lack."""
        done = self._bookmarks.load(ARCHIVED)
        with self._transaction() as conn:
            found = structs(conn, SignedCheckpoint, _NUMBER, (done + 1,), binary=True).fetchone()
            known = structs(conn, SignedCheckpoint, _NUMBER, (done,), binary=True).fetchone()
        if found is None:
            return False
        path = self._tree.consistency_path(known.size, found.size) if known else []
        kept = ArchivedCheckpoint(
            found.number, found.note, tuple(found.receipts), tuple(encoded(hashed) for hashed in path)
        )
        self._archive.put(found.number, kept.encode())
        self._bookmarks.save(ARCHIVED, found.number)
        return True


def publish_key(transaction: Transaction, key: NoteKey, purpose: str) -> None:
    """Tell whoever asks which key signs from now on."""
    with transaction() as conn:
        conn.execute(_PUBLISH, (str(key), purpose))


def entries_in(stored: Sealed) -> Iterator[Entry]:
    """The receipt entries of a stored event; one that is set aside has none."""
    position, stream, version, topic, state = stored
    if isinstance(read(stream, topic, state), SetAside):
        return iter(())
    return entries_of(position, stream, version, topic, json.loads(state))
