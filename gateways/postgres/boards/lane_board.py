"""The lanes at the hot wallet as the signer saw them last. It stays in Postgres on every platform."""

from collections.abc import Sequence
from typing import Final

import msgspec

from core.ports.payout_lanes import LaneNumbers
from gateways.postgres.connections import Connections

_PUT: Final = """
WITH stand AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS it(account_id uuid, short_minor bigint, earmarked_minor bigint)
), gone AS (
    DELETE FROM payout_lanes WHERE account_id NOT IN (SELECT account_id FROM stand)
)
INSERT INTO payout_lanes (account_id, short_minor, earmarked_minor)
SELECT account_id, short_minor, earmarked_minor FROM stand
ON CONFLICT (account_id) DO UPDATE SET short_minor = excluded.short_minor, earmarked_minor = excluded.earmarked_minor
"""


class PostgresLaneBoard:
    """The port `LaneBoard`, on payout_lanes."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def put(self, lanes: Sequence[LaneNumbers]) -> None:
        self._connections.execute(_PUT, {"rows": msgspec.json.encode(lanes).decode()})
