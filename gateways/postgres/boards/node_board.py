"""The Tron nodes as the scanner saw them last. It stays in Postgres on every platform."""

from collections.abc import Sequence
from typing import Final

import msgspec

from core.ports.node_states import NodeState
from gateways.postgres.connections import Connections

_FIELDS: Final = [name for name in NodeState.__struct_fields__ if name != "place"]
_PUT: Final = f"""
WITH stand AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS it(place integer, host text, head bigint, solid bigint,
        lag_s bigint, lowest bigint, trouble text, sentence text)
), gone AS (
    DELETE FROM node_states WHERE place NOT IN (SELECT place FROM stand)
)
INSERT INTO node_states (place, {", ".join(_FIELDS)}) SELECT place, {", ".join(_FIELDS)} FROM stand
ON CONFLICT (place) DO UPDATE SET seen_at = now(), {", ".join(f"{name} = excluded.{name}" for name in _FIELDS)}
"""


class PostgresNodeBoard:
    """The port `NodeBoard`, on node_states."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def put(self, states: Sequence[NodeState]) -> None:
        self._connections.execute(_PUT, {"rows": msgspec.json.encode(states).decode()})
