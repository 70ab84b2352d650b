"""Fixtures: a world in which payouts are tried."""

import pytest

from tests.signers.outgoing.world import World


@pytest.fixture
def world() -> World:
    return World()
