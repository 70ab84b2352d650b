"""The block reader against any protobuf message and any JSON: never another exception than the named ones, no transfer missed.

2,000 cases here in all; `make simulate-many` runs 100,000 of each property (FUZZ_CASES).
"""

import json
import os
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.tron.chain import Block, ChainTransaction
from core.tron.protobuf import MalformedProtobuf, write_varint
from core.tron.transactions import PACKAGE, only_contract, txid_of
from gateways.tron.node_json import BlockAnswer, MalformedAnswer, block_of, read, understood
from gateways.tron.receipt_stream import ReceiptStream
from scanners.blocks import NotWhole, WrongTransactions, check, transfers
from scanners.notices import addresses_in, sent_by_us, unreadable
from tests.scanners.world import THEM, US
from tests.support.chain import USDT, Included, MemoryChain, trx_transfer

CASES: Final = int(os.environ.get("FUZZ_CASES", "400"))
pytestmark = pytest.mark.timeout(max(900, CASES))
fuzzed = settings(max_examples=CASES, suppress_health_check=list(HealthCheck), database=None)
WALLETS: Final = {US.evm: "payin"}
NUMBERS: Final = st.integers(61, 2**29 - 1)
"""Of no field that anybody knows."""
WIRES: Final = st.sampled_from([0, 1, 2, 3, 5])
UINT64: Final = st.integers(0, 2**64 - 1)
WIDTHS: Final = st.integers(0, 10)
SHORT: Final = st.binary(max_size=30)
FIXED: Final = {wire: st.binary(min_size=size, max_size=size) for wire, size in ((1, 8), (5, 4))}


def varint(number: int, width: int = 0) -> bytes:
    """A number in at least so many bytes."""
    out = bytearray()
    write_varint(out, number)
    while len(out) < width:
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def field(number: int, payload: bytes, width: int = 0) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload), width) + payload


@st.composite
def junk(draw: st.DrawFn) -> bytes:
    """Fields that nobody knows: every wire type, groups in groups."""
    number = draw(NUMBERS)
    wire = draw(WIRES)
    key = varint(number << 3 | wire)
    if wire == 0:
        return key + varint(draw(UINT64), draw(WIDTHS))
    if wire == 2:
        return field(number, draw(SHORT))
    if wire == 3:
        return key + b"".join(draw(JUNK)) + varint(number << 3 | 4)
    return key + draw(FIXED[wire])


JUNK: Final = st.lists(junk(), max_size=2)


def strewn(draw: st.DrawFn, *parts: bytes) -> bytes:
    """The parts in order, with junk before, between and behind."""
    out = b""
    for part in (*parts, b""):
        out += b"".join(draw(JUNK)) + part
    return out


@st.composite
def transfers_to_us(draw: st.DrawFn) -> tuple[bytes, int]:
    """raw_data of a transfer to us, as strange as java-tron takes it -> (raw_data, amount)."""
    amount = draw(st.integers(1, 2**63 - 1))  # in nine bytes at most: in ten it would be below zero
    width = draw(st.integers(0, 5))
    before = draw(st.sampled_from([b"", field(2, bytes(THEM)), b"\x18\x05", b"\x12\x00"]))
    behind = draw(
        st.sampled_from([b"", b"\x1a\x01\x07", b"\x10\x07", b"\x1b\x1c"])
    )  # other wire types are unknown fields
    ends = (field(1, bytes(THEM), width), field(2, bytes(US), width))
    value = strewn(draw, before, *ends, varint(3 << 3) + varint(amount, draw(st.integers(0, 9))), behind)
    prefix = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
    any_ = strewn(draw, field(1, f"{prefix}/{PACKAGE}TransferContract".encode()), field(2, value))
    contract = strewn(draw, b"\x08\x01", field(2, any_))
    return strewn(draw, field(11, contract)), amount


def block_with(raw: bytes) -> tuple[MemoryChain, Block]:
    plain = trx_transfer(1, US, 5)
    txid = txid_of(raw)
    transaction = msgspec.structs.replace(plain.transaction, txid=txid, raw_data=raw)
    chain = MemoryChain()
    return chain, chain.mine(Included(transaction, msgspec.structs.replace(plain.receipt, txid=txid)))


@fuzzed
@given(transfers_to_us())
def test_no_transfer_to_us_is_missed_however_it_is_written(written: tuple[bytes, int]) -> None:
    """Unknown fields, groups, overlong numbers, doubled fields and prefixes hide nothing."""
    raw, amount = written
    chain, block = block_with(raw)
    check(block)
    [found] = transfers(block, chain.receipts(1), USDT.evm)
    assert (found.sender, found.receiver, found.amount_minor) == (THEM.evm, US.evm, amount)
    assert US.evm in addresses_in(block)
    assert unreadable(block, WALLETS) == []


@fuzzed
@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda whole, at, cut, put: whole[0][: at % len(whole[0])] + put + whole[0][at % len(whole[0]) + cut :],
            transfers_to_us(),
            st.integers(0, 2**16),
            st.integers(0, 3),
            st.binary(max_size=4),
        ),
    )
)
def test_any_bytes_are_read_passed_over_or_rung(raw: bytes) -> None:
    """Broken or random raw_data raises nothing; what names us and cannot be read is told."""
    chain, block = block_with(raw)
    check(block)
    found = transfers(block, chain.receipts(1), USDT.evm)
    sent_by_us(block, WALLETS)
    told = unreadable(block, WALLETS)
    try:
        kind, name, _ = only_contract(raw)
    except MalformedProtobuf:
        assert not found
        assert bool(told) == (US.evm in addresses_in(block))
        return
    if US.evm in addresses_in(block) and (kind, name) == (1, "TransferContract"):
        assert found or told


JSON: Final = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.text(max_size=20),
        st.sampled_from(["SUCCESS", "UNKNOWN_ENUM_VALUE_code_7", "00" * 32, "41" + "11" * 20, "zz"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "blockNumber",
                    "receipt",
                    "log",
                    "result",
                    "resMessage",
                    "fee",
                    "blockID",
                    "block_header",
                    "raw_data",
                    "number",
                    "timestamp",
                    "transactions",
                    "txID",
                    "raw_data_hex",
                    "signature",
                    "ret",
                    "contractRet",
                    "orderDetails",
                    "cancel_unfreezeV2_amount",
                    "key",
                    "value",
                    "address",
                    "topics",
                    "data",
                    "parentHash",
                    "Error",
                    "txTrieRoot",
                    "witness_signature",
                    "version",
                    "other",
                ]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=25,
)


def in_a_block(ret: Any) -> Any:
    header = {"raw_data": {"number": 1, "timestamp": 5, "parentHash": "00" * 32}}
    transaction = {"txID": "00" * 32, "raw_data_hex": "0801", "ret": ret}
    return {"blockID": "00" * 32, "block_header": header, "transactions": [transaction]}


@fuzzed
@given(st.one_of(JSON, JSON.map(in_a_block)), st.integers(1, 400))
def test_any_json_is_an_answer_or_malformed(answer: Any, piece: int) -> None:
    """Whatever a node says of a block or its receipts is a value or MalformedAnswer, and nothing else."""
    body = json.dumps(answer).encode()
    stream = ReceiptStream(USDT.evm)
    try:
        for at in range(0, len(body), piece):
            understood(stream.feed, body[at : at + piece])
        stream.end()
    except MalformedAnswer:
        pass
    try:
        block = understood(lambda body: block_of(read(body, BlockAnswer)), body)
    except MalformedAnswer:
        return
    if block is not None:
        assert all(isinstance(each, ChainTransaction) for each in block.transactions)


@fuzzed
@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_are_an_answer_or_malformed(body: bytes, piece: int) -> None:
    """So are bytes that are no JSON."""
    stream = ReceiptStream()
    try:
        for at in range(0, len(body), piece):
            understood(stream.feed, body[at : at + piece])
        stream.end()
    except MalformedAnswer:
        return


@fuzzed
@given(st.binary(max_size=40))
def test_any_tail_is_whole_or_not(tail: bytes) -> None:
    """What stands behind the signatures decides over the root alone: shown, the block proves itself; hidden, it is NotWhole."""
    plain = trx_transfer(1, US, 5)
    chain = MemoryChain()
    block = chain.mine(Included(msgspec.structs.replace(plain.transaction, tail=tail), plain.receipt))
    check(block)
    shown = msgspec.structs.replace(block.transactions[0], tail=None)
    hidden = msgspec.structs.replace(block, transactions=(shown,))
    try:
        check(hidden)
    except NotWhole:
        assert tail != b"\x2a\x02\x18\x01"
    except WrongTransactions as error:
        raise AssertionError("the txid has nothing to do with it") from error
