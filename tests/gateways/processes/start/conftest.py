"""A start of the test's own."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways.processes import up
from gateways.processes.confinement import given
from tests.gateways.processes.start.arranged import Patch
from tests.gateways.processes.start.world import Start
from tests.support.postgres import Database


@pytest.fixture
def start(tmp_path: Path, database: Database) -> Iterator[Start]:
    made = Start(tmp_path / "data", database.owner_url)
    yield made
    made.end()


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Patch]:
    """This process stays as it was: who may debug it, its signals, its log."""
    for name in os.environ:
        if name.startswith("COUNTERFOIL_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(given, "take", lambda: given.NOTHING)
    monkeypatch.setattr(up, "harden", lambda: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = logging.getLogger().handlers[:]
    yield Patch(monkeypatch)
    logging.getLogger().handlers[:] = handlers
    for number, handler in before.items():
        signal.signal(number, handler)
