"""Our own log of solid blocks, and what a transaction of ours was made for. Both stay in Postgres on every platform."""

from collections.abc import Mapping, Sequence
from typing import Final

from core.tron.chain import BlockRef
from gateways.postgres.connections import Connections

KEPT_BLOCKS: Final = 201_600
"""A week of blocks, some 40 MB: what stays without anybody asking for it."""
PRUNE_EVERY_BLOCKS: Final = 100
NEEDED_FROM: Final = "solid-log"
"""How the bookmarks begin with the heights from which on everything must stay: one a holder, the highest number for none."""

_APPEND: Final = (
    "WITH added AS (INSERT INTO solid_blocks (number, block_id, parent_id, timestamp_ms) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT DO NOTHING RETURNING number)"
    " INSERT INTO solid_transactions (txid, block_number, contract_ret)"
    " SELECT txid, number, contract_ret FROM added CROSS JOIN unnest(%s::text[], %s::text[]) AS sent (txid, contract_ret)"
)
_BLOCKS: Final = (
    "SELECT number, block_id, parent_id, timestamp_ms FROM solid_blocks WHERE number >= %(first)s AND number <="
    " (SELECT number FROM solid_blocks WHERE number >= %(first)s AND timestamp_ms >= %(until_ms)s"
    "   ORDER BY number LIMIT 1) ORDER BY number"
)
_NEWEST: Final = "SELECT number, block_id, parent_id, timestamp_ms FROM solid_blocks ORDER BY number DESC LIMIT 1"
_PRUNE: Final = """
    DELETE FROM solid_blocks
     WHERE number < least(%s, (SELECT min("position") FROM bookmarks WHERE starts_with(name, %s)))
"""
_KEEP_FROM: Final = (
    'INSERT INTO bookmarks (name, "position") VALUES (%s, coalesce(%s::bigint, 9223372036854775807))'
    ' ON CONFLICT (name) DO UPDATE SET "position" = excluded."position", updated_at = now()'
)
_STREAMS: Final = " UNION ALL ".join(
    "SELECT state::jsonb -> 'attempt' ->> 'txid' AS txid, originator_id AS stream FROM events"
    f" WHERE topic = '{topic}' AND state::jsonb -> 'attempt' ->> 'txid' = ANY(%(txids)s)"
    for topic in ("payout.prepared/1", "instruction.prepared/1")
)


class PostgresSolidLog:
    """The port `SolidLog`, on solid_blocks and solid_transactions."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def append(self, block: BlockRef, sent: Mapping[str, str]) -> None:
        self._connections.execute(
            _APPEND,
            (block.number, block.block_id, block.parent_id, block.timestamp_ms, list(sent), list(sent.values())),
        )
        if block.number % PRUNE_EVERY_BLOCKS == 0:
            self._connections.execute(_PRUNE, (block.number - KEPT_BLOCKS, NEEDED_FROM))

    def blocks(self, first: int, until_ms: int) -> Sequence[BlockRef]:
        return [
            BlockRef(**row._asdict())
            for row in self._connections.execute(_BLOCKS, {"first": first, "until_ms": until_ms})
        ]

    def newest(self) -> BlockRef | None:
        return next((BlockRef(**row._asdict()) for row in self._connections.execute(_NEWEST)), None)

    def find(self, txid: str) -> tuple[int, str] | None:
        rows = self._connections.execute(
            "SELECT block_number, contract_ret FROM solid_transactions WHERE txid = %s", (txid,)
        )
        return next(((int(row.block_number), str(row.contract_ret)) for row in rows), None)

    def keep_from(self, holder: str, number: int | None) -> None:
        self._connections.execute(_KEEP_FROM, (f"{NEEDED_FROM}:{holder}", number))


class PostgresAttemptIndex:
    """The port `AttemptIndex`, on the history's own index of prepared txids."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def streams_of(self, txids: Sequence[str]) -> Mapping[str, str]:
        return {row.txid: row.stream for row in self._connections.execute(_STREAMS, {"txids": list(txids)})}
