"""Any commands, in any batches, repeated at will: the books hold."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.ledger import books
from core.ledger.events import New, postings_of
from core.ledger.guard import GuardKey
from core.ledger.journal import check_balanced, signed
from core.ledger.ledger import (
    Accepted,
    Command,
    Failed,
    Ledger,
    Outcome,
    Past,
    Refused,
    Repeated,
)
from core.ledger.refusals import (
    Refusal,
)
from core.streams.accounts import ChangeAccount, OpenLedgerAccount
from core.streams.deposits import DepositConfirmed
from core.streams.payout.ends import CancelPayout, FailPayout
from core.streams.payouts import FINAL, Payout
from core.streams.transfers import PostTransfer
from tests.gateways.histories import replayed_guard
from tests.support.history import (
    ACTOR,
    ALICE,
    ALICE_ADDRESS,
    BOB,
    BOB_ADDRESS,
    TickingClock,
    attempt,
    confirm,
    confirm_payout,
    detect,
    execute,
    expire,
    fund,
    order,
    orphan,
    payin,
    register,
    request_payout,
    send,
    transfer,
)
from tests.support.memory import MemoryStore

pytestmark = [pytest.mark.fast, pytest.mark.long]

CLIENTS = {ALICE: ALICE_ADDRESS, BOB: BOB_ADDRESS}
SMALL = st.integers(1, 30)
CLIENT = st.sampled_from(sorted(CLIENTS))


class Doomed(msgspec.Struct, frozen=True):
    """A command with a defect, at one of the places where a command can have one."""

    place: str

    def streams(self) -> list[str]:
        if self.place == "streams":
            raise RuntimeError("a defect")
        return []

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        raise RuntimeError("a defect")


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """One of everything that clients, the chain and the signers may ask, about few enough things to meet."""
    client, other = draw(CLIENT), draw(CLIENT)
    name, amount = str(draw(st.integers(1, 4))), draw(SMALL)
    fact = transfer(name, CLIENTS[client], amount, block=100 + draw(st.integers(0, 1)))
    wished = order(client, name, 5 + int(name), draw(st.sampled_from([1, 1, 2])))
    number = draw(st.integers(1, 3))
    sent = attempt(wished, number).txid
    choices: list[Command] = [
        register(client, draw(st.sampled_from(["A", "A", "B"]))),
        ChangeAccount(client, ACTOR, status=draw(st.sampled_from(["active", "active", "suspended"]))),
        ChangeAccount(client, ACTOR, accept_transfers=draw(st.sampled_from([True, True, False]))),
        OpenLedgerAccount(client, "own", "Own", "liability", ACTOR),
        payin(client, CLIENTS[client], name),
        detect(fact),
        orphan(fact),
        confirm(fact, client, books.USER_LIABILITY),
        confirm(fact),
        fund(client, amount, name),
        PostTransfer(
            name,
            client,
            books.USER_LIABILITY,
            other,
            draw(st.sampled_from([books.USER_LIABILITY, "own"])),
            amount,
            ACTOR,
        ),
        request_payout(draw(st.sampled_from([wished, msgspec.structs.replace(wished, amount_minor=amount)]))),
        *[step for step in send(wished, number) for _ in range(3)],
        expire(wished, number),
        confirm_payout(wished, number, burned_sun=3),
        FailPayout(wished, ACTOR, failure_code="x", txid=draw(st.sampled_from([sent, None])), burned_sun=1),
        CancelPayout(wished, ACTOR),
        Doomed(draw(st.sampled_from(["streams", "decide"]))),
    ]
    return draw(st.sampled_from(choices))


@st.composite
def payout_walks(draw: st.DrawFn) -> list[Command]:
    """The steps of one payout through two attempts to its end: all, some, or any of them in any order."""
    wished = order(draw(CLIENT), f"walk {draw(st.integers(1, 4))}", 1)
    end: list[Command] = [
        confirm_payout(wished, 1),
        confirm_payout(wished, 2),
        FailPayout(wished, ACTOR, failure_code="x", txid=attempt(wished, 2).txid, burned_sun=1),
        FailPayout(wished, ACTOR, failure_code="x", txid=None, burned_sun=0),
        CancelPayout(wished, ACTOR),
    ]
    walk = [request_payout(wished), *send(wished), expire(wished), *send(wished, 2), draw(st.sampled_from(end))]
    places = st.integers(0, len(walk) - 1)
    chosen = draw(
        st.one_of(st.just(list(range(len(walk)))), st.lists(places, max_size=12).map(sorted), st.lists(places))
    )
    return [walk[place] for place in chosen]


class Books(RuleBasedStateMachine):
    """Random batches against the invariants; `alone` is a second ledger that takes every command in a batch of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.store, self.alone = MemoryStore(), MemoryStore()
        self.ledger, self.one_by_one = Ledger(self.store, TickingClock()), Ledger(self.alone, TickingClock())
        self.states: dict[str, Payout] = {}
        self.seen = 0

    @initialize()
    def open_two_accounts(self) -> None:
        opening: list[Command] = [
            register(ALICE, "A"),
            register(BOB, "A"),
            fund(ALICE, 40, "0"),
            payin(ALICE, ALICE_ADDRESS, "0"),
        ]
        execute(self.ledger, *opening)
        execute(self.one_by_one, *opening)

    @rule(batch=st.lists(commands(), max_size=12))
    def execute(self, batch: list[Command]) -> None:
        """A batch decides as its commands would one by one: no neighbour disturbs another."""
        outcomes = self.ledger.execute(batch)
        singles = [self.one_by_one.execute([command])[0] for command in batch]
        assert [_gist(outcome) for outcome in outcomes] == [_gist(outcome) for outcome in singles]

    @rule(batch=payout_walks())
    def walk_a_payout(self, batch: list[Command]) -> None:
        self.execute(batch)

    @rule(batch=st.lists(commands(), min_size=1, max_size=6))
    def repeat(self, batch: list[Command]) -> None:
        """Deciding twice changes nothing: a command that was accepted is answered from the history afterwards."""
        for command in batch:
            [first] = self.ledger.execute([command])
            self.one_by_one.execute([command])
            head = self.store.head()
            [again] = self.ledger.execute([command])
            assert self.store.head() == head
            if isinstance(first, Accepted) and not isinstance(command, ChangeAccount | OpenLedgerAccount):
                assert isinstance(again, Repeated)
                assert again.position >= first.events[0].position

    @invariant()
    def both_histories_are_the_same(self) -> None:
        assert [(r.stream, r.version, type(r.event)) for r in self.store.events] == [
            (r.stream, r.version, type(r.event)) for r in self.alone.events
        ]

    @invariant()
    def guard_is_the_replay_and_never_negative(self) -> None:
        """I4, I5."""
        assert self.store.guards == replayed_guard(self.store.events) == self.alone.guards
        assert all(balance >= 0 for balance in self.store.guards.values())

    @invariant()
    def positions_and_versions_are_contiguous(self) -> None:
        """I3."""
        assert [recorded.position for recorded in self.store.events] == list(range(1, len(self.store.events) + 1))
        versions: Counter[str] = Counter()
        for recorded in self.store.events:
            versions[recorded.stream] += 1
            assert recorded.version == versions[recorded.stream]

    @invariant()
    def every_entry_balances_and_claims_are_custody(self) -> None:
        """I1 for every event, I10 for the whole; I6: a transfer is credited once."""
        claims = custody = 0
        credited: Counter[str] = Counter()
        for recorded in self.store.events:
            lines = postings_of(recorded.event)
            check_balanced(lines)
            claims += sum(signed(line, "asset") for line in lines if line.account == books.CLIENT_ASSET)
            custody += sum(signed(line, "liability") for line in lines if line.account == books.CUSTODY_CONTROL)
            credited[recorded.stream] += isinstance(recorded.event, DepositConfirmed)
        assert claims == custody
        assert all(count <= 1 for count in credited.values())

    @invariant()
    def payouts_only_move_forward(self) -> None:
        """No payout leaves a final state, and at most one attempt is alive at any position (I7)."""
        for recorded in self.store.events[self.seen :]:
            if recorded.stream.startswith("payout-"):
                before = self.states.get(recorded.stream, Payout())
                assert before.state not in FINAL
                after = before.evolve(recorded.event)
                if len(after.attempts.made) > len(before.attempts.made):
                    assert before.attempts.dead or not before.attempts.made
                self.states[recorded.stream] = after
        self.seen = len(self.store.events)


def _gist(outcome: Outcome) -> object:
    """What is comparable of an outcome: not its times, and not the error's identity."""
    match outcome:
        case Accepted() | Repeated():
            return type(outcome), [(item.stream, item.version, type(item.event)) for item in outcome.events]
        case Refused():
            return outcome.refusal
        case Failed():
            return str(outcome.error)


TestBooks = pytest.mark.fast(Books.TestCase)
