"""What one append writes, in one round trip: events while the rest of the batch is being decided, guard, seal, commit."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any, Final
from uuid import UUID

import psycopg

from core.guard import GuardKey
from core.ledger import Decided
from core.seals import Sealed, canonical
from projections.binary import bigint_array, text_array

EVENTS_CHANNEL: Final = "counterfoil_events"
_INSERT_EVENTS: Final = (
    "INSERT INTO events (originator_id, originator_version, topic, state, notification_id)"
    " SELECT stream, version, topic, state, %b::bigint + place"
    "   FROM unnest(%b::text[], %b::bigint[], %b::text[], %b::text[])"
    "        WITH ORDINALITY AS added (stream, version, topic, state, place)"
)
CHUNK_EVENTS: Final = 200
"""So many are sent while the next ones are decided: the server inserts on its core what this process made on its own."""
_OPEN_GUARD: Final = (
    "INSERT INTO guard (ledger_account_id, currency, balance_minor)"
    " SELECT id, currency, 0 FROM unnest(%b::uuid[], %b::text[]) AS opened (id, currency)"
)
_MOVE_GUARD: Final = """
WITH change AS (SELECT * FROM unnest(%b::uuid[], %b::text[], %b::bigint[]) AS change (id, currency, delta_minor)),
moved AS (
    UPDATE guard g SET balance_minor = g.balance_minor + change.delta_minor FROM change
     WHERE g.ledger_account_id = change.id AND g.currency = change.currency
    RETURNING 1
)
SELECT 1 / ((SELECT count(*) FROM moved) = (SELECT count(*) FROM change))::int
"""
"""A row that is not there divides by zero, which ends the transaction before its COMMIT (I4)."""
_INSERT_SEAL: Final = (
    "INSERT INTO seals (batch_id, first_position, last_position, previous_hash, hash) VALUES (%s, %s, %s, %s, %s)"
)


class Batch:
    """What one append writes, in one round trip: events as they are decided, guard, seal, wake-up, commit."""

    def __init__(self, batch_id: UUID) -> None:
        self._id = batch_id
        self.positions = range(0)
        self.sent = False
        """Whether a COMMIT went out, so that only a look at the seals can tell what became of it."""

    def write(
        self, conn: psycopg.Connection[Any], head: int, previous: bytes, records: Iterator[Sealed], decided: Decided
    ) -> None:
        """Within a pipeline. Any refusal of the server leaves nothing behind, and so does an error among the decisions."""
        seal, last = sha256(previous), head
        while chunk := list(islice(records, CHUNK_EVENTS)):
            positions, streams, versions, topics, states = zip(*chunk, strict=True)
            assert (positions[0], positions[-1]) == (last + 1, last + len(chunk)), "positions follow the head (I3)"
            seal.update(b"".join(map(canonical, chunk)))
            names, kinds = text_array(map(str.encode, streams)), text_array(map(str.encode, topics))
            conn.execute(_INSERT_EVENTS, (last, names, bigint_array(versions), kinds, text_array(states)))
            last += len(chunk)
        if last == head:
            conn.execute("ROLLBACK")
            return
        if decided.opened:
            conn.execute(_OPEN_GUARD, columns(decided.opened))
        if decided.deltas:
            ids, currencies = columns(list(decided.deltas))
            conn.execute(_MOVE_GUARD, (ids, currencies, list(decided.deltas.values())))
        conn.execute(_INSERT_SEAL, (self._id, head + 1, last, previous, seal.digest()))
        conn.execute(f"NOTIFY {EVENTS_CHANNEL}")
        self.positions = range(head + 1, last + 1)
        self.sent = True
        conn.execute("COMMIT")


def columns(keys: Sequence[GuardKey]) -> tuple[list[UUID], list[str]]:
    return [key.ledger_account_id for key in keys], [key.currency for key in keys]
