"""The order in which workers get their units of work."""

from pathlib import Path

import pytest

from tests.support.schedule import ON_ONE_APPLY, ON_ONE_INSTALLATION, ONE_BY_ONE, SECONDS, order, unit_of

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[1]


def test_every_file_that_the_schedule_names_is_there() -> None:
    """A file that was moved takes its place along."""
    assert [
        path for path in (*SECONDS, *ON_ONE_INSTALLATION, *ON_ONE_APPLY, *ONE_BY_ONE) if not (ROOT / path).is_file()
    ] == []


def test_a_unit_is_a_file_a_test_or_the_users_of_one_installation() -> None:
    """Files that use the running installation are one unit, tests that share nothing are one each."""
    assert unit_of("tests/core/ledger/test_money.py::test_a[1::2]") == "tests/core/ledger/test_money.py"
    assert len({unit_of(f"{path}::test_it") for path in ON_ONE_INSTALLATION}) == 1
    assert len({unit_of(f"{path}::test_it") for path in ON_ONE_APPLY}) == 1
    assert unit_of(f"{ONE_BY_ONE[0]}::test_it[a]") != unit_of(f"{ONE_BY_ONE[0]}::test_it[b]")


def test_the_dearest_go_first() -> None:
    """Whatever waits longest starts first, and the rest follows in the order of its name."""
    units = ["tests/a.py", "tests/b.py", *(f"{path}::test_it" for path in SECONDS)]
    assert min(units, key=order) == f"{max(SECONDS, key=lambda path: SECONDS[path])}::test_it"
    assert sorted(units, key=order)[-2:] == ["tests/a.py", "tests/b.py"]
