"""Fixtures: the webhook process, and an endpoint that says 204."""

from collections.abc import Iterator

import pytest

from gateways.postgres.event_store import PostgresEventStore
from projections.engine.tracking import ViewTracking
from tests.gateways.webhooks.world import Post
from tests.support.http_server import Answered, HttpServer, serving
from tests.support.postgres import Database


@pytest.fixture
def post(database: Database, store: PostgresEventStore, tracking: ViewTracking) -> Iterator[Post]:
    post = Post(database, store, tracking)
    yield post
    for deliverer in post.deliverers:
        deliverer.close()
    post.reader.close()
    post.own_tables.close()
    post.own_store.close()


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with serving(lambda asked: Answered(204)) as server:
        yield server
