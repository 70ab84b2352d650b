"""The port `SpentTotals`: what was signed of late is kept with the keys, one version after the other."""

from pathlib import Path

import pytest

from core.ports.spent_totals import Spent, SpentMoved, SpentTotals
from core.ports.unavailable import Unavailable
from gateways.aws.spent_totals import DynamoSpentTotals
from gateways.embedded.spent_totals import FileSpentTotals

WALLET = "TLfuw4tRywtxCusvTudbjf7PbcXjfe7qrw"
FIRST = Spent(1, {1_767_225_600: 5_000_000}, ("ab" * 32,))
SECOND = Spent(2, {1_767_225_600: 5_000_000, 1_767_225_900: 2**62}, ())


@pytest.mark.asks("dynamodb")
class TestSpentTotals:
    """Every adapter."""

    @pytest.fixture(params=["file", "dynamodb"])
    def totals(self, request: pytest.FixtureRequest, tmp_path: Path) -> SpentTotals:
        if request.param == "file":
            return FileSpentTotals(tmp_path)
        return DynamoSpentTotals(request.getfixturevalue("tables"))

    def test_nothing_is_kept_at_first(self, totals: SpentTotals) -> None:
        """A wallet of which nothing is kept has version 0."""
        assert totals.load(WALLET) == Spent()

    def test_what_was_saved_is_there(self, totals: SpentTotals) -> None:
        """Whole, for each wallet apart."""
        totals.save(WALLET, FIRST)
        totals.save(WALLET, SECOND)
        assert totals.load(WALLET) == SECOND
        assert totals.load("another") == Spent()

    def test_the_second_writer_of_a_version_is_refused(self, totals: SpentTotals) -> None:
        """Two signers that read the same version: one writes, the other has to look again; so does who skips a version."""
        totals.save(WALLET, FIRST)
        for late in (Spent(1, {}, ()), Spent(3, {}, ())):
            with pytest.raises(SpentMoved):
                totals.save(WALLET, late)
        assert totals.load(WALLET) == FIRST

    def test_the_same_again_is_done(self, totals: SpentTotals) -> None:
        """The answer to the first try was lost: what is there is what was wanted."""
        totals.save(WALLET, FIRST)
        totals.save(WALLET, FIRST)
        assert totals.load(WALLET) == FIRST


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": "x"}'])
def test_a_damaged_file_signs_nothing(tmp_path: Path, content: bytes) -> None:
    """It is not taken for a fresh start: whoever can damage it would reset the limit."""
    totals = FileSpentTotals(tmp_path)
    totals.save(WALLET, FIRST)
    [path] = tmp_path.glob("*.json")
    path.write_bytes(content)
    with pytest.raises(Unavailable, match="damaged"):
        totals.load(WALLET)
    assert path.stat().st_mode & 0o077 == 0
