"""The port `AuditLog` as a table: 90 days of acts."""

from collections.abc import Sequence

from psycopg.types.json import Jsonb

from core.ports.clients import AUDIT_TTL, AuditEntry
from gateways.postgres.connections import Connections


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
            'SELECT serial, account_id, "timestamp" AS at, action, actor_id, actor_type, data, ip_address, request_id'
            "  FROM audit_logs WHERE (%s::text IS NULL OR account_id = %s) AND serial < %s"
            " ORDER BY serial DESC LIMIT %s",
            (account_id, account_id, int(after) if after else 2**62, limit),
        )
        found = [row._asdict() for row in rows]
        return [(str(fields.pop("serial")), AuditEntry(**fields)) for fields in found]
