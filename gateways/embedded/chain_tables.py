"""The address pool, the scanner's cursors and log, the steps' bookmarks. They stay in Postgres on every platform."""

from collections.abc import Mapping, Sequence

from core.ports import Cursor, ReadyAddress
from core.tron import Address
from gateways.embedded.connections import Connections


class PostgresAddressPool:
    """The port `AddressPool`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def take(self) -> ReadyAddress | None:
        rows = self._connections.execute(
            "UPDATE addresses SET state = 'taken' WHERE evm ="
            " (SELECT evm FROM addresses WHERE state = 'ready' ORDER BY created_at, base58"
            "   LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING base58, key_id"
        )
        if not rows:
            return None
        base58, key_id = rows[0]
        return ReadyAddress(base58=base58, hex=Address.from_base58(base58).hex(), key_id=key_id)

    def add(self, addresses: Sequence[ReadyAddress]) -> None:
        if addresses:
            self._connections.execute(
                "INSERT INTO addresses (evm, base58, wallet, key_id, state)"
                " SELECT evm, base58, 'payin', key_id, 'ready'"
                "   FROM unnest(%s::bytea[], %s::text[], %s::text[]) AS made (evm, base58, key_id)"
                " ON CONFLICT DO NOTHING",
                (
                    [Address.from_base58(item.base58).evm for item in addresses],
                    [item.base58 for item in addresses],
                    [item.key_id for item in addresses],
                ),
            )

    def add_wallet(self, role: str, base58: str, key_id: str | None) -> None:
        self._connections.execute(
            "INSERT INTO addresses (evm, base58, wallet, key_id, state) VALUES (%s, %s, %s, %s, 'taken')"
            " ON CONFLICT DO NOTHING",
            (Address.from_base58(base58).evm, base58, role, key_id),
        )

    def ready(self) -> int:
        [(count,)] = self._connections.execute("SELECT count(*) FROM addresses WHERE state = 'ready'")
        return int(count)

    def highest_index(self, prefix: str) -> int:
        [(highest,)] = self._connections.execute(
            "SELECT max(substr(key_id, %s)::bigint) FROM addresses WHERE starts_with(key_id, %s)",
            (len(prefix) + 1, prefix),
        )
        return -1 if highest is None else int(highest)

    def ours(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        rows = self._connections.execute(
            "SELECT evm, wallet FROM addresses WHERE evm = ANY(%s)", (list(evm_addresses),)
        )
        return {bytes(evm): wallet for evm, wallet in rows}

    def key_ids(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        rows = self._connections.execute(
            "SELECT evm, key_id FROM addresses WHERE evm = ANY(%s) AND key_id IS NOT NULL", (list(evm_addresses),)
        )
        return {bytes(evm): key_id for evm, key_id in rows}


class PostgresCursors:
    """The port `Cursors`, on chain_cursors."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def load(self, name: str) -> Cursor | None:
        rows = self._connections.execute(
            "SELECT last_block_number, last_block_id, unsolid FROM chain_cursors WHERE id = %s", (name,)
        )
        return Cursor(*rows[0]) if rows else None

    def save(self, name: str, cursor: Cursor) -> None:
        self._connections.execute(
            "INSERT INTO chain_cursors (id, last_block_number, last_block_id, unsolid) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (id) DO UPDATE SET last_block_number = excluded.last_block_number,"
            " last_block_id = excluded.last_block_id, unsolid = excluded.unsolid, updated_at = now()",
            (name, cursor.number, cursor.block_id, cursor.unsolid),
        )


class PostgresBookmarks:
    """The port `Bookmarks`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def load(self, name: str) -> int:
        rows = self._connections.execute('SELECT "position" FROM bookmarks WHERE name = %s', (name,))
        return int(rows[0][0]) if rows else 0

    def save(self, name: str, position: int) -> None:
        self._connections.execute(
            'INSERT INTO bookmarks (name, "position") VALUES (%s, %s)'
            ' ON CONFLICT (name) DO UPDATE SET "position" = excluded."position", updated_at = now()'
            ' WHERE bookmarks."position" < excluded."position"',
            (name, position),
        )
