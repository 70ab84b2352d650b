"""How a program that starts servers of its own ends when it is told to: with them."""

import signal


class Unwinding:
    """For a program that starts servers of its own: SIGTERM, SIGHUP and SIGINT end it as an error would, so that it stops them.

    Until `begin` they are only remembered: what is being started then could not be stopped.
    """

    def __init__(self) -> None:
        self._begun = False
        self._received: int | None = None
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._receive)

    def begin(self) -> None:
        """Called where what was started is stopped again. Raises SystemExit if a signal has come by now."""
        self._begun = True
        if self._received is not None:
            raise SystemExit(128 + self._received)

    def _receive(self, number: int, _: object) -> None:
        self._received = number
        if self._begun:
            raise SystemExit(128 + number)
