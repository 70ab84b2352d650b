"""What the chain says of the system wallets, for those who ask no node. It stays in Postgres on every platform."""

from collections.abc import Sequence
from typing import Final

import msgspec

from core.streams.wallet_numbers import WalletNumbers
from gateways.postgres.connections import Connections

_FIELDS: Final = WalletNumbers.__struct_fields__
_PUT: Final = (
    f"INSERT INTO wallet_numbers ({', '.join(_FIELDS)}) VALUES ({', '.join(f'%({name})s' for name in _FIELDS)})"
    f" ON CONFLICT (role) DO UPDATE SET updated_at = now(), {', '.join(f'{name} = excluded.{name}' for name in _FIELDS)}"
)


class PostgresWalletBoard:
    """The port `WalletBoard`, on wallet_numbers."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def put(self, numbers: Sequence[WalletNumbers]) -> None:
        for each in numbers:
            self._connections.execute(_PUT, msgspec.structs.asdict(each))
