"""What a backup says of itself, signed: where the history ended, the seal there, and the digest of each of its parts.

backup.json is the manifest, backup.note a signed note (core/proofs/notes.py) over its digest.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import msgspec

from core.ledger.seals import Sealed
from core.proofs.notes import NoteRefused

MANIFEST: Final = "backup.json"
NOTE: Final = "backup.note"
FORMAT: Final = "counterfoil-backup/1"
_ESCAPES: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"v": b"\v", b"\\": b"\\"}


class Part(msgspec.Struct, frozen=True):
    """A file of the backup, by its path there. `columns` are those of a table, in the file's order."""

    name: str
    sha256: str
    bytes: int
    table: str = ""
    columns: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """backup.json. `store_id` is the store's name, "" before it has one; `seal` the hash that covers `position`.

    `solid_block` is the last one whose transfers are in the history, `checkpoint` the newest signed note that the backup holds,
    "" before the first, and `migration` the newest one of its tables.
    """

    format: str = FORMAT
    store_id: str
    position: int
    seal: str
    checkpoint: str
    solid_block: int
    made_at: str
    program: str
    migration: str
    parts: tuple[Part, ...]

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @staticmethod
    def decode(content: bytes) -> "Manifest":
        """Raises NoteRefused."""
        try:
            found = msgspec.json.decode(content, type=Manifest)
        except msgspec.DecodeError as error:
            raise NoteRefused(f"this is no {MANIFEST}: {error}") from None
        if found.format != FORMAT:
            raise NoteRefused(f"the backup has the format {found.format}, which this version does not read")
        return found


def note_text(origin: str, manifest: bytes) -> str:
    """What is signed of a manifest."""
    return f"{origin}/backup\n{sha256(manifest).hexdigest()}\n"


def events_in(lines: Iterator[bytes], columns: tuple[str, ...]) -> Iterator[Sealed]:
    """The stored events of a table's file, in its order."""
    names = ("notification_id", "originator_id", "originator_version", "topic", "state")
    places = [columns.index(name) for name in names]
    for line in lines:
        fields = line.rstrip(b"\n").split(b"\t")
        position, stream, version, topic, state = (unescaped(fields[place]) for place in places)
        yield int(position), stream.decode(), int(version), topic.decode(), state


def unescaped(field: bytes) -> bytes:
    """A field of COPY's text format as it is stored."""
    if b"\\" not in field:
        return field
    found, rest = bytearray(), iter(range(len(field)))
    for at in rest:
        byte = field[at : at + 1]
        if byte == b"\\":
            byte = _ESCAPES[field[next(rest) :][:1]]
        found += byte
    return bytes(found)
