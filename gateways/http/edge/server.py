"""uvicorn with our limits and our end: SIGTERM, not ready, serve on for a moment, finish what runs, exit 0."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

import uvicorn
from starlette.applications import Starlette

from gateways.http.edge.connection import LimitedProtocol
from gateways.http.edge.unfinished import Unfinished
from gateways.user_error import UserError

log = logging.getLogger(__name__)

LINGER_S: Final = 1.0
"""Time for a load balancer to see that we are not ready, while every request is still served; and the time an idle
connection then has for a last request."""
FINISH_S: Final = 25
KEEP_ALIVE_S: Final = 75
"""Longer than a load balancer's idle timeout, so that it is never we who close a connection it is about to use."""
BACKLOG: Final = 1024
UNFINISHED_SHARE: Final = 4
"""One peer may hold a fourth of the connections with heads that it does not finish."""
SWITCH_INTERVAL_S: Final = 0.0005
"""How long the event loop may hold the interpreter while the writer thread waits for it (CPython's default: 5 ms)."""


class Server(uvicorn.Server):
    """One API process. `on_drain` is called when it is told to stop."""

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        *,
        connections_max: int,
        on_drain: Callable[[], None] = lambda: None,
        linger_s: float = LINGER_S,
    ) -> None:
        self._protocol: type[LimitedProtocol] = type(
            "Protocol",
            (LimitedProtocol,),
            {
                "connections_max": connections_max,
                "drain_idle_s": linger_s,
                "unfinished": Unfinished(max(1, connections_max // UNFINISHED_SHARE)),
            },
        )
        self._on_drain = on_drain
        self._linger_s = linger_s
        self._address = (host, port)
        config = uvicorn.Config(
            app,
            http=self._protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=FINISH_S,
        )
        super().__init__(config)

    @property
    def port(self) -> int:
        """Where it listens, once it is started."""
        return int(self.servers[0].sockets[0].getsockname()[1])

    def listen(self) -> socket.socket:
        """The socket to serve on. Raises UserError when nobody can listen there."""
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise UserError(
                f"nothing can listen on {host} port {port} ({error.strerror}): choose another COUNTERFOIL_HTTP_PORT"
                " or COUNTERFOIL_HTTP_HOST"
            ) from error

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers from now on end their connections, so that clients go elsewhere; then it stops listening."""
        self._on_drain()
        self._protocol.draining = True
        log.info("stopping: serving for another %.1f s", self._linger_s)
        if not self.force_exit:
            await asyncio.sleep(self._linger_s)
        await self._stop_listening(sockets or [])
        await super().shutdown(sockets)

    async def _stop_listening(self, sockets: list[socket.socket]) -> None:
        """Take in connections that wait already: the kernel resets those that nobody accepted when their socket closes."""
        waiting = [connection for listener in sockets for connection in _accept_all(listener)]
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for connection in waiting:
            await loop.connect_accepted_socket(self._new_protocol, connection)

    def _new_protocol(self) -> LimitedProtocol:
        return self._protocol(self.config, self.server_state, self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the server, and the process then ends by returning: exit 0, not by the signal."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, _: FrameType | None) -> None:
        """The second SIGINT does not wait for anybody."""
        self.force_exit = self.should_exit and number == signal.SIGINT
        self.should_exit = True

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        super().run(sockets or [self.listen()])


def _accept_all(listener: socket.socket) -> list[socket.socket]:
    """Connections that wait in the kernel's queue."""
    accepted = []
    listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            accepted.append(connection)
    return accepted
