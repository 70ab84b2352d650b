"""AccountPermissionUpdate: who may sign for an account, checked in java-tron's order, refused in its words."""

from typing import Any, Final

import msgspec

from gateways.devnet.execution.outcome import Context, Outcome, Refused, address_of, invalid, owner_account
from gateways.devnet.machine.machine import SUCCESS
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Permission
from gateways.devnet.state.state import Overlay
from gateways.devnet.state.transaction import Transaction

ACTIVE_PERMISSIONS_MAX: Final = 8
PERMISSION_KEYS_MAX: Final = 5
NAME_MAX: Final = 32
OPERATIONS_BYTES: Final = 32
AVAILABLE: Final = bytes.fromhex("7fff1fc0037efb0f" + "00" * 24)
"""The contract types that mainnet has: bit t of byte t/8."""
TYPES: Final = ("Owner", "Witness", "Active")
INT64_MAX: Final = 2**63 - 1


def update(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    """Raises Refused."""
    parameter = transaction.parameter
    address_of(parameter.get("owner_address", b""), "invalidate ownerAddress")
    if accounts.find(state, parameter["owner_address"]) is None:
        raise invalid("ownerAddress account does not exist")
    owner = owner_account(state, transaction)
    actives = parameter.get("actives", [])
    if "owner" not in parameter:
        raise invalid("owner permission is missed")
    if "witness" in parameter:
        raise invalid("account isn't witness can't set witness permission")
    if not actives:
        raise invalid("active permission is missed")
    if len(actives) > ACTIVE_PERMISSIONS_MAX:
        raise invalid("active permission is too many")
    granted = _permission(parameter["owner"], "Owner", 0)
    allowed = tuple(
        _permission(active, "Active", index) for index, active in enumerate(actives, accounts.FIRST_ACTIVE_PERMISSION)
    )
    fee_sun = context.parameters["getUpdateAccountPermissionFee"]
    if owner.balance_sun < fee_sun and not context.building:  # java-tron looks at the balance when it takes the fee
        words = f"{owner.address.hex()} insufficient balance, balance: {owner.balance_sun}, amount: {fee_sun}"
        raise Refused("CONTRACT_EXE_ERROR", f"Contract execute error : {words}", words)
    accounts.spend(state, msgspec.structs.replace(owner, owner=granted, actives=allowed), fee_sun)
    return Outcome(SUCCESS, fee_sun=fee_sun)


def _permission(fields: dict[str, Any], kind: str, permission_id: int) -> Permission:
    if fields.get("type", 0) != TYPES.index(kind):
        raise invalid(f"{kind.lower()} permission type is error")
    keys, threshold, name = fields.get("keys", []), fields.get("threshold", 0), fields.get("permission_name", "")
    if len(keys) > PERMISSION_KEYS_MAX:
        raise invalid(f"number of keys in permission should not be greater than {PERMISSION_KEYS_MAX}")
    if not keys:
        raise invalid("key's count should be greater than 0")
    if threshold <= 0:
        raise invalid("permission's threshold should be greater than 0")
    if len(name) > NAME_MAX:
        raise invalid("permission's name is too long")
    if fields.get("parent_id", 0):
        raise invalid("permission's parent should be owner")
    weights = _weights(keys, threshold, kind)
    operations = fields.get("operations", b"")
    _check_operations(operations, kind)
    return Permission(permission_id, name, threshold, weights, operations)


def _weights(keys: list[dict[str, Any]], threshold: int, kind: str) -> tuple[tuple[bytes, int], ...]:
    if len({key.get("address", b"") for key in keys}) < len(keys):
        raise invalid(f"address should be distinct in permission {kind}")
    weights, total = [], 0
    for key in keys:
        address, weight = address_of(key.get("address", b""), "key is not a validate address"), key.get("weight", 0)
        if weight <= 0:
            raise invalid("key's weight should be greater than 0")
        total += weight
        if total > INT64_MAX:
            raise invalid("long overflow")
        weights.append((address, weight))
    if total < threshold:
        raise invalid(f"sum of all key's weight should not be less than threshold in permission {kind}")
    return tuple(weights)


def _check_operations(operations: bytes, kind: str) -> None:
    if kind != "Active":
        if operations:
            raise invalid(f"{kind} permission needn't operations")
        return
    if len(operations) != OPERATIONS_BYTES:
        raise invalid("operations size must 32")
    for place, (asked, available) in enumerate(zip(operations, AVAILABLE, strict=True)):
        if strange := asked & ~available:
            bit = (strange & -strange).bit_length() - 1
            raise invalid(f"{place * 8 + bit} isn't a validate ContractType")
