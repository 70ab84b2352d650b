"""Who has work and does not move for a minute is named and rings once; who moves, or has nothing to do, is not."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.ports.unavailable import Unavailable
from gateways.http import progress
from gateways.http.progress import DATABASE_SILENT_S, MISSED_AFTER_S, STANDS_S, Progress
from gateways.telemetry.disk import Room
from gateways.telemetry.life_signs import DOWN

pytestmark = pytest.mark.fast


class Places:
    """The questions of `Progress`, answered by hand: (name, place, waiting) each; (pid, role, turn) of who holds the lock."""

    def __init__(self) -> None:
        self.rows = [("the view balances", 10, 0), ("the process relay", 10, 0)]
        self.holders: list[tuple[int, str, str]] = []
        self.blockers: list[tuple[int, str, str, float]] = []
        self.missing: list[tuple[str, float]] = []
        self.old_checkpoint = ""
        self.is_shut = False

    async def fetch(self, query: str) -> list[Any]:
        if self.is_shut:
            raise Unavailable("the database cannot be reached")
        if "FROM processes" in query:
            return [SimpleNamespace(process=process, ago_s=ago_s) for process, ago_s in self.missing]
        if "checkpoints" in query:
            return [SimpleNamespace(said=self.old_checkpoint or None)]
        if "pg_blocking_pids" in query:
            return [SimpleNamespace(pid=pid, role=role, held=held, waited_s=s) for pid, role, held, s in self.blockers]
        if "pg_locks" in query:
            return [SimpleNamespace(pid=pid, role=role, turn=turn) for pid, role, turn in self.holders]
        return [SimpleNamespace(name=name, place=place, waiting=waiting) for name, place, waiting in self.rows]


class Watched:
    def __init__(self, signs: Path = Path("")) -> None:
        self.places, self.now_s = Places(), 0.0
        self.rang: list[tuple[str, str]] = []
        self.progress = Progress(self.places, signs, self._ring, lambda: self.now_s)  # type: ignore[arg-type]

    def _ring(self, name: str, sentence: str) -> None:
        self.rang.append((name, sentence))

    def look(self, after_s: float) -> dict[str, str]:
        self.now_s += after_s
        asyncio.run(self.progress.look_or_say())
        return self.progress.standing()


def test_who_has_work_and_stands_for_a_minute_rings_once() -> None:
    """Not before, not twice, and again when it went on in between."""
    watched = Watched()
    assert watched.look(0) == watched.look(10 * STANDS_S) == {}
    for place, rung in ((10, 1), (11, 2)):
        watched.places.rows[0] = ("the view balances", place, 5)
        assert watched.look(1) == watched.look(STANDS_S - 2) == {}
        said = watched.look(3)
        assert said == watched.progress.standing()
        assert said["the view balances"].endswith("and 5 events wait for it")
        watched.look(5)
        assert [name for name, _ in watched.rang] == ["not_moving"] * rung


def test_who_moves_or_has_nothing_to_do_does_not_stand() -> None:
    """However slowly it moves, and however long nothing comes."""
    watched = Watched()
    for place in range(5):
        watched.places.rows[1] = ("the process relay", place, 1_000)
        assert watched.look(STANDS_S - 1) == {}
    assert watched.rang == []


def test_a_process_that_is_down_rings_and_an_api_alone_is_well(tmp_path: Path) -> None:
    """In a container of its own the API leaves the one sign there is, which is no reason to be taken for ill."""
    (tmp_path / "api").write_text("within: 60\n", encoding="utf-8")
    watched = Watched(tmp_path)
    watched.look(0)
    assert watched.rang == []
    (tmp_path / "record").write_text(f"{DOWN}record ended with 3, the 2. time in a row", encoding="utf-8")
    watched.look(0)
    watched.look(0)
    assert watched.rang == [("process_down", "record ended with 3, the 2. time in a row")]


def test_a_lock_that_is_held_for_five_seconds_rings_with_who_holds_it() -> None:
    """Once for each holder; appends that follow each other are none, and one that ends is forgotten."""
    watched = Watched()
    for turn in range(5):
        watched.places.holders = [(77, "counterfoil_api", f"3/{turn}")]
        assert watched.look(4) == {}
    assert watched.look(4) == {}
    [said] = watched.look(1).values()
    assert "held for 5 s by the backend 77 of counterfoil_api" in said
    watched.look(5)
    assert [name for name, _ in watched.rang] == ["append_lock_held"]
    watched.places.holders = []
    assert watched.look(5) == {}


def test_a_lock_that_others_wait_for_rings_with_who_holds_it() -> None:
    """Of a table or of a row; it is named while it lasts, and rings once."""
    watched = Watched()
    watched.places.blockers = [(78, "counterfoil_recorder", "queue_messages", 6.0)]
    for _ in range(2):
        [said] = watched.look(5).values()
        assert said.startswith(
            "the backend 78 of counterfoil_recorder has locked queue_messages, and others have waited for 6 s"
        )
    watched.places.blockers = []
    assert watched.look(5) == {}
    assert [name for name, _ in watched.rang] == ["lock_held"]


def test_a_process_that_has_not_shown_itself_is_down() -> None:
    """Wherever it ran; not before the others have had time to start."""
    watched = Watched()
    watched.places.missing = [("payouts", 130.0)]
    watched.look(MISSED_AFTER_S - 1)
    assert watched.rang == []
    watched.look(1)
    watched.look(5)
    assert watched.rang == [("process_down", "payouts has not shown itself for 130 s: its log says why")]


def test_a_database_that_does_not_answer_for_half_a_minute_rings() -> None:
    """Once, and again when it answered in between."""
    watched = Watched()
    for _ in range(2):
        watched.places.is_shut = True
        watched.look(5)
        watched.look(DATABASE_SILENT_S - 1)
        before = len(watched.rang)
        watched.look(1)
        watched.look(5)
        assert [name for name, _ in watched.rang[before:]] == ["database_down"]
        watched.places.is_shut = False
        watched.look(5)
    assert len(watched.rang) == 2


def test_a_checkpoint_that_is_old_rings() -> None:
    """While the history has gone on; the sentence is the database's."""
    watched = Watched()
    watched.places.old_checkpoint = "the newest checkpoint is of 2026-11-30 10:00 UTC, and 7 events came since"
    watched.look(5)
    watched.look(5)
    assert watched.rang == [("checkpoint_old", watched.places.old_checkpoint)]


def test_a_disk_that_is_nearly_full_rings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is left, and where; a large disk with little of it in use is none, nor a small one that never had more."""
    watched = Watched()
    watched.progress._data = tmp_path
    for free, total, rung in ((3 * 2**30, 100 * 2**30, 0), (2**29, 2**30, 0), (2**30, 100 * 2**30, 1)):
        monkeypatch.setattr(progress, "room_of", lambda _, free=free, total=total: Room(free, total))
        watched.look(5)
        assert [name for name, _ in watched.rang] == ["disk_low"] * rung
    assert "1.0 of 100.0 GiB are left" in watched.rang[0][1]
