"""TRX that contracts handed on, as a node tells it: which internal transactions of a receipt count, and which move anything.

How many there are a stranger chooses, so each is looked at by itself and forgotten unless it moves TRX.
"""

from typing import Final

from core.tron.address import ADDRESS_PREFIX
from core.tron.chain import MOVING_NOTES, InternalTransfer

INTERNAL_MAX: Final = 20_000
"""So many of one answer are kept; beyond, it is as with a node that keeps none. 13,500 TRX burned would buy as many."""


class InternalTransfers:
    """Those of one receipt, in the order they are added."""

    def __init__(self) -> None:
        self._place = 0
        self._kept: list[InternalTransfer] = []

    @property
    def kept(self) -> tuple[InternalTransfer, ...]:
        return tuple(self._kept)

    def add(self, note: bytes, caller: bytes, receiver: bytes, amount_sun: int, *, rejected: bool) -> bool:
        """Addresses of 21 bytes; the amount is 0 where a token moves -> whether it is kept: it moves TRX to somebody else."""
        if note not in MOVING_NOTES:
            return False
        place, self._place = self._place, self._place + 1
        if rejected or amount_sun <= 0 or caller == receiver or not (_is_address(caller) and _is_address(receiver)):
            return False
        self._kept.append(InternalTransfer(place, caller[1:], receiver[1:], amount_sun))
        return True


def _is_address(raw: bytes) -> bool:
    return len(raw) == 21 and raw[0] == ADDRESS_PREFIX
