"""Where a webhook may go, and what a hostile endpoint can do to the one who posts: nothing."""

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateways.webhooks.post import ANSWER_BYTES_MAX, Poster
from gateways.webhooks.public_addresses import is_allowed, is_public
from tests.support.http_server import Answered, serving
from tests.support.patience import HANG_S

PUBLIC = ["1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "168.63.129.17", "223.255.255.254"]
PUBLIC_V6 = ["2606:4700::1111", "2a00:1450:4001::1", "2003::1"]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.0.9",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC + PUBLIC_V6)
def test_the_outside_world_is_public(address: str) -> None:
    """Routed addresses are public."""
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_inside_addresses_are_not_public(address: str) -> None:
    """Loopback, private, link-local, metadata, CGNAT, multicast, NAT64 and mapped addresses are not public."""
    assert not is_public(ip_address(address))
    assert not is_allowed(ip_address(address), allow_loopback=False)


def test_the_development_setting_allows_loopback_only() -> None:
    """With it 127.0.0.0/8 and ::1 are allowed, and nothing else that is not public."""
    allowed = [address for address in NOT_PUBLIC if is_allowed(ip_address(address), allow_loopback=True)]
    assert allowed == ["127.0.0.1", "127.255.0.9", "::1"]


@pytest.mark.parametrize("addresses", [[address] for address in NOT_PUBLIC] + [["1.1.1.1", "10.0.0.1"]])
def test_a_name_that_leads_inside_is_refused(addresses: list[str]) -> None:
    """Whatever inside address a name resolves to, alone or among public ones, no connection is made."""
    reply = Poster(resolve=lambda host, port: addresses).post("https://client.example/hook", {}, b"{}")
    assert (reply.status, reply.reason) == (0, "the URL leads to an address that is not public")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
def test_every_way_of_writing_this_machine_is_refused(host: str) -> None:
    """However loopback is written, a server there is never asked."""
    with serving(lambda asked: Answered(204)) as server:
        reply = Poster().post(f"http://{host}:{server.port}/", {}, b"{}")
        assert reply.status == 0
        assert server.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://client.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
        "http://",
        "/hook",
        "",
        "http://user@client.example/",
        "http://user:secret@client.example/",
        "http://[::1/",
        "http://client.example:99999/",
        "http://" + "a" * 70_000,
    ],
)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    """Other schemes, credentials and broken URLs come to nothing, without a look at the name server."""

    def never(host: str, port: int) -> list[str]:
        raise AssertionError("the name server was asked")

    reply = Poster(resolve=never).post(url, {}, b"{}")
    assert reply.status == 0
    assert reply.reason
    assert "secret" not in reply.reason


def test_the_name_is_resolved_once_and_kept_in_the_request() -> None:
    """The connection goes to the checked address, a rebinding name server is not asked again, and Host is the name."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with serving(lambda asked: Answered(204)) as server:
        url = f"http://client.example:{server.port}/hook?a=1"
        reply = Poster(allow_loopback=True, resolve=rebinding).post(url, {"webhook-id": "e1"}, b'{"x":1}')
        assert (reply.status, reply.delivered, asked) == (204, True, ["client.example"])
        [request] = server.asked
        assert request.headers["host"] == f"client.example:{server.port}"
        assert (request.path, request.body) == ("/hook?a=1", b'{"x":1}')
        assert request.headers["webhook-id"] == "e1"


def test_the_next_address_of_a_name_is_tried() -> None:
    """When a name's first address takes no connection, the second one gets the post."""
    with serving(lambda asked: Answered(200)) as server:
        poster = Poster(allow_loopback=True, resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"])
        assert poster.post(f"http://client.example:{server.port}/", {}, b"{}").status == 200


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    """A redirect to another place is not followed, and is not a delivery."""
    with serving(lambda asked: Answered(200)) as elsewhere:
        moved = Answered(302, b"", {"location": elsewhere.url})
        with serving(lambda asked: moved) as server:
            reply = Poster(allow_loopback=True).post(server.url, {}, b"{}")
        assert (reply.status, reply.delivered) == (302, False)
        assert elsewhere.asked == []


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxy variables change nothing: through a proxy the address could not be checked."""
    with serving(lambda asked: Answered(200)) as proxy, serving(lambda asked: Answered(204)) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert Poster(allow_loopback=True).post(server.url, {}, b"{}").status == 204
        assert proxy.asked == []


@contextlib.contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that says what it likes on one connection."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
    thread.join(HANG_S)


def test_a_drip_of_bytes_does_not_hold_a_post_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that sends a byte now and then is left when the exchange's time is over."""
    monkeypatch.setattr("gateways.webhooks.post.EXCHANGE_S_MAX", 0.3)
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not over.wait(0.02):
            connection.sendall(b"x-a: b\r\n")

    with raw_server(drip) as port:
        reply = Poster(allow_loopback=True).post(f"http://127.0.0.1:{port}/", {}, b"{}")
        over.set()
    assert reply.status == 0
    assert "in time" in reply.reason


def test_an_endless_answer_is_not_read() -> None:
    """Of a body without end a few KiB are read, and its status counts."""
    sent = 0

    def pour(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")
        while True:
            sent += connection.send(b"x" * 1024)

    with raw_server(pour) as port:
        reply = Poster(allow_loopback=True).post(f"http://127.0.0.1:{port}/", {}, b"{}")
    assert reply.delivered
    assert sent < 64 * 1024 * 1024
    assert ANSWER_BYTES_MAX == 4096


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000,
        b"\x16\x03\x01\x00\x00",
    ],
    ids=["nothing", "no http", "no status", "endless header", "tls"],
)
def test_what_is_no_http_is_a_failed_attempt(said: bytes) -> None:
    """Whatever bytes come back, the post ends with a reason and raises nothing."""
    with raw_server(lambda connection: connection.sendall(said)) as port:
        reply = Poster(allow_loopback=True).post(f"http://127.0.0.1:{port}/", {}, b"{}")
    assert reply.status == 0
    assert reply.reason


def test_a_name_that_cannot_be_resolved_is_a_failed_attempt() -> None:
    """A name server's refusal, or a name of nobody's, ends the attempt with a reason."""

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    assert Poster(resolve=unknown).post("https://client.example/", {}, b"{}").status == 0
    assert Poster(resolve=lambda host, port: []).post("https://client.example/", {}, b"{}").status == 0


def test_tls_is_checked_against_the_name(tmp_path: Path) -> None:
    """Over https the pinned address must show a certificate of the URL's name: another name's is refused."""
    certificate = _certificate(tmp_path, "client.example")
    names: list[str | None] = []

    def answer(connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _, name, __: names.append(name)
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secure:
            received = b""
            while not received.endswith(b"{}"):
                received += secure.recv(4096)
            secure.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    statuses = []
    for host in ("client.example", "other.example"):
        poster = Poster(allow_loopback=True, resolve=lambda host, port: ["127.0.0.1"])
        poster._tls.load_verify_locations(certificate)
        with raw_server(answer) as port:
            statuses.append(poster.post(f"https://{host}:{port}/", {}, b"{}").status)
    assert statuses == [204, 0]
    assert names == ["client.example", "other.example"]


def _certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate of a name, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(encoding) + secret)
    return path


def test_a_reason_tells_a_name_from_a_port_and_no_more() -> None:
    """A name that nobody knows, a port that is refused; of everything else only that there was no connection, or no answer."""

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def told(poster: Poster, url: str) -> str:
        return poster.post(url, {}, b"{}").reason

    assert told(Poster(resolve=unknown), "https://nobody.example/") == "the URL's host name is unknown"
    assert told(Poster(resolve=lambda host, port: []), "https://nobody.example/") == "the URL's host name is unknown"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    here = Poster(allow_loopback=True)
    assert told(here, f"http://127.0.0.1:{port}/") == "the URL's port is refused"
    with serving(lambda asked: Answered(204)) as server:
        assert told(here, f"https://127.0.0.1:{server.port}/") == "no connection or a broken one"
