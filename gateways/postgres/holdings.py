"""Where to look for coins: the view of deposit addresses, as the sweeps read it. It stays in Postgres on every platform."""

from collections.abc import Sequence
from typing import Final

from core.ports.wallets import Holding
from gateways.postgres.connections import Connections

_RICHEST: Final = (
    "SELECT address, usdt_minor, trx_sun, sweeps FROM address_holdings"
    " WHERE quarantine IS NULL AND usdt_minor > 0 AND usdt_minor >= %s ORDER BY usdt_minor DESC, address LIMIT %s"
)
_LEFT_OVER: Final = (
    "SELECT address, usdt_minor, trx_sun, sweeps FROM address_holdings"
    " WHERE quarantine IS NULL AND trx_sun > 0 AND trx_sun >= %s AND usdt_minor < %s"
    " ORDER BY trx_sun DESC, address LIMIT %s"
)


class PostgresHoldings:
    """The port `Holdings`, on address_holdings."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def richest(self, usdt_minor: int, limit: int) -> Sequence[Holding]:
        return [Holding(**row._asdict()) for row in self._connections.execute(_RICHEST, (usdt_minor, limit))]

    def left_over(self, trx_sun: int, usdt_minor: int, limit: int) -> Sequence[Holding]:
        return [Holding(**row._asdict()) for row in self._connections.execute(_LEFT_OVER, (trx_sun, usdt_minor, limit))]

    def set_aside(self) -> Sequence[str]:
        rows = self._connections.execute(
            "SELECT address FROM address_holdings WHERE quarantine = 'blacklisted' ORDER BY address"
        )
        return [address for (address,) in rows]
