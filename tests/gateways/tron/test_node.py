"""The node over HTTP: every quirk of java-tron's answers read exactly, every broadcast's answer classified, nothing guessed."""

import json
from typing import Any

import pytest

from core.ports.unavailable import Unavailable
from core.tron.chain import Producer
from core.tron.transactions import RAW, SIGNED, TRANSFER, contract_of, txid_of
from gateways.tron.node import TronNode
from tests.support.chain import PAYER, USDT, person
from tests.support.http_server import Answered, HttpServer

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
