"""The same transaction built by others: tronpy's protobuf messages and ABI, Google's encoder. It must come to the same bytes.

tronpy 0.6.2 has no messages for staking; theirs are described here from java-tron's .proto files, and encoded by Google's
library, which knows nothing of our codec. Imported late: only a process that signs pays for it.
"""

import functools
from typing import Any, Final

from core.tron.transactions import RESOURCES
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
)

_BYTES: Final = 12
_INT64: Final = 3
_BOOL: Final = 8
_STAKING: Final[dict[str, tuple[tuple[str, int, int], ...]]] = {
    "FreezeBalanceV2Contract": (("owner_address", 1, _BYTES), ("frozen_balance", 2, _INT64), ("resource", 3, _INT64)),
    "UnfreezeBalanceV2Contract": (
        ("owner_address", 1, _BYTES),
        ("unfreeze_balance", 2, _INT64),
        ("resource", 3, _INT64),
    ),
    "WithdrawExpireUnfreezeContract": (("owner_address", 1, _BYTES),),
    "DelegateResourceContract": (
        ("owner_address", 1, _BYTES),
        ("resource", 2, _INT64),
        ("balance", 3, _INT64),
        ("receiver_address", 4, _BYTES),
        ("lock", 5, _BOOL),
        ("lock_period", 6, _INT64),
    ),
    "UnDelegateResourceContract": (
        ("owner_address", 1, _BYTES),
        ("resource", 2, _INT64),
        ("balance", 3, _INT64),
        ("receiver_address", 4, _BYTES),
    ),
}
"""Message -> (field, number, protobuf's number of its type). An enum and an int64 look the same on the wire."""


def difference(intent: Intent, envelope: Envelope, raw_data: bytes) -> str:
    """In what the others differ from these bytes, as a sentence; empty when they agree."""
    from google.protobuf.message import DecodeError
    from tronpy.proto import tron_pb2

    parameter = _parameter(intent)
    block_id = bytes.fromhex(envelope.ref_block_id)
    wanted = tron_pb2.Transaction.raw(
        ref_block_bytes=block_id[6:8],
        ref_block_hash=block_id[8:16],
        expiration=envelope.expiration_ms,
        timestamp=envelope.timestamp_ms,
        fee_limit=envelope.fee_limit_sun,
    )
    slot = wanted.contract.add(type=tron_pb2.Transaction.Contract.ContractType.Value(parameter.DESCRIPTOR.name))
    slot.parameter.Pack(parameter, deterministic=True)
    slot.Permission_id = envelope.permission_id
    try:
        read = tron_pb2.Transaction.raw.FromString(raw_data)
    except DecodeError as error:
        return f"tronpy cannot read raw_data: {error}"
    if read != wanted or wanted.SerializeToString(deterministic=True) != raw_data:
        return "tronpy reads or writes these bytes otherwise than we do"
    return ""


def _parameter(intent: Intent) -> Any:
    from tronpy.abi import trx_abi
    from tronpy.keys import keccak256
    from tronpy.proto import tron_pb2

    match intent:
        case Trc20Transfer(owner, contract, to, amount):
            selector = keccak256(b"transfer(address,uint256)")[:4]
            call = selector + trx_abi.encode(["address", "uint256"], [to.base58, amount])
            return tron_pb2.TriggerSmartContract(owner_address=owner, contract_address=contract, data=call)
        case TrxTransfer(owner, to, amount_sun):
            return tron_pb2.TransferContract(owner_address=owner, to_address=to, amount=amount_sun)
        case FreezeBalance(owner, amount_sun, resource):
            fields = {"owner_address": owner, "frozen_balance": amount_sun, "resource": RESOURCES.index(resource)}
            return _staking("FreezeBalanceV2Contract", fields)
        case UnfreezeBalance(owner, amount_sun, resource):
            fields = {"owner_address": owner, "unfreeze_balance": amount_sun, "resource": RESOURCES.index(resource)}
            return _staking("UnfreezeBalanceV2Contract", fields)
        case WithdrawUnfrozen(owner):
            return _staking("WithdrawExpireUnfreezeContract", {"owner_address": owner})
        case DelegateResource(owner, receiver, stake_sun, resource):
            return _staking("DelegateResourceContract", _lent(owner, receiver, stake_sun, resource))
        case UndelegateResource(owner, receiver, stake_sun, resource):
            return _staking("UnDelegateResourceContract", _lent(owner, receiver, stake_sun, resource))


def _lent(owner: bytes, receiver: bytes, stake_sun: int, resource: str) -> dict[str, Any]:
    return {
        "owner_address": owner,
        "receiver_address": receiver,
        "balance": stake_sun,
        "resource": RESOURCES.index(resource),
    }


def _staking(name: str, fields: dict[str, Any]) -> Any:
    return _messages()[name](**fields)


@functools.cache
def _messages() -> dict[str, Any]:
    """Google's classes for the staking contracts, in a pool of their own."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="staking.proto", package="protocol", syntax="proto3")
    for name, fields in _STAKING.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            message.field.add(name=field, number=number, type=kind, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"protocol.{name}")) for name in _STAKING}
