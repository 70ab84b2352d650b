"""What the signers last saw of the high-water mark and of the chain. It stays in Postgres on every platform."""

import msgspec

from core.ports.store_watch import Watched
from gateways.postgres.connections import Connections


class PostgresStoreWatch:
    """The port `StoreWatch`, on store_watch."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def put(self, watched: Watched) -> None:
        self._connections.execute(
            "INSERT INTO store_watch (process, position, waits_for)"
            " VALUES (%(process)s, %(position)s, %(waits_for)s)"
            " ON CONFLICT (process) DO UPDATE SET position = excluded.position, waits_for = excluded.waits_for,"
            " seen_at = now()",
            msgspec.structs.asdict(watched),
        )
