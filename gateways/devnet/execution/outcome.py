"""How a transaction ends: applied, with what its receipt tells, or refused, with a code and java-tron's words for it."""

from collections.abc import Mapping

import msgspec

from core.tron.address import Address, InvalidAddress
from gateways.devnet.machine.machine import Internal, Log, Machine
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Account
from gateways.devnet.state.shares import slot_of
from gateways.devnet.state.state import State
from gateways.devnet.state.transaction import Transaction


class Refused(Exception):
    """The chain does not take the transaction: a broadcast code and java-tron's words for it."""

    def __init__(self, code: str, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or message
        """The message without what broadcasting puts before it."""


class Outcome(msgspec.Struct, frozen=True):
    """How a transaction ended, as its receipt tells it. `result` is empty for what the machine did not run."""

    contract_ret: str
    fee_sun: int = 0
    net_used: int = 0
    net_fee_sun: int = 0
    energy_used: int = 0
    energy_penalty: int = 0
    energy_fee_sun: int = 0
    energy_staked: int = 0
    """What the caller's stake paid of the energy used."""
    origin_energy: int = 0
    """What the stake of the contract's deployer paid."""
    result: str = ""
    contract: bytes = b""
    returned: bytes = b""
    logs: tuple[Log, ...] = ()
    message: str = ""
    internal: tuple[Internal, ...] = ()
    withdrawn_sun: int = 0
    """Expired unfreezes that came back to the balance."""
    cancelled_sun: Mapping[str, int] | None = None
    """Unfreezes that are frozen again, by resource."""


class Context(msgspec.Struct, frozen=True):
    """What execution depends on beside the state: the parent block's time, the chain's parameters, its contracts."""

    parent_ms: int
    parameters: Mapping[str, int]
    machine: Machine
    mined: bool = False
    """In a block, where a call may end otherwise than its trial did: the producer was slower, or dearer."""
    building: bool = False
    """A node that builds a transaction for somebody is more careful than one that takes it."""

    @property
    def slot(self) -> int:
        return slot_of(self.parent_ms)


def invalid(reason: str) -> Refused:
    return Refused("CONTRACT_VALIDATE_ERROR", f"Contract validate error : {reason}", reason)


def owner_account(state: State, transaction: Transaction) -> Account:
    account = accounts.find(state, transaction.owner)
    if account is None:
        raise invalid(f"account [{_name(transaction.owner)}] does not exist")
    return account


def address_of(raw: bytes, message: str) -> Address:
    """Raises Refused with this message for what is no address."""
    try:
        return Address(raw)
    except InvalidAddress as error:
        raise invalid(message) from error


def _name(owner: bytes) -> str:
    try:
        return Address(owner).base58
    except InvalidAddress:
        return owner.hex()
