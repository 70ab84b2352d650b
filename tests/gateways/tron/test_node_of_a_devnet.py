"""A devnet's node is believed, read and followed."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from core.tron.transactions import RAW, SIGNED, TRANSFER, contract_of
from gateways.devnet.node import Config
from gateways.devnet.server import Devnet
from gateways.telemetry.alarm_log import log_alarm
from gateways.tron.node import REFUSALS, TronNode
from scanners.blocks import check, transfers
from scanners.observer import Observer
from scanners.producers import Producers
from tests.support.chain import PAYER, USDT, person
from tests.support.memory import MemoryCursors, MemoryOutstanding, MemoryPool, MemoryQueue, MemorySolidLog
from tests.support.patience import HANG_S


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
