"""The port `Cursors` on Postgres: how far the scanner has come."""

from core.ports.scanning import Cursor
from gateways.postgres.connections import Connections


class PostgresCursors:
    """The port `Cursors`, on chain_cursors."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def load(self, name: str) -> Cursor | None:
        rows = self._connections.execute(
            "SELECT last_block_number AS number, last_block_id AS block_id, unsolid FROM chain_cursors WHERE id = %s",
            (name,),
        )
        return next((Cursor(**row._asdict()) for row in rows), None)

    def save(self, name: str, cursor: Cursor) -> None:
        self._connections.execute(
            "INSERT INTO chain_cursors (id, last_block_number, last_block_id, unsolid) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (id) DO UPDATE SET last_block_number = excluded.last_block_number,"
            " last_block_id = excluded.last_block_id, unsolid = excluded.unsolid, updated_at = now()",
            (name, cursor.number, cursor.block_id, cursor.unsolid),
        )
