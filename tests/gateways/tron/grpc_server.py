"""A gRPC server on loopback that answers as a test tells it and keeps what it was asked."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc


class Asked(NamedTuple):
    """A call: package.Service/Method, the message, the metadata; how long the client waits, in seconds."""

    method: str
    question: bytes
    metadata: dict[str, str]
    patience_s: float


class Fails(NamedTuple):
    """Instead of an answer: gRPC's code by name, and what is said with it."""

    code: str
    details: str = ""


class Hangs(NamedTuple):
    """Instead of an answer: nothing, until the client has given up."""


Answer = bytes | Fails | Hangs


class GrpcServer(grpc.GenericRpcHandler):
    """`url` is where it listens; `asked` is every call so far; `answer` can be replaced at any time."""

    def __init__(self, answer: Callable[[Asked], Answer], port: int = 0) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.max_send_message_length", -1),))
        self._server.add_generic_rpc_handlers((self,))
        self.url = f"grpc://127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"
        self._server.start()

    def service(self, details: Any) -> Any:
        metadata = {key: value for key, value in details.invocation_metadata if isinstance(value, str)}

        def handler(question: bytes, context: grpc.ServicerContext) -> bytes:
            asked = Asked(details.method.strip("/"), question, metadata, context.time_remaining() or 0)
            self.asked.append(asked)
            answer = self.answer(asked)
            if isinstance(answer, Hangs):
                given_up = threading.Event()
                context.add_callback(given_up.set)
                given_up.wait()
            if not isinstance(answer, bytes):
                failure = answer if isinstance(answer, Fails) else Fails("CANCELLED")
                context.abort(grpc.StatusCode[failure.code], failure.details)
            assert isinstance(answer, bytes)
            return answer

        return grpc.unary_unary_rpc_method_handler(handler)

    def close(self) -> None:
        self._server.stop(0).wait()


@contextmanager
def serving_grpc(answer: Callable[[Asked], Answer], port: int = 0) -> Iterator[GrpcServer]:
    server = GrpcServer(answer, port)
    try:
        yield server
    finally:
        server.close()
