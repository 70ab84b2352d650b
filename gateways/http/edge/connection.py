"""A connection with limits: uvicorn's httptools protocol, bounded in bytes, in headers, in time and in number.

All of it holds before a request reaches the application, so a stranger costs a timer and a few kilobytes.
"""

import asyncio
import itertools
import logging
from typing import Any, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from core.ledger.refusals import Refusal
from gateways.http.edge.unfinished import Unfinished
from gateways.http.errors import (
    HeadersTooLarge,
    MalformedRequest,
    Overloaded,
    RequestTimeout,
    headers_of,
    problem_of,
)

log = logging.getLogger(__name__)

HEAD_BYTES_MAX: Final = 16 * 1024
HEADERS_MAX: Final = 64
REQUEST_S: Final = 8
"""From the first byte (or the connection's start) to the last byte of the body."""
WRITE_S: Final = 10
"""A client that reads nothing of its answer for so long is gone."""
PIPELINED_MAX: Final = 8

_answered: Final = itertools.count()
"""The order in which answers were completed: the event loop's clock is too coarse to tell two of them apart."""


class _Refused(Exception):
    """Raised within a parser callback: the head is refused."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. The server sets these on a subclass of its own."""

    connections_max: int = 512
    unfinished: "Unfinished[LimitedProtocol]" = Unfinished(512)
    """All connections of the server on which a head, the first or a later one, is not finished."""
    draining: bool = False
    drain_idle_s: float = 1.0
    """How long a connection may still bring a request after the server was told to stop."""

    _deadline: asyncio.TimerHandle | None = None
    _write_deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _fields_bytes = 0
    _arrived = True
    """The last request has arrived whole (or none was begun)."""
    _rests_since: int | None = None
    """The turn in which its last answer was complete."""
    _refusal: Refusal | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_head()
        if len(self.connections) > self.connections_max and not self._make_room():
            self.refuse(Overloaded())
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._disarm_write()
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.parser is None or self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self.parser is None or self.transport.is_closing():
            return
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX:
            self.refuse(_TOO_LARGE)
        elif self._arrived and not self._head_bytes:
            self._disarm()
        else:
            self._arm()

    # Parser callbacks

    def on_message_begin(self) -> None:
        self._in_head = True
        self._arrived = False
        self._fields_bytes = 0
        self._begin_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        if len(self.headers) >= HEADERS_MAX:
            self._refusal = _TOO_LARGE
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self._end_head()
        if len(self.pipeline) >= PIPELINED_MAX:
            self._refusal = Overloaded()
            raise _Refused
        super().on_headers_complete()
        if self.draining:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._arrived = True

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._rests_since = next(_answered)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """What the parser does not understand, or what a callback refused."""
        self.refuse(self._refusal or MalformedRequest(reason="the request line, a header or the body's framing"))

    # A client that does not read

    def pause_writing(self) -> None:
        super().pause_writing()
        self._disarm_write()
        self._write_deadline = self.loop.call_later(WRITE_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._disarm_write()

    # The end

    def shutdown(self) -> None:
        """The server stops: what runs is finished, what is on its way is still taken, idleness ends in a moment."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        self.loop.call_later(self.drain_idle_s, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._idle:
            self.transport.close()

    @property
    def _idle(self) -> bool:
        """Open, with nothing asked and nothing left to answer."""
        answered = self.cycle is None or self.cycle.response_complete
        return self._arrived and answered and not self.transport.is_closing()

    def _begin_head(self) -> None:
        """The peer's oldest goes when this is one too many: what many half-open heads shut out is their own peer."""
        oldest = self.unfinished.begin(self._peer, self)
        if oldest is not None:
            oldest.refuse(Overloaded())

    def _end_head(self) -> None:
        self.unfinished.end(self._peer, self)

    @property
    def _peer(self) -> str | None:
        return self.client[0] if self.client else None

    def _make_room(self) -> bool:
        """Who asked for nothing yet goes before who rests between two requests. -> whether there was one."""
        oldest = self.unfinished.oldest(self)
        if oldest is None:
            return self._end_the_longest_rest()
        oldest.refuse(Overloaded())
        return True

    def _end_the_longest_rest(self) -> bool:
        """Make room: connections that rest between two requests must not keep others out. -> whether there was one."""
        resting = [
            other
            for other in self.connections
            if isinstance(other, LimitedProtocol) and other._rests_since is not None and other._idle
        ]
        if not resting:
            return False
        min(resting, key=lambda other: other._rests_since or 0).transport.close()
        return True

    def _count(self, size: int) -> None:
        self._fields_bytes += size
        if self._fields_bytes > HEAD_BYTES_MAX:
            self._refusal = _TOO_LARGE
            raise _Refused

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_S, self._late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _disarm_write(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _late(self) -> None:
        self._deadline = None
        self.refuse(RequestTimeout(seconds=REQUEST_S))

    def refuse(self, refusal: Refusal) -> None:
        """Answer, if no other answer is under way, and close."""
        if self.transport.is_closing():
            return
        self._end_head()
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_answer(refusal))
        log.info("connection refused: %s", refusal.code)
        self.transport.close()


_TOO_LARGE: Final = HeadersTooLarge(limit_bytes=HEAD_BYTES_MAX, limit_count=HEADERS_MAX)


def _answer(refusal: Refusal) -> bytes:
    body = msgspec.json.encode(problem_of(refusal, "none"))
    headers: dict[str, Any] = {
        "content-type": "application/problem+json",
        "content-length": len(body),
        "x-content-type-options": "nosniff",
        "connection": "close",
        **headers_of(refusal),
    }
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
    return STATUS_LINE[refusal.status] + lines + b"\r\n" + body
