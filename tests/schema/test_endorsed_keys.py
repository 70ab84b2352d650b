"""Checkpoints are signed by another key from now on, and an auditor who has the first one needs nobody's word for it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.proofs.notes import endorsement
from gateways.embedded.checkpoint_archive import FolderArchive
from gateways.embedded.note_keys import SeedSigner, load, load_or_create, next_to, put_next
from schema import verify

pytestmark = pytest.mark.fast

AT = datetime(2026, 11, 30, tzinfo=UTC)


def rotated(path: Path, archive: FolderArchive) -> str:
    """What the command does, and what it may do again after a death."""
    new = next_to(path)
    assert next_to(path).key == new.key
    for at in (AT, datetime.now(UTC)):
        archive.endorse(new.key.key_id.hex(), endorsement(load(path), new.key, at))
    put_next(path)
    return str(new.key)


def test_a_chain_of_keys_is_known_from_its_first(tmp_path: Path) -> None:
    """Twice rotated: the verifier takes both from the archive; old keys stay beside the file; a stranger adds none."""
    path, archive = tmp_path / "checkpoints.key", FolderArchive(tmp_path / "archive")
    first = str(load_or_create(path, "counterfoil/test").key)
    second = rotated(path, archive)
    third = rotated(path, archive)
    assert str(load(path).key) == third
    assert {verify.Key(each).id.hex() for each in (first, second)} == {
        each.suffix.removeprefix(".") for each in tmp_path.glob("checkpoints.key.*")
    }
    stranger = SeedSigner("counterfoil/test", bytes(32))
    archive.endorse("stranger", endorsement(stranger, SeedSigner("counterfoil/test", bytes([1]) * 32).key, AT))
    assert set(verify.with_endorsed([first], archive.folder)) == {first, second, third}
    assert verify.with_endorsed([third], archive.folder) == [third]
