"""Segments: how the relay sends projectors new events. A segment is a hint or carries the events; it proves nothing.

A prompt is {first, last}. A full segment adds one seal's hashes and its events, and counts only if the seal's row in the
event store says the same (I14).
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec

from core.ledger.events import Recorded
from core.ledger.history import readable
from core.ledger.seals import Sealed, seal_hash

SEGMENT_BYTES_MAX: Final = 250_000
"""Below the 256 KiB that every SQS queue takes, and four of them below the 1 MiB of one SendMessageBatch."""

Position = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
EventFields = tuple[Position, str, Position, str, str]
"""(position, stream, version, topic, JSON)"""


class MalformedSegment(ValueError):
    """The message is no segment; the text says why."""


class Segment(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Events `first` to `last`. Hashes are hexadecimal."""

    first: Position
    last: Position
    prev_hash: Hash | None = None
    hash: Hash | None = None
    events: tuple[EventFields, ...] = ()

    @staticmethod
    def decode(body: bytes) -> "Segment":
        """Raises MalformedSegment."""
        try:
            segment: Segment = _DECODER.decode(body)
        except msgspec.DecodeError as error:
            raise MalformedSegment(str(error)) from error
        if segment.first > segment.last:
            raise MalformedSegment(f"it claims the positions {segment.first} to {segment.last}")
        return segment

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @property
    def consistent(self) -> bool:
        """Whether its events are its positions, all of them, and give its hash. Whose hash that is, the seals know."""
        if self.prev_hash is None or self.hash is None:
            return False
        covered = len(self.events) == self.last - self.first + 1
        if not covered or any(fields[0] != self.first + offset for offset, fields in enumerate(self.events)):
            return False
        return self.computed_hash == self.hash

    @property
    def computed_hash(self) -> str:
        """The hash that a seal over these events behind `prev_hash` has."""
        return seal_hash(bytes.fromhex(self.prev_hash or ""), self._sealed()).hex()

    def after(self, position: int) -> Sequence[Recorded]:
        """Its events behind a position, decoded, up to where a newer program's begin. Raises NewerFormat where they do at once.

        Who reads in order stands before the event that raises the format level, so what is behind it is never asked about.
        """
        return readable((fields for fields in self.events if fields[0] > position), lambda: None)

    def _sealed(self) -> Iterable[Sealed]:
        for position, stream, version, topic, state in self.events:
            yield position, stream, version, topic, state.encode()


_DECODER: Final = msgspec.json.Decoder(Segment)
