"""TetherToken, the contract behind USDT: its calls, its owner's calls, its events, with the energy each path costs.

What surprises is mainnet's: transfer() returns false although it succeeded; a blacklisted sender is refused but a
blacklisted receiver is not; transferFrom of 0 needs no allowance; destroyBlackFunds moves money without a Transfer.
"""

from collections.abc import Callable
from typing import Any, Final

from core.tron.address import Address
from gateways.devnet.machine import abi, energy
from gateways.devnet.machine.abi import UINT_MAX, Event, Function
from gateways.devnet.machine.machine import Call, Reverted
from gateways.devnet.state.state import Overlay

TRANSFER: Final = Event("Transfer", ("address from", "address to"), ("uint256 value",))
APPROVAL: Final = Event("Approval", ("address owner", "address spender"), ("uint256 value",))
ADDED_BLACK_LIST: Final = Event("AddedBlackList", ("address _user",))
REMOVED_BLACK_LIST: Final = Event("RemovedBlackList", ("address _user",))
DESTROYED_BLACK_FUNDS: Final = Event("DestroyedBlackFunds", ("address _blackListedUser",), ("uint256 _balance",))
ISSUE: Final = Event("Issue", (), ("uint256 amount",))
REDEEM: Final = Event("Redeem", (), ("uint256 amount",))
DEPRECATE: Final = Event("Deprecate", (), ("address newAddress",))
PARAMS: Final = Event("Params", (), ("uint256 feeBasisPoints", "uint256 maxFee"))
PAUSE: Final = Event("Pause")
UNPAUSE: Final = Event("Unpause")
EVENTS: Final = (
    TRANSFER,
    APPROVAL,
    ADDED_BLACK_LIST,
    REMOVED_BLACK_LIST,
    DESTROYED_BLACK_FUNDS,
    ISSUE,
    REDEEM,
    DEPRECATE,
    PARAMS,
    PAUSE,
    UNPAUSE,
)

ZERO: Final = bytes(20)
TRUE: Final = abi.of_uint(1)
FALSE: Final = abi.of_uint(0)


class TetherToken:
    """One deployed token; all that changes stands in the state."""

    name = "TetherToken"
    user_percent = 100

    def __init__(self, title: str, symbol: str, decimals: int) -> None:
        self.title = title
        self.symbol = symbol
        self.decimals = decimals

    def abi(self) -> list[dict[str, Any]]:
        return [function.entry() for function in _FUNCTIONS] + [event.entry() for event in EVENTS]

    def run(self, call: Call) -> bytes:
        method = _BY_SELECTOR.get(call.selector)
        if method is None or call.value_sun:
            return _revert(call, energy.REVERT_SELECTOR)
        if call.selector in FORWARDED and call.read("deprecated"):
            return self._forward(call)
        return method(self, call)

    def _forward(self, call: Call) -> bytes:
        """A deprecated token passes holders' calls on to its successor, as ...ByLegacy with the caller put first."""
        function = FORWARDED[call.selector]
        if not function.reads and call.read("paused"):
            return _revert(call, energy.VIEW)
        sender = abi.address(call.arguments, 0) if function.name == "transferFrom" else call.caller.evm
        if function.name.startswith("transfer") and call.read("blacklisted", sender):
            return _revert(call, energy.REVERT_BLACKLISTED)
        call.spend(energy.OWNER_CALL)
        data = (
            call.data
            if function.reads
            else by_legacy(function).selector + abi.of_address(call.caller.evm) + call.arguments
        )
        return call.call(Address.from_evm(call.read("upgraded")), data)

    # -- what holders call

    def transfer(self, call: Call) -> bytes:
        to, value = abi.address(call.arguments, 0), abi.uint(call.arguments, 1)
        sender = call.caller.evm
        if call.read("paused"):
            return _revert(call, energy.VIEW)
        if call.read("blacklisted", sender):
            return _revert(call, energy.REVERT_BLACKLISTED)
        fee = _fee(call, value)
        if to == ZERO:
            return _revert(call, energy.REVERT_ZERO_ADDRESS)
        if value > balance(call, sender):
            return _revert(call, energy.REVERT_BALANCE)
        _spend_transfer(call, to, value, fee)
        _move(call, sender, to, value, fee)
        return FALSE

    def transfer_from(self, call: Call) -> bytes:
        arguments = call.arguments
        holder, to, value = abi.address(arguments, 0), abi.address(arguments, 1), abi.uint(arguments, 2)
        if call.read("paused"):
            return _revert(call, energy.VIEW)
        if call.read("blacklisted", holder):
            return _revert(call, energy.REVERT_BLACKLISTED)
        allowance = call.read("allowance", holder, call.caller.evm) or 0
        if to == ZERO:
            return _revert(call, energy.REVERT_ZERO_ADDRESS)
        if value > balance(call, holder) or value > allowance:
            return _revert(call, energy.REVERT_BALANCE)
        fee = _fee(call, value)
        path = energy.TRANSFER_FROM_UNLIMITED if allowance == UINT_MAX else energy.TRANSFER_FROM
        if value and not balance(call, to):
            path = energy.into_new(path)
        call.spend(path if value else energy.TRANSFER_FROM_ZERO)
        if allowance != UINT_MAX:
            call.write("allowance", holder, call.caller.evm, value=allowance - value)
        _move(call, holder, to, value, fee)
        return TRUE

    def approve(self, call: Call) -> bytes:
        spender, value = abi.address(call.arguments, 0), abi.uint(call.arguments, 1)
        return self._allow(call, spender, value)

    def increase_approval(self, call: Call) -> bytes:
        spender, more = abi.address(call.arguments, 0), abi.uint(call.arguments, 1)
        return self._allow(call, spender, _allowance(call, spender) + more)

    def decrease_approval(self, call: Call) -> bytes:
        spender, less = abi.address(call.arguments, 0), abi.uint(call.arguments, 1)
        return self._allow(call, spender, max(0, _allowance(call, spender) - less))

    def _allow(self, call: Call, spender: bytes, value: int) -> bytes:
        if call.read("paused") or value > UINT_MAX:
            return _revert(call, energy.VIEW)
        is_new = value and not _allowance(call, spender)
        call.spend(energy.into_new(energy.APPROVE) if is_new else energy.APPROVE)
        call.write("allowance", call.caller.evm, spender, value=value)
        call.emit(APPROVAL, call.caller.evm, spender, value)
        return TRUE

    # -- what anybody reads

    def balance_of(self, call: Call) -> bytes:
        call.spend(energy.BALANCE_OF)
        return abi.of_uint(balance(call, abi.address(call.arguments, 0)))

    def allowance(self, call: Call) -> bytes:
        call.spend(energy.BALANCE_OF)
        holder, spender = abi.address(call.arguments, 0), abi.address(call.arguments, 1)
        return abi.of_uint(call.read("allowance", holder, spender) or 0)

    def is_black_listed(self, call: Call) -> bytes:
        call.spend(energy.BALANCE_OF)
        return TRUE if call.read("blacklisted", abi.address(call.arguments, 0)) else FALSE

    def slot(self, call: Call) -> bytes:
        """Every getter of one word: the slot that bears its name."""
        call.spend(energy.VIEW)
        value = call.read(_SLOTS[call.selector]) or 0
        return abi.of_address(value) if isinstance(value, bytes) else abi.of_uint(value)

    def constant(self, call: Call) -> bytes:
        call.spend(energy.VIEW)
        if call.selector == DECIMALS.selector:
            return abi.of_uint(self.decimals)
        return abi.of_text(self.symbol if call.selector == SYMBOL.selector else self.title)

    # -- what the owner calls

    def pause(self, call: Call) -> bytes:
        return self._owner_sets(call, PAUSE, (), paused=1)

    def unpause(self, call: Call) -> bytes:
        return self._owner_sets(call, UNPAUSE, (), paused=0)

    def set_params(self, call: Call) -> bytes:
        rate, most = abi.uint(call.arguments, 0), abi.uint(call.arguments, 1)
        if rate >= 20 or most >= 50:
            return _revert(call, energy.OWNER_CALL)
        maximum = most * 10**self.decimals
        return self._owner_sets(call, PARAMS, (rate, maximum), basisPointsRate=rate, maximumFee=maximum)

    def deprecate(self, call: Call) -> bytes:
        successor = abi.address(call.arguments, 0)
        return self._owner_sets(call, DEPRECATE, (successor,), deprecated=1, upgraded=successor)

    def transfer_ownership(self, call: Call) -> bytes:
        owner = abi.address(call.arguments, 0)
        return self._owner_sets(call, None, (), **({"owner": owner} if owner != ZERO else {}))

    def _owner_sets(self, call: Call, event: Event | None, parameters: tuple[Any, ...], **slots: Any) -> bytes:
        _only_owner(call)
        new = sum(1 for name, value in slots.items() if value and not call.read(name))
        call.spend(energy.storing(energy.OWNER_CALL, new=new, changed=len(slots) - new))
        for name, value in slots.items():
            call.write(name, value=value)
        if event:
            call.emit(event, *parameters)
        return b""

    def add_black_list(self, call: Call) -> bytes:
        return self._set_black_list(call, ADDED_BLACK_LIST, 1)

    def remove_black_list(self, call: Call) -> bytes:
        return self._set_black_list(call, REMOVED_BLACK_LIST, 0)

    def _set_black_list(self, call: Call, event: Event, value: int) -> bytes:
        _only_owner(call)
        user = abi.address(call.arguments, 0)
        is_new = value and not call.read("blacklisted", user)
        path = energy.storing(energy.OWNER_CALL, new=int(is_new), changed=int(not is_new))
        call.spend(energy.logging(path, topics=2, data_bytes=0))
        call.write("blacklisted", user, value=value)
        call.emit(event, user)
        return b""

    def destroy_black_funds(self, call: Call) -> bytes:
        _only_owner(call)
        user = abi.address(call.arguments, 0)
        if not call.read("blacklisted", user):
            return _revert(call, energy.OWNER_CALL)
        call.spend(energy.logging(energy.storing(energy.OWNER_CALL, changed=2), topics=2, data_bytes=32))
        funds = balance(call, user)
        call.write("balance", user, value=0)
        call.write("totalSupply", value=call.read("totalSupply") - funds)
        call.emit(DESTROYED_BLACK_FUNDS, user, funds)
        return b""

    def issue(self, call: Call) -> bytes:
        return self._change_supply(call, abi.uint(call.arguments, 0), ISSUE)

    def redeem(self, call: Call) -> bytes:
        return self._change_supply(call, -abi.uint(call.arguments, 0), REDEEM)

    def _change_supply(self, call: Call, change: int, event: Event) -> bytes:
        owner = _only_owner(call)
        held, supply = balance(call, owner) + change, (call.read("totalSupply") or 0) + change
        if held < 0 or supply > UINT_MAX:
            return _revert(call, energy.OWNER_CALL)
        call.spend(energy.logging(energy.storing(energy.OWNER_CALL, changed=2), topics=1, data_bytes=32))
        call.write("balance", owner, value=held)
        call.write("totalSupply", value=supply)
        call.emit(event, abs(change))
        call.emit(TRANSFER, *((ZERO, owner) if change >= 0 else (owner, ZERO)), abs(change))
        return b""


def by_legacy(function: Function) -> Function:
    """What a successor calls this function when its predecessor forwards it."""
    return Function(f"{function.name}ByLegacy", ("address from", *function.parameters), function.returns)


def balance(call: Call, holder: bytes) -> int:
    return int(call.read("balance", holder) or 0)


def deploy(state: Overlay, token: Address, owner: Address, supply: int) -> None:
    """Write a token's first storage: everything belongs to its owner."""
    state.set(("slot", token, "owner"), owner.evm)
    state.set(("slot", token, "totalSupply"), supply)
    state.set(("slot", token, "balance", owner.evm), supply)


def _allowance(call: Call, spender: bytes) -> int:
    return int(call.read("allowance", call.caller.evm, spender) or 0)


def _fee(call: Call, value: int) -> int:
    return min(value * (call.read("basisPointsRate") or 0) // 10_000, call.read("maximumFee") or 0)


def _spend_transfer(call: Call, to: bytes, value: int, fee: int) -> None:
    if value == 0:
        return call.spend(energy.TRANSFER_ZERO)
    path, store = energy.TRANSFER_WITH_FEE if fee else energy.TRANSFER, energy.STORE
    if not balance(call, to):
        path, store = energy.into_new(path), energy.STORE_NEW
    before, the_store, after = energy.around_store(path, store)
    call.spend(before)
    call.spend(the_store, "SSTORE")
    return call.spend(after)


def _move(call: Call, holder: bytes, to: bytes, value: int, fee: int) -> None:
    """The money and its logs: the net amount to the receiver, then, when the fee is on, the fee to the owner."""
    call.write("balance", holder, value=balance(call, holder) - value)
    call.write("balance", to, value=balance(call, to) + value - fee)
    call.emit(TRANSFER, holder, to, value - fee)
    if fee:
        owner = call.read("owner")
        call.write("balance", owner, value=balance(call, owner) + fee)
        call.emit(TRANSFER, holder, owner, fee)


def _only_owner(call: Call) -> bytes:
    owner: bytes = call.read("owner")
    if owner != call.caller.evm:
        _revert(call, energy.VIEW)
    return owner


def _revert(call: Call, path: energy.Path) -> bytes:
    call.spend(path)
    raise Reverted


def _getter(name: str, kind: str = "uint256") -> Function:
    return Function(name, (), (kind,), reads=True)


def _writes(name: str, *parameters: str, returns: tuple[str, ...] = ()) -> Function:
    return Function(name, parameters, returns)


SYMBOL: Final = _getter("symbol", "string")
DECIMALS: Final = _getter("decimals")
TRANSFER_CALL: Final = _writes("transfer", "address _to", "uint256 _value", returns=("bool",))
_ONE_WORD: Final = (
    _getter("totalSupply"),
    _getter("basisPointsRate"),
    _getter("maximumFee"),
    _getter("paused", "bool"),
    _getter("deprecated", "bool"),
    _getter("owner", "address"),
)
_SLOTS: Final = {function.selector: function.name for function in _ONE_WORD}

_Method = Callable[[TetherToken, Call], bytes]
_FUNCTIONS: Final[dict[Function, _Method]] = {
    TRANSFER_CALL: TetherToken.transfer,
    _writes("transferFrom", "address _from", "address _to", "uint256 _value", returns=("bool",)): (
        TetherToken.transfer_from
    ),
    _writes("approve", "address _spender", "uint256 _value", returns=("bool",)): TetherToken.approve,
    _writes("increaseApproval", "address _spender", "uint256 _addedValue", returns=("bool",)): (
        TetherToken.increase_approval
    ),
    _writes("decreaseApproval", "address _spender", "uint256 _subtractedValue", returns=("bool",)): (
        TetherToken.decrease_approval
    ),
    Function("balanceOf", ("address who",), ("uint256",), reads=True): TetherToken.balance_of,
    Function("allowance", ("address _owner", "address _spender"), ("uint256",), reads=True): TetherToken.allowance,
    Function("isBlackListed", ("address",), ("bool",), reads=True): TetherToken.is_black_listed,
    Function("getBlackListStatus", ("address _maker",), ("bool",), reads=True): TetherToken.is_black_listed,
    _getter("name", "string"): TetherToken.constant,
    SYMBOL: TetherToken.constant,
    DECIMALS: TetherToken.constant,
    **dict.fromkeys(_ONE_WORD, TetherToken.slot),
    _writes("pause"): TetherToken.pause,
    _writes("unpause"): TetherToken.unpause,
    _writes("addBlackList", "address _evilUser"): TetherToken.add_black_list,
    _writes("removeBlackList", "address _clearedUser"): TetherToken.remove_black_list,
    _writes("destroyBlackFunds", "address _blackListedUser"): TetherToken.destroy_black_funds,
    _writes("setParams", "uint256 newBasisPoints", "uint256 newMaxFee"): TetherToken.set_params,
    _writes("issue", "uint256 amount"): TetherToken.issue,
    _writes("redeem", "uint256 amount"): TetherToken.redeem,
    _writes("deprecate", "address _upgradedAddress"): TetherToken.deprecate,
    _writes("transferOwnership", "address newOwner"): TetherToken.transfer_ownership,
}
_BY_SELECTOR: Final = {function.selector: method for function, method in _FUNCTIONS.items()}

_HOLDERS_CALLS: Final = (
    "transfer",
    "transferFrom",
    "approve",
    "increaseApproval",
    "decreaseApproval",
    "balanceOf",
    "allowance",
    "totalSupply",
)
FORWARDED: Final = {function.selector: function for function in _FUNCTIONS if function.name in _HOLDERS_CALLS}
"""What a deprecated token does not answer itself."""
