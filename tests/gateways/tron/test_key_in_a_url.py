"""A provider's key of access stands in its URL: nobody who reads a log, an alarm or a table learns it."""

from collections.abc import Callable

import pytest

from core.ports.unavailable import Unavailable
from gateways.node_addresses import names_of, shown
from gateways.tron.node import TronNode
from gateways.tron.nodes import Nodes
from tests.support.http_server import Answered, serving

KEY = "0f3c5a77b1d94e2c8a6e"
ASKED: dict[str, Callable[[TronNode], object]] = {
    "its head": TronNode.head,
    "its solid block": TronNode.solid,
    "its first block": TronNode.genesis_id,
    "a block": lambda node: node.block(5),
    "a block's receipts": lambda node: node.receipts(5),
    "its parameters": TronNode.chain_parameters,
    "its producers": TronNode.producers,
}
ANSWERS = {
    "nothing of use": Answered(200, b"{}"),
    "no JSON": Answered(200, b"<html>"),
    "a status": Answered(404, f"Cannot POST /v2/{KEY}/wallet/getblock".encode()),
    "a limit": Answered(429, f'{{"Error":"/v2/{KEY} is over its rate"}}'.encode()),
}


def said(node: TronNode, asked: str) -> str:
    """What is raised, or nothing."""
    try:
        ASKED[asked](node)
    except Unavailable as error:
        return str(error)
    return ""


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("answer", ANSWERS)
def test_no_sentence_about_a_node_has_its_key(answer: str, asked: str) -> None:
    """Whatever is asked and however it answers, what is raised names the host and not the path."""
    with serving(lambda _: ANSWERS[answer]) as server:
        node = TronNode(f"{server.url}/v2/{KEY}")
        told = [said(node, asked) for _ in range(2)]  # the second time, a node over its rate is not asked
        node.close()
    assert KEY not in "".join(told)
    assert all(server.url in each for each in told if each)


@pytest.mark.parametrize("asked", ASKED)
def test_no_sentence_about_a_dead_node_has_its_key(asked: str) -> None:
    """Nobody listens there: the sentence says where, and no more."""
    node = TronNode(f"http://127.0.0.1:1/v2/{KEY}")
    with pytest.raises(Unavailable) as raised:
        ASKED[asked](node)
    assert KEY not in str(raised.value)
    node.close()


def test_nodes_are_named_without_their_keys() -> None:
    """Two keys at one provider are two nodes with two names; the order stays."""
    urls = [
        f"https://rpc.example/{KEY}",
        "https://other.example",
        f"https://u:{KEY}@rpc.example/?key={KEY}",
        "http://[::1]:8090",
    ]
    assert list(names_of(urls).values()) == [
        "https://rpc.example/…",
        "https://other.example",
        "https://rpc.example/… (2)",
        "http://[::1]:8090",
    ]
    assert not [url for url in urls if KEY in shown(url)]
    assert len(Nodes({name: TronNode(url) for url, name in names_of(urls).items()}).members) == len(urls)
