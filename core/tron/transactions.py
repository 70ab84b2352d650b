"""Tron's transactions as bytes: the message tables, contract types, txid. Field numbers are those of java-tron.

Building a payout's bytes is signers/transactions/build.py's; this is the shared grammar.
"""

import hashlib
from typing import Any, Final

from core.tron.protobuf import Field, MalformedProtobuf, Message

ANY: Final = Message("google.protobuf.Any", Field(1, "type_url", "text"), Field(2, "value", "bytes"))

CONTRACT: Final = Message(
    "Contract",
    Field(1, "type", "int"),
    Field(2, "parameter", ANY),
    Field(3, "provider", "bytes"),
    Field(4, "ContractName", "bytes"),
    Field(5, "Permission_id", "int"),
)

RAW: Final = Message(
    "raw",
    Field(1, "ref_block_bytes", "bytes"),
    Field(3, "ref_block_num", "int"),
    Field(4, "ref_block_hash", "bytes"),
    Field(8, "expiration", "int"),
    Field(9, "auths", "bytes", repeated=True),
    Field(10, "data", "bytes"),
    Field(11, "contract", CONTRACT, repeated=True),
    Field(12, "scripts", "bytes"),
    Field(14, "timestamp", "int"),
    Field(18, "fee_limit", "int"),
)

_ORDER_DETAIL: Final = Message(
    "MarketOrderDetail",
    Field(1, "makerOrderId", "bytes"),
    Field(2, "takerOrderId", "bytes"),
    Field(3, "fillSellQuantity", "int"),
    Field(4, "fillBuyQuantity", "int"),
)

RESULT: Final = Message(
    "Result",
    Field(1, "fee", "int"),
    Field(2, "ret", "int"),
    Field(3, "contractRet", "int"),
    Field(14, "assetIssueID", "text"),
    Field(15, "withdraw_amount", "int"),
    Field(16, "unfreeze_amount", "int"),
    Field(18, "exchange_received_amount", "int"),
    Field(19, "exchange_inject_another_amount", "int"),
    Field(20, "exchange_withdraw_another_amount", "int"),
    Field(21, "exchange_id", "int"),
    Field(22, "shielded_transaction_fee", "int"),
    Field(25, "orderId", "bytes"),
    Field(26, "orderDetails", _ORDER_DETAIL, repeated=True),
    Field(27, "withdraw_expire_amount", "int"),
    Field(28, "cancel_unfreezeV2_amount", "bytes", repeated=True),  # entries of a map, which are written with defaults
)
"""What a transaction ended with, beside it in its block: a sender may write into it, and the node sets contractRet."""

SIGNED: Final = Message(
    "Transaction",
    Field(1, "raw_data", "bytes"),
    Field(2, "signature", "bytes", repeated=True),
    Field(5, "ret", "bytes", repeated=True),
)
"""A Transaction with raw_data left as bytes: what is hashed is never encoded anew."""

_KEY: Final = Message("Key", Field(1, "address", "bytes"), Field(2, "weight", "int"))
_PERMISSION: Final = Message(
    "Permission",
    Field(1, "type", "int"),
    Field(2, "id", "int"),
    Field(3, "permission_name", "text"),
    Field(4, "threshold", "int"),
    Field(5, "parent_id", "int"),
    Field(6, "operations", "bytes"),
    Field(7, "keys", _KEY, repeated=True),
)


def _contract(name: str, *fields: Field) -> Message:
    return Message(name, Field(1, "owner_address", "bytes"), *fields)


CONTRACT_RESULTS: Final = (
    "DEFAULT",
    "SUCCESS",
    "REVERT",
    "BAD_JUMP_DESTINATION",
    "OUT_OF_MEMORY",
    "PRECOMPILED_CONTRACT",
    "STACK_TOO_SMALL",
    "STACK_TOO_LARGE",
    "ILLEGAL_OPERATION",
    "STACK_OVERFLOW",
    "OUT_OF_ENERGY",
    "OUT_OF_TIME",
    "JVM_STACK_OVER_FLOW",
    "UNKNOWN",
    "TRANSFER_FAILED",
    "INVALID_CODE",
)
"""java-tron's enum contractResult, by number."""
RESULT_CODES: Final = ("SUCESS", "FAILED")
"""java-tron's enum code, by number."""

CONTRACT_TYPES: Final[dict[int, Message]] = {
    0: _contract("AccountCreateContract", Field(2, "account_address", "bytes"), Field(3, "type", "int")),
    1: _contract("TransferContract", Field(2, "to_address", "bytes"), Field(3, "amount", "int")),
    2: Message(
        "TransferAssetContract",
        Field(1, "asset_name", "bytes"),
        Field(2, "owner_address", "bytes"),
        Field(3, "to_address", "bytes"),
        Field(4, "amount", "int"),
    ),
    31: _contract(
        "TriggerSmartContract",
        Field(2, "contract_address", "bytes"),
        Field(3, "call_value", "int"),
        Field(4, "data", "bytes"),
        Field(5, "call_token_value", "int"),
        Field(6, "token_id", "int"),
    ),
    46: _contract(
        "AccountPermissionUpdateContract",
        Field(2, "owner", _PERMISSION),
        Field(3, "witness", _PERMISSION),
        Field(4, "actives", _PERMISSION, repeated=True),
    ),
    54: _contract("FreezeBalanceV2Contract", Field(2, "frozen_balance", "int"), Field(3, "resource", "int")),
    55: _contract("UnfreezeBalanceV2Contract", Field(2, "unfreeze_balance", "int"), Field(3, "resource", "int")),
    56: _contract("WithdrawExpireUnfreezeContract"),
    57: _contract(
        "DelegateResourceContract",
        Field(2, "resource", "int"),
        Field(3, "balance", "int"),
        Field(4, "receiver_address", "bytes"),
        Field(5, "lock", "bool"),
        Field(6, "lock_period", "int"),
    ),
    58: _contract(
        "UnDelegateResourceContract",
        Field(2, "resource", "int"),
        Field(3, "balance", "int"),
        Field(4, "receiver_address", "bytes"),
    ),
    59: _contract("CancelAllUnfreezeV2Contract"),
}
"""ContractType number -> the message its parameter holds: the twelve kinds this gateway and its devnet speak of."""

PACKAGE: Final = "protocol."
TYPE_URL_PREFIX: Final = f"type.googleapis.com/{PACKAGE}"
_OWNER: Final = Message("owner", Field(1, "owner", "bytes"))
_CONTRACTS: Final = Message(
    "raw",
    Field(11, "contract", Message("Contract", Field(1, "type", "int"), Field(2, "parameter", ANY)), repeated=True),
)
"""Of a transaction, what it is and whom it concerns. Every block's are read: fields that nobody asks for cost time."""
_SECOND_OWNER: Final = Message("owner", Field(2, "owner", "bytes"))
_OWNED_SECOND: Final = frozenset({"TransferAssetContract", "AccountUpdateContract", "SetAccountIdContract"})
"""The types whose owner is field 2: field 1 is a name, into which a stranger may write an address of ours."""
CREATE_ACCOUNT: Final = 0
TRANSFER: Final = 1
TRIGGER: Final = 31
UPDATE_PERMISSIONS: Final = 46
FREEZE: Final = 54
UNFREEZE: Final = 55
WITHDRAW_UNFROZEN: Final = 56
DELEGATE: Final = 57
UNDELEGATE: Final = 58
CANCEL_UNFREEZES: Final = 59

RESOURCES: Final = ("BANDWIDTH", "ENERGY", "TRON_POWER")
"""java-tron's enum ResourceCode, by number."""

HEADER_RAW: Final = Message(
    "BlockHeader.raw",
    Field(1, "timestamp", "int"),
    Field(2, "txTrieRoot", "bytes"),
    Field(3, "parentHash", "bytes"),
    Field(7, "number", "int"),
    Field(8, "witness_id", "int"),
    Field(9, "witness_address", "bytes"),
    Field(10, "version", "int"),
    Field(11, "accountStateRoot", "bytes"),
)


def contract_of(kind: int, parameter: dict[str, Any], *, permission_id: int = 0) -> dict[str, Any]:
    """A Contract value for RAW: its type number and the fields of its parameter."""
    message = CONTRACT_TYPES[kind]
    contract: dict[str, Any] = {
        "type": kind,
        "parameter": {"type_url": TYPE_URL_PREFIX + message.name, "value": message.encode(parameter)},
    }
    if permission_id:
        contract["Permission_id"] = permission_id
    return contract


def parameter_of(contract: dict[str, Any], *, strict: bool = True) -> dict[str, Any]:
    """The decoded parameter of a Contract value. Raises MalformedProtobuf if the type is unknown or the url differs."""
    kind = contract.get("type", 0)
    message = CONTRACT_TYPES.get(kind)
    if message is None:
        raise MalformedProtobuf(f"contract type {kind} is not known here")
    parameter = contract.get("parameter", {})
    if parameter.get("type_url", "") != TYPE_URL_PREFIX + message.name:
        raise MalformedProtobuf(f"contract type {kind} carries {parameter.get('type_url', '')!r}")
    return message.decode(parameter.get("value", b""), strict=strict)


def only_contract(raw_data: bytes) -> tuple[int, str, bytes]:
    """raw_data -> (type number, message name, parameter bytes) of its one contract, as java-tron reads what others sent.

    A type URL may have any prefix: the type is what stands behind its last slash. Raises MalformedProtobuf.
    """
    contracts = _CONTRACTS.read(raw_data).get("contract", [])
    if len(contracts) != 1:
        raise MalformedProtobuf(f"it has {len(contracts)} contracts")
    parameter = contracts[0].get("parameter", {})
    _, slash, type_name = parameter.get("type_url", "").rpartition("/")
    if not slash or not type_name.startswith(PACKAGE):
        raise MalformedProtobuf(f"its type URL {parameter.get('type_url', '')[-80:]!r} names no contract")
    return contracts[0].get("type", 0), type_name.removeprefix(PACKAGE), parameter.get("value", b"")


def owner_of(type_name: str, parameter: bytes) -> bytes:
    """The owner in a contract's parameter bytes, of a type that is known here or not. Raises MalformedProtobuf."""
    owner: bytes = (_SECOND_OWNER if type_name in _OWNED_SECOND else _OWNER).read(parameter).get("owner", b"")
    return owner


def txid_of(raw_data: bytes) -> str:
    """sha256 of raw_data, 64 hex digits. Signatures are no part of it."""
    return hashlib.sha256(raw_data).hexdigest()
