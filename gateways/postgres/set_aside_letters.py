"""Dead letters that a queue elsewhere does not take: they lie in the table of this database, and none is lost."""

from hashlib import sha256
from typing import Final

from core.ports.queues import DeadLetter
from gateways.postgres.connections import Connections

_PUT: Final = (
    "INSERT INTO queue_dead_letters (id, queue, group_id, body, reason, attempts) VALUES (%s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (id) DO NOTHING"
)
_LOOK: Final = (
    "SELECT id::text, body, group_id AS group, reason, attempts, buried_at FROM queue_dead_letters WHERE queue = %s"
    " ORDER BY buried_at, id LIMIT %s"
)


class SetAsideLetters:
    """Those of one queue. Putting one twice is putting it once."""

    def __init__(self, connections: Connections, queue: str) -> None:
        self._connections = connections
        self._queue = queue

    def put(self, message_id: str, body: bytes, group: str, attempts: int, reason: str) -> None:
        given = (_number(message_id), self._queue, group, body, reason.replace("\0", " "), attempts)
        self._connections.execute(_PUT, given)

    def look(self, limit: int) -> list[DeadLetter]:
        """The oldest ones."""
        rows = self._connections.execute(_LOOK, (self._queue, limit))
        return [DeadLetter(**row._asdict() | {"body": bytes(row.body)}) for row in rows]

    def remove(self, letter_id: str) -> None:
        statement = "DELETE FROM queue_dead_letters WHERE queue = %s AND id::text = %s"
        self._connections.execute(statement, (self._queue, letter_id))

    def depth(self) -> int:
        statement = "SELECT count(*) FROM queue_dead_letters WHERE queue = %s"
        [(count,)] = self._connections.execute(statement, (self._queue,))
        return int(count)


def _number(message_id: str) -> int:
    """Below zero, where no message of the table's own has its number."""
    return -1 - (int.from_bytes(sha256(message_id.encode()).digest()[:8], "big") >> 1)
