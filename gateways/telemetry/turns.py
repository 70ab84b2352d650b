"""What a process does at the moment: a turn of its loop, or an HTTP request. What happens within is recorded at its end.

A turn in which nothing happened is not recorded: an idle process makes no spans.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from core.ledger.events import Recorded
from gateways.telemetry.spans import Ids, Kind

PARTS_MAX: Final = 64
"""So many calls of one turn are recorded one by one; the others are counted."""


class Part(NamedTuple):
    """A call within a turn."""

    name: str
    start_ns: int
    end_ns: int
    kind: Kind
    error: str | None


class Turn:
    """One turn: when it began, the ids of its span, the calls within, and the events that it read."""

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        self.began_ns = time.time_ns()
        self.parts: list[Part] = []
        self.calls = 0
        self.read: list[Recorded] = []

    def note(self, part: Part) -> None:
        self.calls += 1
        if len(self.parts) < PARTS_MAX:
            self.parts.append(part)

    @contextlib.contextmanager
    def part(self, name: str, kind: Kind = "internal") -> Iterator[None]:
        """A call, noted when it ends."""
        began_ns, error = time.time_ns(), None
        try:
            yield
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            self.note(Part(name, began_ns, time.time_ns(), kind, error))


HERE: Final[ContextVar[Turn | None]] = ContextVar("turn", default=None)
"""The turn that this thread, or this request, is in."""


def trace_header() -> str | None:
    """The turn that this thread is in, as AWS' services pass it on: X-Ray then shows which step sent a message."""
    turn = HERE.get()
    if turn is None:
        return None
    trace = f"{turn.ids.trace_id:032x}"
    return f"Root=1-{trace[:8]}-{trace[8:]};Parent={turn.ids.span_id:016x};Sampled=1"


def trace_id_here() -> str | None:
    """For the log: the trace of what is done at the moment, as 32 hexadecimal digits."""
    turn = HERE.get()
    return None if turn is None else f"{turn.ids.trace_id:032x}"


class Noted:
    """A port whose calls are noted in the turn they happen in."""

    def __init__(self, port: Any, name: str, kind: Kind = "internal") -> None:
        self._port = port
        self._name = name
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name.startswith("_") or not callable(found):
            return found
        noted = self.__dict__[name] = self._noted(f"{self._name}.{name}", found)
        return noted

    def _noted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **options: Any) -> Any:
            turn = HERE.get()
            if turn is None:
                return call(*args, **options)
            with turn.part(name, self._kind):
                return call(*args, **options)

        return noted
