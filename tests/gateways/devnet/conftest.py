"""Fixtures: a devnet in memory, a folder for one that is kept."""

from pathlib import Path

import pytest

from tests.gateways.devnet.client import Client
from tests.gateways.devnet.world import Devnet


@pytest.fixture
def devnet() -> Devnet:
    return Devnet()


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder for a chain."""
    return tmp_path / "chain"
