"""Keys of notes in a file: made once, for its owner alone, in the form other tools read."""

from pathlib import Path

import pytest

from core.proofs.notes import opened, signed
from gateways.embedded.note_keys import SeedSigner, load_or_create
from gateways.private_file import DamagedFile, UnsafeFile
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.notes import open_signer

pytestmark = pytest.mark.fast


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """The second start signs with the first one's key, under the first one's name; the file is private."""
    made = load_or_create(tmp_path / "a.key", "counterfoil/test")
    again = load_or_create(tmp_path / "a.key", "another/name")
    assert again.key == made.key
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600
    assert opened(signed("text\n", made.key, made.sign), again.key) == "text\n"


def test_each_purpose_has_its_own_key(tmp_path: Path) -> None:
    """Who may sign statements may not sign checkpoints; the names tell them apart."""
    settings = Settings(data=tmp_path, checkpoint_origin="example.com/ledger")
    checkpoints, statements = (open_signer(settings, purpose) for purpose in ("checkpoints", "statements"))  # type: ignore[arg-type]
    assert checkpoints.key.name == "example.com/ledger"
    assert statements.key.name == "example.com/ledger/statements"
    assert checkpoints.key.public_key != statements.key.public_key


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    """A space or a plus sign would make the key unreadable."""
    with pytest.raises(UserError, match="COUNTERFOIL_CHECKPOINT_ORIGIN"):
        open_signer(Settings(data=tmp_path, checkpoint_origin="my log"), "checkpoints")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Any right of group or others stops the start."""
    load_or_create(tmp_path / "a.key", "n")
    (tmp_path / "a.key").chmod(0o640)
    with pytest.raises(UnsafeFile):
        load_or_create(tmp_path / "a.key", "n")


@pytest.mark.parametrize("damage", ["", "x", "PRIVATE+KEY+n+00000000+AQ=="])
def test_a_damaged_key_is_not_replaced(tmp_path: Path, damage: str) -> None:
    """A file that holds no key is never overwritten, and nothing of it is told."""
    path = tmp_path / "a.key"
    path.write_text(damage)
    path.chmod(0o600)
    with pytest.raises(DamagedFile):
        load_or_create(path, "n")
    assert path.read_text() == damage


def test_a_signer_shows_nothing_of_its_key() -> None:
    """Neither repr nor str holds the seed (I13)."""
    signer = SeedSigner("n", bytes(range(32)))
    assert bytes(range(32)).hex() not in repr(signer) + str(signer) + repr(vars(signer))
