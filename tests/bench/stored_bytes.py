"""A block of 200 transfers by JSON and by gRPC, verified, beside tronpy's fetch of the same, unverified.

What is timed is one block: fetch, check of header, txids and root, receipts, transfers. A server in another process gives
all of them the same blocks; the client's own time on a core is what counts, and beside it the time on the clock.
"""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from statistics import median
from typing import Any, Final, NamedTuple

import msgspec
from tronpy import Tron
from tronpy.providers import HTTPProvider

from core.tron.grpc_messages import BLOCK_EXTENTION, NUMBER
from core.tron.transactions import RESULT, SIGNED
from gateways.devnet.rpc.messages import transaction_infos
from gateways.tron.grpc_channel import GrpcChannel
from gateways.tron.grpc_node import GrpcNode
from gateways.tron.node import TronNode
from gateways.tron.node_json import BlockAnswer, block_of, read
from scanners.blocks import check, check_receipts, transfers
from tests.bench.scanner import FIRST, USDT, Printed, chain
from tests.gateways.tron.grpc_server import Asked as Call
from tests.gateways.tron.grpc_server import serving_grpc
from tests.support.http_server import Answered, Asked, serving

TRANSACTIONS: Final = 200
BLOCKS: Final = 10
ROUNDS: Final = 7
"""What else the machine does falls on all of them alike."""
TRONPY: Final = "tronpy, not verified"
_SUCCESS: Final = RESULT.encode({"contractRet": 1})


class Cost(NamedTuple):
    """Blocks per second of one core, and milliseconds on the clock for one block."""

    rate: float
    wall_ms: float


def lines(seconds: float) -> list[str]:
    """The table."""
    printed = chain(BLOCKS, TRANSACTIONS)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there, printed), daemon=True)
    server.start()
    try:
        url, grpc_url = here.recv()
        calls, tronpy = GrpcChannel(grpc_url), Tron(HTTPProvider(url))
        nodes = {
            "by gRPC, verified": GrpcNode(url, full=calls, solidity=calls, token=USDT.evm),
            "by JSON, verified": TronNode(url, token=USDT.evm),
        }
        ones: dict[str, Callable[[int], None]] = {
            name: lambda number, node=node: _scan(node, number)  # type: ignore[misc]
            for name, node in nodes.items()
        }
        ones[TRONPY] = lambda number: _fetch(tronpy, number)
        rounds = [{name: _cost(seconds / ROUNDS, one) for name, one in ones.items()} for _ in range(ROUNDS)]
        for node in nodes.values():
            node.close()
    finally:
        here.send("stop")
        server.join()
    table = [
        f"a block of {TRANSACTIONS} transfers: fetch, check, receipts, transfers; the middle of {ROUNDS} rounds in turn"
    ]
    for name in ones:
        rate = median(each[name].rate for each in rounds)
        wall_ms = median(each[name].wall_ms for each in rounds)
        ratios = sorted(each[name].rate / each[TRONPY].rate for each in rounds)
        table.append(
            f"  {name:22} {rate:6,.0f} blocks/s of one core, {wall_ms:5.1f} ms,"
            f" {median(ratios):.1f}x ({ratios[0]:.1f} to {ratios[-1]:.1f})"
        )
    return table


def _scan(node: Any, number: int) -> None:
    block = node.solid_block(number)
    check(block)
    receipts = node.solid_receipts(number)
    check_receipts(block, receipts)
    assert len(transfers(block, receipts, USDT.evm)) > TRANSACTIONS // 2


def _fetch(tronpy: Tron, number: int) -> None:
    assert len(tronpy.get_block(number, visible=False)["transactions"]) == TRANSACTIONS
    infos: Any = tronpy.provider.make_request("wallet/gettransactioninfobyblocknum", {"num": number})
    assert len(infos) == TRANSACTIONS


def _cost(seconds: float, one: Callable[[int], None]) -> Cost:
    one(FIRST)
    blocks, spent, began = 0, time.process_time(), time.perf_counter()
    while time.process_time() - spent < seconds:
        for number in range(FIRST, FIRST + BLOCKS):
            one(number)
        blocks += BLOCKS
    spent, took = time.process_time() - spent, time.perf_counter() - began
    return Cost(blocks / spent, took / blocks * 1000)


def _serve(pipe: Connection, printed: Sequence[Printed]) -> None:
    stored = [_stored(each) for each in printed]

    def over_http(asked: Asked) -> Answered:
        number = msgspec.json.decode(asked.body).get("num", 0)
        each = printed[max(0, number - FIRST)]
        return Answered(200, each.block if "infobyblocknum" not in asked.path else each.receipts)

    def by_grpc(call: Call) -> bytes:
        block, receipts = stored[max(0, NUMBER.read(call.question).get("num", 0) - FIRST)]
        return receipts if "Info" in call.method else block

    with serving(over_http) as http, serving_grpc(by_grpc) as grpc:
        pipe.send((http.url, grpc.url))
        pipe.recv()


def _stored(printed: Printed) -> tuple[bytes, bytes]:
    """The block and its receipts as java-tron's messages."""
    block = block_of(read(printed.block, BlockAnswer))
    assert block is not None
    extention = {
        "transactions": [
            {
                "transaction": SIGNED.encode({"raw_data": it.raw_data, "signature": it.signatures, "ret": [_SUCCESS]}),
                "txid": bytes.fromhex(it.txid),
                "result": b"\x08\x01",
            }
            for it in block.transactions
        ],
        "block_header": {"raw_data": block.header_raw, "witness_signature": block.witness_signature},
        "blockid": bytes.fromhex(block.ref.block_id),
    }
    return BLOCK_EXTENTION.encode(extention), transaction_infos(msgspec.json.decode(printed.receipts))


if __name__ == "__main__":
    print("\n".join(lines(3.0)))
