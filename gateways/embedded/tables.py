"""API keys, idempotency keys, the audit log: DynamoDB's tables, in Postgres."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb

from core.ports import ApiKey, AuditEntry, IdempotencyRecord
from gateways.embedded.connections import Connections, uuid_of

IDEMPOTENCY_TTL: Final = timedelta(hours=24)
IDEMPOTENCY_RUNNING_MAX: Final = timedelta(seconds=60)
"""A request that has run for so long has died with its process; what it creates has a derived id, so it may run again."""
AUDIT_TTL: Final = timedelta(days=90)

_KEY_COLUMNS: Final = "id::text, account_id, name, permissions, status, created_at, expires_at, last_used_at"


class PostgresApiKeys:
    """The port `ApiKeys` on one machine."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def put(self, key_hash: str, key: ApiKey) -> None:
        self._connections.execute(
            "INSERT INTO api_keys (api_key_hash, id, account_id, name, permissions, status, created_at, expires_at, ttl)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (api_key_hash) DO NOTHING",
            (
                key_hash,
                key.id,
                key.account_id,
                key.name,
                list(key.permissions),
                key.status,
                key.created_at,
                key.expires_at,
                key.expires_at,
            ),
        )

    def find(self, key_hash: str) -> ApiKey | None:
        rows = self._connections.execute(f"SELECT {_KEY_COLUMNS} FROM api_keys WHERE api_key_hash = %s", (key_hash,))
        return _api_key(rows[0]) if rows else None

    def of_account(self, account_id: str) -> list[ApiKey]:
        rows = self._connections.execute(
            f"SELECT {_KEY_COLUMNS} FROM api_keys WHERE account_id = %s ORDER BY created_at DESC, id DESC",
            (account_id,),
        )
        return [_api_key(row) for row in rows]

    def revoke(self, account_id: str, key_id: str) -> bool:
        rows = self._connections.execute(
            "UPDATE api_keys SET status = 'revoked' WHERE account_id = %s AND id = %s::uuid RETURNING 1",
            (account_id, uuid_of(key_id)),
        )
        return bool(rows)

    def used(self, key_hash: str, at: datetime) -> None:
        self._connections.execute(
            "UPDATE api_keys SET last_used_at = greatest(last_used_at, %s) WHERE api_key_hash = %s", (at, key_hash)
        )


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
        status, hashes, response = known
        return IdempotencyRecord(status=status, field_hashes=hashes, response=response)

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


class PostgresAuditLog:
    """The port `AuditLog` on one machine."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def add(self, entries: Sequence[AuditEntry]) -> None:
        if not entries:
            return
        with self._connections.transaction() as conn, conn.cursor() as cursor:
            cursor.executemany(
                'INSERT INTO audit_logs (account_id, "timestamp", action, actor_id, actor_type, data, ip_address,'
                " request_id, ttl) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (
                        entry.account_id,
                        entry.at,
                        entry.action,
                        entry.actor_id,
                        entry.actor_type,
                        Jsonb(entry.data),
                        entry.ip_address,
                        entry.request_id,
                        entry.at + AUDIT_TTL,
                    )
                    for entry in entries
                ],
            )

    def page(self, account_id: str | None, after: str | None, limit: int) -> list[tuple[str, AuditEntry]]:
        rows = self._connections.execute(
            'SELECT serial, account_id, "timestamp", action, actor_id, actor_type, data, ip_address, request_id'
            "  FROM audit_logs WHERE (%s::text IS NULL OR account_id = %s) AND serial < %s"
            " ORDER BY serial DESC LIMIT %s",
            (account_id, account_id, int(after) if after else 2**62, limit),
        )
        return [(str(serial), AuditEntry(*fields)) for serial, *fields in rows]


def _api_key(row: tuple[Any, ...]) -> ApiKey:
    key_id, account_id, name, permissions, status, created_at, expires_at, last_used_at = row
    return ApiKey(
        id=key_id,
        account_id=account_id,
        name=name,
        permissions=tuple(permissions),
        status=status,
        created_at=created_at,
        expires_at=expires_at,
        last_used_at=last_used_at,
    )
