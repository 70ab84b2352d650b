"""Fixtures: a server that answers what it is told to, and a node there."""

from collections.abc import Iterator

import pytest

from gateways.tron.node import TronNode
from tests.support.http_server import Answered, HttpServer, serving


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with serving(lambda asked: Answered()) as server:
        yield server


@pytest.fixture
def node(server: HttpServer) -> Iterator[TronNode]:
    node = TronNode(server.url, timeout_s=5)
    yield node
    node.close()
