"""From a recorded order or instruction to what it means on chain, to an attempt's bytes, and back to their envelope (I8)."""

from core.streams.attempts import Attempt
from core.streams.instructions import Delegate, Freeze, Instruction, SendToken, SendTrx, Undelegate, Unfreeze
from core.streams.instructions import WithdrawUnfrozen as Withdraw
from core.streams.payouts import PayoutOrder
from core.tron.address import Address
from core.tron.transactions import txid_of
from signers.transactions.build import (
    DelegateResource,
    Envelope,
    FreezeBalance,
    Intent,
    Trc20Transfer,
    TrxTransfer,
    UndelegateResource,
    UnfreezeBalance,
    WithdrawUnfrozen,
    build,
)


def intent_of_payout(order: PayoutOrder, owner: Address, token: Address) -> Trc20Transfer:
    return Trc20Transfer(owner, token, Address.from_base58(order.to_address), order.amount_minor)


def intent_of_instruction(instruction: Instruction, token: Address) -> Intent:
    owner = Address.from_base58(instruction.owner)
    match instruction.act:
        case SendToken(to, amount_minor):
            return Trc20Transfer(owner, token, Address.from_base58(to), amount_minor)
        case SendTrx(to, amount_sun):
            return TrxTransfer(owner, Address.from_base58(to), amount_sun)
        case Freeze(amount_sun, resource):
            return FreezeBalance(owner, amount_sun, resource)
        case Unfreeze(amount_sun, resource):
            return UnfreezeBalance(owner, amount_sun, resource)
        case Withdraw():
            return WithdrawUnfrozen(owner)
        case Delegate(receiver, stake_sun, resource):
            return DelegateResource(owner, Address.from_base58(receiver), stake_sun, resource)
        case Undelegate(receiver, stake_sun, resource):
            return UndelegateResource(owner, Address.from_base58(receiver), stake_sun, resource)


def receiver_of(instruction: Instruction) -> Address | None:
    """Whom it goes to, or None where nothing goes anywhere."""
    match instruction.act:
        case (
            SendToken(to=receiver) | SendTrx(to=receiver) | Delegate(receiver=receiver) | Undelegate(receiver=receiver)
        ):
            return Address.from_base58(receiver)
    return None


def attempt_of(intent: Intent, envelope: Envelope, number: int) -> Attempt:
    """The bytes of one try, as they are recorded before any key sees them. Raises InvalidTransaction."""
    raw_data = build(intent, envelope)
    return Attempt(
        number=number,
        txid=txid_of(raw_data),
        raw_data=raw_data.hex(),
        expiration_ms=envelope.expiration_ms,
        ref_block_number=envelope.ref_block_number,
        ref_block_id=envelope.ref_block_id,
        timestamp_ms=envelope.timestamp_ms,
        fee_limit_sun=envelope.fee_limit_sun,
        from_address=intent.owner.base58,
        permission_id=envelope.permission_id,
    )


def envelope_of(attempt: Attempt) -> Envelope:
    """The envelope that the attempt was recorded with."""
    return Envelope(
        ref_block_number=attempt.ref_block_number,
        ref_block_id=attempt.ref_block_id,
        timestamp_ms=attempt.timestamp_ms,
        expiration_ms=attempt.expiration_ms,
        fee_limit_sun=attempt.fee_limit_sun,
        permission_id=attempt.permission_id,
    )
