"""The port `AddressDoor` on Postgres: whether ready addresses are given out in this run of the server."""

from typing import Any, Final

from gateways.postgres.connections import Connections

_DOOR: Final = "SELECT given_up_to, first_index FROM address_door"
_HEIGHT: Final = "SELECT max(solid) AS height FROM node_states WHERE seen_at >= pg_postmaster_start_time()"
_SHOWN: Final = "SELECT notification_id >= %s AS shown FROM projection_tracking WHERE application_name = 'holdings'"


class PostgresAddressDoor:
    """The port `AddressDoor`. The functions are the owner's: no login writes the row itself."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def is_open(self) -> bool:
        return bool(self._row("SELECT address_door_is_open() AS it").it)

    def open(self) -> None:
        self._connections.execute("SELECT open_address_door()")

    def shut(self) -> None:
        self._connections.execute("SELECT shut_address_door()")

    def given_up_to(self) -> int:
        return int(self._row(_DOOR).given_up_to)

    def first_index(self) -> int:
        return int(self._row(_DOOR).first_index)

    def give_up(self, doubted_at: int, first_index: int) -> None:
        self._connections.execute("SELECT give_up_ready_addresses(%s, %s)", (doubted_at, first_index))

    def give_up_used(self) -> None:
        self._connections.execute("SELECT give_up_used_addresses()")

    def chain_height(self) -> int | None:
        height = self._row(_HEIGHT).height
        return None if height is None else int(height)

    def is_shown_to(self, position: int) -> bool:
        rows = self._connections.execute(_SHOWN, (position,))
        return bool(rows and rows[0].shown)

    def _row(self, statement: str) -> Any:
        [row] = self._connections.execute(statement)
        return row
