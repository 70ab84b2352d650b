"""Checkpoints: what was signed of the history at a moment, and kept outside the database.

A checkpoint is a C2SP tlog-checkpoint: origin, size and root of the tree, then lines of our own: its number, its time, and
the root of each receipt tree (core/proofs/receipts.py). A client is given another note, which names the receipt tree's root but
not the size of the history (I12).
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

import msgspec

from core.proofs.merkle import HASH_BYTES, ProofRefused, check_consistency
from core.proofs.notes import NoteKey, NoteRefused, opened_by

_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


class Checkpoint(msgspec.Struct, frozen=True):
    """The tree over the first `size` events, and the receipt trees over those since the checkpoint before."""

    origin: str
    number: int
    size: int
    root: bytes
    made_at: datetime
    receipt_roots: tuple[bytes, ...]

    def text(self) -> str:
        lines = [
            self.origin,
            str(self.size),
            encoded(self.root),
            f"number {self.number}",
            f"time {shown(self.made_at)}",
        ]
        return "".join(f"{line}\n" for line in [*lines, *(f"receipts {encoded(root)}" for root in self.receipt_roots)])

    @staticmethod
    def parse(text: str) -> "Checkpoint":
        """What `text` gave. Raises NoteRefused."""
        try:
            origin, size, root, number, time, *receipts = text.removesuffix("\n").split("\n")
            found = Checkpoint(
                origin=origin,
                size=int(size),
                root=decoded(root),
                number=int(_after("number ", number)),
                made_at=read_time(_after("time ", time)),
                receipt_roots=tuple(decoded(_after("receipts ", line)) for line in receipts),
            )
            return _only_spelling(found, text)
        except ValueError as error:
            raise NoteRefused(f"this is no checkpoint: {error}") from None


class ReceiptNote(msgspec.Struct, frozen=True):
    """One receipt tree of a checkpoint, as its clients see it."""

    origin: str
    number: int
    made_at: datetime
    root: bytes

    def text(self) -> str:
        return f"{self.origin}/receipts\n{self.number}\n{shown(self.made_at)}\n{encoded(self.root)}\n"

    @staticmethod
    def parse(text: str) -> "ReceiptNote":
        """What `text` gave. Raises NoteRefused."""
        try:
            origin, number, time, root = text.removesuffix("\n").split("\n")
            found = ReceiptNote(origin.removesuffix("/receipts"), int(number), read_time(time), decoded(root))
            return _only_spelling(found, text)
        except ValueError as error:
            raise NoteRefused(f"this is no note of a receipt tree: {error}") from None


class ArchivedCheckpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands outside the database: the notes, and the proof that the history only grew since the one before."""

    number: int
    checkpoint: str
    receipts: tuple[str, ...]
    consistency: tuple[str, ...]
    """Hashes in base64, from the checkpoint before to this one; empty for the first."""

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @staticmethod
    def decode(content: bytes) -> "ArchivedCheckpoint":
        """Raises NoteRefused."""
        try:
            return msgspec.json.decode(content, type=ArchivedCheckpoint)
        except msgspec.DecodeError as error:
            raise NoteRefused(f"this is no archived checkpoint: {error}") from None

    def path(self) -> Sequence[bytes]:
        return [decoded(text) for text in self.consistency]


class CheckpointArchive(Protocol):
    """The port to signed checkpoints outside the database, each kept for ever. Every method may raise Unavailable."""

    def put(self, number: int, content: bytes) -> None:
        """Keep it. The same again changes nothing. Raises ArchiveConflict when another content stands there."""

    def get(self, number: int) -> bytes | None:
        """What is kept under a number, None where nothing is."""

    def contents(self) -> Iterator[tuple[int, bytes]]:
        """Everything that is kept, by number."""


class ArchiveConflict(Exception):
    """The archive holds another checkpoint under the number: somebody signed two histories, or wrote over one."""


def check_archive(contents: Iterable[tuple[int, bytes]], keys: Sequence[NoteKey]) -> Iterator[tuple[Checkpoint, str]]:
    """Every archived checkpoint with its note, in order. Raises NoteRefused or ProofRefused, and names the checkpoint.

    Needs no database: each is signed, follows the one before, and only adds to it.
    """
    before: Checkpoint | None = None
    for expected, (number, content) in enumerate(contents, start=1):
        if number != expected:
            raise ProofRefused(f"the archive has no checkpoint {expected}")
        try:
            kept = ArchivedCheckpoint.decode(content)
            found = Checkpoint.parse(opened_by(kept.checkpoint, keys))
            if (kept.number, found.number) != (number, number):
                raise ProofRefused("it is another one's file")
            if before is not None:
                check_consistency(before.size, before.root, found.size, found.root, kept.path())
                if found.made_at < before.made_at:
                    raise ProofRefused("it is older than the one before")
        except ValueError as error:
            raise ProofRefused(f"checkpoint {number} of the archive: {error}") from None
        yield found, kept.checkpoint
        before = found


def encoded(hashed: bytes) -> str:
    return base64.b64encode(hashed).decode()


def decoded(text: str) -> bytes:
    """Raises ValueError unless it is the base64 of a hash."""
    try:
        hashed = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{text!r} is no hash: {error}") from None
    if len(hashed) != HASH_BYTES:
        raise ValueError(f"{text!r} is no hash of {HASH_BYTES} bytes")
    return hashed


def shown(at: datetime) -> str:
    """A time, by the second, as RFC 3339 has it in UTC."""
    return at.astimezone(UTC).strftime(_TIME)


def read_time(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


C = TypeVar("C", Checkpoint, ReceiptNote)


def _only_spelling(found: C, text: str) -> C:
    """One content has one text: no leading zero, no other form of a time."""
    if found.text() != text:
        raise ValueError("it is not written as its content is")
    return found


def _after(prefix: str, line: str) -> str:
    if not line.startswith(prefix):
        raise ValueError(f"{line!r} does not begin with {prefix!r}")
    return line.removeprefix(prefix)
