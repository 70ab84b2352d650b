"""View holdings: what each deposit address holds, how often it was swept, and whether it is set aside.

Payin_Wallets_Asset, address by address: reconcile proves that they add up, and each of them against the chain.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from core.ledger.events import Recorded
from core.streams.deposits import DepositConfirmed
from core.streams.holdings import movements
from core.streams.instructions import InstructionConfirmed, InstructionFailed
from core.streams.lost_outgoing import OutgoingOfLostHistory
from core.streams.notices import FundsDestroyed
from core.streams.quarantine import AddressQuarantined, AddressReleased
from core.streams.sweeps import SweepPlanned
from projections.engine.binary import Int4
from projections.engine.rows import Rows
from projections.engine.tables import Key, Table
from projections.engine.view import View


class HoldingRow(msgspec.Struct, frozen=True):
    """One deposit address that ever held anything. `block_number` is the highest that moved anything of it."""

    address: str
    usdt_minor: int
    trx_sun: int
    sweeps: Int4
    quarantine: str | None
    block_number: int
    position: int


_HOLDINGS: Final = Table("address_holdings", HoldingRow, key=("address",))


class HoldingsView(View):
    """Table address_holdings."""

    name = "holdings"
    tables = (_HOLDINGS,)
    events = (
        DepositConfirmed,
        InstructionConfirmed,
        InstructionFailed,
        OutgoingOfLostHistory,
        FundsDestroyed,
        SweepPlanned,
        AddressQuarantined,
        AddressReleased,
    )

    def needs(self, record: Recorded) -> Iterable[tuple[Table[Any], Key]]:
        for address in _addresses(record):
            yield _HOLDINGS, address

    def fold(self, rows: Rows, record: Recorded) -> None:
        holdings, happened = rows[_HOLDINGS], record.event
        for address in _addresses(record):
            row = holdings[address] or HoldingRow(address, 0, 0, 0, None, 0, record.position)
            match happened:
                case SweepPlanned():
                    row = msgspec.structs.replace(row, sweeps=row.sweeps + 1)
                case AddressQuarantined():
                    row = msgspec.structs.replace(row, quarantine=happened.reason)
                case AddressReleased():
                    row = msgspec.structs.replace(row, quarantine=None)
            for moved in movements(happened):
                field = "usdt_minor" if moved.currency == "USDT" else "trx_sun"
                changes = {field: getattr(row, field) + moved.delta_minor}
                row = msgspec.structs.replace(row, block_number=max(row.block_number, moved.block_number), **changes)
            holdings.put(address, row)


def _addresses(record: Recorded) -> list[str]:
    """The deposit addresses that an event is about."""
    match record.event:
        case SweepPlanned(sweep=order):
            return [order.address]
        case AddressQuarantined(address=address) | AddressReleased(address=address):
            return [address]
    return list(dict.fromkeys(moved.address for moved in movements(record.event)))
