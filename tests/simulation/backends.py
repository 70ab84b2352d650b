"""The nodes that serve the chain, each with faults of its own, as a TronNode asks them: over HTTP, and some by gRPC too.

What gateways/devnet/in_process.py does with httpx2's own client, at half the cost: most of a run is these requests.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from gateways.devnet import node as devnet
from gateways.devnet.faults import Faults
from gateways.devnet.http import door
from gateways.devnet.requests import Request, Silence
from gateways.tron.grpc_channel import CallFailed
from gateways.tron.grpc_node import GrpcNode
from gateways.tron.node import TronNode
from tests.gateways.tron.grpc_calls import DevnetCalls

PATIENCE_MS: Final = 10_000
"""A TronNode's timeout."""
URL: Final = "http://127.0.0.1"
NESTED: Final = b'{"block":' * 2_000 + b"1" + b"}" * 2_000
"""What no reader may die of (FAILURES 40)."""
RECEIPTS: Final = "/gettransactioninfobyblocknum"


class Backend:
    """One node. It takes the place of a TronNode's HTTP client, and of a GrpcNode's calls."""

    def __init__(self, node: devnet.Node, passed: Callable[[int], None], *, keeps_internal: bool = True) -> None:
        """`passed` moves the clock on by so many milliseconds."""
        self.faults = Faults()
        self.keeps_internal = keeps_internal
        """Whether its receipts have internal transactions, whatever the weather."""
        self.drips = 0
        """How many of the next lists of receipts come byte by byte, for ever."""
        self.nested = 0
        """How many of the next answers over HTTP are one bracket in another."""
        self.clear()
        self.url = URL
        self._node = node
        self._passed = passed
        self._calls = DevnetCalls(node)

    def clear(self) -> None:
        self.faults.clear()
        self.drips = self.nested = 0
        if not self.keeps_internal:
            self.faults.arm("no_internal")

    def client(self, seconds: Callable[[], float], *, grpc: bool) -> TronNode:
        """A node as a process has it, by gRPC if it is asked for."""
        others: dict[str, Any] = {"monotonic": seconds, "transport": httpx2.BaseTransport()}
        client = GrpcNode(URL, full=self, solidity=self, **others) if grpc else TronNode(URL, **others)
        client._http = self  # type: ignore[assignment]
        return client

    @contextmanager
    def stream(self, method: str, url: str, content: bytes, headers: dict[str, str]) -> Iterator["_Answer"]:
        """Raises ReadTimeout and RemoteProtocolError, as a network's client would."""
        if self.nested:
            self.nested -= 1
            yield _Answer(200, [NESTED])
            return
        with self._own_faults():
            answered = door.answer(self._node, Request(method, urlsplit(url).path, {}, content))
        if isinstance(answered, Silence):
            self._passed(min(answered.hold_ms, PATIENCE_MS))
            if answered.hold_ms > PATIENCE_MS:
                raise httpx2.ReadTimeout("the devnet does not answer")
            raise httpx2.RemoteProtocolError("the devnet cut the connection without an answer")
        if self.drips and url.endswith(RECEIPTS) and len(answered.body) > 2:
            self.drips -= 1
            yield _Answer(answered.status, self._dripping(answered.body))
        else:
            yield _Answer(answered.status, [answered.body])

    def ask(self, method: str, question: bytes, deadline_s: float) -> bytes:
        """Raises CallFailed."""
        if self.drips and method.endswith("/GetTransactionInfoByBlockNum"):
            self.drips -= 1
            self._passed(int(deadline_s * 1000))
            raise CallFailed("DEADLINE_EXCEEDED", "the receipts come byte by byte")
        with self._own_faults():
            try:
                return self._calls.ask(method, question, deadline_s)
            except CallFailed as failed:
                if failed.code == "DEADLINE_EXCEEDED":
                    self._passed(int(deadline_s * 1000))
                raise

    def close(self) -> None:
        """Nothing is open."""

    def _dripping(self, body: bytes) -> Iterator[bytes]:
        yield body[:1]
        self._passed(PATIENCE_MS + 1)
        yield body[1:2]

    @contextmanager
    def _own_faults(self) -> Iterator[None]:
        self._node.faults, kept = self.faults, self._node.faults
        try:
            yield
        finally:
            self._node.faults = kept


class _Answer:
    """As much of a response as TronNode reads."""

    is_stream_consumed = False

    def __init__(self, status_code: int, pieces: Any) -> None:
        self.status_code = status_code
        self.headers: dict[str, str] = {}
        self._pieces = pieces

    def iter_raw(self) -> Iterator[bytes]:
        yield from self._pieces
