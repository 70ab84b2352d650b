"""SQS FIFO's promise on one table: order per group, at least once, visibility timeout, deduplication, dead letters."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

from core.ports.queues import DeadLetter, Message, Received
from gateways.lease import held
from gateways.postgres.connections import Connections

DEDUPLICATION: Final = "5 minutes"
"""As SQS FIFO: a key that was sent within this time is taken once."""
RENEWALS: Final = 3
"""How often a message is held anew within its visibility timeout."""

_SEND: Final = f"""
WITH given AS (
    SELECT * FROM unnest(%(groups)s::text[], %(keys)s::text[], %(bodies)s::bytea[])
             WITH ORDINALITY AS given (group_id, message_key, body, place)
), fresh AS (
    INSERT INTO queue_keys (queue, message_key) SELECT %(queue)s, message_key FROM given
    ON CONFLICT (queue, message_key) DO UPDATE SET sent_at = now()
     WHERE queue_keys.sent_at < now() - interval '{DEDUPLICATION}'
    RETURNING message_key
)
INSERT INTO queue_messages (queue, group_id, message_key, body)
SELECT %(queue)s, group_id, message_key, body FROM given JOIN fresh USING (message_key) ORDER BY place
"""

_FORGET_KEYS: Final = f"DELETE FROM queue_keys WHERE sent_at < now() - 2 * interval '{DEDUPLICATION}'"

# Receivers of one queue take turns: without the lock a second one would skip the first one's locked rows and take later
# messages of the same group before them.
_TAKE_TURNS: Final = "SELECT take_queue_turn(%s)"
_RECEIVE: Final = """
WITH flying AS (
    SELECT DISTINCT group_id FROM queue_messages
     WHERE queue = %(queue)s AND receipt IS NOT NULL AND visible_at > now()
), next AS (
    SELECT id FROM queue_messages
     WHERE queue = %(queue)s AND visible_at <= now() AND group_id NOT IN (SELECT group_id FROM flying)
     ORDER BY id LIMIT %(limit)s
), taken AS (
    UPDATE queue_messages m
       SET visible_at = now() + make_interval(secs => %(visibility_s)s), receipt = gen_random_uuid(),
           attempts = attempts + 1
      FROM next WHERE m.id = next.id
    RETURNING m.id, m.body, m.group_id, m.receipt::text, m.attempts
)
SELECT body, group_id, receipt, attempts FROM taken ORDER BY id
"""
_BURY: Final = """
WITH gone AS (DELETE FROM queue_messages WHERE receipt = %s::uuid RETURNING id, queue, group_id, body, attempts)
INSERT INTO queue_dead_letters (id, queue, group_id, body, reason, attempts)
SELECT id, queue, group_id, body, %s, attempts FROM gone
"""
_HOLD: Final = (
    "UPDATE queue_messages SET visible_at = now() + make_interval(secs => %s) WHERE receipt = ANY(%s::uuid[])"
)
_DEAD: Final = (
    "SELECT id::text, body, group_id AS group, reason, attempts, buried_at FROM queue_dead_letters WHERE queue = %s"
    " ORDER BY buried_at, id LIMIT %s"
)
_OLDEST: Final = (
    "SELECT coalesce(greatest(extract(epoch FROM now() - min(sent_at)), 0), 0) FROM queue_messages WHERE queue = %s"
)
_REDRIVE: Final = """
WITH gone AS (
    DELETE FROM queue_dead_letters WHERE queue = %s AND id::text = ANY(%s) RETURNING id, queue, group_id, body
)
INSERT INTO queue_messages (queue, group_id, message_key, body)
SELECT queue, group_id, 'redrive:' || id, body FROM gone ORDER BY id RETURNING 1
"""


class PostgresQueue:
    """The port `Queue` on one machine. `receive` never waits: the loop does."""

    def __init__(self, connections: Connections, name: str, *, visibility_s: float = 60) -> None:
        self._connections = connections
        self._name = name
        self._visibility_s = visibility_s
        self._sends = 0

    def send(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        once = list({message.key: message for message in reversed(messages)}.values())[::-1]
        with self._connections.transaction() as conn:
            conn.execute(
                _SEND,
                {
                    "queue": self._name,
                    "groups": [message.group for message in once],
                    "keys": [message.key for message in once],
                    "bodies": [message.body for message in once],
                },
            )
            self._sends += 1
            if self._sends % 256 == 0:
                conn.execute(_FORGET_KEYS)

    def receive(self, limit: int) -> list[Received]:
        with self._connections.transaction() as conn:
            conn.execute(_TAKE_TURNS, (self._name,))
            rows = conn.execute(
                _RECEIVE, {"queue": self._name, "limit": limit, "visibility_s": self._visibility_s}
            ).fetchall()
        return [
            Received(body=bytes(row.body), group=row.group_id, receipt=row.receipt, attempts=row.attempts)
            for row in rows
        ]

    def delete(self, receipts: Sequence[str]) -> None:
        if receipts:
            self._connections.execute("DELETE FROM queue_messages WHERE receipt = ANY(%s::uuid[])", (list(receipts),))

    def release(self, receipts: Sequence[str]) -> None:
        if receipts:
            self._connections.execute(
                "UPDATE queue_messages SET visible_at = now() WHERE receipt = ANY(%s::uuid[])", (list(receipts),)
            )

    def hold(self, receipts: Sequence[str]) -> AbstractContextManager[None]:
        def renew() -> None:
            self._connections.execute(_HOLD, (self._visibility_s, list(receipts)))

        return held(renew, self._visibility_s / RENEWALS)

    def bury(self, receipt: str, reason: str) -> None:
        self._connections.execute(_BURY, (receipt, reason.replace("\0", " ")))

    def dead(self, limit: int) -> list[DeadLetter]:
        rows = self._connections.execute(_DEAD, (self._name, limit))
        return [DeadLetter(**row._asdict() | {"body": bytes(row.body)}) for row in rows]

    def redrive(self, ids: Sequence[str]) -> int:
        return len(self._connections.execute(_REDRIVE, (self._name, list(ids))))

    def dead_depth(self) -> int:
        [(buried,)] = self._connections.execute(
            "SELECT count(*) FROM queue_dead_letters WHERE queue = %s", (self._name,)
        )
        return int(buried)

    def depth(self) -> int:
        [(waiting,)] = self._connections.execute("SELECT count(*) FROM queue_messages WHERE queue = %s", (self._name,))
        return int(waiting)

    def oldest_s(self) -> int:
        [(age_s,)] = self._connections.execute(_OLDEST, (self._name,))
        return int(age_s)

    def purge(self) -> None:
        self._connections.execute("DELETE FROM queue_messages WHERE queue = %s", (self._name,))
