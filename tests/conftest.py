"""What holds for every test: the fixtures of tests/support, how Hypothesis looks for examples, and who runs what."""

from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.aws import aws_settings, aws_url, tables, tables_of_run
from tests.support.folders import in_memory
from tests.support.postgres import database, ledger, postgres, store, tracking
from tests.support.schedule import DearestFirst

__all__ = [
    "aws_settings",
    "aws_url",
    "database",
    "ledger",
    "postgres",
    "store",
    "tables",
    "tables_of_run",
    "tracking",
]

# A property is true or false at whatever speed: no example has a deadline, and slow examples are no error.
hypothesis.settings.register_profile(
    "suite", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")

in_memory()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m "fast ..."` a file without a fast test is not even read: `make check` is for a minute's patience."""
    if not str(config.getoption("markexpr")).startswith("fast") or collection_path.suffix != ".py":
        return None
    return "fast" not in collection_path.read_text(encoding="utf-8") or None


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Where nothing else was asked for with --dist."""
    return DearestFirst(config, log) if config.getoption("dist") == "load" else None
