"""View sweeps: every sweep and how far it came, and every instruction, a sweep's or not, with what it burned."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

import msgspec

from core.ledger.events import Event, Recorded
from core.streams.instructions import (
    Act,
    Delegate,
    Freeze,
    Instruction,
    InstructionBroadcast,
    InstructionConfirmed,
    InstructionExpired,
    InstructionFailed,
    InstructionGiven,
    InstructionPrepared,
    InstructionSigned,
    InstructionWithdrawn,
    SendToken,
    SendTrx,
    Undelegate,
    Unfreeze,
)
from core.streams.sweeps import (
    SweepConfirmed,
    SweepDeferred,
    SweepFailed,
    SweepFuelled,
    SweepFuelling,
    SweepOrder,
    SweepPlanned,
    SweepReleased,
)
from projections.engine.binary import Int4
from projections.engine.rows import Rows
from projections.engine.tables import Key, Table
from projections.engine.view import View


class InstructionRow(msgspec.Struct, frozen=True):
    """One transaction of the treasury's. `amount_minor` is in `currency`: coins, or stake in sun."""

    id: UUID
    purpose: str
    sweep_id: UUID | None
    wallet: str
    owner: str
    act: str
    to_address: str | None
    amount_minor: int
    currency: str
    state: str
    attempts: Int4
    tron_tx_hash: str | None
    reason: str | None
    block_number: int | None
    burned_sun: int | None
    created_at: datetime
    updated_at: datetime
    position: int


class SweepRow(msgspec.Struct, frozen=True):
    """One sweep. `cost_sun` is what was planned, `burned_sun` what all its instructions have burned so far."""

    id: UUID
    address: str
    number: Int4
    currency: str
    amount_minor: int
    destination: str
    to_address: str
    method: str
    state: str
    reason: str | None
    tron_tx_hash: str | None
    cost_sun: int
    burned_sun: int
    fuel_sun: int
    lent_sun: int
    block_number: int | None
    created_at: datetime
    updated_at: datetime
    position: int


_INSTRUCTIONS: Final = Table("instructions", InstructionRow)
_SWEEPS: Final = Table("sweeps", SweepRow)
_replace: Final = msgspec.structs.replace

_InstructionEvent = (
    InstructionGiven
    | InstructionWithdrawn
    | InstructionPrepared
    | InstructionSigned
    | InstructionBroadcast
    | InstructionExpired
    | InstructionConfirmed
    | InstructionFailed
)
_SweepEvent = SweepPlanned | SweepFuelling | SweepFuelled | SweepConfirmed | SweepFailed | SweepDeferred | SweepReleased
_SWEEP_STREAM: Final = "sweep-"
_STATES: Final[Mapping[type[Event], str]] = {InstructionSigned: "signed", InstructionBroadcast: "broadcast"}
"""What a sweep's state becomes when its transfer gets so far."""


class SweepsView(View):
    """Tables sweeps and instructions."""

    name = "sweeps"
    tables = (_SWEEPS, _INSTRUCTIONS)
    events = (*get_args(_SweepEvent), *get_args(_InstructionEvent))

    def needs(self, record: Recorded) -> Iterable[tuple[Table[Any], Key]]:
        happened = record.event
        if isinstance(happened, _InstructionEvent):
            if record.version > 1:
                yield _INSTRUCTIONS, UUID(_instruction_id(happened))
            named = getattr(happened, "instruction", None)
            if named is not None and (sweep := _sweep_of(named)) is not None:
                yield _SWEEPS, sweep
        elif record.version > 1:
            yield _SWEEPS, _sweep_id(happened)

    def fold(self, rows: Rows, record: Recorded) -> None:
        happened = record.event
        if isinstance(happened, _InstructionEvent):
            self._instruction(rows, record)
            return
        sweeps, key = rows[_SWEEPS], _sweep_id(happened)
        row = _planned(happened.sweep, record) if isinstance(happened, SweepPlanned) else sweeps[key]
        assert row is not None, f"{record.stream} does not begin with its plan"
        sweeps.put(key, _replace(row, updated_at=happened.occurred_at, **_changes(happened)))

    def _instruction(self, rows: Rows, record: Recorded) -> None:
        happened, instructions = record.event, rows[_INSTRUCTIONS]
        key = UUID(_instruction_id(happened))
        row = _given(happened.instruction, record) if isinstance(happened, InstructionGiven) else instructions[key]
        assert row is not None, f"{record.stream} does not begin with what was given"
        row = _replace(row, updated_at=happened.occurred_at, **_progress(happened))
        instructions.put(key, row)
        if row.sweep_id is not None:
            self._part_of_a_sweep(rows, row, happened)

    def _part_of_a_sweep(self, rows: Rows, row: InstructionRow, happened: Event) -> None:
        """What a sweep's instruction means for the sweep: its state, its txid, what it burned, and what it brought."""
        sweep = rows[_SWEEPS][row.sweep_id]
        if sweep is None:
            return
        changes: dict[str, Any] = {"updated_at": happened.occurred_at}
        if row.purpose == "sweep" and type(happened) in _STATES:
            changes |= {"state": _STATES[type(happened)], "tron_tx_hash": row.tron_tx_hash}
        if isinstance(happened, InstructionConfirmed | InstructionFailed):
            changes["burned_sun"] = sweep.burned_sun + happened.burned_sun
        if isinstance(happened, InstructionConfirmed):
            act = happened.instruction.act
            if isinstance(act, SendTrx) and row.purpose == "fuel":
                changes["fuel_sun"] = sweep.fuel_sun + act.amount_sun
            elif isinstance(act, Delegate | Undelegate):
                change = act.stake_sun if isinstance(act, Delegate) else -act.stake_sun
                changes["lent_sun"] = sweep.lent_sun + change
        rows[_SWEEPS].put(sweep.id, _replace(sweep, **changes))


def _instruction_id(happened: Event) -> str:
    instruction = getattr(happened, "instruction", None)
    return str(instruction.instruction_id if instruction is not None else getattr(happened, "instruction_id", ""))


def _sweep_id(happened: Event) -> UUID:
    return UUID(happened.sweep.sweep_id if isinstance(happened, SweepPlanned) else getattr(happened, "sweep_id", ""))


def _sweep_of(instruction: Instruction) -> UUID | None:
    serves = instruction.serves
    return UUID(serves.removeprefix(_SWEEP_STREAM)) if serves.startswith(_SWEEP_STREAM) else None


def _given(instruction: Instruction, record: Recorded) -> InstructionRow:
    to_address, amount, currency = _about(instruction.act)
    return InstructionRow(
        id=UUID(instruction.instruction_id),
        purpose=instruction.purpose,
        sweep_id=_sweep_of(instruction),
        wallet=instruction.wallet,
        owner=instruction.owner,
        act=str(instruction.act.__struct_config__.tag),
        to_address=to_address,
        amount_minor=amount,
        currency=currency,
        state="given",
        attempts=0,
        tron_tx_hash=None,
        reason=None,
        block_number=None,
        burned_sun=None,
        created_at=record.event.occurred_at,
        updated_at=record.event.occurred_at,
        position=record.position,
    )


def _about(act: Act) -> tuple[str | None, int, str]:
    match act:
        case SendToken(to, amount):
            return to, amount, "USDT"
        case SendTrx(to, amount):
            return to, amount, "TRX"
        case Delegate(to, amount) | Undelegate(to, amount):
            return to, amount, "TRX"
        case Freeze(amount) | Unfreeze(amount):
            return None, amount, "TRX"
    return None, 0, "TRX"


def _progress(happened: Event) -> dict[str, Any]:
    match happened:
        case InstructionPrepared(attempt=attempt):
            return {"state": "prepared", "attempts": attempt.number, "tron_tx_hash": attempt.txid}
        case InstructionSigned():
            return {"state": "signed"}
        case InstructionBroadcast():
            return {"state": "broadcast"}
        case InstructionExpired():
            return {"state": "given", "tron_tx_hash": None}
        case InstructionWithdrawn(reason=reason):
            return {"state": "withdrawn", "reason": reason}
        case InstructionConfirmed() | InstructionFailed():
            ended = {"tron_tx_hash": happened.txid, "block_number": happened.block_number}
            ended |= {"burned_sun": happened.burned_sun}
            if isinstance(happened, InstructionFailed):
                return {"state": "failed", "reason": happened.failure_code, **ended}
            return {"state": "confirmed", **ended}
    return {}


def _planned(order: SweepOrder, record: Recorded) -> SweepRow:
    return SweepRow(
        id=UUID(order.sweep_id),
        address=order.address,
        number=order.number,
        currency=order.currency,
        amount_minor=order.amount_minor,
        destination=order.destination,
        to_address=order.to,
        method=order.method,
        state="planned",
        reason=None,
        tron_tx_hash=None,
        cost_sun=order.cost_sun,
        burned_sun=0,
        fuel_sun=0,
        lent_sun=0,
        block_number=None,
        created_at=record.event.occurred_at,
        updated_at=record.event.occurred_at,
        position=record.position,
    )


def _changes(happened: Event) -> dict[str, Any]:
    match happened:
        case SweepFuelling(method=method):
            return {"state": "planned", "method": method}
        case SweepFuelled(amount_minor=amount):
            return {"state": "fuelled", "amount_minor": amount}
        case SweepConfirmed(txid=txid, amount_minor=amount):
            return {"state": "confirmed", "tron_tx_hash": txid, "amount_minor": amount}
        case SweepFailed(failure_code=code, txid=txid):
            return {"state": "failed", "reason": code, "tron_tx_hash": txid}
        case SweepDeferred(reason=reason):
            return {"state": "deferred", "reason": reason}
    return {}
