"""The ports of one machine, taken before anything is started: whoever answers there afterwards is ours (FAILURES 64)."""

import contextlib
import socket
from typing import Final

from gateways.user_error import CannotBegin

BACKLOG: Final = 1024


class Ports:
    """Sockets that listen already, each for one process, which serves on it; until then whoever connects waits."""

    def __init__(self) -> None:
        self._held: dict[str, socket.socket] = {}

    def take(self, process: str, host: str, port: int, setting: str) -> int:
        """Listen there for a process -> the port, a free one for 0. Raises CannotBegin, which names the setting."""
        self._held[process] = _listening(host, port, setting)
        return int(self._held[process].getsockname()[1])

    def of(self, process: str) -> socket.socket | None:
        """For the process itself, in its own fork: its socket, and all others closed. None where it was there before."""
        for other in self._held.keys() - {process}:
            self.let_go(other)
        found = self._held.get(process)
        return None if found is None or found.fileno() < 0 else found

    def let_go(self, process: str) -> None:
        """The process has it now, or its time is over: whoever starts it anew lets it listen by itself."""
        if process in self._held:
            self._held[process].close()

    def close(self) -> None:
        for process in self._held:
            self.let_go(process)


def must_be_free(host: str, port: int, setting: str) -> None:
    """For a port that its process takes by itself. Raises CannotBegin."""
    if port:
        _listening(host, port, setting).close()


def _listening(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: without it an answer takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with contextlib.ExitStack() as undoing:
        undoing.callback(listening.close)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(BACKLOG)
        except OSError as error:
            why = error.strerror or str(error)
            raise CannotBegin(f"nothing can listen on {host} port {port} ({why}): choose another {setting}") from error
        undoing.pop_all()
    return listening
