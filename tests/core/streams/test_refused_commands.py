"""What was refused is an event: who tried what, and why; bounded, and without touching a balance."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.ledger import books
from core.ledger.events import CLASSES, Recorded, decode, encode, postings_of
from core.ledger.guard import GuardKey
from core.ledger.journal import debit
from core.ledger.ledger import Accepted, Command, Decided, Ledger, Loaded, Refused
from core.ports.unavailable import Unavailable
from core.streams.accounts import ChangeAccount, OpenLedgerAccount, ledger_account_stream
from core.streams.refused_commands import KEPT_PER_HOUR, CommandRefused, RefusalCount, RefusalsCounted, RefusedCommands
from core.streams.treasury import PostAdjustment
from tests.support.history import ALICE, BOB, USDT, execute, fund, register
from tests.support.memory import MemoryStore

pytestmark = pytest.mark.fast

BEGIN = datetime(2026, 11, 26, 9, 10, tzinfo=UTC)
KEY = "api-key:alice's"


class World:
    """A ledger that keeps refusals, with Alice and Bob in it, and a clock turned by hand."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.now = BEGIN
        self.ledger = Ledger(self.store, lambda: self.now, RefusedCommands())
        self.begin = execute(self.ledger, register(ALICE, "Alice"), register(BOB, "Bob"), fund(ALICE, USDT, "opening"))

    def events(self) -> list[Recorded]:
        """What was appended since."""
        return self.store.read(self.begin, 10_000)

    def kept(self) -> list[CommandRefused]:
        return [it.event for it in self.events() if isinstance(it.event, CommandRefused)]

    def counted(self) -> list[RefusalsCounted]:
        return [it.event for it in self.events() if isinstance(it.event, RefusalsCounted)]


@pytest.fixture
def world() -> World:
    return World()


def open_again(number: int = 0, actor: str = KEY, account_id: str = ALICE) -> OpenLedgerAccount:
    """A ledger account that there is, by another name."""
    return OpenLedgerAccount(account_id, books.USER_LIABILITY, f"name {number}", "liability", actor)


def refuse(world: World, commands: Sequence[Command]) -> None:
    assert all(isinstance(outcome, Refused) for outcome in world.ledger.execute(commands))


def test_a_refusal_says_who_tried_what_and_why(world: World) -> None:
    """And moves nothing; what is accepted beside it is as without it."""
    guard = dict(world.store.guards)
    outcomes = world.ledger.execute([fund(ALICE, 5, "a"), open_again(), fund(ALICE, 7, "b")])
    assert [type(outcome) for outcome in outcomes] == [Accepted, Refused, Accepted]
    [refused] = world.kept()
    assert (refused.account_id, refused.actor, refused.command) == (ALICE, KEY, "open_ledger_account")
    stream = ledger_account_stream(ALICE, books.USER_LIABILITY)
    assert (refused.code, refused.stream, refused.number) == ("ledger_account_exists", stream, 1)
    assert refused.data == {"account_code": books.USER_LIABILITY}
    assert refused.wish["name"] == "name 0"
    assert "actor" not in refused.wish
    positions = [it.position for it in world.events()]
    assert positions == [world.begin + 1, world.begin + 2, world.begin + 3]
    assert postings_of(refused) == ()
    moved = {key: amount - guard[key] for key, amount in world.store.guards.items() if amount != guard[key]}
    assert set(moved.values()) == {12}


def test_an_account_cannot_fill_the_store(world: World) -> None:
    """So many an hour are events; the rest becomes one event, when the hour is over and something is appended."""
    refuse(world, [open_again(number) for number in range(KEPT_PER_HOUR - 5)])
    refuse(world, [open_again(number) for number in range(30)])
    refuse(world, [open_again(account_id=BOB, actor="api-key:bob's")])
    assert [it.number for it in world.kept() if it.account_id == ALICE] == list(range(1, KEPT_PER_HOUR + 1))
    assert [it.number for it in world.kept() if it.account_id == BOB] == [1]
    assert world.counted() == []
    world.now += timedelta(hours=3)
    execute(world.ledger, fund(ALICE, 5, "later"))
    [counted] = world.counted()
    assert (counted.account_id, counted.counts) == (
        ALICE,
        (RefusalCount("open_ledger_account", "ledger_account_exists", 25),),
    )
    assert (counted.since, counted.until) == (BEGIN.replace(minute=0), BEGIN.replace(hour=10, minute=0))
    refuse(world, [open_again()])
    assert world.kept()[-1].number == 1
    assert len(world.counted()) == 1


def test_a_process_that_ends_tells_its_counts(world: World) -> None:
    """Of its last hour, up to its end; once, and nothing where nothing was counted."""
    world.ledger.settle()
    refuse(world, [open_again(number) for number in range(KEPT_PER_HOUR + 3)])
    world.now += timedelta(minutes=5)
    world.ledger.settle()
    [counted] = world.counted()
    assert (counted.since, counted.until) == (BEGIN.replace(minute=0), world.now)
    assert [count.times for count in counted.counts] == [3]
    world.ledger.settle()
    assert len(world.counted()) == 1
    refuse(world, [open_again()])
    assert len(world.kept()) == KEPT_PER_HOUR


def test_only_clients_and_operators_try(world: World) -> None:
    """A process that comes too late is not noted; an operator's refusals are the operator's, whoever they are about."""
    refuse(world, [open_again(actor="system:sweeps")])
    assert world.events() == []
    lopsided = (debit(ALICE, books.CLIENT_ASSET, 1, "USDT"),)
    refuse(world, [PostAdjustment("a", "why", lopsided, "operator:1"), ChangeAccount("nobody", "operator:1", name="x")])
    assert [(it.account_id, it.command) for it in world.kept()] == [
        ("operator", "post_adjustment"),
        ("operator", "change_account"),
    ]
    assert world.kept()[1].wish["account_id"] == "nobody"


def test_an_append_that_fails_has_noted_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an event nor a count; the next one begins where this one did."""

    def shut(_: UUID, streams: Sequence[str], guards: Sequence[GuardKey], decide: Callable[[Loaded], Decided]) -> None:
        known = {key: world.store.guards[key] for key in guards}
        decided = decide(Loaded(world.store.histories(streams), known, world.store.head()))
        assert len(list(decided.records)) == KEPT_PER_HOUR
        raise Unavailable("shut")

    monkeypatch.setattr(world.store, "append", shut)
    for _ in range(3):
        with pytest.raises(Unavailable):
            world.ledger.execute([open_again(number) for number in range(KEPT_PER_HOUR + 9)])
    monkeypatch.undo()
    refuse(world, [open_again(number) for number in range(KEPT_PER_HOUR + 2)])
    assert [it.number for it in world.kept()] == list(range(1, KEPT_PER_HOUR + 1))
    world.now += timedelta(hours=1)
    execute(world.ledger, fund(ALICE, 5, "later"))
    assert [count.times for it in world.counted() for count in it.counts] == [2]


def test_whatever_was_wished_can_be_kept(world: World) -> None:
    """Text of any kind and length, in a size that is bounded."""
    strange = "\x00\ud800 {0} %s" + "x" * 10_000
    refuse(world, [ChangeAccount("nobody", "operator:1", name=strange)])
    [refused] = world.kept()
    topic, state = encode(refused)
    assert len(state) < 2_000
    assert decode(topic, state) == refused


def test_both_events_are_declared() -> None:
    """Under topics that stay."""
    assert {"command.refused/1", "command.refusals-counted/1"} <= set(CLASSES)
