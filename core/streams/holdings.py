"""What each deposit address holds, as the events have it: the sub-ledger behind Payin_Wallets_Asset.

The other treasury wallets have an account each; deposit addresses share one, and are told apart here.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from core.ledger.events import Event
from core.streams.deposits import DepositConfirmed
from core.streams.instructions import Instruction, InstructionConfirmed, InstructionFailed, SendToken, SendTrx
from core.streams.lost_outgoing import OutgoingOfLostHistory
from core.streams.notices import FundsDestroyed

PAYIN: Final = "payin"


class Movement(msgspec.Struct, frozen=True):
    """One address holds so much more (or less) of a currency than before, since a block."""

    address: str
    currency: str
    delta_minor: int
    block_number: int


def movements(happened: Event) -> Iterator[Movement]:
    """What an event moves on deposit addresses."""
    match happened:
        case DepositConfirmed(transfer=fact) if fact.wallet == PAYIN:
            yield Movement(fact.to_address, fact.currency, fact.amount_minor, fact.block_number)
        case InstructionConfirmed(instruction=instruction) if instruction.wallet == PAYIN:
            yield from _sent(instruction, happened)
        case InstructionFailed(instruction=instruction) if instruction.wallet == PAYIN:
            yield from _burned(instruction, happened)
        case OutgoingOfLostHistory(left=left) if left.wallet == PAYIN:
            if left.amount_minor:
                yield Movement(left.address, left.currency, -left.amount_minor, left.block_number)
            if left.burned_sun:
                yield Movement(left.address, "TRX", -left.burned_sun, left.block_number)
        case FundsDestroyed(notice=notice, postings=postings) if notice.wallet == PAYIN and postings:
            yield Movement(notice.address, "USDT", -notice.amount_minor, notice.block_number)


def _sent(instruction: Instruction, done: InstructionConfirmed) -> Iterator[Movement]:
    match instruction.act:
        case SendToken(amount_minor=amount):
            yield Movement(instruction.owner, "USDT", -amount, done.block_number)
        case SendTrx(amount_sun=amount):
            yield Movement(instruction.owner, "TRX", -amount, done.block_number)
    yield from _burned(instruction, done)


def _burned(instruction: Instruction, done: InstructionConfirmed | InstructionFailed) -> Iterator[Movement]:
    if done.burned_sun:
        yield Movement(instruction.owner, "TRX", -done.burned_sun, done.block_number)
