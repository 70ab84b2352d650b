"""What waits at the hot wallet follows from the history: a worker that begins takes the turns that one of weeks takes."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from core.ledger.events import Event, Recorded
from core.ledger.journal import TREASURY, derived_id
from core.streams.deposits import DepositConfirmed
from core.streams.payouts import (
    PayoutBroadcast,
    PayoutCancelled,
    PayoutConfirmed,
    PayoutExpired,
    PayoutOrder,
    PayoutPrepared,
    PayoutRequested,
    PayoutWaiting,
)
from signers.outgoing.earmarks import EARMARK_AFTER_MS
from signers.outgoing.open_orders import OpenOrders
from signers.outgoing.open_payouts import OpenPayouts
from tests.signers.outgoing.world import MemoryBookmarks
from tests.support.history import HOT_WALLET, PROOF, attempt, order, transfer

pytestmark = pytest.mark.fast

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STEP_MS = 40_000
LENGTH = 160
"""Events of one history."""


class Told:
    """An event store to read from: any story that payouts of a few accounts can have, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.events: list[Recorded] = []
        self.now_ms = int(BEGIN.timestamp() * 1000)
        self.asked = 0
        self.waiting: dict[str, PayoutOrder] = {}
        self.waited: set[str] = set()
        self.flying: dict[str, PayoutOrder] = {}

    def read(self, after: int, limit: int) -> Sequence[Recorded]:
        return self.events[after : after + limit]

    def histories(self, _: Sequence[str]) -> dict[str, list[Recorded]]:
        """Nothing but payouts ever happened."""
        return {}

    def go_on(self) -> None:
        """One more event."""
        self.now_ms += self.draw.randint(0, STEP_MS)
        acts = [self.ask, self.come_in, self.come_in]
        acts += [self.wait, self.wait, self.prepare, self.prepare, self.cancel] if self.waiting else []
        acts += [self.end, self.end] if self.flying else []
        self.draw.choice(acts)()

    def ask(self) -> None:
        account_id = str(derived_id("account", "", self.draw.choice("abc")))
        self.asked += 1
        wished = order(account_id, str(self.asked), self.draw.randint(1, 100))
        later = self.now + timedelta(seconds=90) if self.draw.random() < 0.2 else None
        priority = self.draw.choice(("normal", "high"))
        wished = msgspec.structs.replace(wished, priority=priority, not_before=later)
        self.waiting[wished.stream] = wished
        self.tell(wished.stream, PayoutRequested, order=wished, postings=())

    def come_in(self) -> None:
        fact = transfer(f"in {len(self.events)}", HOT_WALLET, self.draw.randint(1, 60), wallet="hot")
        fact = msgspec.structs.replace(fact, block_timestamp_ms=self.now_ms)
        self.tell(fact.stream, DepositConfirmed, account_id=TREASURY, ledger_account="", transfer=fact, postings=())

    def wait(self) -> None:
        wished = self.draw.choice(list(self.waiting.values()))
        if wished.stream not in self.waited:
            self.waited.add(wished.stream)
            self.tell(wished.stream, PayoutWaiting, **wished.ids, reason="coins", since_ms=self.now_ms - 60_000)

    def prepare(self) -> None:
        wished = self.draw.choice(list(self.waiting.values()))
        self.flying[wished.stream] = self.waiting.pop(wished.stream)
        self.tell(wished.stream, PayoutPrepared, **wished.ids, attempt=attempt(wished))

    def cancel(self) -> None:
        wished = self.waiting.pop(self.draw.choice(list(self.waiting)))
        self.tell(wished.stream, PayoutCancelled, **wished.ids, postings=())

    def end(self) -> None:
        wished = self.flying.pop(self.draw.choice(list(self.flying)))
        happened: dict[str, Any] = {**wished.ids, "txid": ""}
        if self.draw.random() < 0.3:
            self.waiting[wished.stream] = wished
            self.tell(wished.stream, PayoutBroadcast, **happened)
            self.tell(wished.stream, PayoutExpired, **happened, proof=PROOF)
        else:
            solid = {"block_number": 1, "block_timestamp_ms": 1, "burned_sun": 0}
            self.tell(wished.stream, PayoutConfirmed, **happened, **solid, postings=())

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def tell(self, stream: str, kind: type[Event], **fields: Any) -> None:
        version = 1 + sum(recorded.stream == stream for recorded in self.events)
        happened = kind(occurred_at=self.now, actor="", **fields)
        self.events.append(Recorded(len(self.events) + 1, stream, version, happened))


def read_all(told: Told, bookmarks: MemoryBookmarks) -> OpenPayouts:
    found = OpenPayouts(told, bookmarks, "payouts", "")  # type: ignore[arg-type]
    while found.read_on():
        pass
    return found


def differences(seed: int) -> int:
    """How often a worker that begins at the low-water mark knows anything else than one that has read it all."""
    told, bookmarks, different = Told(seed), MemoryBookmarks(), 0
    running = OpenPayouts(told, bookmarks, "payouts", "")  # type: ignore[arg-type]
    with patch("signers.open_streams.SAVE_EVERY", 1):
        for number in range(LENGTH):
            told.go_on()
            if number % 3:
                continue
            running.read_on()
            running.lanes(told.now_ms)
            for kept in (dict(bookmarks.rows), {}):
                again_from = MemoryBookmarks()
                again_from.rows = kept
                again = read_all(told, again_from)
                same = sorted(again.lanes(told.now_ms)) == sorted(running.lanes(told.now_ms))
                different += not (same and again.earmarks.set_aside == running.earmarks.set_aside)
    return different


SEEDS = (0, 1, 2, 3, 37, 127, 142)
"""Some, and those that have found something."""


def test_a_restart_takes_the_same_turns() -> None:
    """Lanes and earmarks, read from the history's beginning and from the low-water mark alike."""
    assert sum(differences(seed) for seed in SEEDS) == 0


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("_oldest", OpenOrders._oldest),
        ("_lane", lambda self, account_id, waiting, _, lane=OpenPayouts._lane: lane(self, account_id, waiting, 0)),
    ],
    ids=["forgets where earmarks began", "remembers what is below the oldest open order"],
)
def test_a_restart_that_takes_other_turns_is_noticed(name: str, broken: Any) -> None:
    """A worker that knows what one that begins will not read takes other turns after a restart."""
    with patch.object(OpenPayouts, name, broken):
        assert any(differences(seed) for seed in SEEDS)


def test_the_stories_have_earmarks() -> None:
    """In the histories above coins are set aside for several at once, and for none."""
    most = 0
    for seed in SEEDS:
        told = Told(seed)
        running = OpenPayouts(told, MemoryBookmarks(), "payouts", "")  # type: ignore[arg-type]
        for _ in range(LENGTH):
            told.go_on()
            running.read_on()
            most = max(most, len(running.earmarks.set_aside))
        assert told.now_ms > EARMARK_AFTER_MS
    assert most > 1
