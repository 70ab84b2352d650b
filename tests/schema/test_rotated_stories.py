"""The stand-alone verifier knows what a rotation may tell: one wallet in another's place, announced, and emptied into it."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest

from core.ledger.events import encode
from core.streams.deposit_seed import AskSeedRotation, RotateSeed
from tests.support.exports import impossible_stories
from tests.support.history import ACTOR, execute
from tests.support.treasury_world import SOLID_LAG, TreasuryWorld

pytestmark = [pytest.mark.fast, pytest.mark.long]

Row = dict[str, Any]


@cache
def rotated() -> bytes:
    """A hot wallet that was rotated under payouts, and retired."""
    world = TreasuryWorld(hot_usdt=500)
    world.deposits(300)
    world.pay_out("before", 10)
    world.rotate("hot")
    world.live(1)
    world.pay_out("after", 10)
    world.live(12 * SOLID_LAG)
    assert world.role("hot").retired
    execute(world.ledger, AskSeedRotation(ACTOR))
    execute(world.ledger, RotateSeed(2, "derived:2:", ACTOR))
    rows = [
        {"stream": it.stream, "version": it.version, "topic": topic, "state": msgspec.json.decode(state)}
        for it in world.store.events
        for topic, state in [encode(it.event)]
    ]
    return msgspec.json.encode(rows)


def told(events: list[Row]) -> list[str]:
    return impossible_stories(
        (position, it["stream"], it["version"], it["topic"], msgspec.json.encode(it["state"]))
        for position, it in enumerate(events, start=1)
    )


def the(events: list[Row], topic: str, number: int = 0) -> Row:
    return [it for it in events if it["topic"] == topic][number]


def given(events: list[Row], act: str) -> Row:
    """An instruction of the rotation, which does this."""
    orders = (it for it in events if it["topic"] == "instruction.given/1")
    return next(
        it
        for it in orders
        if (it["state"]["instruction"]["purpose"], it["state"]["instruction"]["act"]["act"]) == ("rotation", act)
    )


def paid_by_the_old(events: list[Row]) -> None:
    old = the(events, "wallet.rotation-begun/1")["state"]["from_address"]
    the(events, "payout.prepared/1", 1)["state"]["attempt"]["from_address"] = old


def test_a_rotation_is_a_story_that_can_be() -> None:
    """Nothing of it is unknown to the verifier, and nothing is impossible."""
    assert told(msgspec.json.decode(rotated())) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda events: events.remove(the(events, "wallet.rotation-asked/1")), "nobody asked for it"),
        (lambda events: events.remove(the(events, "wallet.rotation-begun/1")), "nothing says that"),
        (
            lambda events: the(events, "wallet.rotation-begun/1")["state"].update(from_address="T" * 34),
            "is not the hot wallet",
        ),
        (
            lambda events: the(events, "wallet.retired/1")["state"].update(address="T" * 34),
            "was not being emptied",
        ),
        (paid_by_the_old, "another wallet has replaced"),
        (
            lambda events: given(events, "send_token")["state"]["instruction"]["act"].update(to="T" * 34),
            "it does not go to the wallet that has replaced",
        ),
        (
            lambda events: (
                events.append({**the(events, "wallet.rotation-asked/1"), "version": 99})
                or events.append({**the(events, "wallet.rotation-asked/1"), "version": 100})
            ),
            "another rotation is under way",
        ),
        (lambda events: events.remove(the(events, "seed.rotation-asked/1")), "nobody asked for another seed"),
        (lambda events: the(events, "seed.rotated/1")["state"].update(number=3), "seed 3 follows 1 others"),
    ],
)
def test_what_cannot_be_is_named(change: Callable[[list[Row]], object], sentence: str) -> None:
    """Whoever tells it otherwise is told what does not fit."""
    events = msgspec.json.decode(rotated())
    change(events)
    assert any(sentence in each for each in told(events)), told(events)
