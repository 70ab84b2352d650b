"""The fixtures `api`, a running server over a database of the test's own, and `shared`, one for a whole file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways.postgres.server import EmbeddedPostgres
from tests.gateways.http.harness import World, world
from tests.support.postgres import Database, fresh_database


@pytest.fixture
def api(database: Database, tmp_path: Path) -> Iterator[World]:
    """For tests that count what is there, or change how the server behaves."""
    with world(database, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For tests that look at companies of their own only."""
    with fresh_database(postgres) as database, world(database, tmp_path_factory.mktemp("api")) as made:
        yield made
