"""The port `IdempotencyKeys` as a table: answers kept for 24 hours."""

from collections.abc import Mapping
from datetime import datetime

from psycopg.types.json import Jsonb

from core.ports.clients import IDEMPOTENCY_RUNNING_MAX, IDEMPOTENCY_TTL, IdempotencyRecord
from gateways.postgres.connections import Connections


class PostgresIdempotencyKeys:
    """The port `IdempotencyKeys` on one machine."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def begin(
        self, account_id: str, scope: str, key: str, field_hashes: Mapping[str, str], now: datetime
    ) -> IdempotencyRecord | None:
        wanted = Jsonb(dict(field_hashes))
        names = (account_id, scope, key)
        with self._connections.transaction() as conn:
            first = conn.execute(
                "INSERT INTO idempotency_keys AS known"
                " (account_id, scope, key, request_hash, status, created_at, ttl)"
                " VALUES (%s, %s, %s, %s, 'running', %s, %s)"
                " ON CONFLICT (account_id, scope, key) DO UPDATE"
                "    SET request_hash = excluded.request_hash, status = 'running', response = NULL,"
                "        created_at = excluded.created_at, ttl = excluded.ttl"
                "  WHERE known.ttl < excluded.created_at"
                "     OR (known.status = 'running' AND known.request_hash = excluded.request_hash"
                "         AND known.created_at < excluded.created_at - %s)"
                " RETURNING 1",
                (*names, wanted, now, now + IDEMPOTENCY_TTL, IDEMPOTENCY_RUNNING_MAX),
            ).fetchone()
            if first is not None:
                return None
            known = conn.execute(
                "SELECT status, request_hash, response FROM idempotency_keys"
                " WHERE account_id = %s AND scope = %s AND key = %s",
                names,
            ).fetchone()
        if known is None:  # abandoned between the two statements: the caller may simply ask again
            return self.begin(account_id, scope, key, field_hashes, now)
        return IdempotencyRecord(status=known.status, field_hashes=known.request_hash, response=known.response)

    def complete(self, account_id: str, scope: str, key: str, response: bytes) -> None:
        self._connections.execute(
            "UPDATE idempotency_keys SET status = 'done', response = %s"
            " WHERE account_id = %s AND scope = %s AND key = %s",
            (response, account_id, scope, key),
        )

    def abandon(self, account_id: str, scope: str, key: str) -> None:
        self._connections.execute(
            "DELETE FROM idempotency_keys WHERE account_id = %s AND scope = %s AND key = %s AND status = 'running'",
            (account_id, scope, key),
        )
