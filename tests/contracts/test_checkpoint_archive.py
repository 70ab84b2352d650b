"""The port `CheckpointArchive`: what is kept there stays as it is."""

from pathlib import Path
from typing import Any

import pytest

from core.ports.unavailable import Unavailable
from core.proofs.checkpoints import ArchiveConflict, CheckpointArchive
from core.proofs.notes import opened, signed
from gateways.aws import checkpoint_archive as checkpoints
from gateways.aws.names import FOR_CHECKPOINTS, secret_name
from gateways.aws.secrets import SecretStore
from gateways.aws.session import Aws
from gateways.embedded.checkpoint_archive import FolderArchive
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.notes import open_archive, open_signer
from tests.support.aws import make_bucket


@pytest.fixture
def bucket(aws_settings: Settings) -> str:
    """A bucket as terraform makes it."""
    name = f"{aws_settings.aws_prefix}checkpoints"
    make_bucket(Aws(aws_settings), name)
    return name


@pytest.mark.asks("s3")
class TestCheckpointArchive:
    """Every adapter."""

    @pytest.fixture(params=["folder", "s3"])
    def archive(self, request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointArchive:
        if request.param == "folder":
            return FolderArchive(tmp_path / "archive")
        settings: Settings = request.getfixturevalue("aws_settings")
        named = settings.model_copy(update={"checkpoint_bucket": request.getfixturevalue("bucket")})
        return open_archive(named)

    def test_an_empty_archive_has_nothing(self, archive: CheckpointArchive) -> None:
        """Before the first checkpoint there is none."""
        assert list(archive.contents()) == []
        assert archive.get(number=1) is None

    def test_what_is_put_is_kept_in_order(self, archive: CheckpointArchive) -> None:
        """Everything comes back by number, whatever the order and the size of the numbers."""
        for number in (2, 10, 1, 10_000, 123_456_789):
            archive.put(number, b"%d" % number)
        assert list(archive.contents()) == [(n, b"%d" % n) for n in (1, 2, 10, 10_000, 123_456_789)]
        assert (archive.get(number=10_000), archive.get(number=11)) == (b"10000", None)

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


@pytest.mark.asks("s3")
def test_an_object_has_one_version(aws_settings: Settings, bucket: str) -> None:
    """What was put twice was written once: no older version hides behind a newer one."""
    archive = checkpoints.S3Archive(Aws(aws_settings), bucket)
    archive.put(1, b"one")
    archive.put(1, b"one")
    listed: Any = Aws(aws_settings).client("s3").list_object_versions(Bucket=bucket)
    assert len(listed["Versions"]) == 1


def test_aws_without_a_bucket_says_what_to_set(aws_settings: Settings) -> None:
    """The setting is named."""
    with pytest.raises(UserError, match="COUNTERFOIL_CHECKPOINT_BUCKET"):
        open_archive(aws_settings)


def test_on_aws_the_key_is_the_secret_s(aws_settings: Settings) -> None:
    """Two processes that read one secret sign as one key; nothing is made where there is none."""
    manager = Aws(aws_settings).client("secretsmanager")
    manager.create_secret(Name=secret_name(aws_settings.aws_prefix, FOR_CHECKPOINTS))
    with pytest.raises(UserError, match="secrets make"):
        open_signer(aws_settings, "checkpoints")
    SecretStore(Aws(aws_settings)).put(FOR_CHECKPOINTS, {"checkpoint_seed": bytes(range(32)).hex()})
    one, other = (open_signer(aws_settings, "checkpoints") for _ in range(2))
    assert opened(signed("text\n", one.key, one.sign), other.key) == "text\n"
    assert one.key.name == "counterfoil/devnet"


@pytest.mark.fast
def test_a_folder_that_cannot_be_written_is_a_shut_door(tmp_path: Path) -> None:
    """The checkpoint stays in the database and is put there later."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        FolderArchive(tmp_path / "file").put(1, b"one")


@pytest.mark.fast
def test_a_file_is_whole_and_read_only(tmp_path: Path) -> None:
    """Nobody finds half a checkpoint, nor the temporary file it was written as."""
    FolderArchive(tmp_path).put(17, b"one")
    [path] = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert path.relative_to(tmp_path) == Path("0000/00000017.json")
    assert path.stat().st_mode & 0o777 == 0o444
