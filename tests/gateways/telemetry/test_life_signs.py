"""Processes show that they go on, and `counterfoil health` sees the one that does not."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gateways.processes.loop import TimedWait, run
from gateways.telemetry.life_signs import SERVES_WITHIN_S, STALE_S, LifeSign, folder_of, look_after
from gateways.user_error import UserError

pytestmark = pytest.mark.fast


def grow_old(folder: Path, name: str, limit_s: float = STALE_S) -> None:
    long_ago = time.time() - limit_s - 1
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


def test_a_server_that_does_not_come_round_is_named_sooner(tmp_path: Path) -> None:
    """An event loop turns many times a second: one that has stood for a minute answers nobody."""
    sign = LifeSign(tmp_path, "api", SERVES_WITHIN_S)
    sign.renew()
    assert look_after(tmp_path) == []
    grow_old(tmp_path, "api", SERVES_WITHIN_S)
    assert look_after(tmp_path, waiting=False)[0].startswith("api has not come round for 61 s")
    sign.renew("api waits for the database")
    assert look_after(tmp_path) == ["api waits for the database"]


HEALTH = (Path(sys.executable).with_name("counterfoil"), "health")


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_says_what_is_wrong_by_the_times_of_files(tmp_path: Path, as_json: bool) -> None:
    """0 and who waits, 1 and who hangs: as text or as one document."""
    LifeSign(tmp_path, "relay").renew("relay has waited for 61 s: no node answers")
    call = [*HEALTH, "--json"] if as_json else [*HEALTH]
    environment = {**os.environ, "COUNTERFOIL_PULSE": str(tmp_path)}
    for code, name in ((0, ""), (1, "relay")):
        if name:
            grow_old(tmp_path, name)
        found = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
        said = json.loads(found.stdout) if as_json else found.stdout
        assert (found.returncode, found.stderr) == (code, "")
        if as_json:
            assert (said["alive"], len(said["problems"])) == (code == 0, 1)
        else:
            assert said.startswith("relay has not come round" if code else "relay has waited for 61 s")


def test_health_costs_hardly_more_than_the_interpreter(tmp_path: Path) -> None:
    """Nothing of the program is loaded: at most three times the processor time of `python -c pass`, the least of ten each."""
    LifeSign(tmp_path, "relay").renew()
    environment = {**os.environ, "COUNTERFOIL_PULSE": str(tmp_path)}

    def least_s(*call: str | Path) -> float:
        took = []
        for _ in range(10):
            before = os.times()
            subprocess.run(call, env=environment, capture_output=True, check=True)
            after = os.times()
            took.append(after.children_user + after.children_system - before.children_user - before.children_system)
        return min(took)

    assert least_s(*HEALTH) <= 3 * max(least_s(sys.executable, "-c", "pass"), 0.01)


def test_without_a_folder_nothing_is_written_and_nobody_can_ask(tmp_path: Path) -> None:
    """The setting is empty by default: a process then writes nothing, and the command says what to set."""
    sign = LifeSign(folder_of(Path("")), "relay")
    sign.renew()
    with sign.ending():
        pass
    with pytest.raises(UserError, match="COUNTERFOIL_PULSE"):
        look_after(Path(""))
