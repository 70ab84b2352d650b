"""What one append writes, in one round trip: events while the rest of the batch is being decided, guard, seal, commit.

schema/migrations/0042_append.sql has its other half.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import Final
from uuid import UUID

from core.ledger.guard import GuardKey
from core.ledger.ledger import Decided
from core.ledger.seals import Sealed, canonical
from gateways.postgres.pipeline import Pipeline, Statement
from projections.engine.binary import BinaryArray, bigint, bigint_array, text_array, uuid_array

EVENTS_CHANNEL: Final = "counterfoil_events"
_INSERT_EVENTS: Final = Statement(
    "insert_events",
    "INSERT INTO events (originator_id, originator_version, topic, state, notification_id)"
    " SELECT stream, version, topic, state, $1::bigint + place"
    "   FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[])"
    "        WITH ORDINALITY AS added (stream, version, topic, state, place)",
    5,
)
CHUNK_EVENTS: Final = 50
"""So many are sent while the next ones are decided: the server inserts on its core what this process made on its own."""
_FINISH: Final = Statement(
    "finish_append",
    "SELECT finish_append($1::uuid, $2::bigint, $3::bigint, $4::bytea, $5::bytea, $6::bigint, $7::text[], $8::bigint[],"
    " $9::text[], $10::text[], $11::uuid[], $12::text[], $13::uuid[], $14::text[], $15::bigint[])",
    15,
)
"""The last events, the guard, the seal and the wake-up. What contradicts guard or history refuses all of it (I4)."""


class Batch:
    """What one append writes, in one round trip: events as they are decided, guard, seal, wake-up, commit."""

    def __init__(self, batch_id: UUID) -> None:
        self._id = batch_id
        self.positions = range(0)
        self.sent = False
        """Whether a COMMIT went out, so that only a look at the seals can tell what became of it."""

    def write(
        self, pipeline: Pipeline, head: int, previous: bytes, records: Iterator[Sealed], decided: Decided
    ) -> None:
        """Any refusal of the server leaves nothing behind, and so does an error among the decisions."""
        seal, last = sha256(previous), head
        while True:
            chunk = list(islice(records, CHUNK_EVENTS))
            for record in chunk:
                seal.update(canonical(record))
            positions, *fields = zip(*chunk, strict=True) if chunk else ((), (), (), (), ())
            assert list(positions) == list(range(last + 1, last + 1 + len(chunk))), "positions follow the head (I3)"
            after, last, arrays = last, last + len(chunk), _arrays(*fields)
            if len(chunk) < CHUNK_EVENTS:
                break
            pipeline.send(_INSERT_EVENTS, bigint(after), *arrays)
        if last == head:
            pipeline.command(b"ROLLBACK")
            return
        opened, moved = columns(decided.opened), columns(list(decided.deltas))
        deltas = bigint_array(list(decided.deltas.values()))
        sealed = (self._id.bytes, bigint(head + 1), bigint(last), previous, seal.digest())
        pipeline.send(_FINISH, *sealed, bigint(after), *arrays, *opened, *moved, deltas)
        self.positions = range(head + 1, last + 1)
        self.sent = True
        pipeline.command(b"COMMIT")


def _arrays(
    streams: Sequence[str], versions: Sequence[int], topics: Sequence[str], states: Sequence[bytes]
) -> tuple[BinaryArray, ...]:
    return (
        text_array(map(str.encode, streams)),
        bigint_array(versions),
        text_array(map(str.encode, topics)),
        text_array(states),
    )


def columns(keys: Sequence[GuardKey]) -> tuple[BinaryArray, BinaryArray]:
    """The ids and the currencies of guard rows, as parameters."""
    return uuid_array([key.ledger_account_id for key in keys]), text_array([key.currency.encode() for key in keys])
