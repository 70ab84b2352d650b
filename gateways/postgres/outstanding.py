"""What was sent and is not recorded yet, on a table: what a lost queue is mended from, so it is in Postgres everywhere."""

from collections.abc import Sequence
from typing import Final

from core.ports.queues import Message, Overdue
from gateways.postgres.connections import Connections

_KEEP: Final = """
INSERT INTO outstanding_reports (message_key, group_id, body, due_at)
SELECT message_key, group_id, body, %(due_at)s
  FROM unnest(%(keys)s::text[], %(groups)s::text[], %(bodies)s::bytea[])
       WITH ORDINALITY AS told (message_key, group_id, body, place)
 ORDER BY place
ON CONFLICT (message_key) DO NOTHING
"""


class PostgresOutstanding:
    """The port `Outstanding`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def keep(self, messages: Sequence[Message], due_at: int) -> None:
        if messages:
            self._connections.execute(
                _KEEP,
                {
                    "keys": [message.key for message in messages],
                    "groups": [message.group for message in messages],
                    "bodies": [message.body for message in messages],
                    "due_at": due_at,
                },
            )

    def overdue(self, height: int, limit: int) -> list[Overdue]:
        rows = self._connections.execute(
            "SELECT message_key, group_id, body, times FROM outstanding_reports WHERE due_at <= %s ORDER BY id LIMIT %s",
            (height, limit),
        )
        return [
            Overdue(Message(body=bytes(row.body), group=row.group_id, key=row.message_key), row.times) for row in rows
        ]

    def known(self, keys: Sequence[str]) -> set[str]:
        rows = self._connections.execute(
            "SELECT message_key FROM outstanding_reports WHERE message_key = ANY(%s)", (list(keys),)
        )
        return {row.message_key for row in rows}

    def told_again(self, keys: Sequence[str], due_at: int) -> None:
        if keys:
            self._connections.execute(
                "UPDATE outstanding_reports SET times = times + 1, due_at = %s WHERE message_key = ANY(%s)",
                (due_at, list(keys)),
            )

    def numbers(self) -> tuple[int, int] | None:
        [row] = self._connections.execute("SELECT min(id) AS first, max(id) AS last FROM outstanding_reports")
        return None if row.first is None else (int(row.first), int(row.last))

    def settle(self, keys: Sequence[str]) -> None:
        if keys:
            self._connections.execute("DELETE FROM outstanding_reports WHERE message_key = ANY(%s)", (list(keys),))
