"""What a real java-tron took and refused of strange transactions, the devnet takes and refuses; and our scanner reads them.

java_tron_transactions.json: by what is strange about it the code, and the words of a refusal or the bytes that were charged. A
java-tron of May 2025 answered; it took every one of these transactions into a block that it took at all.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from core.tron.address import Address
from core.tron.chain import Block, Receipt
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.http import door
from gateways.devnet.in_process import InProcess
from gateways.devnet.requests import NodeAnswer, Request
from gateways.tron.node import TronNode
from scanners.blocks import NotWhole, check, check_receipts, transfers
from tests.gateways.devnet.world import Devnet
from tests.support.strange import Strange

pytestmark = pytest.mark.fast

TOLD: Final[dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("java_tron_transactions.json").read_text())
WORDS_OF_A_LIBRARY: Final = ("signed by zeros", "v and 8", "v and 35", "v and 200")
"""Where java-tron prints what a library of its own says."""
HIDDEN: Final = "beside raw_data"
"""What no node's JSON shows."""


def strange(devnet: Devnet) -> dict[str, bytes]:
    solid = devnet.chain.solid
    envelope = {
        "ref_block_bytes": bytes.fromhex(solid.block_id[12:16]),
        "ref_block_hash": bytes.fromhex(solid.block_id[16:32]),
        "expiration": devnet.chain.head.timestamp_ms + 600_000,
        "timestamp": devnet.chain.head.timestamp_ms,
    }
    producer = Address(devnet.genesis.producers[0].address)
    made = Strange(envelope, devnet.alice.address, devnet.bob.address, producer, devnet.alice.sign)
    return dict(made.all())


@pytest.fixture(scope="module")
def devnet() -> Devnet:
    return Devnet()


@pytest.fixture(scope="module")
def made(devnet: Devnet) -> dict[str, bytes]:
    return strange(devnet)


def said(devnet: Devnet, signed: bytes) -> dict[str, Any]:
    """A broadcast's answer as it was recorded."""
    body = json.dumps({"transaction": "0x" + signed.hex()}).encode()
    answered = door.answer(devnet.node, Request("POST", "/wallet/broadcasthex", body=body))
    assert isinstance(answered, NodeAnswer)
    answer = json.loads(answered.body)
    if "Error" in answer:
        return {"error": answer["Error"].split(" : ")[0]}
    if answer["code"] == "SUCCESS":
        return {"code": "SUCCESS"}
    words = {answer["txid"]: "$txid", devnet.bob.address.hex(): "$to_hex"}
    message = answer["message"]
    for word, name in words.items():
        message = message.replace(word, name)
    message = re.sub(r"[0-9a-f]{64,} is signed by \S+ but", "$signature is signed by $signer but", message)
    return {"code": answer["code"], "message": message}


def test_each_recorded_transaction_is_made(made: dict[str, bytes]) -> None:
    """The recorded names are those of tests/support/strange.py."""
    assert made.keys() == TOLD.keys()


@pytest.mark.parametrize("name", TOLD)
def test_a_strange_transaction_meets_what_java_tron_said(devnet: Devnet, made: dict[str, bytes], name: str) -> None:
    """Taken or refused, with the same code and words."""
    told = {key: value for key, value in TOLD[name].items() if key != "bytes"}
    answer = said(devnet, made[name])
    if name in WORDS_OF_A_LIBRARY:
        assert answer["code"] == told["code"]
        return
    assert answer == told


def test_the_scanner_reads_every_one_that_was_taken() -> None:
    """All are mined: each moves its amount in the block as it is read, is charged java-tron's bytes, and proves itself as
    far as JSON shows it."""
    devnet = Devnet()
    node = TronNode("http://devnet", transport=InProcess(devnet.node))
    taken = {name: signed for name, signed in strange(devnet).items() if TOLD[name].get("code") == "SUCCESS"}
    for name, signed in taken.items():
        txid = devnet.node.chain.pool.txids()
        assert said(devnet, signed) == {"code": "SUCCESS"}, name
        [new] = [each for each in devnet.node.chain.pool.txids() if each not in txid]
        number = devnet.node.mine().number
        block, [receipt] = _read(node, number)
        assert [each.txid for each in block.transactions] == [new] == [receipt.txid]
        check_receipts(block, [receipt])
        [moved] = transfers(block, [receipt], USDT.evm)
        assert moved.sender == devnet.alice.address.evm
        assert (receipt.net_used or receipt.net_fee_sun // 1000) == TOLD[name]["bytes"], name
        if name.startswith(HIDDEN):
            with pytest.raises(NotWhole):
                check(block)
        else:
            check(block)


def _read(node: TronNode, number: int) -> tuple[Block, list[Receipt]]:
    block = node.block(number)
    assert block is not None
    return block, list(node.receipts(number))
