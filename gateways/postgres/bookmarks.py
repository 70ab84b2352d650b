"""The port `Bookmarks` on Postgres: how far each reader of the history has come."""

from gateways.postgres.connections import Connections


class PostgresBookmarks:
    """The port `Bookmarks`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def load(self, name: str) -> int:
        rows = self._connections.execute('SELECT "position" FROM bookmarks WHERE name = %s', (name,))
        return next((int(row.position) for row in rows), 0)

    def save(self, name: str, position: int) -> None:
        self._connections.execute(
            'INSERT INTO bookmarks (name, "position") VALUES (%s, %s)'
            ' ON CONFLICT (name) DO UPDATE SET "position" = excluded."position", updated_at = now()'
            ' WHERE bookmarks."position" < excluded."position"',
            (name, position),
        )
