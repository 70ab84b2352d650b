"""How fast blocks of mainnet's shape are read and verified on one core, beside tronpy, which fetches the same and checks nothing.

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

from core.chain import Block, BlockRef, Producer, Receipt
from core.secp256k1 import address_of, sha256
from core.transactions import HEADER_RAW, RAW, RESULT, SIGNED, txid_of
from core.tron import TRANSFER_TOPIC, USDT_MAINNET, Address
from gateways import tron_json
from gateways.tron_node import TronNode
from scanners.blocks import block_id, check, transfers
from scanners.producers import Producers
from tests.recorded import RECORDED
from tests.support.http_server import Answered, Asked, serving

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
    """Blocks per second: from bytes in memory to transfers; the same with the fetch; tronpy's fetch of the same."""

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
    producers = Producers(_Network())
    verified = _rate(seconds, printed, lambda each: verify(each.block, each.receipts, producers))
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there, printed), daemon=True)
    server.start()
    try:
        url = here.recv()
        node, tronpy = TronNode(url), Tron(HTTPProvider(url))
        numbers = range(FIRST, FIRST + BLOCKS)
        ours = _rate(seconds, numbers, lambda number: _scan(node, number, producers))
        theirs = _rate(seconds, numbers, lambda number: _fetch(tronpy, number))
        node.close()
    finally:
        here.send("stop")
        server.join()
    return Rates(verified, ours, theirs)


def chain(blocks: int) -> list[Printed]:
    """Blocks that follow each other."""
    printed: list[Printed] = []
    parent = "00" * 32
    for number in range(FIRST, FIRST + blocks):
        printed.append(_print(number, parent))
        parent = printed[-1].block_id
    return printed


def verify(block_body: bytes, receipts_body: bytes, producers: Producers) -> int:
    """JSON to transfers, with every check the scanner makes."""
    block = tron_json.block_of(tron_json.read(block_body, tron_json.BlockAnswer))
    assert block is not None
    return _verify(block, tron_json.read_receipts(receipts_body), producers)


def _verify(block: Block, receipts: Sequence[Receipt], producers: Producers) -> int:
    check(block)
    producers.check(block)
    return len(transfers(block, receipts, USDT.evm))


def _scan(node: TronNode, number: int, producers: Producers) -> None:
    block = node.solid_block(number)
    assert block is not None
    assert _verify(block, node.solid_receipts(number), producers) > TRANSACTIONS // 2


def _fetch(tronpy: Tron, number: int) -> None:
    assert len(tronpy.get_block(number, visible=False)["transactions"]) == TRANSACTIONS
    infos: Any = tronpy.provider.make_request("wallet/gettransactioninfobyblocknum", {"num": number})
    assert len(infos) == TRANSACTIONS


def _rate(seconds: float, items: Sequence[Any], work: Callable[[Any], object]) -> float:
    """Items per second, over whole passes, after one that is not counted."""
    for item in items:
        work(item)
    done, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        for item in items:
            work(item)
        done += len(items)
    return done / spent


def _serve(pipe: Connection, printed: Sequence[Printed]) -> None:
    def answer(asked: Asked) -> Answered:
        each = printed[int(msgspec.json.decode(asked.body)["num"]) - FIRST]
        return Answered(200, each.block if asked.path.endswith("getblockbynum") else each.receipts)

    with serving(answer) as server:
        pipe.send(server.url)
        pipe.recv()


def _print(number: int, parent: str) -> Printed:
    timestamp_ms = 1_760_000_000_000 + BLOCK_MS * (number - FIRST)
    transactions = [_transaction(number, place) for place in range(TRANSACTIONS)]
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
