"""The bench stops what it started, however it ends."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.patience import HANG_S, until

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
    command = [sys.executable, "-m", "tests.bench"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as bench:
        try:
            server = until(lambda: running_server(folder), "the bench's Postgres runs")
            bench.send_signal(number)
            bench.wait(HANG_S)
        finally:
            bench.kill()
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE


def running_server(folder: Path) -> psutil.Process | None:
    """The server whose lock file says that it is ready; it is written anew while it starts."""
    for lock in folder.glob("*/data/postgres/postmaster.pid"):
        with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
            lines = lock.read_text().splitlines()
            if lines and "ready" in lines[-1]:
                return psutil.Process(int(lines[0]))
    return None
