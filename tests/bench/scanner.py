"""How fast blocks of mainnet's shape are read and verified on one core, beside tronpy's fetch of the same, unverified.

A block is 400 transactions made from recorded ones, with their receipts, signed by a producer of the test's own, and
printed as java-tron prints it. A server in another process gives both clients the same bytes.
"""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

import coincurve
import msgspec
from tronpy import Tron
from tronpy.providers import HTTPProvider

from core.tron.address import TRANSFER_TOPIC, USDT_MAINNET, Address
from core.tron.chain import Block, BlockRef, Producer, Receipt
from core.tron.secp256k1 import address_of, sha256
from core.tron.transactions import HEADER_RAW, RAW, RESULT, SIGNED, txid_of
from gateways.telemetry.alarm_log import log_alarm
from gateways.tron import node_json as tron_json
from gateways.tron.node import TronNode
from gateways.tron.receipt_stream import ReceiptStream
from scanners.blocks import block_id
from scanners.observer import Observer
from scanners.producers import Producers
from tests.recorded import RECORDED
from tests.support.http_server import Answered, Asked, serving
from tests.support.memory import MemoryCursors, MemoryOutstanding, MemoryPool, MemoryQueue, MemorySolidLog

TRANSACTIONS: Final = 400
BLOCKS: Final = 30
FIRST: Final = 80_000_000
BLOCK_MS: Final = 3_000
USDT: Final = Address.from_base58(USDT_MAINNET)
_PRODUCER: Final = coincurve.PrivateKey(b"\x07" * 32)
_SUCCESS: Final = RESULT.encode({"contractRet": 1})


class Printed(NamedTuple):
    """A block and its receipts as a node's JSON, and the block's id."""

    block: bytes
    receipts: bytes
    block_id: str


class Rates(NamedTuple):
    """Blocks per second of one core: from bytes in memory to transfers; the same with the fetch; tronpy's fetch alone."""

    verified: float
    fetched_and_verified: float
    tronpy_fetched: float


class _Network:
    """States the one producer of these blocks."""

    def producers(self) -> Sequence[Producer]:
        return [Producer(bytes(address_of(_PRODUCER.public_key.format())), active=True, latest_block=FIRST + BLOCKS)]

    def producer_key(self, address: bytes) -> bytes:
        return address


def blocks_per_second(seconds: float = 3.0) -> Rates:
    """Measure all three on the same blocks."""
    printed = chain(BLOCKS)
    verified = _rate(seconds, lambda: _scan(_Memory(printed)))
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there, printed), daemon=True)
    server.start()
    try:
        url = here.recv()
        node, tronpy = TronNode(url), Tron(HTTPProvider(url))
        ours = _rate(seconds, lambda: _scan(node))
        theirs = _rate(seconds, lambda: _fetch(tronpy))
        node.close()
    finally:
        here.send("stop")
        server.join()
    return Rates(verified, ours, theirs)


def chain(blocks: int, transactions: int = TRANSACTIONS) -> list[Printed]:
    """Blocks that follow each other, of so many transactions each."""
    printed: list[Printed] = []
    parent = "00" * 32
    for number in range(FIRST, FIRST + blocks):
        printed.append(_print(number, parent, transactions))
        parent = printed[-1].block_id
    return printed


def _scan(node: Any) -> None:
    """All that the observer does with the blocks, but for Postgres: none of the addresses is ours."""
    nobody, nowhere = MemoryPool({}), MemorySolidLog()
    observer = Observer(
        node,
        MemoryQueue(),
        MemoryCursors(),
        nobody,
        nowhere,
        MemoryOutstanding(),
        usdt=USDT.evm,
        key=b"",
        alarm=log_alarm,
        producers=Producers(_Network()),
    )
    assert sum(1 for _ in observer.rescan(FIRST, FIRST + BLOCKS)) == BLOCKS


def _fetch(tronpy: Tron) -> None:
    for number in range(FIRST, FIRST + BLOCKS):
        assert len(tronpy.get_block(number, visible=False)["transactions"]) == TRANSACTIONS
        infos: Any = tronpy.provider.make_request("wallet/gettransactioninfobyblocknum", {"num": number})
        assert len(infos) == TRANSACTIONS


def _rate(seconds: float, scan: Callable[[], None]) -> float:
    """Blocks per second of this process's own time on a core, over whole passes, after one that is not counted."""
    scan()
    passes, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        scan()
        passes += 1
    return passes * BLOCKS / spent


class _Memory:
    """The port `Node` as far as the scan asks, from bytes that are here already."""

    def __init__(self, printed: Sequence[Printed]) -> None:
        self._printed = printed

    def solid(self) -> BlockRef:
        return BlockRef(FIRST + BLOCKS - 1, self._printed[-1].block_id, self._printed[-2].block_id, 0)

    def solid_block(self, number: int) -> Block | None:
        return tron_json.block_of(tron_json.read(self._printed[number - FIRST].block, tron_json.BlockAnswer))

    def solid_receipts(self, number: int) -> Sequence[Receipt]:
        stream = ReceiptStream(USDT.evm)
        stream.feed(self._printed[number - FIRST].receipts)
        return stream.end()


def _serve(pipe: Connection, printed: Sequence[Printed]) -> None:
    def answer(asked: Asked) -> Answered:
        question = msgspec.json.decode(asked.body)
        each = printed[question["num"] - FIRST] if "num" in question else printed[-1]
        return Answered(200, each.block if "infobyblocknum" not in asked.path else each.receipts)

    with serving(answer) as server:
        pipe.send(server.url)
        pipe.recv()


def _print(number: int, parent: str, count: int) -> Printed:
    timestamp_ms = 1_760_000_000_000 + BLOCK_MS * (number - FIRST)
    transactions = [_transaction(number, place) for place in range(count)]
    leaves = [
        sha256(SIGNED.encode({"raw_data": raw, "signature": [signature], "ret": [_SUCCESS]}))
        for raw, signature, _ in transactions
    ]
    header = {
        "timestamp": timestamp_ms,
        "txTrieRoot": _root(leaves),
        "parentHash": bytes.fromhex(parent),
        "number": number,
        "witness_address": bytes(address_of(_PRODUCER.public_key.format())),
        "version": 34,
    }
    header_raw = HEADER_RAW.encode(header)
    ref = BlockRef(number, block_id(number, header_raw), parent, timestamp_ms)
    block = {
        "blockID": ref.block_id,
        "block_header": {
            "raw_data": {name: value.hex() if isinstance(value, bytes) else value for name, value in header.items()},
            "witness_signature": _PRODUCER.sign_recoverable(sha256(header_raw), hasher=None).hex(),
        },
        "transactions": [_transaction_json(*transaction) for transaction in transactions],
    }
    receipts = [_receipt_json(txid_of(raw), ref, calls) for raw, _, calls in transactions]
    return Printed(msgspec.json.encode(block), msgspec.json.encode(receipts), ref.block_id)


def _root(leaves: list[bytes]) -> bytes:
    while len(leaves) > 1:
        odd = leaves[-1:] if len(leaves) % 2 else []
        leaves = [sha256(leaves[i] + leaves[i + 1]) for i in range(0, len(leaves) - 1, 2)] + odd
    return leaves[0]


def _transaction(number: int, place: int) -> tuple[bytes, bytes, bool]:
    """A recorded transaction made another one by its expiration: (raw_data, signature, whether it calls a contract)."""
    template = RECORDED[place % len(RECORDED)]
    raw = RAW.decode(bytes.fromhex(template.raw_data), strict=False)
    raw["expiration"] = 1_760_000_000_000 + number * TRANSACTIONS + place
    return RAW.encode(raw), bytes.fromhex(template.signature), raw["contract"][0]["type"] == 31


def _transaction_json(raw_data: bytes, signature: bytes, calls: bool) -> dict[str, Any]:
    raw = RAW.decode(raw_data)
    contract = raw.pop("contract")[0]
    value = {"owner_address": "41" + "11" * 20, "contract_address": USDT.hex(), "data": "a9059cbb" + "00" * 64}
    return {
        "ret": [{"contractRet": "SUCCESS"}],
        "signature": [signature.hex()],
        "txID": txid_of(raw_data),
        "raw_data": {
            "contract": [
                {
                    "parameter": {"value": value, "type_url": contract["parameter"]["type_url"]},
                    "type": "TriggerSmartContract" if calls else "TransferContract",
                }
            ],
            **{name: item.hex() if isinstance(item, bytes) else item for name, item in raw.items()},
        },
        "raw_data_hex": raw_data.hex(),
    }


def _receipt_json(txid: str, ref: BlockRef, calls: bool) -> dict[str, Any]:
    receipt: dict[str, Any] = {
        "id": txid,
        "blockNumber": ref.number,
        "blockTimeStamp": ref.timestamp_ms,
        "contractResult": [""],
        "receipt": {"net_usage": 268},
    }
    if not calls:
        return receipt
    log = {
        "address": USDT.evm.hex(),
        "topics": [TRANSFER_TOPIC, "00" * 12 + "11" * 20, "00" * 12 + txid[:40]],
        "data": f"{12_500_000:064x}",
    }
    usage = {"energy_fee": 6_428_500, "energy_usage_total": 64_285, "net_usage": 345, "result": "SUCCESS"}
    return {
        **receipt,
        "fee": 6_428_500,
        "contractResult": ["00" * 32],
        "contract_address": USDT.hex(),
        "receipt": {**usage, "energy_penalty_total": 49_635},
        "log": [log],
    }


if __name__ == "__main__":
    print(blocks_per_second())
