"""Segments: what a queue can say, and what of it is even worth comparing with a seal."""

import msgspec
import pytest

from core.ledger.seals import GENESIS
from projections.engine.segments import MalformedSegment, Segment

pytestmark = pytest.mark.fast

EVENTS = (
    (8, "wallet-hot", 1, "wallet.registered/1", '{"role":"hot"}'),
    (9, "wallet-gas", 1, "wallet.registered/1", '{"role":"gas"}'),
)


def sealed(first: int = 8, last: int = 9, events: tuple[tuple[int, str, int, str, str], ...] = EVENTS) -> Segment:
    """A segment whose hash fits what it carries."""
    draft = Segment(first=first, last=last, prev_hash=GENESIS.hex(), hash="0" * 64, events=events)
    return msgspec.structs.replace(draft, hash=draft.computed_hash)


@pytest.mark.parametrize("segment", [sealed(), Segment(first=1, last=2**63 - 1)])
def test_round_trip(segment: Segment) -> None:
    """A segment is the same after its way over the queue."""
    assert Segment.decode(segment.encode()) == segment


def test_prompt_is_small() -> None:
    """A prompt is nothing but its two positions."""
    assert Segment(first=3, last=7).encode() == b'{"first":3,"last":7}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"\xff",
        b"{}",
        b'{"first":0,"last":1}',
        b'{"first":-1,"last":1}',
        b'{"first":2,"last":1}',
        b'{"first":1,"last":9223372036854775808}',
        b'{"first":1,"last":1.0}',
        b'{"first":"1","last":"1"}',
        b'{"first":1,"last":1,"more":1}',
        b'{"first":1,"last":1,"hash":"xy"}',
        b'{"first":1,"last":1,"hash":"' + b"AB" * 32 + b'"}',
        b'{"first":1,"last":1,"events":[[1,"s",0,"t","{}"]]}',
        b'{"first":1,"last":1,"events":[[1,"s",1,"t"]]}',
    ],
)
def test_malformed(body: bytes) -> None:
    """Anything else is refused as malformed, whatever it is."""
    with pytest.raises(MalformedSegment):
        Segment.decode(body)


@pytest.mark.parametrize(
    "segment",
    [
        pytest.param(Segment(first=8, last=9), id="a prompt"),
        pytest.param(msgspec.structs.replace(sealed(), hash="0" * 64), id="another hash"),
        pytest.param(msgspec.structs.replace(sealed(), prev_hash="1" * 64), id="another previous hash"),
        pytest.param(msgspec.structs.replace(sealed(), hash=None), id="no hash"),
        pytest.param(sealed(last=10), id="an event missing at the end"),
        pytest.param(sealed(last=2**62), id="a claim as wide as it can be"),
        pytest.param(sealed(first=9), id="an event too many"),
        pytest.param(sealed(events=EVENTS[::-1]), id="another order"),
        pytest.param(sealed(events=(EVENTS[0], EVENTS[0])), id="one event twice"),
    ],
)
def test_inconsistent(segment: Segment) -> None:
    """A segment without exactly its events and their hash is not even compared with a seal."""
    assert not segment.consistent


def test_consistent() -> None:
    """A segment with its events and their hash is worth comparing."""
    assert sealed().consistent
