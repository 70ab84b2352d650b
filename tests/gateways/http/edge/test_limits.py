"""Strangers: too much, too slow, too many; closed within 10 s, before any key is asked for, at no cost in memory."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from gateways.http.edge import connection
from gateways.http.edge.unfinished import Unfinished
from tests.gateways.http.harness import OPERATOR_KEY, World, world
from tests.support.patience import HANG_S, until
from tests.support.postgres import Database

POST_WITHOUT_BODY = (
    b"POST /v1/accounts HTTP/1.1\r\nhost: x\r\nx-api-key: KEY\r\nidempotency-key: k\r\ncontent-length: 9\r\n\r\n"
)
GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"


@contextmanager
def connected(api: World) -> Iterator[socket.socket]:
    parts = urlsplit(api.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=HANG_S) as sock:
        yield sock


def read(sock: socket.socket) -> bytes:
    """Everything until the other side closes; a reset ends it too."""
    data = b""
    try:
        while chunk := sock.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass
    return data


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def code(answer: bytes) -> str:
    return str(msgspec.json.decode(answer.split(b"\r\n\r\n", 1)[1])["code"])


def flood(sock: socket.socket, piece: bytes, total: int) -> int:
    """Send until the other side has enough; -> bytes that went out."""
    sent = 0
    try:
        while sent < total:
            sock.sendall(piece)
            sent += len(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


@pytest.mark.parametrize("start", [GET + b"x-long: ", b"GET /", b"", GET, GET + b"x"], ids=repr)
def test_a_huge_head_costs_nothing(shared: World, start: bytes) -> None:
    """300 MiB of a header, a path or a method are cut off after kilobytes, and the process does not grow."""
    with connected(shared) as sock:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sock.sendall(start)
        sent = flood(sock, b"a" * (1 << 20), 300 << 20)
        read(sock)
        assert sent < 64 << 20
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


@pytest.mark.parametrize(
    "head",
    [
        GET + b"x-long: " + b"a" * 17_000 + b"\r\n\r\n",
        GET + b"x: y\r\n" * 70 + b"\r\n",
        b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["bytes", "count", "path"],
)
def test_a_head_beyond_its_limits_is_a_431(shared: World, head: bytes) -> None:
    """Size and number of headers are bounded, with an answer that says by how much."""
    with connected(shared) as sock:
        sock.sendall(head)
        answer = read(sock)
    assert (status(answer), code(answer)) == (431, "headers_too_large")


@pytest.mark.parametrize(
    "raw",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    ],
    ids=repr,
)
def test_no_http_is_a_400(shared: World, raw: bytes) -> None:
    """What is no HTTP is answered as a problem and closed."""
    with connected(shared) as sock:
        sock.sendall(raw)
        answer = read(sock)
    assert (status(answer), code(answer)) == (400, "malformed_request")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real limit is 8 s; half a second shows the same."""
    assert connection.REQUEST_S < 10
    assert connection.WRITE_S <= 10
    monkeypatch.setattr(connection, "REQUEST_S", 0.5)


SLOW = [
    ("nothing at all", b"", b""),
    ("half a head, and a byte now and then", GET, b"x-slow: 1\r\n"),
    ("a body that does not come", b"POST /v1/payouts HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n", b" "),
    (
        "a body in pieces that does not end",
        b"POST /v1/payouts HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
        b"1\r\n \r\n",
    ),
    ("an answered request, then half another", GET + b"\r\n" + GET, b""),
    ("an answered request, then line breaks", GET + b"\r\n", b"\r\n"),
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("_", "start", "drip"), SLOW, ids=[row[0] for row in SLOW])
def test_a_slow_client_is_closed(shared: World, _: str, start: bytes, drip: bytes) -> None:
    """However it goes about it, a request has its time from the first byte to the last."""
    with connected(shared) as sock:
        sock.sendall(start)
        sock.settimeout(0.1)

        def closed() -> bool:
            try:
                if drip:
                    sock.sendall(drip)
                return sock.recv(65536) == b""
            except TimeoutError:
                return False
            except (BrokenPipeError, ConnectionResetError):
                return True

        until(closed, "that the connection is closed, although bytes go on coming,")


@pytest.mark.usefixtures("impatient")
def test_an_idle_connection_is_kept(shared: World) -> None:
    """Between requests a connection may rest longer than a request may take."""
    with connected(shared) as sock:
        for _ in range(2):
            sock.sendall(GET + b"\r\n")
            assert status(sock.recv(65536)) == 200
            with connected(shared) as later:  # and asks for nothing: closed when a request's time is over
                read(later)


def test_a_client_that_reads_nothing_is_cut_off(shared: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that are not read end the connection instead of filling memory."""
    monkeypatch.setattr(connection, "WRITE_S", 0.3)
    with connected(shared) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(HANG_S)
        ask = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"
        assert flood(sock, ask * 1000, 1 << 30) < 1 << 30


def test_connections_are_bounded(database: Database, tmp_path: Path) -> None:
    """Beyond the limit one that only rests makes room; where all are at work, the new one is told so and closed."""
    with world(database, tmp_path, http_connections_max=5) as api:
        api.operator.close()
        parts = urlsplit(api.url)
        held = []
        for _ in range(5):
            held.append(socket.create_connection((parts.hostname, parts.port), timeout=HANG_S))
            held[-1].sendall(GET + b"\r\n")
            assert status(held[-1].recv(65536)) == 200
        with connected(api) as sock:
            sock.sendall(GET + b"\r\n")
            assert status(sock.recv(65536)) == 200
            assert held[0].recv(1) == b""
        for sock in held:
            sock.close()
    with world(database, tmp_path, http_connections_max=1) as api:
        api.operator.close()
        with connected(api) as busy, connected(api) as sock:
            busy.sendall(POST_WITHOUT_BODY.replace(b"KEY", OPERATOR_KEY.encode()))
            answer = read(sock)
            assert (status(answer), code(answer)) == (503, "overloaded")


def test_half_open_heads_shut_nobody_out(database: Database, tmp_path: Path) -> None:
    """One peer holds a fourth of the connections with heads that it does not finish: then its oldest goes, and it is told."""
    with world(database, tmp_path, http_connections_max=20) as api:
        api.operator.close()
        parts = urlsplit(api.url)
        held = [socket.create_connection((parts.hostname, parts.port), timeout=HANG_S) for _ in range(5)]
        for sock in held:
            sock.sendall(GET)
        late = [socket.create_connection((parts.hostname, parts.port), timeout=HANG_S) for _ in range(30)]
        for sock in [*held, *late[:25]]:
            answer = read(sock)
            assert answer == b"" or (status(answer), code(answer)) == (503, "overloaded")
        for sock in late[25:]:
            sock.sendall(GET + b"\r\n")
            assert status(sock.recv(65536)) == 200
        with connected(api) as sock:
            sock.sendall(GET + b"\r\n")
            assert status(sock.recv(65536)) == 200
        for sock in [*held, *late]:
            sock.close()


@pytest.mark.fast
def test_the_oldest_unfinished_head_goes_first() -> None:
    """Bounded per peer; where there is no room at all, the first of the peer that holds most goes."""
    heads: Unfinished[str] = Unfinished(2)
    assert [heads.begin("203.0.113.1", name) for name in ("a", "b", "c")] == [None, None, "a"]
    heads.end("203.0.113.1", "a")
    assert heads.begin("2001:db8::1", "d") is None
    assert heads.oldest("d") == "b"
    assert heads.oldest("b") == "c"
    for name in ("b", "c"):
        heads.end("203.0.113.1", name)
    assert heads.oldest("d") is None
    assert heads.begin("2001:db8::2", "e") is None
    assert heads.begin("2001:db8::3", "f") == "d"


def test_pipelined_requests_are_answered_in_order(shared: World) -> None:
    """A few requests may be sent at once; a great many end the connection."""
    with connected(shared) as sock:
        one = b"GET /v1/accounts HTTP/1.1\r\nhost: x\r\nx-api-key: " + OPERATOR_KEY.encode()
        sock.sendall(b"".join(one + b"\r\nx-request-id: r%d\r\n\r\n" % number for number in range(4)))
        data = b""
        while data.count(b"x-request-id: r") < 4:
            data += sock.recv(65536)
        assert [data.index(b"x-request-id: r%d" % number) for number in range(4)] == sorted(
            data.index(b"x-request-id: r%d" % number) for number in range(4)
        )
    with connected(shared) as sock:
        flood(sock, (one + b"\r\n\r\n") * 1000, 1)
        assert read(sock).count(b"HTTP/1.1 200") < 1000


def test_a_body_is_not_awaited_before_the_key(shared: World) -> None:
    """Without a key the answer comes although the body does not."""
    with connected(shared) as sock:
        sock.sendall(b"POST /v1/payouts HTTP/1.1\r\nhost: x\r\ncontent-length: 65000\r\n\r\n")
        assert status(sock.recv(65536)) == 401
