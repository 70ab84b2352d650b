"""Answers of any size, speed and shape: what is ours is read with little memory, and the rest is the node's fault."""

import gzip
import json
import random
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ports.chain import UnusableAnswer
from core.ports.unavailable import Unavailable
from core.tron.chain import Log, Receipt
from gateways.tron.node import TronNode
from gateways.tron.node_json import LogAnswer, MalformedAnswer, ReceiptAnswer, log_of, receipt_of
from gateways.tron.pieces import PROGRESS_BYTES_MIN, TooMuch, pieces
from gateways.tron.receipt_stream import DEPTH_MAX, FOREIGN, ReceiptStream
from tests.gateways.tron.test_java_tron import SHOWN, TOKEN
from tests.support.chain import PAYER, USDT, person, transfer_log
from tests.support.http_server import Answered, HttpServer, serving

MIB: Final = 1024 * 1024
INFOS: Final = [info for shown in SHOWN for info in shown["infos"]]


def streamed(body: bytes, token: bytes = b"", piece: int = 1 << 30) -> list[Receipt]:
    stream = ReceiptStream(token)
    for at in range(0, len(body), piece):
        stream.feed(body[at : at + piece])
    return list(stream.end())


def whole(infos: list[Any]) -> list[Receipt]:
    """The same, read at once and by the table."""
    read = msgspec.convert(infos, list[ReceiptAnswer])
    logs = [msgspec.convert(info.get("log", []), list[LogAnswer]) for info in infos]
    found = [receipt_of(each) for each in read]
    return [
        msgspec.structs.replace(receipt, logs=tuple(log_of(log) for log in those))
        for receipt, those in zip(found, logs, strict=True)
        if receipt is not None
    ]


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same JSON with its fields in another order."""
    if isinstance(value, dict):
        names = list(value)
        chance.shuffle(names)
        return {name: shuffled(value[name], chance) for name in names}
    return [shuffled(each, chance) for each in value] if isinstance(value, list) else value


@pytest.mark.fast
@given(
    st.lists(st.sampled_from(INFOS), max_size=4), st.integers(1, 900), st.randoms(use_true_random=False), st.booleans()
)
def test_receipts_in_pieces_are_those_read_at_once(
    infos: list[Any], piece: int, chance: random.Random, spaced: bool
) -> None:
    """However the recorded receipts are cut, spaced and ordered, they are read as at once, with contractResult or not."""
    infos = [
        {**info, "contractResult": ["ab" * chance.randrange(9_000)], 'odd"\\': [{"log": [1, "}"]}]} for info in infos
    ]
    body = json.dumps(shuffled(infos, chance), indent=1 if spaced else None).encode()
    assert streamed(body, piece=piece) == whole(infos)
    for token in (TOKEN, USDT.evm):
        expected = [
            msgspec.structs.replace(it, logs=tuple(log if log.address == token else FOREIGN for log in it.logs))
            for it in whole(infos)
        ]
        assert streamed(body, token, piece) == expected


@pytest.mark.fast
@pytest.mark.parametrize("body", [b"{}", b"[]", b" [ ] ", b"{ }\n"])
def test_nothing_is_no_receipt(body: bytes) -> None:
    """{} and [] are no receipts."""
    assert streamed(body) == []


DEEP: Final = b"[" * 100_000


@pytest.mark.fast
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no JSON"),
        (b"this API is closed because this node is a lite fullnode", "no JSON"),
        (b"<html>", "no JSON"),
        (b"null", "no JSON"),
        (b'"text"', "a text"),
        (b'{"Error":"class X : no"}', "it says class X"),
        (b"[", "cut short"),
        (b'[{"id":"ab', "cut short"),
        (b"[{}]", "no id"),
        (b"[5]", "no object"),
        (b'["x"]', "no object"),
        (b"[[]]", "a receipt is a list"),
        (b"[}", "do not match"),
        (b"[]]", "do not match"),
        (b"[]5", "behind"),
        (b"[][]", "behind"),
        (DEEP, "a receipt is a list"),
        (b'{"x":' + DEEP, "nested"),
        (b'{"log":' + DEEP, "nested"),
        (b'{"x":' * 100_000, "nested"),
        (b'[{"id":"zz"}]', "hexadecimal"),
        (b'[{"id":5}]', "Expected"),
        (b'[{"fee":1e999}]', "xpected|range|finite|decode"),
        (b'{"fee":' + b"9" * 60_000 + b"}", "."),
        (b'{"fee":' + b"9" * 70_000, "bytes that matter"),
        (b'{"log":[5]}', "no object"),
        (b'{"log":[[]]}', "."),
        (b'{"log":[{"address":"ab"}]}', "20 bytes"),
        (b'{"log":[{"address":"' + b"ab" * 20 + b'","topics":["' + b'","'.join([b"ab"] * 30_000), "bytes that matter"),
        (b'{"' + b"k" * 5_000 + b'":1}', "name is too long"),
        (b"\xff\xfe{}", "no JSON"),
        (b'{"result":"\xff"}', "."),
        (b'{"result":"\\ud800"}', "."),
    ],
)
def test_what_is_no_list_of_receipts_is_named(body: bytes, reason: str) -> None:
    """Whatever a node answers, cut in pieces or not, is MalformedAnswer with its reason, and no other error (FAILURES 40)."""
    for piece in (1 << 30, 7):
        with pytest.raises(MalformedAnswer, match=reason):
            streamed(body, piece=piece)


@contextmanager
def raw_server(write: Callable[[Callable[[bytes], object]], None]) -> Iterator[str]:
    """A server that answers one request by what `write` sends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with listening.accept()[0] as connection:
                request = connection.recv(65_536)
                while not request.endswith(b"}"):
                    request += connection.recv(65_536)
                try:
                    write(connection.sendall)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


HEAD: Final = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"


def printed(log: Log) -> Any:
    return {"address": log.address.hex(), "topics": [topic.hex() for topic in log.topics], "data": log.data.hex()}


def heavy_block(send: Callable[[bytes], object]) -> None:
    """100 MB of receipts: what contracts return, logs of other tokens, one log of a megabyte, and a transfer to us."""
    send(HEAD + b"[")
    noise = [printed(transfer_log(PAYER, person(2), 1, person(99)))] * 4
    rest = json.dumps({"blockNumber": 7, "contractResult": ["ab" * MIB] * 2, "log": noise})[1:].encode() + b","
    for place in range(26):
        send(b'{"id":"%064x",' % place)
        send(rest)
    huge = {"id": "aa" * 32, "contractResult": [], "log": [{"address": "99" * 20, "data": "00" * MIB}]}
    ours = {"id": "bb" * 32, "blockNumber": 7, "receipt": {"result": "SUCCESS"}}
    ours["log"] = [noise[0], printed(transfer_log(PAYER, person(10), 5))]
    send(json.dumps(huge).encode() + b"," + json.dumps(ours).encode() + b"]")


def test_a_hundred_megabytes_are_read_with_less_than_64() -> None:
    """The transfer behind 100 MB of strangers' receipts is found with its index, within 64 MB of memory (FAILURES 90)."""
    sizes: list[int] = []
    heavy_block(lambda part: sizes.append(len(part)))
    assert sum(sizes) > 100 * MIB
    with raw_server(heavy_block) as url:
        node = TronNode(url, timeout_s=60, token=USDT.evm)
        tracemalloc.start()
        try:
            receipts = node.solid_receipts(7)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            node.close()
    assert len(receipts) == 28
    assert receipts[-1].logs == (FOREIGN, transfer_log(PAYER, person(10), 5))
    assert peak < 64 * MIB


@pytest.mark.fast
def test_a_slow_answer_that_goes_on_is_read() -> None:
    """Enough bytes in each window are progress, however long the whole takes."""
    now = 0.0

    def ticking() -> float:
        nonlocal now
        now += 4
        return now

    piece = b" " * (PROGRESS_BYTES_MIN // 2)

    def going_on(send: Callable[[bytes], object]) -> None:
        send(HEAD)
        for _ in range(30):
            send(piece)
        send(b"[]")

    with raw_server(going_on) as url:
        node = TronNode(url, timeout_s=10, monotonic=ticking)
        assert list(node.receipts(7)) == []
        assert now > 40
        node.close()


@pytest.mark.fast
def test_an_answer_that_drips_is_given_up() -> None:
    """A byte every four seconds is no progress: after a window of ten the node is left."""
    now = 0.0
    taken: list[bytes] = []

    def dripping() -> Iterator[bytes]:
        nonlocal now
        while True:
            now += 4
            yield b" "

    answer = httpx2.Response(200, content=dripping())
    with pytest.raises(TooMuch, match="brings 3 bytes in 12 s"):
        taken.extend(pieces(answer, 10, lambda: now))
    assert taken == [b" "] * 3


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with serving(lambda asked: Answered()) as server:
        yield server


@pytest.mark.fast
def test_a_compressed_answer_is_unpacked_in_pieces(server: HttpServer) -> None:
    """gzip is read as plain; a bomb of it is cut off at the limit without being unpacked; another encoding is refused."""
    node = TronNode(server.url, token=USDT.evm)
    infos = json.dumps(INFOS[:5] * 50).encode()
    server.answer = lambda asked: Answered(200, gzip.compress(infos), {"content-encoding": "gzip"})
    assert len(node.receipts(7)) == 250
    bomb = gzip.compress(b" " * 40 * MIB, 1)
    server.answer = lambda asked: Answered(200, bomb, {"content-encoding": "gzip"})
    tracemalloc.start()
    with pytest.raises(UnusableAnswer, match="larger"):
        node.head()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * MIB
    for body, encoding in ((b"no gzip", "gzip"), (b"{}", "br")):
        server.answer = lambda asked, body=body, encoding=encoding: Answered(  # type: ignore[misc]
            200, body, {"content-encoding": encoding}
        )
        with pytest.raises(UnusableAnswer):
            node.head()
    node.close()


QUESTIONS: Final[tuple[Callable[[TronNode], object], ...]] = (
    lambda node: node.head(),
    lambda node: node.solid_block(7),
    lambda node: node.solid_receipts(7),
    lambda node: node.receipt("ab" * 32),
    lambda node: node.account(bytes(PAYER)),
    lambda node: node.resources(bytes(PAYER)),
    lambda node: node.call(bytes(PAYER), bytes(USDT), b""),
    lambda node: node.chain_parameters(),
    lambda node: node.producers(),
    lambda node: node.producer_key(bytes(PAYER)),
    lambda node: node.delegations(bytes(PAYER), bytes(PAYER)),
    lambda node: node.delegation_index(bytes(PAYER)),
    lambda node: node.next_maintenance_ms(),
    lambda node: node.genesis_id(),
)


def beaten(body: bytes) -> None:
    """Every question, answered with this: an answer, or Unavailable, and nothing else."""
    with serving(lambda asked: Answered(200, body)) as server:
        node = TronNode(server.url)
        for question in QUESTIONS:
            try:
                question(node)
            except Unavailable:
                continue
        assert node.broadcast(b"\x0a\x02\x08\x01").verdict != "accepted"
        node.close()


@pytest.mark.fast
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"block_header":' * 2_000,
        b"9" * 5_000,
        b'{"num":' + b"9" * 5_000 + b"}",
        b'{"blockID":"' + b"00" * 32 + b'","block_header":{"raw_data":{"number":-1}}}',
        b'{"blockID":"' + b"00" * 32 + b'","block_header":{"raw_data":{"number":18446744073709551615}}}',
        b'{"blockID":"' + b"00" * 32 + b'","block_header":{"raw_data":{"timestamp":170141183460469231731687303715884105728}}}',
        b'{"address":"41","balance":-9223372036854775809}',
        b'{"result":{"code":"OTHER_ERROR","message":"\xc3\x28"}}',
        b"\x00" * 1_000,
        b"\xff" * 1_000,
    ],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
def test_whatever_a_node_answers_is_its_own_fault(body: bytes) -> None:
    """Nesting, numbers and bytes of any kind are Unavailable for every question, and a broadcast stays unclear."""
    beaten(body)


def test_the_depth_that_is_taken_is_enough_for_a_receipt() -> None:
    """Within the bound of nesting a field that nobody knows is skipped."""
    deep = b'{"id":"' + b"ab" * 32 + b'","odd":' + b"[" * (DEPTH_MAX - 2) + b"]" * (DEPTH_MAX - 2) + b"}"
    assert len(streamed(deep)) == 1


class _Whole(ReceiptStream):
    """Broken: the answer is kept until it is whole."""

    def __init__(self, token: bytes) -> None:
        super().__init__(token)
        self._all = bytearray()

    def feed(self, piece: bytes) -> None:
        self._all += piece

    def end(self) -> Sequence[Receipt]:
        super().feed(bytes(self._all))
        return super().end()


def test_without_a_stream_a_hundred_megabytes_take_more_than_64() -> None:
    """The broken variant reads an answer when it has all of it."""
    with patch("gateways.tron.node.ReceiptStream", _Whole), pytest.raises(AssertionError):
        test_a_hundred_megabytes_are_read_with_less_than_64()


@pytest.mark.fast
def test_without_its_bound_a_drip_would_be_waited_for() -> None:
    """The broken variant asks for no progress."""
    limits = "gateways.tron.pieces.PROGRESS_BYTES_MIN", "gateways.tron.pieces.ANSWER_BYTES_MAX"
    with patch(limits[0], 0), patch(limits[1], 1_000), pytest.raises(AssertionError):
        test_an_answer_that_drips_is_given_up()
