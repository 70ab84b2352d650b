"""gRPC without a network: the devnet's door, or answers that are made beforehand, behind what GrpcNode calls."""

from collections.abc import Callable, Mapping

import httpx2

from core.tron.grpc_messages import BLOCK_EXTENTION
from core.tron.transactions import HEADER_RAW
from gateways.devnet.in_process import InProcess
from gateways.devnet.node import Node
from gateways.devnet.requests import Silence
from gateways.devnet.rpc import door
from gateways.tron.grpc_channel import CallFailed
from gateways.tron.grpc_node import GrpcNode

GENESIS_ID = "00" * 8 + "ab" * 24
URL = "grpc://node:50051"


class DevnetCalls:
    """A devnet in this process. Nothing waits: who is kept waiting is told so at once."""

    def __init__(self, node: Node, name: str = "") -> None:
        self.url = URL
        self._node = node
        self._name = name

    def ask(self, method: str, question: bytes, deadline_s: float) -> bytes:
        answered = door.answer(self._node, method, question, self._name)
        if isinstance(answered, Silence):
            late = answered.hold_ms > deadline_s * 1000
            raise CallFailed("DEADLINE_EXCEEDED" if late else "UNAVAILABLE", "the devnet does not answer")
        if isinstance(answered, door.Failure):
            raise CallFailed(answered.code, answered.details)
        return answered

    def close(self) -> None:
        """There is nothing to close."""


class MadeCalls:
    """Answers by method, or what is raised instead of one. Block 0 is this network's."""

    def __init__(self, answers: Mapping[str, bytes | CallFailed]) -> None:
        self.url = URL
        self.answers = dict(answers)
        self.asked: list[tuple[str, float]] = []

    def ask(self, method: str, question: bytes, deadline_s: float) -> bytes:
        call = method.rpartition("/")[2]
        if call == "GetBlockByNum2" and not question:
            return genesis()
        self.asked.append((method, deadline_s))
        answer = self.answers[call]
        if isinstance(answer, CallFailed):
            raise answer
        return answer

    def close(self) -> None:
        """There is nothing to close."""


def devnet_node(node: Node, token: bytes = b"", monotonic: Callable[[], float] = lambda: 0.0) -> GrpcNode:
    """The devnet's blocks by gRPC, all else over HTTP, both in this process."""
    calls = DevnetCalls(node)
    return GrpcNode(
        "http://devnet", full=calls, solidity=calls, transport=InProcess(node), token=token, monotonic=monotonic
    )


def made_node(
    answers: Mapping[str, bytes | CallFailed], token: bytes = b"", monotonic: Callable[[], float] = lambda: 0.0
) -> tuple[GrpcNode, MadeCalls]:
    """A node that answers by gRPC as told, and over HTTP with its block 0 alone."""
    calls = MadeCalls(answers)
    http = httpx2.MockTransport(lambda request: httpx2.Response(200, json={"blockID": GENESIS_ID}))
    return GrpcNode("http://node", full=calls, solidity=calls, transport=http, token=token, monotonic=monotonic), calls


def genesis(block_id: str = GENESIS_ID) -> bytes:
    """Block 0, as far as it is looked at."""
    header = {"raw_data": HEADER_RAW.encode({"parentHash": bytes(32)})}
    return BLOCK_EXTENTION.encode({"block_header": header, "blockid": bytes.fromhex(block_id)})
