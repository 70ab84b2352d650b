"""The node over HTTP: every quirk of java-tron's answers read exactly, every broadcast's answer classified, nothing guessed."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from core.ports.chain import CallNotMade
from core.ports.scanning import Cursor
from core.ports.unavailable import Unavailable
from core.tron.chain import Producer
from core.tron.transactions import RAW, SIGNED, TRANSFER, contract_of, txid_of
from gateways.devnet.node import Config
from gateways.devnet.server import Devnet
from gateways.telemetry.alarm_log import log_alarm
from gateways.tron.node import REFUSALS, TronNode, WrongNetwork, check_network
from gateways.tron.nodes import Nodes
from scanners.blocks import check, transfers
from scanners.observer import Observer
from scanners.producers import Producers
from tests.support.chain import PAYER, USDT, person
from tests.support.http_server import Answered, Asked, HttpServer, serving
from tests.support.memory import MemoryCursors, MemoryOutstanding, MemoryPool, MemoryQueue, MemorySolidLog
from tests.support.patience import HANG_S

RAW_DATA = RAW.encode(
    {"contract": [contract_of(TRANSFER, {"owner_address": bytes(PAYER), "to_address": bytes(PAYER), "amount": 1})]}
)
SIGNED_BYTES = SIGNED.encode({"raw_data": RAW_DATA, "signature": [bytes(65)]})
TXID = txid_of(RAW_DATA)
BLOCK_ID = "0000000000c9e803d5258a17e15172768b41ffb69e857530e7d9f7a92ccb78e8"
BLOCK: dict[str, Any] = {
    "blockID": BLOCK_ID,
    "block_header": {
        "raw_data": {
            "number": 13232131,
            "txTrieRoot": "1b8e8977290caedf6de737f3e42d142c5c603d20d46942bb47a75963ec78709d",
            "witness_address": "41ad3353aa1343b90a311f09b784c76f089d278232",
            "parentHash": "0000000000c9e802e54079a6a84e92315f8b8dbcbefd9b151dc2317d27523049",
            "version": 20,
            "timestamp": 1615967187000,
        },
        "witness_signature": "aa" * 65,
    },
}
FAILED_RECEIPT: dict[str, Any] = {
    "id": "e63a324a43aebfe41273db4f7fdfe325b2257b4f5711595a5fc0f8a75cf1b481",
    "fee": 16500120,
    "blockNumber": 66860010,
    "blockTimeStamp": 1731229605000,
    "contractResult": [""],
    "contract_address": "41a614f803b6fd780986a42c78ec9c7f77e6ded13c",
    "receipt": {
        "energy_fee": 16500120,
        "energy_usage_total": 78572,
        "net_usage": 345,
        "result": "OUT_OF_ENERGY",
        "energy_penalty_total": 25905,
    },
    "result": "FAILED",
    "resMessage": "4e6f7420656e6f75676820656e65726779",
}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with serving(lambda asked: Answered()) as server:
        yield server


@pytest.fixture
def node(server: HttpServer) -> Iterator[TronNode]:
    node = TronNode(server.url, timeout_s=5)
    yield node
    node.close()


def says(server: HttpServer, answer: Any, status: int = 200, **headers: str) -> None:
    """From now on the server gives this body, JSON unless it is bytes."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    server.answer = lambda asked: Answered(status, body, {name.replace("_", "-"): v for name, v in headers.items()})


def test_a_recorded_mainnet_header_is_read_to_its_bytes(server: HttpServer, node: TronNode) -> None:
    """The header's JSON fields encode to bytes whose hash is the block's id, whatever their order."""
    says(server, BLOCK)
    block = node.block(13232131)
    assert block is not None
    assert block.ref.block_id == BLOCK_ID
    assert block.ref.parent_id.startswith("0000000000c9e802")
    says(server, {**BLOCK, "block_header": {"raw_data": dict(reversed(BLOCK["block_header"]["raw_data"].items()))}})
    again = node.block(13232131)
    assert again is not None
    assert again.header_raw == block.header_raw
    assert json.loads(server.asked[0].body) == {"num": 13232131, "visible": False}


def test_omitted_defaults_are_zero(server: HttpServer, node: TronNode) -> None:
    """What proto3 leaves out reads as zero, empty or success."""
    says(server, [{"id": "ab" * 32, "blockNumber": 7, "receipt": {"net_usage": 265}}])
    [receipt] = node.receipts(7)
    assert (receipt.fee_sun, receipt.result, receipt.logs, receipt.net_used) == (0, "", (), 265)
    assert receipt.succeeded
    says(server, {"address": "41" + "11" * 20})
    account = node.account(bytes(PAYER))
    assert account is not None
    assert (account.balance_sun, account.owner_keys, account.is_contract) == (0, (), False)
    says(server, {})
    assert node.resources(bytes(PAYER)).energy_left == 0
    says(server, {"chainParameter": [{"key": "getRemoveThePowerOfTheGr"}, {"key": "getEnergyFee", "value": 100}]})
    assert node.chain_parameters() == {"getRemoveThePowerOfTheGr": 0, "getEnergyFee": 100}


def test_a_failed_receipt_says_so(server: HttpServer, node: TronNode) -> None:
    """A recorded OUT_OF_ENERGY receipt is failed, with its fee and its message as text."""
    says(server, FAILED_RECEIPT)
    receipt = node.receipt(FAILED_RECEIPT["id"])
    assert receipt is not None
    assert (receipt.failed, receipt.succeeded, receipt.result) == (True, False, "OUT_OF_ENERGY")
    assert (receipt.fee_sun, receipt.energy_used, receipt.message) == (16500120, 78572, "Not enough energy")


def test_empty_means_not_there(server: HttpServer, node: TronNode) -> None:
    """{} is no block, no receipt, no account; [] and {} are no receipts."""
    says(server, {})
    assert node.block(1) is None
    assert node.solid_block(1) is None
    assert node.receipt(TXID) is None
    assert node.solid_receipt(TXID) is None
    assert node.account(bytes(PAYER)) is None
    assert node.receipts(1) == []
    says(server, [])
    assert node.solid_receipts(1) == []


READS = {
    "head": lambda node: node.head(),
    "solid": lambda node: node.solid(),
    "genesis_id": lambda node: node.genesis_id(),
    "block": lambda node: node.block(1),
    "solid_receipts": lambda node: node.solid_receipts(1),
    "receipt": lambda node: node.receipt(TXID),
    "solid_account": lambda node: node.solid_account(bytes(PAYER)),
    "resources": lambda node: node.resources(bytes(PAYER)),
    "call": lambda node: node.call(bytes(PAYER), bytes(USDT), b""),
    "chain_parameters": lambda node: node.chain_parameters(),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"Error":"class java.lang.IllegalAccessException : lack of computing resources"}', 200),
        (b"this API is closed because this node is a lite fullnode", 200),
        (b"<html><body>502 Bad Gateway</body></html>", 200),
        (b"<html><body>502 Bad Gateway</body></html>", 502),
        (b'{"Error":"this API is unavailable due to config"}', 404),
        (b"", 200),
        (b"null", 200),
        (b"7", 200),
        (b'{"blockID', 200),
        (b"\xff\xfe", 200),
    ],
    ids=["rate", "lite", "html", "502", "disabled", "empty", "null", "number", "cut", "not utf-8"],
)
def test_what_is_no_answer_is_unavailable(
    server: HttpServer, node: TronNode, name: str, body: bytes, status: int
) -> None:
    """An error, a proxy's page, garbage: each is a shut door with a sentence, never an empty answer."""
    says(server, body, status)
    with pytest.raises(Unavailable) as raised:
        READS[name](node)
    assert server.url in str(raised.value)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("head", {}),
        ("genesis_id", {}),
        ("chain_parameters", {}),
        ("block", {"blockID": BLOCK_ID}),
        ("block", {**BLOCK, "blockID": "12"}),
        ("block", {**BLOCK, "block_header": {"raw_data": {"number": "13232131"}}}),
        ("block", {**BLOCK, "block_header": {"raw_data": {**BLOCK["block_header"]["raw_data"], "newField": 1}}}),
        ("block", {**BLOCK, "transactions": [{"txID": TXID}]}),
        ("block", {**BLOCK, "transactions": [{"txID": TXID, "raw_data_hex": "xy"}]}),
        ("block", {**BLOCK, "transactions": [{"txID": "not a hash", "raw_data_hex": ""}]}),
        ("solid_receipts", [{}]),
        ("solid_receipts", [{"id": TXID, "blockNumber": "7"}]),
        ("solid_receipts", [{"id": TXID, "log": [{"address": "41" + "11" * 20}]}]),
        ("solid_receipts", [{"id": TXID, "fee": 1.5}]),
        ("receipt", {"id": "ab" * 32}),
        ("solid_account", {"address": "42" + "11" * 20}),
        ("call", {"result": {"code": "OTHER_ERROR", "message": ""}}),
    ],
)
def test_a_shape_that_is_not_a_node_s_is_unavailable(
    server: HttpServer, node: TronNode, name: str, answer: Any
) -> None:
    """A missing, ill-typed, unknown or foreign part of an answer makes all of it unusable."""
    says(server, answer)
    with pytest.raises(Unavailable):
        READS[name](node)


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


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    with Devnet(Config(paused=True)) as devnet:
        yield devnet


def turn(devnet: Devnet, call: str, **body: Any) -> Any:
    answer = httpx2.post(f"{devnet.url}/devnet/{call}", json=body, trust_env=False, timeout=HANG_S)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_devnet_s_chain_is_believed_and_read(devnet: Devnet) -> None:
    """Every block of a devnet checks and links, a faucet's transfers are found in one, and its receipts are complete."""
    node = TronNode(devnet.url)
    payee = person(77)
    txids = turn(devnet, "faucet", address=payee.base58, usdt="12.5", trx="3")["txids"]
    turn(devnet, "mine", blocks=30)
    found = []
    previous = None
    for number in range(1, node.head().number + 1):
        block = node.block(number)
        assert block is not None
        check(block)
        assert previous in (None, block.ref.parent_id)
        previous = block.ref.block_id
        found += [t for t in transfers(block, node.receipts(number), USDT.evm) if t.receiver == payee.evm]
    assert {(t.txid, t.amount_minor, t.currency) for t in found} == {
        (txids["usdt"], 12_500_000, "USDT"),
        (txids["trx"], 3_000_000, "TRX"),
    }
    receipt = node.solid_receipt(txids["usdt"])
    assert receipt is not None
    assert receipt.succeeded
    assert node.solid().number < node.head().number
    account = node.solid_account(bytes(payee))
    assert account is not None
    assert account.balance_sun == 3_000_000
    assert account.owner_keys == (bytes(payee),)
    assert node.account(bytes(person(78))) is None
    assert node.chain_parameters()["getEnergyFee"] == 100
    assert node.resources(bytes(payee)).free_net_limit == 600
    balance = node.call(bytes(payee), bytes(USDT), bytes.fromhex("70a08231") + bytes(12) + payee.evm, solid=True)
    assert (int.from_bytes(balance.returned, "big"), balance.reverted) == (12_500_000, False)
    overdraft = bytes.fromhex("a9059cbb") + bytes(12) + payee.evm + bytes([255] * 32)
    assert node.call(bytes(payee), bytes(USDT), overdraft).reverted
    assert node.genesis_id() == devnet.node.chain.blocks[0].block_id
    node.close()


def test_the_observer_follows_a_devnet(devnet: Devnet) -> None:
    """Over HTTP a faucet's transfer is detected at the head, and confirmed once its block is solid."""
    node, queue = TronNode(devnet.url), MemoryQueue()
    payee = person(79)
    observer = Observer(
        node,
        queue,
        MemoryCursors(),
        MemoryPool({payee: "payin"}),
        MemorySolidLog(),
        MemoryOutstanding(),
        usdt=USDT.evm,
        key=b"key",
        alarm=log_alarm,
    )
    observer.step()
    turn(devnet, "faucet", address=payee.base58, usdt="12.5")
    turn(devnet, "mine", blocks=1)
    observer.step()
    assert [message.key.split(":")[0] for message in queue.sent] == ["detected"]
    turn(devnet, "mine", blocks=40)
    while observer.step():
        pass
    assert [message.key.split(":")[0] for message in queue.sent] == ["detected", "confirmed"]
    node.close()


def test_a_devnet_refuses_a_foreign_signature(devnet: Devnet) -> None:
    """Bytes that nobody signed are refused by their code."""
    node = TronNode(devnet.url)
    head = node.solid()
    raw = RAW.encode(
        {
            "contract": [
                contract_of(TRANSFER, {"owner_address": bytes(PAYER), "to_address": bytes(USDT), "amount": 1})
            ],
            "ref_block_bytes": bytes.fromhex(head.block_id)[6:8],
            "ref_block_hash": bytes.fromhex(head.block_id)[8:16],
            "expiration": node.head().timestamp_ms + 60_000,
            "timestamp": head.timestamp_ms,
        }
    )
    answer = node.broadcast(SIGNED.encode({"raw_data": raw, "signature": [bytes(65)]}))
    assert (answer.verdict, answer.code in REFUSALS) == ("refused", True)
    assert answer.message
    node.close()


def test_producers_are_those_with_isjobs(server: HttpServer, node: TronNode) -> None:
    """A candidate with isJobs produces now; one without it does not, and still has a last block. None at all is no answer."""
    sr, candidate = "419c7c7049d26108be0dcb5f78479c6ff27ba101d1", "41608e7e1c6f6dcc1679ea512503e41ca0254e0948"
    listed = [
        {"address": sr, "voteCount": 2320142029, "url": "http://sr-15.com", "latestBlockNum": 66987961, "isJobs": True},
        {"address": candidate, "voteCount": 5405850746, "totalProduced": 1891250, "latestBlockNum": 66987972},
        {"address": "41" + "11" * 20},
    ]
    says(server, {"witnesses": listed})
    assert node.producers() == [
        Producer(bytes.fromhex(sr), active=True, latest_block=66987961),
        Producer(bytes.fromhex(candidate), active=False, latest_block=66987972),
        Producer(bytes.fromhex("41" + "11" * 20), active=False, latest_block=0),
    ]
    assert server.asked[0].path == "/wallet/listwitnesses"
    says(server, {})
    with pytest.raises(Unavailable, match="names no producers"):
        node.producers()


def test_whose_key_signs_for_a_producer(server: HttpServer, node: TronNode) -> None:
    """The first key of the witness permission signs a producer's blocks; without one, its own key does."""
    witness, signer = bytes(PAYER), bytes(person(12))
    says(server, {"address": witness.hex(), "witness_permission": {"keys": [{"address": signer.hex(), "weight": 1}]}})
    assert node.producer_key(witness) == signer
    for plain in ({"address": witness.hex()}, {}):
        says(server, plain)
        assert node.producer_key(witness) == witness


def test_a_devnet_s_blocks_are_signed_by_its_producers(devnet: Devnet) -> None:
    """Every block of a devnet is by a producer that it states, signed with that producer's key."""
    node = TronNode(devnet.url)
    producers = Producers(node)
    for number in range(1, node.head().number + 1):
        block = node.block(number)
        assert block is not None
        check(block)
        producers.check(block)
    node.close()
