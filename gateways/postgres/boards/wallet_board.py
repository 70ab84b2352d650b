"""What the chain says of the system wallets, for those who ask no node. It stays in Postgres on every platform."""

from collections.abc import Sequence
from typing import Final

import msgspec

from core.streams.wallet_numbers import WalletDifference, WalletNumbers
from gateways.postgres.connections import Connections

_FIELDS: Final = WalletNumbers.__struct_fields__
_VALUES: Final = f"({', '.join(_FIELDS)}) VALUES ({', '.join(f'%({name})s' for name in _FIELDS)})"
_SET: Final = f"updated_at = now(), {', '.join(f'{name} = excluded.{name}' for name in _FIELDS)}"
_PUT: Final = f"INSERT INTO wallet_numbers {_VALUES} ON CONFLICT (role) DO UPDATE SET {_SET}"
_PUT_FORMER: Final = f"INSERT INTO former_wallet_numbers {_VALUES} ON CONFLICT (address) DO UPDATE SET {_SET}"
_GONE: Final = "DELETE FROM former_wallet_numbers WHERE address <> ALL(%s::text[])"
_DIFFER: Final = """
WITH stand AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS it(
        account text, currency text, address text, booked bigint, found bigint, block_number bigint, sentence text)
), gone AS (
    DELETE FROM wallet_differences WHERE (account, currency) NOT IN (SELECT account, currency FROM stand)
)
INSERT INTO wallet_differences (account, currency, address, booked, found, block_number, sentence)
SELECT account, currency, address, booked, found, block_number, sentence FROM stand
ON CONFLICT (account, currency) DO UPDATE SET address = excluded.address, booked = excluded.booked,
    found = excluded.found, block_number = excluded.block_number, sentence = excluded.sentence
"""


class PostgresWalletBoard:
    """The port `WalletBoard`, on wallet_numbers, former_wallet_numbers and wallet_differences."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def put(self, numbers: Sequence[WalletNumbers]) -> None:
        for each in numbers:
            self._connections.execute(_PUT, msgspec.structs.asdict(each))

    def put_former(self, numbers: Sequence[WalletNumbers]) -> None:
        for each in numbers:
            self._connections.execute(_PUT_FORMER, msgspec.structs.asdict(each))
        self._connections.execute(_GONE, ([each.address for each in numbers],))

    def differ(self, differences: Sequence[WalletDifference]) -> None:
        self._connections.execute(_DIFFER, {"rows": msgspec.json.encode(differences).decode()})
