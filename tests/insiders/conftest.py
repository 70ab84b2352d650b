"""The fixture `world`: the signer with limits, over a database of the test's own."""

from collections.abc import Iterator

import pytest

from tests.insiders.world import Insiders
from tests.support.postgres import Database


@pytest.fixture
def world(database: Database) -> Iterator[Insiders]:
    made = Insiders(database)
    yield made
    made.close()
