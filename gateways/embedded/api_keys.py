"""The port `ApiKeys` as a table."""

from datetime import datetime
from typing import Any, Final

from core.ports.clients import ApiKey
from gateways.postgres.connections import Connections, uuid_of

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
        return next(map(_api_key, rows), None)

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


def _api_key(row: Any) -> ApiKey:
    return ApiKey(**row._asdict() | {"permissions": tuple(row.permissions)})
