"""The deposit addresses that books and chain do not agree about. It stays in Postgres on every platform."""

from collections.abc import Sequence
from typing import Final

import msgspec

from core.streams.wallet_numbers import WalletDifference
from gateways.postgres.connections import Connections

_STANDING: Final = "SELECT account, currency, address, booked, found, block_number, sentence FROM address_differences"
_DIFFER: Final = """
WITH stand AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS it(
        account text, currency text, address text, booked bigint, found bigint, block_number bigint, sentence text)
), gone AS (
    DELETE FROM address_differences
     WHERE address = ANY(%(addresses)s::text[]) AND (address, currency) NOT IN (SELECT address, currency FROM stand)
)
INSERT INTO address_differences (account, currency, address, booked, found, block_number, sentence)
SELECT account, currency, address, booked, found, block_number, sentence FROM stand
ON CONFLICT (address, currency) DO UPDATE SET booked = excluded.booked, found = excluded.found,
    block_number = excluded.block_number, sentence = excluded.sentence
"""


class PostgresAddressBoard:
    """The port `AddressBoard`, on address_differences."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def standing(self) -> Sequence[WalletDifference]:
        return [WalletDifference(**row._asdict()) for row in self._connections.execute(_STANDING)]

    def differ_at(self, addresses: Sequence[str], differences: Sequence[WalletDifference]) -> None:
        rows = msgspec.json.encode(differences).decode()
        self._connections.execute(_DIFFER, {"rows": rows, "addresses": list(addresses)})
