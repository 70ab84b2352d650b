"""What a transaction does to the state, and what it costs: fees, bandwidth, the system's contracts, the machine.

`execute` either applies a transaction whole and says how it ended, or raises Refused and has changed nothing that its
caller keeps. A contract call that reverts or runs out of energy is applied: it pays, and its result says why.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from core.tron.address import Address
from core.tron.transactions import (
    CANCEL_UNFREEZES,
    CREATE_ACCOUNT,
    DELEGATE,
    FREEZE,
    TRANSFER,
    TRIGGER,
    UNDELEGATE,
    UNFREEZE,
    UPDATE_PERMISSIONS,
    WITHDRAW_UNFROZEN,
)
from gateways.devnet.execution import bandwidth, billing, delegation, others, permissions, staking
from gateways.devnet.execution.billing import Bill
from gateways.devnet.execution.outcome import Context, Outcome, Refused, address_of, invalid, owner_account
from gateways.devnet.machine.machine import SUCCESS, Called
from gateways.devnet.state import accounts, decrees
from gateways.devnet.state.kinds import UPDATE_ACCOUNT, VOTE, WITHDRAW_REWARD
from gateways.devnet.state.state import Overlay
from gateways.devnet.state.transaction import Transaction

SIGNATURE_BYTES: Final = 65
"""Of each signature do not count where an account is made; what somebody put behind one does."""
DECREED: Final = "in this block only, as it was decreed"


def execute(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    """Apply one transaction. Raises Refused; the overlay's changes are then to be dropped."""
    account = owner_account(state, transaction)
    creates = _creates_account(state, transaction)
    if creates:
        _check_creation_size(transaction, context.parameters["getMaxCreateAccountTxSize"])
    charge = bandwidth.charge(state, account, transaction, context, creates=creates)
    if charge is None:
        raise Refused("BANDWITH_ERROR", "Account resource insufficient error.")
    fee_sun = _flat_fees(state, transaction, context.parameters)
    outcome = actuate(state, transaction, context)
    return msgspec.structs.replace(
        outcome,
        fee_sun=outcome.fee_sun + outcome.energy_fee_sun + charge.fee_sun + fee_sun,
        net_used=charge.used,
        net_fee_sun=charge.fee_sun,
    )


def actuate(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    """What the contract itself does, without the fees around it. Raises Refused, CONTRACT_VALIDATE_ERROR."""
    actuator = _ACTUATORS.get(transaction.kind)
    if actuator is None:
        raise invalid(f"{transaction.type_name} is not supported by this devnet")
    return actuator(state, transaction, context)


def _check_creation_size(transaction: Transaction, bytes_max: int) -> None:
    size = len(transaction.encode()) - SIGNATURE_BYTES * len(transaction.signatures)
    if size > bytes_max:
        message = (
            f"Too big new account transaction, TxId {transaction.txid}, the size is {size} bytes, maxTxSize {bytes_max}"
        )
        raise Refused("TOO_BIG_TRANSACTION_ERROR", message)


def _flat_fees(state: Overlay, transaction: Transaction, parameters: Mapping[str, int]) -> int:
    fee_sun = parameters["getMultiSignFee"] if len(transaction.signatures) > 1 else 0
    if transaction.raw.get("data"):
        fee_sun += parameters["getMemoFee"]
    if fee_sun:
        owner = owner_account(state, transaction)
        if owner.balance_sun < fee_sun:
            raise Refused("BANDWITH_ERROR", "Account resource insufficient error.")
        accounts.spend(state, owner, fee_sun)
    return fee_sun


def _transfer(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    parameter = transaction.parameter
    to = address_of(parameter.get("to_address", b""), "Invalid toAddress!")
    amount_sun = parameter.get("amount", 0)
    owner = owner_account(state, transaction)
    if to == transaction.owner:
        raise invalid("Cannot transfer TRX to yourself.")
    if amount_sun <= 0:
        raise invalid("Amount must be greater than 0.")
    fee_sun = 0 if accounts.find(state, to) else context.parameters["getCreateNewAccountFeeInSystemContract"]
    if owner.balance_sun < amount_sun + fee_sun:
        raise invalid("Validate TransferContract error, balance is not sufficient.")
    accounts.spend(state, owner, amount_sun + fee_sun)
    accounts.credit(state, to, amount_sun, context.parent_ms)
    return Outcome(SUCCESS, fee_sun=fee_sun)


def _create_account(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    address = address_of(transaction.parameter.get("account_address", b""), "Invalid account address!")
    owner = owner_account(state, transaction)
    fee_sun = context.parameters["getCreateNewAccountFeeInSystemContract"]
    if owner.balance_sun < fee_sun:
        raise invalid("Validate CreateAccountActuator error, insufficient fee.")
    if accounts.find(state, address):
        raise invalid("Account has existed")
    accounts.spend(state, owner, fee_sun)
    accounts.credit(state, address, 0, context.parent_ms)
    return Outcome(SUCCESS, fee_sun=fee_sun)


def _trigger(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    """A contract call: energy up to what stake, TRX and fee_limit allow, then the bill (TVM rules).

    A revert pays for what was used; running out pays for the whole limit and leaves nothing else behind.
    """
    parameter, parameters = transaction.parameter, context.parameters
    contract = address_of(parameter.get("contract_address", b""), "No contract or not a smart contract")
    owner = owner_account(state, transaction)
    value_sun = parameter.get("call_value", 0)
    code = context.machine.contracts.get(contract)
    if code is None:
        raise invalid("No contract or not a smart contract")
    if not 0 <= transaction.fee_limit_sun <= parameters["getMaxFeeLimit"]:
        raise invalid(f"feeLimit must be >= 0 and <= {parameters['getMaxFeeLimit']}")
    if value_sun > owner.balance_sun:
        raise invalid("Validate InternalTransfer error, balance is not sufficient.")
    granted = billing.allowance(state, owner, code, transaction.fee_limit_sun, value_sun, context)
    caller = Address(owner.address)
    data = parameter.get("data", b"")
    if context.mined and (result := decrees.ending(state, contract)):
        called = Called(result, granted.limit, 0, message=DECREED)
    else:
        called = context.machine.execute(
            state, contract, caller, data, value_sun=value_sun, limit=granted.limit, now_ms=context.parent_ms
        )
    return _outcome_of_call(called, contract, billing.pay(state, caller, code, granted, called, context))


def _outcome_of_call(called: Called, contract: bytes, bill: Bill) -> Outcome:
    return Outcome(
        called.result,
        energy_used=called.energy,
        energy_penalty=called.penalty,
        energy_fee_sun=bill.fee_sun,
        energy_staked=bill.staked,
        origin_energy=bill.origin,
        result=called.result,
        contract=contract,
        returned=called.returned,
        logs=called.logs,
        message=called.message,
        internal=called.internal,
    )


def _creates_account(state: Overlay, transaction: Transaction) -> bool:
    """True when the transaction's bandwidth is charged as that of an account's creation."""
    field = {0: "account_address", 1: "to_address"}.get(transaction.kind)
    return field is not None and accounts.find(state, transaction.parameter.get(field, b"")) is None


_Actuator = Callable[[Overlay, Transaction, Context], Outcome]
_ACTUATORS: Final[Mapping[int, _Actuator]] = {
    CREATE_ACCOUNT: _create_account,
    TRANSFER: _transfer,
    TRIGGER: _trigger,
    UPDATE_PERMISSIONS: permissions.update,
    FREEZE: staking.freeze,
    UNFREEZE: staking.unfreeze,
    WITHDRAW_UNFROZEN: staking.withdraw,
    CANCEL_UNFREEZES: staking.cancel,
    DELEGATE: delegation.delegate,
    UNDELEGATE: delegation.undelegate,
    VOTE: others.vote,
    UPDATE_ACCOUNT: others.update_account,
    WITHDRAW_REWARD: others.withdraw_reward,
}
