"""The recorded blocks of a real java-tron by gRPC: its stored bytes prove themselves, all of them, and nobody else is asked.

And what is no such message, from any node: it is that node's fault, told at once, with little memory.
"""

import json
import tracemalloc
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ports.chain import UnusableAnswer
from core.tron.chain import Block, Receipt
from core.tron.grpc_messages import BLOCK_EXTENTION, TRANSACTION_INFO, TRANSACTION_INFO_LIST
from core.tron.protobuf import MalformedProtobuf, read_fields, write_varint
from core.tron.transactions import txid_of
from gateways.devnet.rpc.messages import transaction_infos
from gateways.tron import receipt_bytes
from gateways.tron.block_bytes import block_of, ref_of
from gateways.tron.grpc_node import BLOCK_BYTES_MAX
from gateways.tron.node_json import MalformedAnswer
from gateways.tron.receipt_bytes import BYTES_MAX, receipts_of
from gateways.tron.receipt_stream import FOREIGN, ReceiptStream
from scanners.blocks import InvalidBlock, NotWhole, check, check_receipts, transfers
from scanners.observer import Observer
from tests.gateways.tron.grpc_calls import made_node
from tests.gateways.tron.test_java_tron import SHOWN, TOKEN, answered, token_of
from tests.support.memory import MemoryCursors, MemoryOutstanding, MemoryPool, MemoryQueue, MemorySolidLog

pytestmark = pytest.mark.fast

MIB: Final = 1024 * 1024
_RETURN: Final = b"\x08\x01"


def extention(shown: Any) -> bytes:
    """The stored Block as GetBlockByNum2 tells it: each transaction in it, its bytes untouched, with its txid."""
    transactions = []
    header = b""
    for number, _, item in read_fields(bytes.fromhex(shown["stored"])):
        assert isinstance(item, bytes)
        if number == 1:
            raw_data = next(part for field, _, part in read_fields(item) if field == 1)
            assert isinstance(raw_data, bytes)
            told = {"transaction": item, "txid": bytes.fromhex(txid_of(raw_data)), "result": _RETURN}
            transactions.append(told)
        else:
            header = item
    block_id = bytes.fromhex(shown["block"]["blockID"])
    # The header is bytes already: it is put in by hand.
    out = bytearray(BLOCK_EXTENTION.encode({"transactions": transactions}) + b"\x12")
    write_varint(out, len(header))
    return bytes(out) + header + BLOCK_EXTENTION.encode({"blockid": block_id})


def infos(shown: Any) -> bytes:
    known = TRANSACTION_INFO.by_name.keys()
    return transaction_infos([{name: info[name] for name in info.keys() & known} for info in shown["infos"]])


def told(shown: Any) -> tuple[Block, list[Receipt]]:
    node, _ = made_node({"GetBlockByNum2": extention(shown), "GetTransactionInfoByBlockNum": infos(shown)})
    block = node.solid_block(7)
    assert block is not None
    return block, list(node.solid_receipts(7))


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown["name"])
def test_a_recorded_block_proves_itself_whatever_is_in_it(shown: Any) -> None:
    """Header, txids and root hold; each transfer is found as java-tron made it; JSON's block is equal where it is whole."""
    block, receipts = told(shown)
    check(block)
    check_receipts(block, receipts)
    moved = [
        [t.sender.hex(), t.receiver.hex(), t.amount_minor, t.currency]
        for t in transfers(block, receipts, token_of(shown))
    ]
    assert moved == shown["moves"]
    by_json, receipts_by_json = answered(shown)
    assert receipts == list(receipts_by_json)
    assert (block == by_json) == shown["whole"]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown["name"])
def test_every_byte_of_a_stored_transaction_counts(shown: Any) -> None:
    """One bit of any transaction changed on the way: the block does not hold, or is no block."""
    stored = extention(shown)
    block = block_of(stored)
    assert block is not None
    raw = block.transactions[0].raw_data
    begins, bent_ones = stored.index(raw) - 3, 0
    for at in range(begins, begins + len(raw) + 80, 7):
        bent = bytearray(stored)
        bent[at] ^= 1
        try:
            other = block_of(bytes(bent))
        except (MalformedProtobuf, MalformedAnswer):
            continue
        assert other is not None
        if other.transactions != block.transactions:
            bent_ones += 1
            with pytest.raises(InvalidBlock):
                check(other)
    assert bent_ones > 10


def test_the_newest_block_is_read_by_its_header_alone() -> None:
    """The same reference as the whole block's; an empty message is no block."""
    for shown in SHOWN:
        block = block_of(extention(shown))
        assert block is not None
        assert ref_of(extention(shown)) == block.ref
    assert block_of(b"") is None
    assert ref_of(b"") is None
    assert receipts_of(b"") == []


def test_a_scanner_takes_a_stranger_s_odd_block_from_one_node() -> None:
    """Blocks that JSON cannot show pass with one node, no second opinion and no alarm: their root holds (FAILURES 38)."""
    alarms: list[str] = []
    for shown in (shown for shown in SHOWN if not shown["whole"]):
        node, calls = made_node({"GetBlockByNum2": extention(shown), "GetTransactionInfoByBlockNum": infos(shown)})
        number = shown["block"]["block_header"]["raw_data"]["number"]
        calls.answers["GetNowBlock2"] = calls.answers["GetBlockByNum2"]
        observer = Observer(
            node,
            MemoryQueue(),
            MemoryCursors(),
            MemoryPool({}),
            MemorySolidLog(),
            MemoryOutstanding(),
            usdt=TOKEN,
            key=b"key",
            alarm=lambda name, sentence: alarms.append(name),
        )
        assert [height for height, _ in observer.rescan(number, number)] == [number]
    assert alarms == []


def test_the_bytes_are_what_passes_the_root() -> None:
    """Without the bytes behind the signatures, as JSON shows it, the same block does not prove itself."""
    for shown in (shown for shown in SHOWN if not shown["whole"]):
        block, _ = told(shown)
        bare = [msgspec.structs.replace(it, tail=None) for it in block.transactions]
        with pytest.raises(NotWhole):
            check(msgspec.structs.replace(block, transactions=tuple(bare)))


PLAIN: Final = next(shown for shown in SHOWN if shown["name"] == "D09_transferfrom")


@given(st.binary(max_size=200), st.data())
def test_any_bytes_are_read_or_named(junk: bytes, data: st.DataObject) -> None:
    """Cut, bent, mixed or invented: an answer, or one of two errors that say that it is none (FAILURES 40)."""
    whole = data.draw(st.sampled_from([extention(PLAIN), infos(PLAIN), b""]))
    at = data.draw(st.integers(0, len(whole)))
    for answer in (junk, whole[:at] + junk, whole[:at] + junk + whole[at:]):
        for read in (block_of, ref_of, receipts_of):
            try:
                read(answer)
            except (MalformedProtobuf, MalformedAnswer):
                continue


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"\x0a\x02\x0a\x00", "no hash"),
        (b"\x1a\x20" + bytes(32), "no header"),
        (b"\x0b" * 100_000, "does not end"),
        (b"\x0a\xff\xff\xff\x7f", "beyond"),
        (BLOCK_EXTENTION.encode({"transactions": [{"transaction": b"\x2a\x00\x0a\x00", "txid": bytes(32)}]}), "behind"),
        (b"\x00", "number 0"),
        (b"<html>", "."),
    ],
)
def test_what_is_no_block_is_named(answer: bytes, reason: str) -> None:
    """UnusableAnswer with its reason, from a node's block as from its newest one where that is looked at."""
    node, _ = made_node({"GetBlockByNum2": answer})
    with pytest.raises(UnusableAnswer, match=reason):
        node.block(7)


def test_an_answer_larger_than_a_block_is_not_read() -> None:
    """What no block can weigh is refused before it is looked at."""
    node, _ = made_node({"GetBlockByNum2": bytes(BLOCK_BYTES_MAX + 1)})
    with pytest.raises(UnusableAnswer, match="no block has more"):
        node.block(7)


def receipt(number: int, returned: bytes = b"", **fields: Any) -> dict[str, Any]:
    return {"id": number.to_bytes(32, "big"), "blockNumber": 7, "contractResult": [returned], **fields}


def test_what_strangers_returned_costs_its_message_and_no_more() -> None:
    """Receipts of 12 MB of returned data leave a few kilobytes, and reading them takes one of them at a time (FAILURES 90)."""
    answer = TRANSACTION_INFO_LIST.encode(
        {"transactionInfo": [receipt(number, bytes(50_000)) for number in range(250)]}
    )
    tracemalloc.start()
    found = receipts_of(answer, TOKEN)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 250
    assert kept < 250_000
    assert peak < MIB


def test_logs_of_other_contracts_keep_their_place_alone() -> None:
    """Only the token's logs are kept; one of another contract is FOREIGN, so that indices stay."""
    other = {"address": bytes(20), "topics": [bytes(32)], "data": bytes(90_000)}
    ours = {"address": TOKEN, "topics": [b"\x01" * 32], "data": bytes(32)}
    answer = TRANSACTION_INFO_LIST.encode({"transactionInfo": [receipt(1, log=[other, ours, other])]})
    [found] = receipts_of(answer, TOKEN)
    assert [log is FOREIGN for log in found.logs] == [True, False, True]
    assert found.logs[1].topics == (b"\x01" * 32,)


@pytest.mark.parametrize("size", [BYTES_MAX, BYTES_MAX + 1])
def test_long_texts_are_read_as_empty_by_grpc_as_by_json(size: int) -> None:
    """A message, a topic and data of the token's: kept and dropped at the same size both ways."""
    log = {"address": TOKEN.hex(), "topics": ["ab" * size], "data": "cd" * size}
    info = {"id": "01" * 32, "blockNumber": 7, "resMessage": "41" * size, "log": [log]}
    stream = ReceiptStream(TOKEN)
    stream.feed(json.dumps([info]).encode())
    [found] = receipts_of(transaction_infos([info]), TOKEN)
    assert [found] == list(stream.end())
    assert len(found.message) == (size if size == BYTES_MAX else 0)


@pytest.mark.parametrize(
    ("limit", "answer", "reason"),
    [
        ("FIELDS_MAX", {"transactionInfo": [receipt(1)] * 20}, "more than 10 fields"),
        ("FIELDS_MAX", {"transactionInfo": [receipt(1, log=[{"address": TOKEN, "topics": [b""] * 50}])]}, "fields"),
        ("FIELDS_MAX", {"transactionInfo": [{**receipt(1), "contractResult": [b""] * 50}]}, "fields"),
        ("FIELDS_MAX", {"transactionInfo": [receipt(1)] * 3}, "fields"),
        ("RECEIPTS_MAX", {"transactionInfo": [receipt(1)] * 20}, "more than 10 receipts"),
        ("LOGS_BYTES_MAX", {"transactionInfo": [receipt(1, log=[{"address": TOKEN}])]}, "more than 10 bytes"),
    ],
)
def test_an_answer_of_crumbs_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, limit: str, answer: dict[str, Any], reason: str
) -> None:
    """Millions of small things are as heavy as a large one: each is counted."""
    monkeypatch.setattr(receipt_bytes, limit, 10)
    with pytest.raises(MalformedAnswer, match=reason):
        receipts_of(TRANSACTION_INFO_LIST.encode(answer), TOKEN)


@pytest.mark.parametrize("where", ["receipt", "resources", "log"])
def test_crumbs_are_not_read_to_their_end(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """In a receipt, its resources or a log: behind the last field that is counted, nothing is looked at any more."""
    monkeypatch.setattr(receipt_bytes, "FIELDS_MAX", 10)
    crumbs = b"\x08\x01" * 12 + b"\x07"
    body = {"receipt": crumbs, "resources": b"\x3a\x19" + crumbs, "log": b"\x42\x19" + crumbs}[where]
    with pytest.raises(MalformedAnswer, match="more than 10 fields"):
        receipts_of(b"\x0a" + bytes([len(body)]) + body, TOKEN)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({}, "no hash"),
        ({"id": b"\x01" * 31}, "no hash"),
        (receipt(1, log=[{"address": b"\x01" * 21}]), "no 20 bytes"),
    ],
)
def test_a_receipt_that_is_none_is_named(info: dict[str, Any], reason: str) -> None:
    """An id, and a contract of every log that is kept, must be there."""
    with pytest.raises(MalformedAnswer, match=reason):
        receipts_of(TRANSACTION_INFO_LIST.encode({"transactionInfo": [info]}))


def test_numbers_are_java_tron_s() -> None:
    """A negative fee, an enum without a name or with more than 32 bits, a message that is no text, parts that come twice."""
    odd = receipt(1, fee=-5, receipt={"result": 99, "net_usage": 1}, resMessage=b"\xff", result=1)
    body = TRANSACTION_INFO.encode(odd) + b"\x3a\x02\x30\x09" + b"\x48\x80\x80\x80\x80\x10"
    out = bytearray(b"\x0a")
    write_varint(out, len(body))
    [found] = receipts_of(bytes(out) + body)
    assert (found.fee_sun, found.result, found.message) == (-5, "UNKNOWN_ENUM_VALUE_contractResult_99", "ff")
    assert (found.net_used, found.net_fee_sun, found.failed) == (1, 9, False)
