"""The fixture `api`: a running server over the test's own database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateways.http.harness import World, world
from tests.support.postgres import Database


@pytest.fixture
def api(database: Database, tmp_path: Path) -> Iterator[World]:
    """An API with the settings of the harness."""
    with world(database, tmp_path) as made:
        yield made
