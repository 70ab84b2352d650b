"""What `counterfoil up` leaves in its folder: there while it runs, its owner's alone, and believed of the living only."""

import json
import multiprocessing
import os
import signal
import stat
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from gateways.private_file import DamagedFile, UnsafeFile
from gateways.processes.running import FILE, announced, find
from gateways.settings import load
from tests.support.patience import HANG_S

pytestmark = pytest.mark.fast

SETTINGS = {
    "tron_node_url": "http://127.0.0.1:18090",
    "tron_api_key": "key-of-the-node",
    "database_url": "postgresql://owner:password@db/books",
    "keystore_passphrase": "correct horse battery",
    "operator_api_key": "k" * 32,
    "http_port": 9999,
    "sweep_threshold": "70",
    "checkpoint_archive": "kept",
}


def run(data: Path, pipe: Connection) -> None:
    """An `up` that does nothing but run, with a child of its own that outlives it."""
    settings = load({}, data=data, **SETTINGS)
    with announced(settings, "http://127.0.0.1:9999", None):
        child = os.fork()
        if child == 0:
            signal.pause()
        pipe.send(child)
        pipe.recv()
    os.kill(child, signal.SIGKILL)


class Up:
    """A process that has announced itself in `data`."""

    def __init__(self, data: Path) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, other = context.Pipe()
        self.process = context.Process(target=run, args=(data, other))
        self.process.start()
        self.child: int = self._pipe.recv()

    def end(self) -> None:
        self._pipe.send("enough")
        self.process.join(HANG_S)

    def kill(self) -> None:
        """Waited for by its id: the child that outlives it holds the pipe open for which `join` would wait."""
        self.process.kill()
        assert self.process.pid is not None
        os.waitpid(self.process.pid, 0)


def test_it_is_found_while_it_runs_and_gone_afterwards(tmp_path: Path) -> None:
    """With what it chose; the file is its owner's alone, and holds no secret that a command does not need."""
    assert find(tmp_path) is None
    up = Up(tmp_path)
    try:
        found = find(tmp_path)
        assert found is not None
        assert (found.pid, found.api_url, found.devnet_url) == (up.process.pid, "http://127.0.0.1:9999", None)
        assert found.started_at.endswith("Z")
        assert found.settings == {
            "mode": "embedded",
            "network": "devnet",
            "tron_node_url": "http://127.0.0.1:18090",
            "tron_api_key": "key-of-the-node",
            "database_url": "postgresql://owner:password@db/books",
            "sweep_threshold": "70",
            "checkpoint_archive": str(Path("kept").resolve()),
        }
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    finally:
        up.end()
    assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_is_nobodys(tmp_path: Path) -> None:
    """Killed, its file stays and its children may too, and yet nothing is believed; the next one writes it anew."""
    up = Up(tmp_path)
    up.kill()
    try:
        os.kill(up.child, 0)
        assert (tmp_path / FILE).exists()
        assert find(tmp_path) is None
    finally:
        os.kill(up.child, signal.SIGKILL)
    again = Up(tmp_path)
    assert find(tmp_path) is not None
    again.end()
    assert not (tmp_path / FILE).exists()


def test_an_older_one_does_not_take_a_newer_ones_file_along(tmp_path: Path) -> None:
    """Two in one folder: the file is the later one's, and goes with it."""
    first = Up(tmp_path)
    second = Up(tmp_path)
    first.end()
    found = find(tmp_path)
    assert found is not None
    assert found.pid == second.process.pid
    second.end()
    assert find(tmp_path) is None


def test_a_file_that_others_can_read_or_have_written_is_refused(tmp_path: Path) -> None:
    """With what to do about it."""
    up = Up(tmp_path)
    try:
        (tmp_path / FILE).chmod(0o644)
        with pytest.raises(UnsafeFile, match="chmod 600"):
            find(tmp_path)
        (tmp_path / FILE).chmod(0o600)
        for damaged in ("", "[1]", json.dumps({"pid": 1})):
            (tmp_path / FILE).write_text(damaged)
            with pytest.raises(DamagedFile, match="stop it, and start it again"):
                find(tmp_path)
    finally:
        up.end()
