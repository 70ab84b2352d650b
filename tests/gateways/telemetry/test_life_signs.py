"""Processes show that they go on, and `counterfoil health` sees the one that does not."""

import os
import threading
import time
from pathlib import Path

import pytest

from gateways.processes.loop import TimedWait, run
from gateways.telemetry.life_signs import STALE_S, LifeSign, folder_of, look_after
from gateways.user_error import UserError
from tests.support.http_server import Answered, serving

pytestmark = pytest.mark.fast


def grow_old(folder: Path, name: str) -> None:
    long_ago = time.time() - STALE_S - 1
    os.utime(folder / name, (long_ago, long_ago))


def test_a_worker_that_comes_round_goes_on_and_one_that_hangs_is_named(tmp_path: Path) -> None:
    """A sign that is fresh says nothing; one that has grown old names its process, and another round mends it."""
    hanging, working = LifeSign(tmp_path, "record"), LifeSign(tmp_path, "relay")
    hanging.renew()
    working.renew()
    assert look_after(tmp_path) == []
    grow_old(tmp_path, "record")
    assert [said.split()[0] for said in look_after(tmp_path)] == ["record"]
    hanging.renew()
    assert look_after(tmp_path) == []


def test_the_loop_renews_its_sign_at_every_round(tmp_path: Path) -> None:
    """Rounds with work and rounds at a shut door are signs of life alike; a loop that ends in order takes its sign along."""
    stop, seen = threading.Event(), []
    sign = LifeSign(tmp_path, "observe")

    def step() -> bool:
        seen.append((tmp_path / "observe").exists())
        if len(seen) == 3:
            stop.set()
        return True

    with sign.ending():
        run([step], TimedWait(stop), stop, on_round=sign.renew)
    assert seen == [True, True, True]
    assert not (tmp_path / "observe").exists()


def test_nothing_begun_is_not_well(tmp_path: Path) -> None:
    """An empty folder is a machine on which no process has started."""
    assert "no process" in look_after(tmp_path / "new")[0]


def test_who_waits_is_named_and_alive(tmp_path: Path) -> None:
    """A process that waits for something outside says so; nobody is to start it again for that, unless it hangs."""
    sign = LifeSign(tmp_path, "payouts")
    sign.renew("payouts has waited for 61 s: KMS refuses for now")
    assert look_after(tmp_path) == ["payouts has waited for 61 s: KMS refuses for now"]
    assert look_after(tmp_path, waiting=False) == []
    grow_old(tmp_path, "payouts")
    assert look_after(tmp_path, waiting=False)[0].startswith("payouts has not come round")
    sign.renew()
    assert look_after(tmp_path) == []


def test_a_killed_process_is_missed(tmp_path: Path) -> None:
    """What ends in order is forgotten; what was killed leaves a sign that grows old."""
    LifeSign(tmp_path, "relay").renew()
    killed = LifeSign(tmp_path, "payouts")
    killed.renew()
    grow_old(tmp_path, "payouts")
    assert look_after(tmp_path)[0].startswith("payouts")


def test_a_server_is_asked(tmp_path: Path) -> None:
    """The API is well while it answers 200, and named with its answer when it does not."""
    with serving(lambda _: Answered()) as server, LifeSign(tmp_path, "api").serving("0.0.0.0", server.port):
        assert look_after(tmp_path) == []
        server.answer = lambda _: Answered(500)
        assert look_after(tmp_path) == [f"api answers 500 at http://127.0.0.1:{server.port}/healthz"]
    assert not (tmp_path / "api").exists()


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """Nobody at the port is not well."""
    with serving(lambda _: Answered()) as server:
        port = server.port
    with LifeSign(tmp_path, "api").serving("127.0.0.1", port):
        assert look_after(tmp_path)[0].startswith("api does not answer")


def test_without_a_folder_nothing_is_written_and_nobody_can_ask(tmp_path: Path) -> None:
    """The setting is empty by default: a process then writes nothing, and the command says what to set."""
    sign = LifeSign(folder_of(Path("")), "relay")
    sign.renew()
    with sign.ending(), sign.serving("127.0.0.1", 1):
        pass
    with pytest.raises(UserError, match="COUNTERFOIL_PULSE"):
        look_after(Path(""))
