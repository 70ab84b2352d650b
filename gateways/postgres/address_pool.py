"""The port `AddressPool` on Postgres: addresses that are ready, assigned, or a wallet's."""

from collections.abc import Mapping, Sequence

from core.ports.wallets import ReadyAddress
from core.tron.address import Address
from gateways.postgres.connections import Connections


class PostgresAddressPool:
    """The port `AddressPool`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def take(self) -> ReadyAddress | None:
        rows = self._connections.execute(
            "UPDATE addresses SET state = 'taken' WHERE evm ="
            " (SELECT evm FROM addresses WHERE state = 'ready' AND address_door_is_open() ORDER BY created_at, base58"
            "   LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING base58, key_id"
        )
        if not rows:
            return None
        [row] = rows
        return ReadyAddress(base58=row.base58, hex=Address.from_base58(row.base58).hex(), key_id=row.key_id)

    def add(self, addresses: Sequence[ReadyAddress]) -> None:
        self._add(addresses, "ready")

    def keep(self, addresses: Sequence[ReadyAddress]) -> None:
        self._add(addresses, "taken")

    def _add(self, addresses: Sequence[ReadyAddress], state: str) -> None:
        if addresses:
            self._connections.execute(
                "INSERT INTO addresses (evm, base58, wallet, key_id, state)"
                " SELECT evm, base58, 'payin', key_id, %s"
                "   FROM unnest(%s::bytea[], %s::text[], %s::text[]) AS made (evm, base58, key_id)"
                " ON CONFLICT DO NOTHING",
                (
                    state,
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
        return {bytes(row.evm): row.wallet for row in rows}

    def key_ids(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        rows = self._connections.execute(
            "SELECT evm, key_id FROM addresses WHERE evm = ANY(%s) AND key_id IS NOT NULL", (list(evm_addresses),)
        )
        return {bytes(row.evm): row.key_id for row in rows}
