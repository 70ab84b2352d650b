"""Format levels: what a program of before cannot read is not written before an upgrade is finished (I22)."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

import core.streams.all_events  # noqa: F401  declares every event
from core.ledger import events, history
from core.ledger import ledger as ledger_module
from core.ledger.events import (
    Event,
    New,
    NewerFormat,
    NotYetWritten,
    decode,
    encode,
    event,
    newest_level,
    topics_written,
    upcast,
)
from core.ledger.formats import FORMATS, FormatRaised, RaiseFormat
from core.ledger.guard import GuardKey
from core.ledger.history import SetAside, readable
from core.ledger.ledger import Accepted, Ledger, Past, Refused, Repeated
from core.ledger.refusals import NotSwitchedOn
from tests.core.record_events import recorded as examples
from tests.support.history import TickingClock
from tests.support.memory import MemoryStore

pytestmark = pytest.mark.fast

AT = datetime(2026, 11, 22, 13, tzinfo=UTC)
RENAMED = examples()["account.renamed/1"]


class Kinds:
    """Events of a version that is being rolled out, at the level behind this program's."""

    def __init__(self) -> None:
        self.later = later = newest_level() + 1

        @event("test.new", by="api", level=later)
        class NewKind(Event, frozen=True, kw_only=True):
            pass

        @event("test.grown", by="api", fields={"memo": later})
        class Grown(Event, frozen=True, kw_only=True):
            name: str
            memo: str | None = None

        @event("test.split", version=2, by="api", level=later)
        class Split(Event, frozen=True, kw_only=True):
            first: str
            second: str = ""

        def joined(fields: dict[str, Any]) -> dict[str, Any]:
            first = fields.pop("first")
            fields.pop("second")
            return {**fields, "name": first}

        upcast("test.split/1", "test.split/2", lambda fields: {"first": fields.pop("name"), **fields}, back=joined)
        self.new, self.grown, self.split = NewKind, Grown, Split


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> Kinds:
    for registry in ("CLASSES", "TOPICS", "DECLARATIONS", "_UPCASTERS", "_BEFORE", "_DECODERS"):
        monkeypatch.setattr(events, registry, dict(getattr(events, registry)))
    monkeypatch.setattr(history, "CLASSES", events.CLASSES)
    monkeypatch.setattr(ledger_module, "TOPICS", events.TOPICS)
    return Kinds()


class Say(msgspec.Struct, frozen=True):
    """A command of one event."""

    event: Any

    def streams(self) -> list[str]:
        return ["test-x"]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        return [New("test-x", self.event)]


def test_a_new_kind_waits_for_its_level(kinds: Kinds) -> None:
    """Before, a command that would append it is refused, and nothing is written; from then on it is an event like any other."""
    store = MemoryStore()
    ledger, said = Ledger(store, TickingClock()), Say(kinds.new(occurred_at=AT, actor="x"))
    store.format_level = kinds.later - 1
    assert ledger.execute([said]) == [Refused(NotSwitchedOn(kind="test.new/1"))]
    assert store.events == []
    store.format_level = kinds.later
    [outcome] = ledger.execute([said])
    assert isinstance(outcome, Accepted)


def test_one_that_waits_does_not_hold_up_its_neighbours(kinds: Kinds) -> None:
    """What may be written of the same batch is."""
    store = MemoryStore()
    store.format_level = kinds.later - 1
    new, grown = kinds.new(occurred_at=AT, actor="x"), kinds.grown(occurred_at=AT, actor="x", name="a")
    first, second = Ledger(store, TickingClock()).execute([Say(new), Say(grown)])
    assert isinstance(first, Refused)
    assert isinstance(second, Accepted)


def test_a_new_field_is_left_out_until_its_level(kinds: Kinds) -> None:
    """With its default the event is written as before, so that an older program reads it; with a value it waits."""
    plain = kinds.grown(occurred_at=AT, actor="x", name="a")
    assert json.loads(encode(plain, kinds.later - 1)[1]) == {
        "occurred_at": "2026-11-22T13:00:00Z",
        "actor": "x",
        "name": "a",
    }
    assert "memo" in json.loads(encode(plain, kinds.later)[1])
    with pytest.raises(NotYetWritten, match=r"test\.grown/1 is written from format level \d+ on"):
        encode(kinds.grown(occurred_at=AT, actor="x", name="a", memo="b"), kinds.later - 1)


def test_a_new_version_is_written_as_the_one_before_where_that_says_the_same(kinds: Kinds) -> None:
    """It goes back the way that its declaration names, and what would be lost on it waits."""
    same = kinds.split(occurred_at=AT, actor="x", first="a")
    topic, state = encode(same, kinds.later - 1)
    assert topic == "test.split/1"
    assert json.loads(state)["name"] == "a"
    assert decode(topic, state) == same
    assert encode(same, kinds.later)[0] == "test.split/2"
    with pytest.raises(NotYetWritten):
        encode(kinds.split(occurred_at=AT, actor="x", first="a", second="b"), kinds.later - 1)
    assert [topic for topic, _ in topics_written(kinds.split, kinds.later - 1)] == ["test.split/2", "test.split/1"]
    assert [topic for topic, _ in topics_written(kinds.split, kinds.later)] == ["test.split/2"]


@pytest.mark.parametrize("topic", sorted(events.CLASSES))
def test_whatever_a_level_lets_through_is_read_back_as_it_was(topic: str) -> None:
    """At every level an event has a form that says the same, or waits."""
    from tests.core.record_events import example

    happened = example(events.CLASSES[topic])
    for level in range(1, newest_level() + 1):
        try:
            written = encode(happened, level)
        except NotYetWritten:
            continue
        assert decode(*written) == happened


def row(position: int, topic: str, fields: dict[str, Any]) -> tuple[int, str, int, str, bytes]:
    return position, "x", position, topic, json.dumps(fields).encode()


GOOD = row(1, "account.renamed/1", RENAMED)
STRANGE_FIELD = {**RENAMED, "surprise": 1}


def raised(position: int, level: int) -> tuple[int, str, int, str, bytes]:
    return row(position, "format.raised/1", {**examples()["format.raised/1"], "level": level})


@pytest.mark.parametrize(
    "newer", [row(2, "account.renamed/9", RENAMED), row(2, "account.dreamt/1", RENAMED), raised(2, newest_level() + 1)]
)
def test_reading_stops_before_what_a_newer_version_wrote(newer: tuple[int, str, int, str, bytes]) -> None:
    """What stands before it is read; then the reader waits, and says at which position it stands and before what kind."""
    behind = row(3, "account.renamed/1", RENAMED)
    assert [record.position for record in readable([GOOD, newer, behind], lambda: None)] == [1]
    with pytest.raises(NewerFormat, match="installed by a newer version: position 2, kind ") as stands:
        readable([newer, behind], lambda: None)
    assert (stands.value.position, stands.value.kind.split(",")[0]) == (2, newer[3])


def test_a_level_that_is_read_stops_nobody() -> None:
    """The event that raised the level to what this program reads is one like any other."""
    assert len(readable([GOOD, raised(2, newest_level()), row(3, "account.renamed/1", RENAMED)], lambda: None)) == 3


def test_a_field_that_nobody_knows_is_a_newer_version_s_behind_its_level_and_nobody_s_before() -> None:
    """Behind the event that raised the level it is waited for; else the row is set aside, as any that cannot be read."""
    strange = row(5, "account.renamed/1", STRANGE_FIELD)
    [aside] = readable([strange], lambda: None)
    assert isinstance(aside.event, SetAside)
    [aside] = readable([strange], lambda: 6)
    assert isinstance(aside.event, SetAside)
    with pytest.raises(NewerFormat, match="position 5"):
        readable([strange], lambda: 4)


def test_a_level_is_raised_once() -> None:
    """`upgrade finish` is one event; done again it changes nothing, and no level is lowered."""
    store = MemoryStore()
    store.format_level = 1
    ledger = Ledger(store, TickingClock())
    [done] = ledger.execute([RaiseFormat(level=2, program="0.2.0", actor="operator:a")])
    assert isinstance(done, Accepted)
    for level in (2, 1):
        [again] = ledger.execute([RaiseFormat(level=level, program="0.2.0", actor="operator:a")])
        assert isinstance(again, Repeated)
    [kept] = store.events
    assert (kept.stream, type(kept.event)) == (FORMATS, FormatRaised)
