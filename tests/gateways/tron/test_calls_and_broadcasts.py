"""What a constant call and a broadcast may answer, and what a node that suspends, hangs or belongs elsewhere costs."""

import json
import socket
from typing import Any
from unittest.mock import patch

import pytest

from core.ports.chain import CallNotMade, UnusableAnswer
from core.ports.scanning import Cursor
from core.ports.unavailable import Unavailable
from core.tron.chain import ConstantResult
from gateways.tron.node import REFUSALS, TronNode, WrongNetwork, check_network
from gateways.tron.node_json import CallAnswer, MalformedAnswer, called
from gateways.tron.nodes import Nodes
from tests.gateways.tron.test_node import BLOCK, BLOCK_ID, SIGNED_BYTES, TXID, says
from tests.support.chain import PAYER, USDT
from tests.support.http_server import Answered, Asked, HttpServer, serving
from tests.support.memory import MemoryCursors


@pytest.mark.parametrize(
    ("answer", "reverted", "message"),
    [
        ({"result": {"result": True}, "energy_used": 4062, "constant_result": ["00" * 31 + "05"]}, False, ""),
        (
            {
                "result": {"result": True, "message": b"REVERT opcode executed".hex()},
                "energy_used": 8624,
                "constant_result": [""],
                "transaction": {"ret": [{"ret": "FAILED"}]},
            },
            True,
            "REVERT opcode executed",
        ),
        (
            {"result": {"code": "CONTRACT_VALIDATE_ERROR", "message": b"No contract or not a smart contract".hex()}},
            True,
            "No contract or not a smart contract",
        ),
    ],
)
def test_a_constant_call(server: HttpServer, node: TronNode, answer: Any, reverted: bool, message: str) -> None:
    """A revert is read from the transaction's ret, although the result is true all the same."""
    says(server, answer)
    result = node.call(bytes(PAYER), bytes(USDT), b"\x70")
    assert (result.reverted, result.message) == (reverted, message)
    assert result.energy_used == answer.get("energy_used", 0)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "OTHER_ERROR",
            b"class org.tron.core.vm.program.Program$OutOfTimeException : CPU timeout for 'SLOAD' operation executing".hex(),
        ),
        ("CONTRACT_VALIDATE_ERROR", b"Smart contract is not exist.".hex()),
        ("OTHER_ERROR", "Smart contract is not exist."),
    ],
    ids=["slow", "unknown contract", "unknown contract, in words"],
)
def test_a_constant_call_that_was_not_made_waits_without_an_alarm(
    server: HttpServer, node: TronNode, code: str, message: str
) -> None:
    """A slow node, or one that does not know the contract yet, is no node that lies: it is asked again, or another is."""
    says(server, {"result": {"code": code, "message": message}})
    alarms: list[str] = []
    nodes = Nodes({"one": node}, alarm=lambda name, _: alarms.append(name))
    with pytest.raises(CallNotMade):
        nodes.call(bytes(PAYER), bytes(USDT), b"\x70")
    assert alarms == []
    assert nodes._roster.members[0].failures == 1  # another one's turn


def _made_or_malformed(answer: CallAnswer) -> ConstantResult:
    """Broken: a call that was not made is what the node should not say."""
    try:
        return called(answer)
    except CallNotMade as error:
        raise MalformedAnswer(str(error)) from error


def test_without_its_meaning_a_slow_call_would_ring(server: HttpServer, node: TronNode) -> None:
    """The broken variant takes a CPU timeout for a malformed answer."""
    slow = (
        b"class org.tron.core.vm.program.Program$OutOfTimeException : CPU timeout for 'SLOAD' operation executing".hex()
    )
    with patch("gateways.tron.node.called", _made_or_malformed), pytest.raises(UnusableAnswer):
        test_a_constant_call_that_was_not_made_waits_without_an_alarm(server, node, "OTHER_ERROR", slow)


@pytest.mark.parametrize(
    ("answer", "status", "verdict"),
    [
        ({"result": True, "txid": TXID}, 200, "accepted"),
        ({"result": True, "code": "SUCCESS", "message": "", "transaction": "{}", "txid": TXID}, 200, "accepted"),
        *(({"code": code, "txid": TXID, "message": "why"}, 200, "refused") for code in sorted(REFUSALS)),
        ({"code": "DUP_TRANSACTION_ERROR", "txid": TXID, "message": "Dup transaction."}, 200, "unclear"),
        ({"code": "NOT_ENOUGH_EFFECTIVE_CONNECTION", "message": "P2P broadcast failed."}, 200, "unclear"),
        ({"code": "OTHER_ERROR"}, 200, "unclear"),
        ({"code": "A_CODE_OF_THE_FUTURE"}, 200, "unclear"),
        ({"result": True, "code": "SIGERROR"}, 200, "unclear"),
        ({"result": True, "txid": "ab" * 32}, 200, "unclear"),
        ({"code": "SIGERROR", "txid": "ab" * 32}, 200, "unclear"),
        ({"code": "SUCCESS"}, 200, "unclear"),
        ({}, 200, "unclear"),
        ([], 200, "unclear"),
        ({"Error": "class java.lang.NullPointerException : null"}, 200, "unclear"),
        (b"<html>502</html>", 200, "unclear"),
        (b"", 200, "unclear"),
        ({"code": "SIGERROR"}, 500, "unclear"),
        ({"code": "SIGERROR"}, 403, "unclear"),
        ({"code": "SIGERROR"}, 429, "unclear"),
        (b"", 302, "unclear"),
    ],
)
def test_a_broadcast_is_accepted_refused_or_maybe_sent(
    server: HttpServer, node: TronNode, answer: Any, status: int, verdict: str
) -> None:
    """Only a clear yes is accepted and only the codes of TRON.md 2.7 are refused; all else may have been sent (FAILURES 20)."""
    says(server, answer, status, location="/elsewhere")
    assert node.broadcast(SIGNED_BYTES).verdict == verdict
    [asked] = server.asked
    assert asked.path == "/wallet/broadcasthex"
    assert json.loads(asked.body)["transaction"] == SIGNED_BYTES.hex()


def test_a_broadcast_without_an_answer_may_have_been_sent(server: HttpServer) -> None:
    """A connection cut after the request, or a timeout, is unclear."""
    server.answer = lambda asked: Answered(cut=True)
    node = TronNode(server.url, timeout_s=0.2)
    assert node.broadcast(SIGNED_BYTES).verdict == "unclear"
    server.answer = lambda asked: Answered(200, b"{", {"content-length": "100"})
    assert node.broadcast(SIGNED_BYTES).verdict == "unclear"
    node.close()


def test_a_node_that_takes_no_connection_was_sent_nothing() -> None:
    """A refused connection is unavailable: surely nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    node = TronNode(f"http://127.0.0.1:{port}")
    with pytest.raises(Unavailable, match="refuses the connection"):
        node.broadcast(SIGNED_BYTES)
    with pytest.raises(Unavailable):
        node.head()
    node.close()


@pytest.mark.parametrize(
    ("status", "body", "headers", "suspended_s"),
    [
        (429, b"", {"retry-after": "5"}, 5),
        (
            429,
            b'{"Error":"The key exceeds the frequency limit(15), and the query server is suspended for 27 s"}',
            {},
            27,
        ),
        (403, b"", {}, 30),
        (403, b"", {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30),
        (429, b"", {"retry-after": "999999"}, 600),
    ],
)
def test_a_node_that_suspends_us_is_left_alone(
    server: HttpServer, status: int, body: bytes, headers: dict[str, str], suspended_s: int
) -> None:
    """After 429 or 403 the node is not asked again until its time is over (FAILURES 6)."""
    now = 1000.0
    node = TronNode(server.url, api_key="a key", monotonic=lambda: now)
    server.answer = lambda asked: Answered(status, body, headers)
    with pytest.raises(Unavailable):
        node.head()
    assert server.asked[0].headers["tron-pro-api-key"] == "a key"
    for ask in (node.head, node.solid, lambda: node.broadcast(SIGNED_BYTES)):
        with pytest.raises(Unavailable, match="limits our rate"):
            ask()
    assert len(server.asked) == 1
    now += suspended_s - 0.5
    with pytest.raises(Unavailable, match="limits our rate"):
        node.head()
    now += 1
    says(server, BLOCK)
    assert node.head().number == 13232131
    node.close()


@pytest.mark.parametrize("limit", ["ANSWER_BYTES_MAX", "BODY_BYTES_MAX"])
def test_an_endless_answer_is_cut_off(
    server: HttpServer, node: TronNode, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """An answer beyond the limit of bytes is not read to its end."""
    monkeypatch.setattr(f"gateways.tron.pieces.{limit}", 1000)
    says(server, b" " * 2000 + json.dumps(BLOCK).encode())
    with pytest.raises(Unavailable, match="larger than"):
        node.head()


def test_solid_questions_go_to_the_solidity_node() -> None:
    """With a solidity URL, /walletsolidity is asked there and /wallet at the node."""

    def answer(asked: Asked) -> Answered:
        return Answered(200, json.dumps(BLOCK).encode())

    with serving(answer) as full, serving(answer) as solidity:
        node = TronNode(full.url, solidity.url)
        node.head()
        node.block(1)
        node.solid()
        node.solid_block(1)
        node.close()
        assert [asked.path for asked in full.asked] == ["/wallet/getblock", "/wallet/getblockbynum"]
        assert [asked.path for asked in solidity.asked] == ["/walletsolidity/getblock", "/walletsolidity/getblockbynum"]


def test_a_node_of_another_network_is_refused(server: HttpServer, node: TronNode) -> None:
    """Block 0 must be the expected one, or the one that this installation saw first."""
    cursors = MemoryCursors()
    says(server, BLOCK)
    check_network(node, cursors, BLOCK_ID)
    assert cursors.rows == {}
    check_network(node, cursors, None)
    check_network(node, cursors, None)
    assert cursors.rows == {"genesis": Cursor(0, BLOCK_ID)}
    says(server, {**BLOCK, "blockID": "00" * 32})
    for expected in (None, BLOCK_ID):
        with pytest.raises(WrongNetwork, match="COUNTERFOIL_NETWORK"):
            check_network(node, cursors, expected)
