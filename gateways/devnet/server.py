"""The devnet as a server: uvicorn's loop answers, and a task beside it produces the blocks.

Both run in one thread, so nothing in the node needs a lock; a call or a block is never interrupted by another.
"""

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from gateways.devnet.chain.chain import BLOCK_MS
from gateways.devnet.http.app import Application
from gateways.devnet.node import Config, Node
from gateways.devnet.rpc.server import RpcServer

_NAP_SECONDS = 0.2
"""How long production sleeps at most before it looks again whether it is paused."""

START_SECONDS = 60
DEFAULTS = Config()


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


def serve(
    port: int,
    block_ms: int = BLOCK_MS,
    data_dir: Path | None = None,
    host: str = "127.0.0.1",
    grpc_port: int | None = None,
) -> None:
    """Run a devnet until SIGINT or SIGTERM; prints its URL when it answers. Raises UnusableData, OSError for a taken port."""
    network = "" if data_dir else str(clock_ms())
    Devnet(Config(port, block_ms, data_dir, host, network=network, grpc_port=grpc_port)).run()


class Devnet:
    """A devnet's server: `run` in this thread until it is told to stop, or `with Devnet(...) as devnet` beside it."""

    def __init__(self, config: Config = DEFAULTS, listening: socket.socket | None = None) -> None:
        """Takes the port, unless somebody is `listening` there for it, and opens the chain. Raises UnusableData, OSError."""
        self._socket = listening or _listen(config.host, config.port)
        self._socket.setblocking(False)
        port = self._socket.getsockname()[1]
        self.url = f"http://{config.host}:{port}"
        with contextlib.ExitStack() as undoing:
            undoing.callback(self._socket.close)
            self.node = Node(config, clock_ms)
            undoing.callback(self.node.close)
            self._rpc = None if config.grpc_port is None else RpcServer(self.node, config.host, config.grpc_port)
            undoing.pop_all()
        self.grpc_url = self._rpc.url if self._rpc else ""
        """Where it answers by gRPC; empty: nowhere."""
        application = Application(self.node)
        settings = uvicorn.Config(
            application,
            http=application.protocol(),
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=30,
            lifespan="off",
        )
        self._server = _Server(settings, application)
        self._thread: threading.Thread | None = None
        self._answering = threading.Event()

    def run(self) -> None:
        """Serve in this thread, the process's first, until SIGINT or SIGTERM."""
        asyncio.run(self._run(alone=True))

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="devnet", daemon=True)
        self._thread.start()
        if not self._answering.wait(START_SECONDS):
            raise TimeoutError("the devnet did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if self._thread:
            self._thread.join()

    async def _run(self, *, alone: bool = False) -> None:
        if alone:
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, self._stop)
        try:
            async with self._producing():
                if self._rpc:
                    self._rpc.start(asyncio.get_running_loop())
                serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
                while not self._server.started and not serving.done():
                    await asyncio.sleep(0.005)
                self._answering.set()
                if alone and not serving.done():
                    print(f"devnet: {' '.join(filter(None, (self.url, self.grpc_url)))}", flush=True)  # noqa: T201
                await serving
        finally:
            self._answering.set()
            if self._rpc:
                self._rpc.stop()
            self._socket.close()
            self.node.close()

    @contextlib.asynccontextmanager
    async def _producing(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._produce())
        task.add_done_callback(self._production_ended)
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _produce(self) -> None:
        node = self.node
        while True:
            if node.is_due():
                node.tick()
                await asyncio.sleep(0)
            else:
                wait_ms = node.chain.block_ms if node.paused else node.wait_ms()
                await asyncio.sleep(min(max(wait_ms, 1) / 1000, _NAP_SECONDS))

    def _production_ended(self, task: "asyncio.Task[None]") -> None:
        """A chain that cannot go on, a full disk say, stops the server: its error leaves `run`."""
        if not task.cancelled():
            self._stop()

    def _stop(self) -> None:
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which would raise the signal anew after a clean end."""

    def __init__(self, settings: uvicorn.Config, application: Application) -> None:
        super().__init__(settings)
        self._application = application

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._application.close()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: without it an answer takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, error.strerror or str(error), f"{host} port {port}") from error
    return listening
