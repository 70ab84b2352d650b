"""What a high-water mark promises, in a file and in DynamoDB: it moves from what was read, or not at all."""

import shutil
from pathlib import Path

import pytest

from core.ports.high_water import Mark, MarkCopied, MarkMoved
from core.ports.unavailable import Unavailable
from gateways.embedded.high_water import FileHighWater
from tests.contracts.conftest import Backend
from tests.contracts.tables import at_once

MINE = "0d1b2c3d-0000-4000-8000-000000000001"


def mark(position: int, seal: str = "aa") -> Mark:
    return Mark(MINE, position, seal * 32)


@pytest.mark.asks("dynamodb")
class TestGivenIndexes:
    def test_no_index_is_given_twice(self, backend: Backend) -> None:
        """Whoever asks at once, and whatever least they know; each prefix counts for itself."""
        indexes = backend.given_indexes
        assert indexes.load("a:") == 0
        assert indexes.reserve("a:", 5, 3) == 5
        firsts = at_once(4, lambda _: indexes.reserve("a:", 0, 10))
        assert sorted(firsts) == [8, 18, 28, 38]
        assert (indexes.load("a:"), indexes.load("b:")) == (48, 0)
        assert indexes.reserve("a:", 100, 1) == 100
        assert indexes.load("a:") == 101


@pytest.mark.asks("dynamodb")
class TestHighWater:
    def test_there_is_none_until_it_is_written(self, backend: Backend) -> None:
        """Then it is what was written last."""
        water = backend.high_water
        assert water.load() is None
        water.move(None, mark(1))
        assert water.load() == mark(1)
        water.move(mark(1), mark(7))
        assert water.load() == mark(7)

    def test_who_read_another_mark_moves_nothing(self, backend: Backend) -> None:
        """Position, seal or name that differs, or none where there is one: the mark stays, and is shown."""
        water = backend.high_water
        with pytest.raises(MarkMoved):
            water.move(mark(3), mark(4))
        water.move(None, mark(5))
        for before in (None, mark(4), mark(5, "bb"), Mark("another", 5, mark(5).seal)):
            with pytest.raises(MarkMoved) as moved:
                water.move(before, mark(9))
            assert moved.value.there == mark(5)
        assert water.load() == mark(5)

    def test_the_same_move_twice_is_done_once(self, backend: Backend) -> None:
        """An answer that was lost: the second try finds what it wanted."""
        water = backend.high_water
        water.move(None, mark(5))
        water.move(None, mark(5))
        water.move(mark(5), mark(6))
        water.move(mark(5), mark(6))
        assert water.load() == mark(6)

    def test_of_many_at_once_one_moves_it(self, backend: Backend) -> None:
        """Everybody else is told who was first."""
        water = backend.high_water
        water.move(None, mark(1))

        def move(number: int) -> Mark | None:
            try:
                water.move(mark(1), mark(2 + number))
            except MarkMoved:
                return None
            return mark(2 + number)

        [won] = filter(None, at_once(8, move))
        assert water.load() == won


class TestTheFile:
    """What only a file can suffer."""

    @pytest.mark.fast
    def test_a_copied_folder_has_no_mark_of_its_own(self, tmp_path: Path) -> None:
        """It is refused with the path, until somebody writes it anew; the original goes on."""
        original, copy = tmp_path / "one", tmp_path / "two"
        original.mkdir()
        FileHighWater(original).move(None, mark(3))
        shutil.copytree(original, copy)
        with pytest.raises(MarkCopied, match=str(copy)):
            FileHighWater(copy).load()
        with pytest.raises(MarkMoved):
            FileHighWater(copy).move(mark(3), mark(4))
        FileHighWater(original).move(mark(3), mark(4))
        FileHighWater(copy).move(None, mark(3))
        assert FileHighWater(copy).load() == mark(3)
        assert FileHighWater(original).load() == mark(4)

    @pytest.mark.fast
    def test_a_folder_that_is_moved_keeps_it(self, tmp_path: Path) -> None:
        """Another name is no copy."""
        original, moved = tmp_path / "one", tmp_path / "two"
        original.mkdir()
        FileHighWater(original).move(None, mark(3))
        original.rename(moved)
        assert FileHighWater(moved).load() == mark(3)

    @pytest.mark.fast
    def test_a_damaged_file_is_not_taken_for_none(self, tmp_path: Path) -> None:
        """What cannot be read is said, and written over by nobody."""
        water = FileHighWater(tmp_path)
        water.move(None, mark(3))
        water.path.write_bytes(b"{")
        with pytest.raises(Unavailable, match="damaged"):
            water.load()
        with pytest.raises(Unavailable, match="damaged"):
            water.move(None, mark(3))
