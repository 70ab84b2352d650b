"""A block as a node stores it, from its gRPC answer: every byte that txTrieRoot covers, whatever a stranger put there.

What is no such message raises MalformedProtobuf or MalformedAnswer; nothing is repaired.
"""

from typing import Any, Final

from core.tron.chain import Block, BlockRef, ChainTransaction
from core.tron.grpc_messages import BLOCK_HEADER, TRANSACTION_EXTENTION
from core.tron.protobuf import BYTES, Field, MalformedProtobuf, Message, leading_fields, read_fields, read_varint
from core.tron.transactions import CONTRACT_RESULTS, HEADER_RAW, RESULT, SIGNED
from gateways.tron.node_json import MalformedAnswer

HASH_BYTES: Final = 32
_RET: Final = Message("Result", Field(3, "contractRet", "int"))
_TRANSACTIONS, _HEADER, _BLOCK_ID = 1, 2, 3
_RAW_DATA, _SIGNATURE, _RESULT = 1, 2, 5
_RAW_DATA_KEY: Final = b"\x0a"
_SIGNATURE_KEY: Final = b"\x12"
_PLAIN_TAILS: Final = {b"": ""} | {
    SIGNED.encode({"ret": [RESULT.encode({"contractRet": number})]}): name
    for number, name in enumerate(CONTRACT_RESULTS)
}
"""What stands behind the signatures of nearly every transaction, and what it says."""
_SIGNATURE_OF_65: Final = b"\x12\x41"
_TXID_OF_32: Final = b"\x12\x20"
_WAS_THERE: Final = b"\x22\x02\x08\x01"
"""Behind a transaction its txid, and from java-tron that it was there."""
_PLAIN_BYTES_MIN: Final = 80
_FIRST_KEY: Final = 0x0A
"""Before field 1, of bytes: a transaction in a block, what is stored of it, its raw_data."""


def block_of(answer: bytes) -> Block | None:
    """BlockExtention's bytes -> the block; None for the empty message, which a node sends where it has none."""
    if not answer:
        return None
    transactions: list[ChainTransaction] = []
    header_bytes = block_id = b""
    rest = answer[_leading_transactions(answer, transactions) :]
    for number, wire, item in read_fields(rest):
        if wire != BYTES or isinstance(item, int):
            continue
        if number == _TRANSACTIONS:
            transactions.append(_transaction(item))
        elif number == _HEADER:
            header_bytes += item  # merged: read as if in one piece
        elif number == _BLOCK_ID:
            block_id = item
    ref, header, fields = _read_header(header_bytes, block_id)
    return Block(
        ref=ref,
        witness=fields.get("witness_address", b""),
        witness_signature=header.get("witness_signature", b""),
        tx_trie_root=fields.get("txTrieRoot", b""),
        header_raw=header["raw_data"],
        transactions=tuple(transactions),
    )


def ref_of(answer: bytes) -> BlockRef | None:
    """The same, as far as its header: what its transactions are is not looked at."""
    if not answer:
        return None
    header_bytes = block_id = b""
    for number, wire, item in read_fields(answer):
        if wire == BYTES and isinstance(item, bytes):
            if number == _HEADER:
                header_bytes += item
            elif number == _BLOCK_ID:
                block_id = item
    return _read_header(header_bytes, block_id)[0]


def hash_of(item: bytes) -> str:
    """64 hex digits. Raises MalformedAnswer."""
    if len(item) != HASH_BYTES:
        raise MalformedAnswer(f"{item[:80].hex()!r} is no hash of {HASH_BYTES} bytes")
    return item.hex()


def result_name(number: int) -> str:
    """java-tron's contractResult by number, as its JSON prints one that has no name. Enums have 32 bits."""
    number = (number + 2**31) % 2**32 - 2**31
    if 0 <= number < len(CONTRACT_RESULTS):
        return CONTRACT_RESULTS[number]
    return f"UNKNOWN_ENUM_VALUE_contractResult_{number}"


def _read_header(header_bytes: bytes, block_id: bytes) -> tuple[BlockRef, dict[str, Any], dict[str, Any]]:
    """-> the reference, BlockHeader's fields, and those of its raw_data."""
    header = BLOCK_HEADER.read(header_bytes)
    raw = header.get("raw_data", b"")
    if not raw:
        raise MalformedAnswer("the block has no header")
    fields = HEADER_RAW.read(raw)
    ref = BlockRef(
        number=fields.get("number", 0),
        block_id=hash_of(block_id),
        parent_id=hash_of(fields.get("parentHash", b"")),
        timestamp_ms=fields.get("timestamp", 0),
    )
    return ref, header, fields


def _leading_transactions(answer: bytes, transactions: list[ChainTransaction]) -> int:
    """Read the transactions that an answer begins with -> the offset of the first field that is none."""
    end = 0
    for start, end in leading_fields(answer, _FIRST_KEY):
        transactions.append(_plain(answer, start, end) or _transaction(answer[start:end]))
    return end


def _plain(answer: bytes, start: int, end: int) -> ChainTransaction | None:
    """A transaction that is written as nearly all are: one signature and a ret, then its txid, in the order of the fields.

    None for any other. What is read is what `_transaction` would read; that takes several times as long (make bench). The two
    lengths are read in place, where one or two bytes say them in the one shortest way.
    """
    if end - start < _PLAIN_BYTES_MIN or answer[start] != _FIRST_KEY:
        return None
    size, stored = answer[start + 1], start + 2
    if size > 0x7F:
        if not 0 < (high := answer[stored]) < 0x80:
            return None
        size, stored = size & 0x7F | high << 7, stored + 1
    behind = stored + size
    if behind >= end or answer[stored] != _FIRST_KEY:
        return None
    size, raw = answer[stored + 1], stored + 2
    if size > 0x7F:
        if not 0 < (high := answer[raw]) < 0x80:
            return None
        size, raw = size & 0x7F | high << 7, raw + 1
    signed = raw + size
    tail_at = signed + 67
    if tail_at > behind or answer[signed : signed + 2] != _SIGNATURE_OF_65:
        return None
    contract_ret = _PLAIN_TAILS.get(answer[tail_at:behind])
    txid_at = behind + 2
    if contract_ret is None or answer[behind:txid_at] != _TXID_OF_32:
        return None
    rest = txid_at + 32
    if rest != end and answer[rest:end] != _WAS_THERE:
        return None
    return ChainTransaction(
        answer[txid_at:rest].hex(), answer[raw:signed], (answer[signed + 2 : tail_at],), contract_ret
    )


def _transaction(extention: bytes) -> ChainTransaction:
    read = TRANSACTION_EXTENTION.read(extention)
    stored, txid = read.get("transaction", b""), read.get("txid", b"")
    raw_data, signatures, tail = _parts(stored)
    contract_ret = _PLAIN_TAILS.get(tail)
    if contract_ret is not None:
        return ChainTransaction(hash_of(txid), raw_data, signatures, contract_ret)
    return ChainTransaction(hash_of(txid), raw_data, signatures, _contract_ret(tail), tail)


def _parts(stored: bytes) -> tuple[bytes, tuple[bytes, ...], bytes]:
    """A stored Transaction -> raw_data, signatures, and every byte behind them. java-tron stores it in this order."""
    raw_data, offset = _item(stored, 0) if stored.startswith(_RAW_DATA_KEY) else (b"", 0)
    signatures: list[bytes] = []
    while stored.startswith(_SIGNATURE_KEY, offset):
        signature, offset = _item(stored, offset)
        signatures.append(signature)
    return raw_data, tuple(signatures), stored[offset:]


def _item(stored: bytes, offset: int) -> tuple[bytes, int]:
    """The field of bytes whose key of one byte stands here -> its bytes, and the offset behind them."""
    length, start = read_varint(stored, offset + 1)
    end = start + length
    if end > len(stored):
        raise MalformedProtobuf("a transaction's field ends beyond it")
    return stored[start:end], end


def _contract_ret(tail: bytes) -> str:
    """What the first ret says, as JSON prints it; empty for none."""
    contract_ret = ""
    for number, wire, item in read_fields(tail):
        if wire != BYTES or isinstance(item, int):
            continue
        if number in (_RAW_DATA, _SIGNATURE):
            raise MalformedAnswer("raw_data or a signature stands behind the result of its transaction")
        if number == _RESULT and not contract_ret:
            contract_ret = result_name(_RET.read(item).get("contractRet", 0))
    return contract_ret
