"""The port `CheckpointArchive`: what is kept there stays as it is."""

from pathlib import Path

import pytest

from core.checkpoints import ArchiveConflict, CheckpointArchive
from core.ports import Unavailable
from gateways.checkpoint_archive import FolderArchive

pytestmark = pytest.mark.fast


class TestCheckpointArchive:
    """Every adapter."""

    @pytest.fixture(params=["folder"])
    def archive(self, request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointArchive:
        return FolderArchive(tmp_path / "archive")

    def test_an_empty_archive_has_nothing(self, archive: CheckpointArchive) -> None:
        """Before the first checkpoint there is none."""
        assert list(archive.contents()) == []

    def test_what_is_put_is_kept_in_order(self, archive: CheckpointArchive) -> None:
        """Everything comes back by number, whatever the order and the size of the numbers."""
        for number in (2, 10, 1, 10_000, 123_456_789):
            archive.put(number, b"%d" % number)
        assert list(archive.contents()) == [(n, b"%d" % n) for n in (1, 2, 10, 10_000, 123_456_789)]

    def test_the_same_again_changes_nothing(self, archive: CheckpointArchive) -> None:
        """A step that died behind its put does it again."""
        archive.put(1, b"one")
        archive.put(1, b"one")
        assert list(archive.contents()) == [(1, b"one")]

    def test_another_content_is_a_conflict(self, archive: CheckpointArchive) -> None:
        """Nothing that was kept is ever replaced, and who tries is told."""
        archive.put(1, b"one")
        with pytest.raises(ArchiveConflict):
            archive.put(1, b"two")
        assert list(archive.contents()) == [(1, b"one")]


def test_a_folder_that_cannot_be_written_is_a_shut_door(tmp_path: Path) -> None:
    """The checkpoint stays in the database and is put there later."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        FolderArchive(tmp_path / "file").put(1, b"one")


def test_a_file_is_whole_and_read_only(tmp_path: Path) -> None:
    """Nobody finds half a checkpoint, nor the temporary file it was written as."""
    FolderArchive(tmp_path).put(17, b"one")
    [path] = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert path.relative_to(tmp_path) == Path("0000/00000017.json")
    assert path.stat().st_mode & 0o777 == 0o444
