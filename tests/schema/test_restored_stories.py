"""The stand-alone verifier knows what a restored history may tell: what left, for whom it was, and nothing twice."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from core.ledger.events import encode
from core.ledger.ledger import Ledger
from tests.support.exports import impossible_stories
from tests.support.history import TickingClock
from tests.support.memory import MemoryStore
from tests.support.restored import append_restored

pytestmark = pytest.mark.fast

Row = dict[str, Any]


def rows() -> list[Row]:
    store = MemoryStore()
    append_restored(Ledger(store, TickingClock()))
    return [
        {"stream": it.stream, "version": it.version, "topic": topic, "state": msgspec.json.decode(state)}
        for it in store.events
        for topic, state in [encode(it.event)]
    ]


def told(events: list[Row]) -> list[str]:
    return impossible_stories(
        (position, it["stream"], it["version"], it["topic"], msgspec.json.encode(it["state"]))
        for position, it in enumerate(events, start=1)
    )


def the(events: list[Row], topic: str, number: int = 0) -> Row:
    return [it for it in events if it["topic"] == topic][number]


def test_a_settled_restore_is_a_story_that_can_be() -> None:
    """Nothing of it is unknown to the verifier, and nothing is impossible."""
    assert told(rows()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda events: events.remove(the(events, "store.restored/1")), "no history was lost"),
        (
            lambda events: the(events, "lost-outgoing.found/1")["state"]["left"].update(burned_sun=1),
            "the lines are not those of what left",
        ),
        (
            lambda events: the(events, "lost-outgoing.found/1", 2)["state"]["left"].update(taken_minor=1),
            "the lines are not those of what left",
        ),
        (
            lambda events: the(events, "lost-outgoing.found/1")["state"]["left"].update(amount_minor=1),
            "the stream is not named by what left",
        ),
        (
            lambda events: the(events, "lost-outgoing.found/1", 2)["state"]["left"].update(to_wallet=""),
            "the stream is not named by what left",
        ),
        (
            lambda events: the(events, "lost-outgoing.attributed/1")["state"].update(
                txid=the(events, "lost-outgoing.found/1", 1)["state"]["left"]["txid"]
            ),
            "is open no more, or not of this payout's payee and amount",
        ),
        (
            lambda events: events.remove(the(events, "lost-outgoing.attributed/1")),
            "no attempt of it has this transaction id",
        ),
        (
            lambda events: the(events, "lost-outgoing.written-off/1")["state"].update(
                txid=the(events, "lost-outgoing.found/1")["state"]["left"]["txid"]
            ),
            "it is open no more, or the lines are not those of it",
        ),
    ],
    ids=[
        "without a restore",
        "another fee",
        "a sweep that the token took a fee of",
        "another amount",
        "a sweep told as a payment",
        "another payment",
        "confirmed and never attributed",
        "written off and attributed",
    ],
)
def test_what_cannot_be_is_named(change: Callable[[list[Row]], object], sentence: str) -> None:
    """Each story that a restore must not tell."""
    events = rows()
    change(events)
    assert any(sentence in it for it in told(events)), told(events)


def test_a_payout_that_may_be_paid_and_is_prepared_is_named() -> None:
    """Its bytes were made while a transfer of its payee and amount was open."""
    events = rows()
    paid = the(events, "payout.prepared/1")
    asked = [it for it in events if it["topic"] == "payout.requested/2"][-1]
    attempt = paid["state"]["attempt"]
    early = {
        "stream": asked["stream"],
        "version": 2,
        "topic": "payout.prepared/1",
        "state": {**paid["state"], "payout_id": asked["state"]["order"]["payout_id"], "attempt": attempt},
    }
    events.insert(events.index(asked) + 1, early)
    assert any("it may be paid already" in it for it in told(events)), told(events)
