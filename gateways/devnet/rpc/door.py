"""The node's door for gRPC: a call in, the message out, through whatever faults are armed. No sockets here.

For a fault the call's path is that of HTTP with /grpc before it, /grpc/walletsolidity/getblockbynum say: one without a path
strikes both sides, one whose path begins with /grpc this side only. A server with a name answers as that node does.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from core.tron.grpc_messages import NUMBER
from core.tron.protobuf import MalformedProtobuf
from gateways.devnet.faults import HEADS
from gateways.devnet.http import rendering
from gateways.devnet.http.ask import Ask
from gateways.devnet.http.calls.transactions import get_transaction_info_by_block_num
from gateways.devnet.node import Node
from gateways.devnet.requests import NodeAnswer, Silence
from gateways.devnet.rpc.messages import block_extention, transaction_infos

AREAS: Final[Mapping[str, str]] = {"protocol.Wallet": "wallet", "protocol.WalletSolidity": "walletsolidity"}
"""Service -> the HTTP paths that answer the same."""


class Failure(msgspec.Struct, frozen=True):
    """A call that fails: gRPC's code by name, and what is said with it."""

    code: str
    details: str


Answered = bytes | Failure | Silence


def answer(node: Node, method: str, question: bytes, name: str = "") -> Answered:
    """Carry out one call. `method` is /package.Service/Method, `name` that of the node which answers."""
    service, _, call = method.strip("/").partition("/")
    known = CALLS.get(call)
    if service not in AREAS or known is None:
        return Failure("UNIMPLEMENTED", f"Method not found: {service}/{call}")
    alike, told = known
    path = f"{f'/node/{name}' if name else ''}/grpc/{AREAS[service]}/{alike}"
    instead = node.faults.instead(path, node.clock_ms(), node.chain.block_ms)
    if isinstance(instead, NodeAnswer):
        return _failure(instead)
    if instead is not None:
        return instead
    try:
        asked = NUMBER.read(question)
    except MalformedProtobuf as error:
        return Failure("INTERNAL", f"Invalid protobuf byte sequence: {error}")
    lag = node.faults.lag(path, asks_head=alike in HEADS)
    lead = node.faults.lead(path)
    ask = Ask(node, asked, solid=service == "protocol.WalletSolidity", lag=lag, lead=lead, path=path)
    return node.faults.garble(path, told(ask, path))


def _failure(instead: NodeAnswer) -> Failure:
    """What an HTTP status is to a client of gRPC."""
    if instead.status in (403, 429):
        return Failure("RESOURCE_EXHAUSTED", instead.body.decode())
    return Failure("INTERNAL", f"HTTP status {instead.status}")


def _newest(ask: Ask, path: str) -> bytes:
    return block_extention(ask.top, ask.node.faults.distort(path, rendering.block(ask.top, visible=False)))


def _by_number(ask: Ask, path: str) -> bytes:
    block = ask.block(ask.integer("num"))
    if block is None:
        return b""
    return block_extention(block, ask.node.faults.distort(path, rendering.block(block, visible=False)))


def _infos(ask: Ask, path: str) -> bytes:
    return transaction_infos(ask.node.faults.distort(path, get_transaction_info_by_block_num(ask)))


CALLS: Final[Mapping[str, tuple[str, Callable[[Ask, str], bytes]]]] = {
    "GetNowBlock2": ("getnowblock", _newest),
    "GetBlockByNum2": ("getblockbynum", _by_number),
    "GetTransactionInfoByBlockNum": ("gettransactioninfobyblocknum", _infos),
}
"""Method -> the HTTP call that answers the same, and what it tells."""
