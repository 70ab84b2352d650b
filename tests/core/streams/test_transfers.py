"""Transfers between ledger accounts: what a key is answered, and several of them, all or none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ledger import books
from core.ledger.guard import GuardKey, guard_key
from core.ledger.ledger import Accepted, Ledger, Loaded, Past, Refused, Repeated
from core.ledger.refusals import IdempotencyKeyReused, InsufficientFunds, TransfersRefused
from core.streams.accounts import OpenLedgerAccount
from core.streams.transfers import InternalTransferPosted, PostTransfer, PostTransfers, TransferRefused
from tests.support.history import ACTOR, ALICE, BOB, TickingClock, execute, fund, register
from tests.support.memory import MemoryStore

pytestmark = pytest.mark.fast

CODES = (books.USER_LIABILITY, "one", "two")


class World:
    """Alice with 100 in the first of three ledger accounts."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.ledger = Ledger(self.store, TickingClock())
        execute(self.ledger, register(ALICE, "Alice"), register(BOB, "Bob"))
        opened = [OpenLedgerAccount(ALICE, code, code, "liability", ACTOR) for code in CODES[1:]]
        execute(self.ledger, fund(ALICE, 100, "opening"), *opened)

    def balances(self) -> dict[GuardKey, int]:
        return {key: self.store.guards[key] for key in (guard_key(ALICE, code) for code in CODES)}


def moved(key: str, source: str, target: str, amount: int) -> PostTransfer:
    return PostTransfer(key, ALICE, source, ALICE, target, amount, ACTOR)


@pytest.fixture
def world() -> World:
    return World()


def test_what_was_refused_stays_refused(world: World) -> None:
    """The refusal is the key's own event; later the money is there, and the same key is answered the same."""
    too_much = moved("a", "one", "two", 5)
    [first] = world.ledger.execute([too_much])
    assert isinstance(first, Accepted)
    assert isinstance(first.events[0].event, TransferRefused)
    execute(world.ledger, moved("b", CODES[0], "one", 50))
    [again] = world.ledger.execute([too_much])
    assert isinstance(again, Repeated)
    assert again.events == first.events
    [other] = world.ledger.execute([moved("a", "one", "two", 6)])
    assert other == Refused(IdempotencyKeyReused(fields="amount"))


def test_an_older_program_beside_it_has_no_event_of_a_refusal(world: World) -> None:
    """Until the format level is raised a refusal is a refusal, and the key may be tried again."""
    wish = moved("a", "one", "two", 5)
    loaded = Loaded(world.store.histories(wish.streams()), dict(world.store.guards), world.store.head(), format_level=1)
    assert isinstance(wish.decide(Past(loaded), TickingClock()()), InsufficientFunds)


def test_each_of_a_batch_is_decided_behind_those_before_it(world: World) -> None:
    """What one brings the next may move on; in the other order both are short."""
    there, on = moved("a", CODES[0], "one", 60), moved("b", "one", "two", 60)
    [refused] = world.ledger.execute([PostTransfers((on, there))])
    assert isinstance(refused, Refused)
    assert isinstance(refused.refusal, TransfersRefused)
    assert [it.number for it in refused.refusal.transfers] == [0]
    assert world.store.guards[guard_key(ALICE, CODES[0])] == 100
    [posted] = world.ledger.execute([PostTransfers((there, on))])
    assert isinstance(posted, Accepted)
    assert world.store.guards[guard_key(ALICE, "two")] == 60


transfers = st.builds(
    moved,
    st.sampled_from("abcdef"),
    st.sampled_from(CODES),
    st.sampled_from((*CODES, "nobody")),
    st.integers(min_value=1, max_value=70),
)


@given(st.lists(st.lists(transfers, min_size=1, max_size=6), min_size=1, max_size=4))
def test_all_or_none_and_each_key_once(batches: list[list[PostTransfer]]) -> None:
    """Whatever is asked for: a batch posts every transfer whose key was new, or it changes nothing at all; no sum is lost."""
    world = World()
    for batch in batches:
        before, head = world.balances(), world.store.head()
        posted = {it.stream for it in world.store.events if isinstance(it.event, InternalTransferPosted)}
        [outcome] = world.ledger.execute([PostTransfers(tuple(batch))])
        events = world.store.read(head, 100)
        if isinstance(outcome, Refused):
            assert (world.balances(), events) == (before, [])
        else:
            assert {it.stream for it in events} == {it.streams()[0] for it in batch} - posted
            assert len(events) == len({it.stream for it in events})
        assert sum(world.balances().values()) == 100
