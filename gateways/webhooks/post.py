"""One POST to an address of a client's choosing: checked where the connection is made, bounded in time and size.

The name is resolved once and the connection goes to the addresses that were checked, so that a second answer of the
name server cannot lead elsewhere; Host header and TLS still carry the name. Redirects and proxies are not followed.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import httpcore2
import httpx2
import msgspec

from core.ports.clients import WebhookOutbox
from gateways.telemetry.tracing import Tracing
from gateways.webhooks.public_addresses import Ip, is_allowed
from gateways.wiring.traced import TracedOutbox

CONNECT_S_MAX: Final = 5.0
EXCHANGE_S_MAX: Final = 10.0
"""From the first byte of the connection to the last that is read of the answer."""
ANSWER_BYTES_MAX: Final = 4096
"""So much of an answer's body is read, for politeness; nothing in it matters."""

Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) -> IP addresses. Raises OSError."""


class PostAnswer(msgspec.Struct, frozen=True):
    """What came of it: the HTTP status, or 0 and the reason there is none."""

    status: int
    reason: str = ""

    @property
    def delivered(self) -> bool:
        return 200 <= self.status < 300


class _UnknownName(httpcore2.ConnectError):
    """No name server gives the name an address."""


class _Forbidden(Exception):
    """The name leads to an address that webhooks do not go to."""


def resolve(host: str, port: int) -> list[str]:
    """Every address of a name, in the system's order of preference."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Post(Protocol):
    """Whoever posts a webhook."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> PostAnswer: ...


class Poster:
    """Posts from any thread; each call has a connection of its own."""

    def __init__(self, *, allow_loopback: bool = False, resolve: Resolve = resolve) -> None:
        self._allow_loopback = allow_loopback
        self._resolve = resolve
        self._tls = httpcore2.default_ssl_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> PostAnswer:
        """Never raises for what the other side, its name server or its URL does."""
        try:
            target = _target(url)
            backend = _CheckedBackend(self._allow_loopback, self._resolve, time.monotonic() + EXCHANGE_S_MAX)
            given = [(name.encode(), value.encode()) for name, value in headers.items()]
            given += [(b"Host", _host(target)), (b"Content-Length", str(len(body)).encode())]
            timeout = {"connect": CONNECT_S_MAX, "read": EXCHANGE_S_MAX, "write": EXCHANGE_S_MAX, "pool": CONNECT_S_MAX}
            with (
                httpcore2.ConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
                pool.stream("POST", target, headers=given, content=body, extensions={"timeout": timeout}) as answer,
            ):
                return (
                    PostAnswer(answer.status) if _sip(answer) else PostAnswer(answer.status, "the answer was cut short")
                )
        except _Forbidden as error:
            return PostAnswer(0, str(error))
        except httpcore2.TimeoutException:
            return PostAnswer(0, "no answer in time")
        except (httpcore2.NetworkError, httpcore2.ProtocolError, ssl.SSLError, OSError) as error:
            return PostAnswer(0, _sentence_of(error))


def _sentence_of(error: Exception) -> str:
    """A name that is unknown and a port that is refused are the client's to mend; of the rest our network tells nothing."""
    if isinstance(error, _UnknownName):
        return "the URL's host name is unknown"
    causes: list[BaseException | None] = [error]
    while causes[-1] is not None:
        causes.append(causes[-1].__cause__ or causes[-1].__context__)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "the URL's port is refused"
    return "no connection or a broken one"


def _target(url: str) -> httpcore2.URL:
    """Raises _Forbidden for what is no plain http(s) URL."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise _Forbidden("the URL cannot be read") from error
    if parsed.scheme not in ("http", "https") or not parsed.raw_host:
        raise _Forbidden("the URL must start with http:// or https:// and name a host")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise _Forbidden("the URL names a port that does not exist")
    if parsed.userinfo:
        raise _Forbidden("the URL must not hold a user name or password")
    return httpcore2.URL(
        scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path or b"/"
    )


def _host(target: httpcore2.URL) -> bytes:
    host = b"[%b]" % target.host if b":" in target.host else target.host
    return host if target.port is None else b"%b:%d" % (host, target.port)


def _sip(answer: httpcore2.Response) -> bool:
    """Read a little of the body -> whether it could be read. Its status has been given in any case."""
    taken = 0
    try:
        for chunk in answer.iter_stream():
            taken += len(chunk)
            if taken >= ANSWER_BYTES_MAX:
                break
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException):
        return False
    return True


class _CheckedBackend(httpcore2.NetworkBackend):
    """Connects to checked addresses only, and gives every stream the exchange's deadline."""

    def __init__(self, allow_loopback: bool, resolve: Resolve, deadline: float) -> None:
        self._allow_loopback = allow_loopback
        self._resolve = resolve
        self._deadline = deadline
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception = _UnknownName(f"{host} has no address")
        for address in self._checked(host, port):
            try:
                within = _within(self._deadline, timeout, httpcore2.ConnectTimeout)
                stream = self._sockets.connect_tcp(str(address), port, within, local_address, socket_options)
                return _DeadlineStream(stream, self._deadline)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def _checked(self, host: str, port: int) -> list[Ip]:
        """The name's addresses. One that is not allowed spoils all: a name that mixes them is not to be trusted."""
        try:
            addresses = [ip_address(address.partition("%")[0]) for address in self._resolve(host, port)]
        except (OSError, UnicodeError) as error:
            raise _UnknownName("the name cannot be resolved") from error
        for address in addresses:
            if not is_allowed(address, allow_loopback=self._allow_loopback):
                raise _Forbidden("the URL leads to an address that is not public")
        return addresses


class _DeadlineStream(httpcore2.NetworkStream):
    """A stream on which a drip of bytes, each in time, does not hold a thread for ever."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _within(self._deadline, timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _within(self._deadline, timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        within = _within(self._deadline, timeout, httpcore2.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, within), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _within(deadline: float, timeout: float | None, late: type[httpcore2.TimeoutException]) -> float:
    """What is left of the time, at most `timeout`. Raises `late` when nothing is."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise late("it took too long")
    return left if timeout is None else min(left, timeout)


class TracedPoster:
    """Posts that carry their trace's headers. Of the URL only the host is recorded: the rest may be a client's secret (I13)."""

    def __init__(self, poster: Post, outbox: WebhookOutbox, tracing: Tracing) -> None:
        assert isinstance(outbox, TracedOutbox), "the outbox is traced as well, or no delivery has a trace"
        self._poster = poster
        self._outbox = outbox
        self._tracing = tracing

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> PostAnswer:
        journey = self._outbox.journeys.get(headers["webhook-id"])
        if journey is None:
            return self._poster.post(url, headers, body)
        spans = self._tracing.spans
        ids, began_ns = spans.below(journey.trace_id, journey.root_id), time.time_ns()
        reply = self._poster.post(url, {**headers, **spans.headers(ids)}, body)
        spans.record(
            "webhooks post",
            ids,
            began_ns,
            time.time_ns(),
            kind="client",
            attributes={
                "http.request.method": "POST",
                "server.address": urlsplit(url).hostname or "",
                "http.response.status_code": reply.status,
                "counterfoil.webhook_id": headers["webhook-id"],
            },
            error=None if reply.delivered else str(reply.status or "no_answer"),
        )
        return reply
