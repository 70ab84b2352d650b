"""How java-tron prints: protobuf as JSON with defaults left out, bytes as hex, or addresses and texts plain if `visible`.

Key order means nothing and is not java-tron's. Where a reader may be surprised, the surprise is java-tron's own.
"""

from typing import Any, Final

from core.tron.address import Address, InvalidAddress
from core.tron.protobuf import Field, Message
from core.tron.secp256k1 import sha256
from core.tron.transactions import CONTRACT, RAW, RESOURCES, RESULT, RESULT_CODES
from gateways.devnet.chain.block import Block, Included
from gateways.devnet.machine.machine import Internal
from gateways.devnet.state.accounts import Account, Permission
from gateways.devnet.state.kinds import KINDS
from gateways.devnet.state.shares import SLOT_MS, decayed, slot_of
from gateways.devnet.state.transaction import Transaction

ADDRESS_FIELDS: Final = frozenset(
    {
        "owner_address",
        "to_address",
        "contract_address",
        "receiver_address",
        "account_address",
        "vote_address",
        "address",
        "fromAddress",
        "toAddress",
    }
)
TEXT_FIELDS: Final = frozenset({"asset_name", "account_name"})
"""Bytes that print as text when visible."""

ENUMS: Final = {
    ("AccountCreateContract", "type"): ("Normal", "AssetIssue", "Contract"),
    ("Permission", "type"): ("Owner", "Witness", "Active"),
    ("FreezeBalanceV2Contract", "resource"): RESOURCES,
    ("UnfreezeBalanceV2Contract", "resource"): RESOURCES,
    ("DelegateResourceContract", "resource"): RESOURCES,
    ("UnDelegateResourceContract", "resource"): RESOURCES,
}
"""(message, field) -> names by number; a 0 is a default and does not print."""

Answer = dict[str, Any]


def hex_or_base58(address: bytes, *, visible: bool) -> str:
    if not visible:
        return address.hex()
    try:
        return Address(address).base58
    except InvalidAddress:
        return address.hex()


def text(message: str, *, visible: bool) -> str:
    """A human's text: as it is if visible, else the hex of its bytes."""
    return message if visible else message.encode().hex()


def without_defaults(fields: Answer) -> Answer:
    """proto3: what is zero, empty or false does not appear."""
    return {name: value for name, value in fields.items() if value not in (0, "", None, [], {})}


def message_fields(message: Message, value: Answer, *, visible: bool) -> Answer:
    """A protobuf value as JSON."""
    printed = {}
    for name, item in value.items():
        field = message.by_name[name]
        values = [_field(message, field, each, visible=visible) for each in (item if field.repeated else (item,))]
        printed[name] = values if field.repeated else values[0]
    return without_defaults(printed)


def _field(message: Message, field: Field, value: Any, *, visible: bool) -> Any:
    if isinstance(field.kind, Message):
        return message_fields(field.kind, value, visible=visible)
    if isinstance(value, bytes):
        if field.name in ADDRESS_FIELDS:
            return hex_or_base58(value, visible=visible)
        return value.decode(errors="replace") if visible and field.name in TEXT_FIELDS else value.hex()
    names = ENUMS.get((message.name, field.name))
    return names[value] if names and 0 < value < len(names) else value


def transaction(signed: Transaction, *, visible: bool, ret: list[Answer] | None = None) -> Answer:
    """A Transaction: `ret` when it has one, `signature` when it is signed."""
    plain = {name: value for name, value in signed.raw.items() if name != "contract"}
    raw_data = message_fields(RAW, plain, visible=visible)
    if signed.contracts:
        raw_data["contract"] = [_contract(signed, visible=visible)]
    answer: Answer = {"ret": ret} if ret is not None else {}
    if signed.signatures:
        answer["signature"] = [signature.hex() for signature in signed.signatures]
    return {**answer, "txID": signed.txid, "raw_data": raw_data, "raw_data_hex": signed.raw_data.hex()}


def _contract(signed: Transaction, *, visible: bool) -> Answer:
    """The first, as which its transaction counts."""
    message, contract = KINDS.get(signed.kind), signed.raw["contract"][0]
    others = {name: value for name, value in contract.items() if name not in ("type", "parameter")}
    value = message_fields(message, signed.parameter, visible=visible) if message else {}
    return {
        "parameter": {"value": value, "type_url": contract.get("parameter", {}).get("type_url", "")},
        "type": signed.type_name,
        **message_fields(CONTRACT, others, visible=visible),
    }


def built(unsigned: Transaction, *, visible: bool, ret: list[Answer] | None = None) -> Answer:
    """A Transaction that the node made for the asker."""
    return {"visible": visible, **transaction(unsigned, visible=visible, ret=ret)}


def included(each: Included, *, visible: bool) -> Answer:
    """A transaction in a block, its result beside it."""
    result = {name: value for name, value in RESULT.read(each.transaction.result).items() if name != "contractRet"}
    sent = {name: _result(name, value) for name, value in message_fields(RESULT, result, visible=visible).items()}
    return transaction(each.transaction, visible=visible, ret=[{**sent, "contractRet": each.outcome.contract_ret}])


def _result(name: str, printed: Any) -> Any:
    """An enum's name; a number that has none is printed with its field's own word for it."""
    if name != "ret":
        return printed
    return RESULT_CODES[printed] if 0 < printed < len(RESULT_CODES) else f"UNKNOWN_ENUM_VALUE_code_{printed}"


def block(block: Block, *, visible: bool, detail: bool = True) -> Answer:
    """A Block; without detail the header only. An empty block has no `transactions`."""
    header = block.header
    raw = without_defaults(
        {
            "number": block.number,
            "txTrieRoot": header["txTrieRoot"].hex(),
            "witness_address": hex_or_base58(block.witness, visible=visible),
            "parentHash": header["parentHash"].hex(),
            "version": header.get("version", 0),
            "timestamp": block.timestamp_ms,
        }
    )
    printed: Answer = {"blockID": block.block_id, "block_header": {"raw_data": raw}}
    if block.witness_signature:
        printed["block_header"]["witness_signature"] = block.witness_signature.hex()
    if detail and block.included:
        printed["transactions"] = [included(each, visible=visible) for each in block.included]
    return printed


def transaction_info(block: Block, each: Included, *, visible: bool) -> Answer:
    """A TransactionInfo. `result` appears only when the transaction failed; logs name the contract by its 20 bytes."""
    outcome = each.outcome
    failed = outcome.contract_ret != "SUCCESS"
    logs = [
        {
            "address": Address.from_evm(log.address).base58 if visible else log.address.hex(),
            "topics": [topic.hex() for topic in log.topics],
            **({"data": log.data.hex()} if log.data else {}),
        }
        for log in outcome.logs
    ]
    receipt = {
        "energy_usage": outcome.energy_staked,
        "energy_fee": outcome.energy_fee_sun,
        "origin_energy_usage": outcome.origin_energy,
        "energy_usage_total": outcome.energy_used,
        "net_usage": outcome.net_used,
        "net_fee": outcome.net_fee_sun,
        "result": outcome.result,
        "energy_penalty_total": outcome.energy_penalty,
    }
    fields = {
        "fee": outcome.fee_sun,
        "blockNumber": block.number,
        "blockTimeStamp": block.timestamp_ms,
        "contract_address": hex_or_base58(outcome.contract, visible=visible) if outcome.contract else "",
        "log": logs,
        "internal_transactions": [_internal(each, internal, visible=visible) for internal in outcome.internal],
        "result": "FAILED" if failed else "",
        "resMessage": text(outcome.message, visible=visible),
        "withdraw_expire_amount": outcome.withdrawn_sun,
    }
    if outcome.cancelled_sun is not None:
        fields["cancel_unfreezeV2_amount"] = [
            {"key": resource, "value": amount_sun} for resource, amount_sun in outcome.cancelled_sun.items()
        ]
    return {
        "id": each.transaction.txid,
        "contractResult": [outcome.returned.hex()],
        "receipt": without_defaults(receipt),
        **without_defaults(fields),
    }


def _internal(each: Included, internal: Internal, *, visible: bool) -> Answer:
    """An InternalTransaction. Its one value is TRX, and empty where none moves; its hash is not java-tron's."""
    ends = internal.caller + internal.receiver
    printed: Answer = {
        "hash": sha256(bytes.fromhex(each.transaction.txid) + ends + internal.note.encode()).hex(),
        "caller_address": hex_or_base58(internal.caller, visible=visible),
        "transferTo_address": hex_or_base58(internal.receiver, visible=visible),
        "callValueInfo": [without_defaults({"callValue": internal.amount_sun})],
        "note": internal.note.encode().hex(),
    }
    return {**printed, "rejected": True} if internal.rejected else printed


def transaction_infos(block: Block, *, visible: bool) -> list[Answer]:
    return [transaction_info(block, each, visible=visible) for each in block.included]


def account(held: Account, now_ms: int, *, visible: bool) -> Answer:
    """An Account, its usage as of now though not the time it is counted from; a balance of 0 does not appear.

    frozenV2 lists every kind of stake, those of 0 without their amount.
    """
    now = slot_of(now_ms)
    net, energy = held.bandwidth.use(0, now), held.energy.use(0, now)
    actives = held.actives if held.owner else (held.permission(2),)
    fields = {
        "account_name": held.name.decode(errors="replace") if visible else held.name.hex(),
        "type": "Contract" if held.is_contract else "",
        "balance": held.balance_sun,
        "create_time": held.created_ms,
        "latest_opration_time": held.operated_ms,
        "net_usage": net.used,
        "latest_consume_time": held.bandwidth.slot * SLOT_MS,
        "free_net_usage": decayed(held.free_net_used, held.free_net_slot, now),
        "latest_consume_free_time": held.free_net_slot * SLOT_MS,
        "acquired_delegated_frozenV2_balance_for_bandwidth": net.acquired_sun,
        "delegated_frozenV2_balance_for_bandwidth": net.delegated_sun,
    }
    energies = {
        "energy_usage": energy.used,
        "latest_consume_time_for_energy": held.energy.slot * SLOT_MS,
        "acquired_delegated_frozenV2_balance_for_energy": energy.acquired_sun,
        "delegated_frozenV2_balance_for_energy": energy.delegated_sun,
    }
    unfreezing = [
        {**_kind(each.resource), "unfreeze_amount": each.amount_sun, "unfreeze_expire_time": each.expires_ms}
        for each in held.unfreezing
    ]
    return {
        "address": hex_or_base58(held.address, visible=visible),
        **without_defaults(fields),
        "net_window_size": net.window,
        "net_window_optimized": True,
        "account_resource": {
            **without_defaults(energies),
            "energy_window_size": energy.window,
            "energy_window_optimized": True,
        },
        "owner_permission": permission(held.permission(0), visible=visible),
        "active_permission": [permission(active, visible=visible) for active in actives],
        "frozenV2": [
            {**_kind(resource), **without_defaults({"amount": amount_sun})}
            for resource, amount_sun in zip(RESOURCES, (net.frozen_sun, energy.frozen_sun, 0), strict=True)
        ],
        **({"unfrozenV2": unfreezing} if unfreezing else {}),
        "asset_optimized": True,
    }


def _kind(resource: str) -> Answer:
    """BANDWIDTH is the default and does not appear."""
    return {} if resource == RESOURCES[0] else {"type": resource}


def permission(granted: Permission | None, *, visible: bool) -> Answer:
    assert granted is not None
    keys = [{"address": hex_or_base58(key, visible=visible), "weight": weight} for key, weight in granted.keys]
    return without_defaults(
        {
            "type": "Active" if granted.id >= 2 else "",
            "id": granted.id,
            "permission_name": granted.name,
            "threshold": granted.threshold,
            "operations": granted.operations.hex(),
            "keys": keys,
        }
    )
