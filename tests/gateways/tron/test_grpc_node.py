"""A node by gRPC over a real connection: what each status means, what is sent, and what no answer can do to us."""

import contextlib
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from core.ports.chain import UnusableAnswer
from core.ports.unavailable import Unavailable
from core.tron.grpc_messages import NUMBER
from gateways import settings
from gateways.node_addresses import NodeAddress
from gateways.settings import InvalidSettings
from gateways.tron import grpc_channel
from gateways.tron.grpc_channel import CallFailed, GrpcChannel
from gateways.tron.grpc_node import GrpcNode, TooLarge, node_at
from gateways.tron.node import SUSPENSION_S, Suspended, TronNode
from gateways.tron.nodes import Nodes
from tests.gateways.tron.grpc_calls import GENESIS_ID, genesis, made_node
from tests.gateways.tron.grpc_server import Asked, Fails, GrpcServer, Hangs, serving_grpc
from tests.gateways.tron.test_java_tron import SHOWN
from tests.gateways.tron.test_stored_blocks import extention
from tests.support.http_server import Answered, HttpServer, serving
from tests.support.patience import HANG_S, until

BLOCK: Final = extention(SHOWN[0])
QUESTIONS: Final[tuple[Callable[[TronNode], object], ...]] = (
    lambda node: node.head(),
    lambda node: node.solid(),
    lambda node: node.block(7),
    lambda node: node.solid_block(7),
    lambda node: node.receipts(7),
    lambda node: node.solid_receipts(7),
)
RECEIPTS: Final = QUESTIONS[4:]


@pytest.fixture(scope="module")
def http() -> Iterator[HttpServer]:
    """Block 0 over HTTP."""
    with serving(lambda asked: Answered(200, b'{"blockID":"%s"}' % GENESIS_ID.encode())) as server:
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[GrpcServer]:
    with serving_grpc(told) as server:
        yield server


def told(asked: Asked) -> bytes:
    """Block 0, a recorded block, and no receipts."""
    if asked.method.endswith("GetTransactionInfoByBlockNum"):
        return b""
    return BLOCK if asked.question or asked.method.endswith("GetNowBlock2") else genesis()


def connected(http: HttpServer, grpc_url: str, timeout_s: float = HANG_S, **others: Any) -> GrpcNode:
    full, solidity = GrpcChannel(grpc_url), GrpcChannel(grpc_url)
    return GrpcNode(http.url, full=full, solidity=solidity, timeout_s=timeout_s, **others)


@pytest.fixture
def node(http: HttpServer, server: GrpcServer) -> Iterator[GrpcNode]:
    server.answer = told
    server.asked.clear()
    node = connected(http, server.url)
    yield node
    node.close()


def test_each_question_goes_to_its_service_and_method(node: GrpcNode, server: GrpcServer, http: HttpServer) -> None:
    """Six methods of two services, numbers as NumberMessage; over HTTP only block 0 is asked for, once for each address."""
    http.asked.clear()
    for question in QUESTIONS:
        question(node)
    seven = NUMBER.encode({"num": 7})
    assert [(asked.method, asked.question) for asked in server.asked if asked.question] == [
        ("protocol.Wallet/GetBlockByNum2", seven),
        ("protocol.WalletSolidity/GetBlockByNum2", seven),
        ("protocol.Wallet/GetTransactionInfoByBlockNum", seven),
        ("protocol.WalletSolidity/GetTransactionInfoByBlockNum", seven),
    ]
    newest = [asked.method for asked in server.asked if asked.method.endswith("GetNowBlock2")]
    assert newest == ["protocol.Wallet/GetNowBlock2", "protocol.WalletSolidity/GetNowBlock2"]
    assert [asked.path for asked in http.asked] == ["/wallet/getblockbynum"] * 2


def test_the_key_goes_along(http: HttpServer, server: GrpcServer) -> None:
    """TRON-PRO-API-KEY is metadata of every call; a node without a key gets none."""
    server.answer = told
    for key in ("a key", ""):
        server.asked.clear()
        address = NodeAddress(http.url, http.url, key, server.url, server.url)
        node = node_at(address, token=b"")
        node.head()
        node.close()
        assert {asked.metadata.get("tron-pro-api-key", "") for asked in server.asked} == {key}


@pytest.mark.parametrize(
    ("code", "details", "kind", "words"),
    [
        ("UNAVAILABLE", "this API is closed because this node is a lite fullnode", Unavailable, "lite fullnode"),
        ("UNIMPLEMENTED", "Method not found", Unavailable, "leave its gRPC address away"),
        ("UNAUTHENTICATED", "", Unavailable, "COUNTERFOIL_TRON_API_KEY"),
        ("INTERNAL", "null", Unavailable, "fails with INTERNAL: null"),
        ("UNKNOWN", "", Unavailable, "UNKNOWN"),
        ("CANCELLED", "", Unavailable, "CANCELLED"),
        ("DATA_LOSS", "x" * 3_000, Unavailable, "x" * 200 + "$"),
        ("RESOURCE_EXHAUSTED", "the query server is suspended for 27 s", Suspended, "27 s"),
        ("PERMISSION_DENIED", "", Suspended, "limits our rate"),
        (
            "RESOURCE_EXHAUSTED",
            "CLIENT: Received message larger than max (9 vs. 8)",
            TooLarge,
            "more than is taken",
        ),
    ],
)
def test_what_each_status_means(
    node: GrpcNode, server: GrpcServer, code: str, details: str, kind: type[Unavailable], words: str
) -> None:
    """Unavailable with a sentence that names address, method and what to do, and the subclass that says what it is."""
    for question in QUESTIONS[:2]:  # the node learns that it is of this network
        question(node)
    server.answer = lambda asked: Fails(code, details)
    with pytest.raises(Unavailable, match=words) as caught:
        node.block(7)
    assert type(caught.value) is kind
    assert f"{server.url}/protocol.Wallet/GetBlockByNum2" in str(caught.value)


@pytest.mark.fast
def test_a_node_without_the_solid_service_says_which_setting() -> None:
    """UNIMPLEMENTED names the setting of the port that is missing: java-tron has two."""
    missing = CallFailed("UNIMPLEMENTED", "")
    node, _ = made_node({"GetBlockByNum2": missing, "GetNowBlock2": missing})
    with pytest.raises(Unavailable, match=r"COUNTERFOIL_TRON_GRPC_URL where this node serves protocol\.Wallet,"):
        node.head()
    with pytest.raises(
        Unavailable, match=r"COUNTERFOIL_TRON_GRPC_SOLIDITY_URL where this node serves protocol\.WalletSol"
    ):
        node.solid()


@pytest.mark.fast
def test_a_limit_without_a_time_is_the_default_s() -> None:
    """Who limits our rate and does not say for how long is left alone as long as TronGrid does it; its other service too."""
    now = 1000.0
    node, calls = made_node({"GetNowBlock2": b""}, monotonic=lambda: now)
    with pytest.raises(Unavailable, match="no newest block"):
        node.head()
    calls.answers["GetNowBlock2"] = CallFailed("RESOURCE_EXHAUSTED", "")
    with pytest.raises(Suspended):
        node.head()
    calls.asked.clear()
    now += SUSPENSION_S - 1
    with pytest.raises(Suspended, match="not asked again for 1 s"):
        node.solid_block(7)
    assert calls.asked == []
    now += 1
    calls.answers["GetNowBlock2"] = BLOCK
    node.head()


@pytest.mark.parametrize("place", range(len(QUESTIONS)))
def test_a_node_that_hangs_is_given_up(http: HttpServer, server: GrpcServer, place: int) -> None:
    """No answer within the timeout: Unavailable; of receipts, which may be many, within three: and then no answer to use."""
    server.answer = told
    node = connected(http, server.url, timeout_s=0.2)
    node._of_this_network |= {"protocol.Wallet", "protocol.WalletSolidity"}
    server.answer = lambda asked: Hangs()
    server.asked.clear()
    with pytest.raises(Unavailable, match="does not answer within") as caught:
        QUESTIONS[place](node)
    assert isinstance(caught.value, UnusableAnswer) == (QUESTIONS[place] in RECEIPTS)
    node.close()


def test_an_answer_larger_than_is_taken_is_cut_off(
    http: HttpServer, server: GrpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library refuses it at the size that is set, and the channel goes on; receipts are asked for over HTTP then."""
    monkeypatch.setattr(grpc_channel, "ANSWER_BYTES_MAX", 4096)
    server.answer = told
    node = connected(http, server.url)
    node.solid()
    server.answer = lambda asked: bytes(5_000)
    with pytest.raises(UnusableAnswer, match="more than is taken"):
        QUESTIONS[3](node)
    http.asked.clear()
    monkeypatch.setattr(http, "answer", lambda asked: Answered(200, b"[]"))
    assert [list(question(node)) for question in RECEIPTS] == [[], []]  # type: ignore[call-overload]
    area = ("wallet", "walletsolidity")
    assert [asked.path for asked in http.asked] == [f"/{name}/gettransactioninfobyblocknum" for name in area]
    server.answer = told
    node.solid()
    node.close()


def test_an_answer_above_four_mib_is_taken(node: GrpcNode, server: GrpcServer) -> None:
    """gRPC's own limit of 4 MiB is not ours: receipts that weigh more are read."""
    node.solid()
    server.answer = lambda asked: b"\x7a\x80\x80\x80\x03" + bytes(6 * 1024 * 1024)
    assert node.solid_receipts(7) == []


def test_another_network_by_grpc_is_refused(http: HttpServer, server: GrpcServer) -> None:
    """Addresses in another order, or of another network: block 0 is not the one that HTTP has, and nothing is read."""
    server.answer = lambda asked: genesis("01" * 32) if not asked.question else BLOCK
    node = connected(http, server.url)
    for question in QUESTIONS:
        with pytest.raises(Unavailable, match="in the same order"):
            question(node)
    node.close()


def test_a_closed_port_and_a_server_that_comes_back(http: HttpServer) -> None:
    """Nobody there is Unavailable, at once; when somebody is there again, the same node finds it."""
    with serving_grpc(told) as first:
        port = first.url.rpartition(":")[2]
        node = connected(http, first.url)
        node.head()
    with pytest.raises(Unavailable, match="cannot be asked"):
        node.head()
    with serving_grpc(told, int(port)):
        until(lambda: answers(node), "the node is found again")
    node.close()


def answers(node: TronNode) -> bool:
    try:
        node.head()
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize("seed", range(6))
def test_what_is_no_grpc_at_all_is_unavailable(http: HttpServer, seed: int) -> None:
    """Random bytes, HTTP/1.1, a closed connection or silence behind the port: Unavailable, each time."""
    chance = random.Random(seed)
    settings_frame = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    http_1 = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    junk = chance.randbytes(500)
    body = [junk, http_1, b"", bytes(64), settings_frame[:4] * 20, settings_frame + junk][seed]
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(24)
                        connection.sendall(body)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        node = connected(http, f"grpc://127.0.0.1:{listening.getsockname()[1]}", timeout_s=1)
        with pytest.raises(Unavailable):
            node.head()
        node.close()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_connection_that_comes_about_slowly_is_waited_for(http: HttpServer) -> None:
    """Who is connected and says nothing yet is not left for a new connection as long as the question waits."""
    accepted = 0
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept = []

        def serve() -> None:
            nonlocal accepted
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listening.accept()[0])
                    accepted += 1

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        node = connected(http, f"grpc://127.0.0.1:{listening.getsockname()[1]}", timeout_s=1)
        with pytest.raises(Unavailable, match="does not answer within 1 s"):
            node.head()
        node.close()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in kept:
        connection.close()
    assert accepted == 1


def test_a_malformed_answer_is_an_alarm_of_that_node(http: HttpServer, server: GrpcServer) -> None:
    """Whatever is no message rests the node and names it, as over HTTP; the other one is used."""
    server.answer = lambda asked: b"\x0a\xff" if asked.question or "Now" in asked.method else genesis()
    alarms: list[tuple[str, str]] = []
    odd, (good, _) = connected(http, server.url), made_node({"GetNowBlock2": BLOCK})
    nodes = Nodes({"odd": odd, "good": good}, alarm=lambda name, sentence: alarms.append((name, sentence)))
    with nodes.pinned():  # which begins with a look at every node's head
        nodes.head()
    assert [(name, sentence.partition(":")[0]) for name, sentence in alarms] == [("malformed_answer", "odd")]
    nodes.close()


@pytest.mark.fast
def test_the_library_is_loaded_where_a_grpc_address_is_set() -> None:
    """Importing what the platform imports loads no gRPC, and a node without such an address is TronNode itself."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, gateways.wiring.on_postgres, gateways.devnet.server;"
            "from gateways.tron.grpc_node import node_at; from gateways.node_addresses import NodeAddress;"
            "node = node_at(NodeAddress('http://a', 'http://a', '', 'grpc://a:1', 'grpc://a:1'), token=b'');"
            "assert 'grpc' not in sys.modules",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert type(node_at(NodeAddress("http://a", "http://a", ""), token=b"")) is TronNode


@pytest.mark.fast
@pytest.mark.parametrize(
    ("environ", "addresses"),
    [
        ({"TRON_GRPC_URL": "grpc://n:50051"}, [("grpc://n:50051", "grpc://n:50061")]),
        ({"TRON_GRPC_URL": "grpcs://n:443"}, [("grpcs://n:443", "grpcs://n:443")]),
        ({"TRON_GRPC_URL": "grpc://[::1]:50051"}, [("grpc://[::1]:50051", "grpc://[::1]:50061")]),
        (
            {"TRON_GRPC_URL": "grpc://n:50051", "TRON_GRPC_SOLIDITY_URL": "grpc://n:50052"},
            [("grpc://n:50051", "grpc://n:50052")],
        ),
        (
            {"TRON_NODE_URL": "http://a,http://b,http://c", "TRON_GRPC_URL": "grpc://a:1, ,grpc://c:50051"},
            [("grpc://a:1", "grpc://a:1"), ("", ""), ("grpc://c:50051", "grpc://c:50061")],
        ),
    ],
)
def test_grpc_addresses_are_settings(environ: dict[str, str], addresses: list[tuple[str, str]]) -> None:
    """One for each node, empty for none; solid blocks at java-tron's second port, or where the setting says."""
    loaded = settings.load({settings.PREFIX + name: value for name, value in environ.items()})
    assert [(each.grpc_url, each.grpc_solidity_url) for each in loaded.nodes] == addresses


@pytest.mark.fast
@pytest.mark.parametrize(
    "environ",
    [
        {"TRON_GRPC_URL": "http://n:50051"},
        {"TRON_GRPC_URL": "grpc://n"},
        {"TRON_GRPC_URL": "grpc://n:50051/x"},
        {"TRON_GRPC_URL": "grpc://a:1,grpc://b:1"},
        {"TRON_NODE_URL": "http://a,http://b", "TRON_GRPC_URL": "grpc://a:1"},
    ],
)
def test_settings_that_name_no_grpc_address_are_refused(environ: dict[str, str]) -> None:
    """What has no port, another scheme, or is not one for each node is refused with its variable's name."""
    with pytest.raises(InvalidSettings, match="COUNTERFOIL_TRON_GRPC_URL"):
        settings.load({settings.PREFIX + name: value for name, value in environ.items()})
