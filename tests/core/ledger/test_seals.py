"""Seals: chained hashes over every field of every event (I3)."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger.seals import GENESIS, BrokenSeal, Seal, Sealed, seal_hash, verify

pytestmark = pytest.mark.fast

BATCHES = st.lists(
    st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5), st.binary(max_size=8)), min_size=1, max_size=4),
    max_size=5,
)


def sealed(batches: list[list[tuple[str, str, bytes]]]) -> tuple[list[Sealed], list[Seal]]:
    """Rows and seals of appends that hold these (stream, topic, state)."""
    rows: list[Sealed] = []
    seals: list[Seal] = []
    previous = GENESIS
    for batch in batches:
        new = [(len(rows) + n, stream, n, topic, state) for n, (stream, topic, state) in enumerate(batch, start=1)]
        seals.append(Seal(len(rows) + 1, len(rows) + len(new), previous, seal_hash(previous, new)))
        previous = seals[-1].hash
        rows += new
    return rows, seals


@given(BATCHES)
def test_what_was_sealed_verifies(batches: list[list[tuple[str, str, bytes]]]) -> None:
    """A history that nobody touched verifies up to its head."""
    rows, seals = sealed(batches)
    assert verify(rows, seals) == len(rows)


FORGERIES: list[Callable[[list[Sealed], list[Seal]], object]] = [
    lambda rows, seals: rows.pop(),
    lambda rows, seals: rows.pop(0),
    lambda rows, seals: rows.append(rows[-1]),
    lambda rows, seals: rows.insert(1, rows[0]),
    lambda rows, seals: rows.reverse(),
    lambda rows, seals: rows.__setitem__(0, (1, "other", 1, "t", b"1")),
    lambda rows, seals: rows.__setitem__(0, (1, "a", 2, "t", b"1")),
    lambda rows, seals: rows.__setitem__(0, (1, "a", 1, "t2", b"1")),
    lambda rows, seals: rows.__setitem__(0, (1, "a", 1, "t", b"2")),
    lambda rows, seals: rows.__setitem__(0, (1, "at", 1, "", b"1")),
    lambda rows, seals: seals.pop(0),
    lambda rows, seals: seals.pop(),
    lambda rows, seals: seals.reverse(),
    lambda rows, seals: seals.append(seals[-1]),
    lambda rows, seals: seals.__setitem__(1, seals[1]._replace(previous=GENESIS)),
    lambda rows, seals: seals.__setitem__(0, seals[0]._replace(last=1)),
    lambda rows, seals: seals.__setitem__(0, seals[0]._replace(hash=bytes(32))),
]  # fmt: skip


@pytest.mark.parametrize("forge", FORGERIES)
def test_what_was_changed_does_not_verify(forge: Callable[[list[Sealed], list[Seal]], object]) -> None:
    """A row or a seal that is missing, doubled, moved or changed in one field breaks the chain."""
    rows, seals = sealed([[("a", "t", b"1"), ("b", "t", b"2")], [("c", "t", b"3"), ("d", "t", b"4")]])
    assert verify(rows, seals) == 4
    forge(rows, seals)
    with pytest.raises(BrokenSeal):
        verify(rows, seals)


def test_a_rewritten_tail_has_another_hash() -> None:
    """Who writes the last append anew, seal included, gets another head hash: the one kept elsewhere tells."""
    _, honest = sealed([[("a", "t", b"1")], [("b", "t", b"2")]])
    rows, forged = sealed([[("a", "t", b"1")], [("b", "t", b"3")]])
    assert verify(rows, forged) == 2
    assert forged[-1].hash != honest[-1].hash
