"""Blocks and receipts as java-tron's messages: a transaction's bytes are those of its block, unknown fields and all.

What is told is taken from what the HTTP side prints, so that a fault that changes the one changes the other.
"""

from typing import Any, Final

from core.tron.grpc_messages import BLOCK_EXTENTION, TRANSACTION_INFO, TRANSACTION_INFO_LIST
from core.tron.protobuf import Field, Message
from core.tron.transactions import CONTRACT_RESULTS, RESULT_CODES
from gateways.devnet.chain.block import Block

_ENUMS: Final = {("ResourceReceipt", "result"): CONTRACT_RESULTS, ("TransactionInfo", "result"): RESULT_CODES}
_SUCCESS: Final = b"\x08\x01"
"""Return: result true, code SUCCESS."""


def block_extention(block: Block, printed: dict[str, Any]) -> bytes:
    """The block, with those of its transactions that are printed; nothing for nothing."""
    if not printed:
        return b""
    shown = [each["txID"] for each in printed.get("transactions", ())]
    stored = {each.transaction.txid: each.transaction.encode(each.outcome.contract_ret) for each in block.included}
    return BLOCK_EXTENTION.encode(
        {
            "transactions": [
                {"transaction": stored[txid], "txid": bytes.fromhex(txid), "result": _SUCCESS} for txid in shown
            ],
            "block_header": {"raw_data": block.header_raw, "witness_signature": block.witness_signature},
            "blockid": bytes.fromhex(block.block_id),
        }
    )


def transaction_infos(printed: list[dict[str, Any]] | dict[str, Any]) -> bytes:
    """What is printed of a block's receipts; {} and [] are none."""
    infos = [_value(TRANSACTION_INFO, info) for info in printed] if isinstance(printed, list) else []
    return TRANSACTION_INFO_LIST.encode({"transactionInfo": infos})


def _value(message: Message, printed: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for name, item in printed.items():
        field = message.by_name[name]
        value[name] = [_item(message, field, one) for one in item] if field.repeated else _item(message, field, item)
    return value


def _item(message: Message, field: Field, printed: Any) -> Any:
    if isinstance(field.kind, Message):
        return _value(field.kind, printed)
    if field.kind == "bytes":
        return bytes.fromhex(printed)
    names = _ENUMS.get((message.name, field.name))
    return names.index(printed) if names else printed
