"""The devnet's gRPC port. Calls arrive in threads of the library's and are answered in the one that the node lives in."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any, Final

from gateways.devnet.node import Node
from gateways.devnet.requests import Silence
from gateways.devnet.rpc import door
from gateways.devnet.rpc.door import AREAS, CALLS, Failure

THREADS: Final = 8
MESSAGE_BYTES_MAX: Final = 256 * 1024 * 1024


class RpcServer:
    """Answers from `start` to `stop`, with the node in the thread of `loop`. One port serves both services."""

    def __init__(self, node: Node, host: str, port: int, name: str = "") -> None:
        """Takes the port, 0 for a free one. `name` is the node's, for faults. Raises OSError."""
        import grpc

        self._node = node
        self._name = name
        self._codes = grpc.StatusCode
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = ThreadPoolExecutor(THREADS, "devnet-grpc")
        options = (("grpc.so_reuseport", 0), ("grpc.max_send_message_length", MESSAGE_BYTES_MAX))
        self._server = grpc.server(self._threads, options=options)
        for service in AREAS:
            handlers = {call: grpc.unary_unary_rpc_method_handler(self._handler(f"{service}/{call}")) for call in CALLS}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        place = f"[{host}]" if ":" in host else host
        try:
            bound = self._server.add_insecure_port(f"{place}:{port}")
        except RuntimeError as error:
            raise OSError(f"gRPC cannot listen on {place}:{port}: {error}") from error
        self.url = f"grpc://{place}:{bound}"

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._server.start()

    def stop(self) -> None:
        """Returns at once; who is kept waiting is let go of."""
        self._server.stop(0)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _handler(self, method: str) -> Callable[[bytes, Any], bytes]:
        def handler(question: bytes, context: Any) -> bytes:
            answered = self._answer(method, question)
            if isinstance(answered, Silence):
                over = threading.Event()
                if context.add_callback(over.set):  # also when the client gives up
                    over.wait(answered.hold_ms / 1000)
                answered = Failure("UNAVAILABLE", "the connection was cut")
            if isinstance(answered, Failure):
                context.abort(self._codes[answered.code], answered.details)
                raise AssertionError("abort raises")
            return answered

        return handler

    def _answer(self, method: str, question: bytes) -> door.Answered:
        """From a thread of the library's, in the node's."""
        assert self._loop is not None

        async def carried_out() -> door.Answered:
            return door.answer(self._node, method, question, self._name)

        try:
            return asyncio.run_coroutine_threadsafe(carried_out(), self._loop).result()
        except (CancelledError, RuntimeError):  # the loop has ended meanwhile
            return Failure("UNAVAILABLE", "the devnet stops")
