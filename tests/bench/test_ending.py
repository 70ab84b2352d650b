"""The bench stops what it started, however it ends."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.gateways.http.harness import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Reachable by the server's own user, as which it runs where we are root."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_bench_that_is_ended_leaves_no_server(folder: Path, number: signal.Signals) -> None:
    """Ended while its Postgres starts or runs, it takes the server along."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    ) as bench:
        until(lambda: list(folder.glob("*/data/postgres/postmaster.pid")), 60)
        [lock] = folder.glob("*/data/postgres/postmaster.pid")
        until(lambda: "ready" in lock.read_text(), 60)
        server = psutil.Process(int(lock.read_text().split()[0]))
        bench.send_signal(number)
        try:
            bench.wait(30)
        finally:
            bench.kill()
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
