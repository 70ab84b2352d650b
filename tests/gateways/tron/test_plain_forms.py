"""What is read in one go is what the reader of fields reads: blocks, receipts and transfers, whatever is changed about them.

300 cases here; `make simulate-many` runs 100,000 (FUZZ_CASES).
"""

import os
from collections.abc import Callable
from typing import Any, Final
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.tron.chain import ChainTransaction
from core.tron.protobuf import MalformedProtobuf, field_key, write_varint
from core.tron.transactions import RAW as RAW_DATA
from core.tron.transactions import TRANSFER, contract_of
from gateways.tron import block_bytes, receipt_bytes
from gateways.tron.block_bytes import block_of
from gateways.tron.node_json import MalformedAnswer
from gateways.tron.receipt_bytes import receipts_of
from scanners import blocks
from scanners.plain_transfers import plain_transfer
from tests.gateways.tron.test_java_tron import SHOWN, TOKEN
from tests.gateways.tron.test_stored_blocks import extention
from tests.scanners.world import THEM, US
from tests.support.chain import USDT

CASES: Final = int(os.environ.get("FUZZ_CASES", "300"))
pytestmark = [pytest.mark.fast, pytest.mark.timeout(max(900, CASES))]
fuzzed = settings(max_examples=CASES, suppress_health_check=list(HealthCheck), database=None)
KEYS: Final = [
    b"\x0a",
    b"\x10",
    b"\x12",
    b"\x18",
    b"\x20",
    b"\x22",
    b"\x2a",
    b"\x32",
    b"\x3a",
    b"\x42",
    b"\x48",
    b"\x52",
    b"\x5a",
    b"\x70",
]


def varint(number: int) -> bytes:
    out = bytearray()
    write_varint(out, number)
    return bytes(out)


def field(number: int, payload: bytes) -> bytes:
    return field_key(number, len(payload)) + payload


@st.composite
def changed(draw: st.DrawFn, plain: st.SearchStrategy[bytes]) -> bytes:
    """As it is, or with bytes cut out and others put in: keys and lengths among them."""
    whole = draw(plain)
    for _ in range(draw(st.integers(0, 2))):
        at, cut = draw(st.integers(0, len(whole))), draw(st.integers(0, 3))
        put = draw(
            st.one_of(
                st.binary(max_size=3), st.sampled_from(KEYS), st.sampled_from([b"\x18\x05", b"\x2a\x00", b"\x0a\x00"])
            )
        )
        if cut == 1 and draw(st.booleans()):  # a length that is off by a few
            put = bytes([(each + draw(st.integers(-4, 4))) % 256 for each in whole[at : at + 1]])
        whole = whole[:at] + put + whole[at + cut :]
    return whole


@st.composite
def infos(draw: st.DrawFn) -> bytes:
    numbers = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))
    parts = [field(1, draw(st.binary(min_size=32, max_size=32)))]
    parts += [b"\x10" + varint(draw(numbers))] if draw(st.booleans()) else []
    parts += [b"\x18" + varint(draw(numbers)), b"\x20" + varint(draw(numbers))]
    parts += [draw(st.sampled_from([b"", b"\x2a\x00", field(5, bytes(32)), field(5, bytes(64))]))]
    parts += [draw(st.sampled_from([b"", field(6, b"\x41" + USDT.evm)]))]
    used = b"".join(
        varint(number << 3) + varint(draw(numbers)) for number in draw(st.lists(st.integers(1, 8), max_size=9))
    )
    parts += [field(7, used)] if draw(st.booleans()) else []
    topic = st.binary(min_size=32, max_size=32)
    for _ in range(draw(st.integers(0, 2))):
        topics = b"".join(field(2, draw(topic)) for _ in range(draw(st.sampled_from([3, 3, 3, 2]))))
        contract = draw(st.sampled_from([USDT.evm, bytes(THEM.evm), TOKEN]))
        parts.append(field(8, field(1, contract) + topics + field(3, draw(topic))))
    parts += [draw(st.sampled_from([b"", b"\x48\x01", field(10, b"REVERT")]))]
    return b"".join(parts)


def result(read: Callable[[], Any]) -> Any:
    """What it reads, or the name of what it raises."""
    try:
        return read()
    except (MalformedProtobuf, MalformedAnswer) as error:
        return type(error).__name__


SHORT: Final = field(1, bytes(32)) + b"\x18\x01\x20\x02" + b"\x3a\x02\x18\x05\x10\x07"
"""Resources whose length ends before a field that is the receipt's own, then: its fee."""


@fuzzed
@example(field(1, SHORT))
@given(changed(st.lists(changed(infos()), max_size=3).map(lambda many: b"".join(field(1, each) for each in many))))
def test_receipts_in_one_go_are_those_of_the_reader_of_fields(answer: bytes) -> None:
    """Equal, or malformed in both ways; with a token's logs alone, and with all."""
    for token in (USDT.evm, b""):
        in_one_go = result(lambda token=token: receipts_of(answer, token))
        with patch.object(receipt_bytes._Reader, "_plain", lambda *_: None):
            assert in_one_go == result(lambda token=token: receipts_of(answer, token))


@st.composite
def extentions(draw: st.DrawFn) -> bytes:
    raw = draw(st.binary(max_size=200))
    signatures = b"".join(field(2, bytes([number]) * 65) for number in range(draw(st.sampled_from([1, 1, 1, 0, 2]))))
    ret = draw(
        st.sampled_from(
            [b"", b"\x2a\x02\x18\x01", b"\x2a\x02\x18\x02", b"\x2a\x02\x18\x63", b"\x2a\x04\x08\x05\x18\x01"]
        )
    )
    txid = field(2, draw(st.binary(min_size=32, max_size=32)))
    return (
        field(1, field(1, raw) + signatures + ret)
        + txid
        + draw(st.sampled_from([b"", b"\x22\x02\x08\x01", b"\x22\x00"]))
    )


HEADER: Final = extention(SHOWN[0])
"""A recorded block: what stands before it is more of its transactions."""


@fuzzed
@given(changed(st.lists(changed(extentions()), max_size=3).map(lambda many: b"".join(field(1, each) for each in many))))
def test_a_block_in_one_go_is_that_of_the_reader_of_fields(transactions: bytes) -> None:
    """Equal, or malformed in both ways."""
    answer = transactions + HEADER
    in_one_go = result(lambda: block_of(answer))
    with patch.object(block_bytes, "_plain", lambda *_: None):
        assert in_one_go == result(lambda: block_of(answer))


@st.composite
def raws(draw: st.DrawFn) -> bytes:
    amount = draw(st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1)))
    parameter = {"owner_address": bytes(THEM), "to_address": bytes(US), "amount": amount}
    values: dict[str, Any] = {"contract": [contract_of(TRANSFER, parameter)]}
    given_ = {
        "ref_block_bytes": st.binary(min_size=2, max_size=2),
        "ref_block_hash": st.binary(min_size=8, max_size=8),
        "expiration": st.integers(0, 2**63 - 1),
        "data": st.binary(max_size=140),
        "timestamp": st.integers(0, 2**63 - 1),
        "fee_limit": st.integers(0, 2**40),
    }
    for name in draw(st.sets(st.sampled_from(sorted(given_)))):
        values[name] = draw(given_[name])
    return RAW_DATA.encode(values)


@fuzzed
@given(changed(raws()))
@example(
    RAW_DATA.encode(
        {
            "data": b"\x5a" * 100,
            "contract": [contract_of(TRANSFER, {"owner_address": bytes(THEM), "to_address": bytes(US), "amount": 5})],
        }
    )
)
def test_a_transfer_in_one_go_is_that_of_the_reader_of_fields(raw_data: bytes) -> None:
    """Where it is read in one go at all, it is the same one."""
    transaction = ChainTransaction("ab" * 32, raw_data, (), "SUCCESS")
    in_one_go = blocks._trx_transfer(transaction)
    with patch("scanners.blocks.plain_transfer", lambda _: None):
        assert in_one_go == blocks._trx_transfer(transaction)


def test_what_is_usual_is_read_in_one_go() -> None:
    """Else nobody would notice that all goes the long way."""
    parameter = {"owner_address": bytes(THEM), "to_address": bytes(US), "amount": 5}
    usual = {
        "ref_block_bytes": b"ab",
        "ref_block_hash": b"12345678",
        "expiration": 5,
        "contract": [contract_of(TRANSFER, parameter)],
    }
    for more in ({}, {"data": b"a memo"}, {"timestamp": 7, "fee_limit": 9}):
        assert plain_transfer(RAW_DATA.encode({**usual, **more})) == (THEM.evm, US.evm, 5)
