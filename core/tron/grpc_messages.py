"""java-tron's messages of blocks and receipts, as a node sends them by gRPC. Names and numbers are its own.

A transaction is left as bytes: what txTrieRoot covers is never encoded anew.
"""

from typing import Final

from core.tron.protobuf import Field, Message

NUMBER: Final = Message("NumberMessage", Field(1, "num", "int"))

BLOCK_HEADER: Final = Message("BlockHeader", Field(1, "raw_data", "bytes"), Field(2, "witness_signature", "bytes"))

TRANSACTION_EXTENTION: Final = Message(
    "TransactionExtention", Field(1, "transaction", "bytes"), Field(2, "txid", "bytes"), Field(4, "result", "bytes")
)

BLOCK_EXTENTION: Final = Message(
    "BlockExtention",
    Field(1, "transactions", TRANSACTION_EXTENTION, repeated=True),
    Field(2, "block_header", BLOCK_HEADER),
    Field(3, "blockid", "bytes"),
)
"""A block; an empty message is none."""

RESOURCE_RECEIPT: Final = Message(
    "ResourceReceipt",
    Field(1, "energy_usage", "int"),
    Field(2, "energy_fee", "int"),
    Field(3, "origin_energy_usage", "int"),
    Field(4, "energy_usage_total", "int"),
    Field(5, "net_usage", "int"),
    Field(6, "net_fee", "int"),
    Field(7, "result", "int"),
    Field(8, "energy_penalty_total", "int"),
)

LOG: Final = Message(
    "Log", Field(1, "address", "bytes"), Field(2, "topics", "bytes", repeated=True), Field(3, "data", "bytes")
)

AMOUNT_ENTRY: Final = Message("CancelUnfreezeV2AmountEntry", Field(1, "key", "text"), Field(2, "value", "int"))
"""An entry of a map from text to a number."""

CALL_VALUE_INFO: Final = Message("CallValueInfo", Field(1, "callValue", "int"), Field(2, "tokenId", "text"))

INTERNAL_TRANSACTION: Final = Message(
    "InternalTransaction",
    Field(1, "hash", "bytes"),
    Field(2, "caller_address", "bytes"),
    Field(3, "transferTo_address", "bytes"),
    Field(4, "callValueInfo", CALL_VALUE_INFO, repeated=True),
    Field(5, "note", "bytes"),
    Field(6, "rejected", "bool"),
    Field(7, "extra", "text"),
)

TRANSACTION_INFO: Final = Message(
    "TransactionInfo",
    Field(1, "id", "bytes"),
    Field(2, "fee", "int"),
    Field(3, "blockNumber", "int"),
    Field(4, "blockTimeStamp", "int"),
    Field(5, "contractResult", "bytes", repeated=True),
    Field(6, "contract_address", "bytes"),
    Field(7, "receipt", RESOURCE_RECEIPT),
    Field(8, "log", LOG, repeated=True),
    Field(9, "result", "int"),
    Field(10, "resMessage", "bytes"),
    Field(17, "internal_transactions", INTERNAL_TRANSACTION, repeated=True),
    Field(28, "withdraw_expire_amount", "int"),
    Field(29, "cancel_unfreezeV2_amount", AMOUNT_ENTRY, repeated=True),
)

TRANSACTION_INFO_LIST: Final = Message(
    "TransactionInfoList", Field(1, "transactionInfo", TRANSACTION_INFO, repeated=True)
)
