"""Events: pinned topics, JSON that people can read, and every form that was ever written can be read for ever."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

import core.streams.all_events  # noqa: F401  declares every event
from core.ledger import events
from core.ledger.events import CLASSES, Event, UnknownTopic, decode, encode, event, postings_of, upcast
from core.ledger.journal import check_balanced
from core.ledger.ledger import Ledger
from tests.core.record_events import digest, digests, example, recorded
from tests.support.history import ALICE, TickingClock
from tests.support.memory import MemoryStore
from tests.support.topics import readable
from tests.support.treasury import append_treasury

pytestmark = pytest.mark.fast

RECORDED = recorded()


def test_every_event_is_recorded() -> None:
    """Each topic has an example in recorded_events.json: `python -m tests.core.record_events` adds new ones."""
    assert set(CLASSES) <= set(RECORDED)


def test_every_version_that_can_be_read_is_recorded() -> None:
    """So has every older version that an upcaster lifts: keep its example when you raise the version."""
    assert sorted(readable() - set(RECORDED)) == [], "run `python -m tests.core.record_events` before raising a version"


def test_what_is_recorded_stays() -> None:
    """No recorded event was changed or removed: what some version wrote is stored somewhere. A change is a new version."""
    kept = digests()
    assert sorted(RECORDED) == sorted(kept), "run `python -m tests.core.record_events`; lines are added, never removed"
    changed = [topic for topic, fields in RECORDED.items() if digest(fields) != kept[topic]]
    assert changed == [], f"restore {', '.join(changed)}: give the event a new version and an upcaster instead"


@pytest.mark.parametrize("topic", sorted(RECORDED))
def test_what_was_ever_written_is_read(topic: str) -> None:
    """The recorded form of an event loads; in its latest version it is written again exactly so."""
    state = json.dumps(RECORDED[topic])
    loaded = decode(topic, state)
    assert type(loaded) in events.TOPICS
    if topic in CLASSES:
        written_topic, written = encode(loaded)
        assert written_topic == topic
        assert json.loads(written) == RECORDED[topic]


@pytest.mark.parametrize("topic", sorted(CLASSES))
def test_every_event_survives_its_encoding(topic: str) -> None:
    """encode and decode are inverse, and the JSON names its time and its actor."""
    happened = example(CLASSES[topic])
    written_topic, state = encode(happened)
    assert written_topic == topic
    assert decode(topic, state) == decode(topic, state.decode()) == happened
    assert {"occurred_at", "actor"} <= json.loads(state).keys()


def test_a_whole_history_survives_its_encoding() -> None:
    """Every event of the canonical history is read back as it was, and its postings balance (I1)."""
    store = MemoryStore()
    append_treasury(Ledger(store, TickingClock()))
    for item in store.events:
        assert decode(*encode(item.event)) == item.event
        check_balanced(postings_of(item.event))


@pytest.mark.parametrize(
    ("topic", "error"),
    [("account.registered/2", UnknownTopic), ("", UnknownTopic), ("account.registered", UnknownTopic)],
)
def test_an_event_of_a_newer_version_is_not_guessed(topic: str, error: type[Exception]) -> None:
    """A topic this program does not know stops the reader with a sentence that says what to do."""
    with pytest.raises(error, match="install a newer one"):
        decode(topic, "{}")


@pytest.mark.parametrize(
    "change",
    [{"surprise": 1}, {"name": None}, {"name": 5}, {"occurred_at": "yesterday"}, {"webhook_url": msgspec.UNSET}],
)
def test_a_state_that_does_not_fit_its_topic_is_refused(change: dict[str, object]) -> None:
    """Unknown, missing and mistyped fields are errors: nothing of an event is dropped or made up."""
    fields = {**RECORDED["account.registered/1"], **change}
    state = msgspec.json.encode({name: value for name, value in fields.items() if value is not msgspec.UNSET})
    with pytest.raises(msgspec.ValidationError):
        decode("account.registered/1", state)


@pytest.mark.parametrize("text", ["a\x00b", "\x00", "\\\x00", "\\\\\x00"])
def test_the_null_character_is_refused(text: str) -> None:
    """U+0000 would make the event unreadable in psql for ever."""
    registered = CLASSES["account.renamed/1"]
    with pytest.raises(ValueError, match="U\\+0000"):
        encode(registered(occurred_at=datetime(2026, 1, 1, tzinfo=UTC), actor="x", account_id=ALICE, name=text))  # type: ignore[call-arg]


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "u0000", "\\", "\x01", "é😀"])
def test_text_that_only_looks_like_it_is_kept(text: str) -> None:
    """A backslash and u0000 in a client's text are six ordinary characters."""
    renamed = CLASSES["account.renamed/1"]
    item = renamed(occurred_at=datetime(2026, 1, 1, tzinfo=UTC), actor="x", account_id=ALICE, name=text)  # type: ignore[call-arg]
    assert decode(*encode(item)) == item


def test_an_older_version_is_lifted_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two upcasters in a row give today's event."""
    for registry in ("CLASSES", "TOPICS", "DECLARATIONS", "_UPCASTERS", "_DECODERS"):
        monkeypatch.setattr(events, registry, dict(getattr(events, registry)))

    @event("test.lifted", version=3, by="api")
    class Lifted(Event, frozen=True, kw_only=True):
        amount_minor: int
        currency: str

    upcast("test.lifted/1", "test.lifted/2", lambda fields: {**fields, "currency": "USDT"})
    upcast("test.lifted/2", "test.lifted/3", lambda f: {"amount_minor": f.pop("amount"), **f})
    state = '{"occurred_at": "2026-01-01T00:00:00Z", "actor": "x", "amount": 5}'
    lifted = Lifted(occurred_at=datetime(2026, 1, 1, tzinfo=UTC), actor="x", amount_minor=5, currency="USDT")
    assert decode("test.lifted/1", state) == lifted


def test_two_events_cannot_claim_one_topic() -> None:
    """A topic names one class."""
    with pytest.raises(AssertionError, match="two events claim"):
        event("account.registered", by="api")(CLASSES["account.renamed/1"])
