"""The ledger over a store in memory: any commands, in any batches, repeated at will, and the books hold."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.ledger import books
from core.ledger.events import New, Recorded, postings_of
from core.ledger.guard import GuardKey, guard_key
from core.ledger.journal import TREASURY, check_balanced, credit, debit, signed
from core.ledger.ledger import (
    Accepted,
    AppendFailed,
    Command,
    Decided,
    Failed,
    Ledger,
    Loaded,
    Outcome,
    Past,
    Refused,
    Repeated,
)
from core.ledger.refusals import (
    AccountNotFound,
    AccountSuspended,
    AmountOutOfRange,
    ConflictingFacts,
    IdempotencyKeyReused,
    InsufficientFunds,
    LedgerAccountNotFound,
    Refusal,
    SameLedgerAccount,
    UnbalancedEntry,
)
from core.ports.unavailable import Unavailable
from core.streams.accounts import ChangeAccount, OpenLedgerAccount, RegisterAccount
from core.streams.addresses import RequestPayin
from core.streams.deposits import DepositConfirmed
from core.streams.payouts import FINAL, CancelPayout, FailPayout, Payout, PayoutRequested, payout_stream
from core.streams.treasury import PostAdjustment, PostTransfer
from tests.gateways.histories import replayed_guard
from tests.support.history import (
    ACTOR,
    ALICE,
    ALICE_ADDRESS,
    BOB,
    BOB_ADDRESS,
    TickingClock,
    append_history,
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

pytestmark = pytest.mark.fast

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


Books.TestCase.settings = settings(max_examples=40, stateful_step_count=16)
TestBooks = pytest.mark.fast(Books.TestCase)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def ledger(store: MemoryStore) -> Ledger:
    """Two clients, one of them with 100 minor units and an address."""
    opened = Ledger(store, TickingClock())
    execute(opened, register(ALICE, "Alice"), register(BOB, "Bob"))
    execute(opened, fund(ALICE, 100, "opening"), payin(ALICE, ALICE_ADDRESS, "one"))
    return opened


def refusal(ledger: Ledger, command: Command) -> Refusal:
    [outcome] = ledger.execute([command])
    assert isinstance(outcome, Refused), outcome
    return outcome.refusal


def adjustment(name: str, *lines: object) -> PostAdjustment:
    return PostAdjustment(name, "a reason", tuple(lines), ACTOR)  # type: ignore[arg-type]


def test_a_repeated_key_with_another_wish_is_refused_with_the_fields_that_differ(ledger: Ledger) -> None:
    """Registering, requesting, transferring and adjusting twice: the same is repeated, another wish is named."""
    wished = order(ALICE, "p", 10, 1)
    moved = PostTransfer("t", ALICE, books.USER_LIABILITY, BOB, books.USER_LIABILITY, 5, ACTOR)
    execute(ledger, request_payout(wished), moved)
    others: list[tuple[Command, str]] = [
        (register(ALICE, "Alicia"), "name"),
        (RegisterAccount(ALICE, "Alice", "https://x.example", ACTOR), "webhook_url"),
        (
            request_payout(msgspec.structs.replace(wished, amount_minor=11, client_reference="q")),
            "amount, client_reference",
        ),
        (msgspec.structs.replace(moved, amount_minor=6), "amount"),
        (fund(ALICE, 99, "opening"), "postings"),
        (payin(ALICE, BOB_ADDRESS, "one", "another"), "client_reference"),
    ]
    for command, fields in others:
        assert refusal(ledger, command) == IdempotencyKeyReused(fields=fields)
    fee_changed = request_payout(msgspec.structs.replace(wished, fee_minor=2))
    assert isinstance(ledger.execute([fee_changed])[0], Repeated)


def test_the_same_transfer_with_other_facts_is_an_alarm(ledger: Ledger) -> None:
    """A txid and log index that come back with another amount are ConflictingFacts, never a second credit."""
    execute(ledger, confirm(transfer("a", ALICE_ADDRESS, 7), ALICE, books.USER_LIABILITY))
    other = confirm(transfer("a", ALICE_ADDRESS, 8), ALICE, books.USER_LIABILITY)
    assert isinstance(refusal(ledger, other), ConflictingFacts)


def test_a_refused_payout_is_remembered(ledger: Ledger) -> None:
    """A payout that was refused answers the same for ever, although the balance has come since."""
    wished = order(BOB, "early", 10)
    [first] = ledger.execute([request_payout(wished)])
    execute(ledger, fund(BOB, 100, "late"))
    [again] = ledger.execute([request_payout(wished)])
    assert isinstance(first, Accepted)
    assert isinstance(again, Repeated)
    assert again.events == first.events
    state = Payout().evolve(again.events[0].event)
    assert state.refusal == InsufficientFunds("User_Liability", "0.000000", "0.000010", "USDT")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((debit(ALICE, "User_Liability", 1, "USDT"),), UnbalancedEntry),
        ((debit(ALICE, "User_Liability", 1, "USDT"), credit(ALICE, "Clearing_Account", 2, "USDT")), UnbalancedEntry),
        (
            (debit(ALICE, "User_Liability", 101, "USDT"), credit(ALICE, books.CLIENT_ASSET, 101, "USDT")),
            InsufficientFunds,
        ),
        ((debit(ALICE, "nothing", 1, "USDT"), credit(ALICE, books.CLIENT_ASSET, 1, "USDT")), LedgerAccountNotFound),
        ((debit(TREASURY, "nothing", 1, "USDT"), credit(TREASURY, books.SUSPENSE, 1, "USDT")), LedgerAccountNotFound),
        (
            (debit("nobody", books.CLIENT_ASSET, 1, "USDT"), credit("nobody", books.CLIENT_ASSET, 1, "USDT")),
            AccountNotFound,
        ),
        ((debit(TREASURY, books.HOT_WALLET, 1, "EUR"), credit(TREASURY, books.SUSPENSE, 1, "EUR")), UnbalancedEntry),
        (
            (debit(TREASURY, books.HOT_WALLET, 2**63, "TRX"), credit(TREASURY, books.SUSPENSE, 2**63, "TRX")),
            AmountOutOfRange,
        ),
    ],
)
def test_an_adjustment_that_cannot_be_posted_is_refused(
    ledger: Ledger, lines: tuple[object, ...], expected: type
) -> None:
    """Unbalanced lines, unknown books, accounts and currencies, overdrafts and absurd amounts are refusals, not defects."""
    assert isinstance(refusal(ledger, adjustment("x", *lines)), expected)


def test_the_lines_of_one_entry_count_together(ledger: Ledger, store: MemoryStore) -> None:
    """An entry may pass through less than nothing between its lines as long as it ends with something."""
    lines = (
        debit(BOB, books.USER_LIABILITY, 10, "USDT"),
        credit(BOB, books.USER_LIABILITY, 30, "USDT"),
        debit(BOB, books.CLIENT_ASSET, 20, "USDT"),
    )
    execute(ledger, adjustment("x", *lines))
    assert store.guards[guard_key(BOB, books.USER_LIABILITY)] == 20


def test_transfers_and_payouts_refuse_what_a_client_may_not_move(ledger: Ledger) -> None:
    """The same account twice, Clearing_Account, an unknown account, a suspended or unknown client."""

    def moved(source: str, client: str, target: str) -> PostTransfer:
        return PostTransfer("t", ALICE, source, client, target, 1, ACTOR)

    liability, clearing = books.USER_LIABILITY, books.CLEARING
    assert isinstance(refusal(ledger, moved(liability, ALICE, liability)), SameLedgerAccount)
    assert isinstance(refusal(ledger, moved(clearing, BOB, liability)), LedgerAccountNotFound)
    assert isinstance(refusal(ledger, moved(liability, BOB, clearing)), LedgerAccountNotFound)
    assert isinstance(refusal(ledger, moved(liability, BOB, "nothing")), LedgerAccountNotFound)
    assert isinstance(refusal(ledger, moved(liability, "nobody", liability)), AccountNotFound)
    assert isinstance(refusal(ledger, request_payout(order("nobody", "p", 1))), AccountNotFound)
    execute(ledger, ChangeAccount(BOB, ACTOR, status="suspended"))
    assert isinstance(refusal(ledger, moved(liability, BOB, liability)), AccountSuspended)
    assert isinstance(refusal(ledger, payin(BOB, BOB_ADDRESS, "one")), AccountSuspended)


def test_a_payin_credits_no_account_of_payouts_in_flight(ledger: Ledger) -> None:
    """Clearing_Account is the ledger's own: no deposit address can be asked for it."""
    wish: RequestPayin = msgspec.structs.replace(payin(ALICE, BOB_ADDRESS, "two"), ledger_account=books.CLEARING)
    assert isinstance(refusal(ledger, wish), LedgerAccountNotFound)


def test_a_suspended_client_is_still_credited(ledger: Ledger, store: MemoryStore) -> None:
    """What arrives is booked, whatever the account's status (FAILURES 12)."""
    execute(ledger, ChangeAccount(ALICE, ACTOR, status="suspended"))
    execute(ledger, confirm(transfer("a", ALICE_ADDRESS, 7), ALICE, books.USER_LIABILITY))
    assert store.guards[guard_key(ALICE, books.USER_LIABILITY)] == 107


def test_defects_cost_their_own_command_only(ledger: Ledger) -> None:
    """Among a hundred commands three are defective: ninety-seven are written, in order."""
    batch: list[Command] = [request_payout(order(ALICE, str(number), 1)) for number in range(100)]
    for place, where in ((0, "streams"), (50, "decide"), (99, "streams")):
        batch[place] = Doomed(where)
    outcomes = ledger.execute(batch)
    assert [isinstance(outcome, Failed) for outcome in outcomes] == [number in (0, 50, 99) for number in range(100)]
    positions = [outcome.position for outcome in outcomes if isinstance(outcome, Accepted)]
    assert positions == sorted(positions)
    assert len(positions) == 97


class Shutting(MemoryStore):
    """A store whose door shuts after some appends."""

    def __init__(self, appends: int) -> None:
        super().__init__()
        self.left = appends

    def append(self, batch_id, streams, guards, decide) -> None:  # type: ignore[no-untyped-def]
        if self.left == 0:
            raise Unavailable("the event store is shut")
        super().append(batch_id, streams, guards, decide)
        self.left -= 1


def test_a_store_that_shuts_before_anything_was_written_is_unavailable() -> None:
    """Nothing was written, and the caller may try everything again."""
    with pytest.raises(Unavailable):
        Ledger(Shutting(0), TickingClock()).execute([register(ALICE, "Alice")])


def test_a_store_that_shuts_half_way_tells_what_was_written() -> None:
    """Commands that were written keep their outcome; only those behind them have failed with Unavailable (I15)."""
    store = Shutting(1)
    batch: list[Command] = [register(ALICE, "Alice"), Doomed("decide"), register(BOB, "Bob"), register("c", "Carol")]
    outcomes = Ledger(store, TickingClock()).execute(batch)
    told = [isinstance(outcome, Accepted) for outcome in outcomes]
    written = [f"account-{each}" in store.histories([f"account-{each}"]) for each in (ALICE, "-", BOB, "c")]
    assert told == written
    assert any(isinstance(outcome, Failed) and isinstance(outcome.error, Unavailable) for outcome in outcomes)


class Amounts(msgspec.Struct, frozen=True):
    """One kind of state of a payout's stream: what was asked for, on top of what was there."""

    total_minor: int = 0

    def evolve(self, event: object) -> "Amounts":
        asked = event.order.amount_minor if isinstance(event, PayoutRequested) else 0
        return Amounts(self.total_minor + asked)


@given(st.lists(st.sampled_from([Payout(), Amounts(), Amounts(100)]), min_size=2))
def test_each_kind_of_state_is_folded_for_itself(initials: list[Payout | Amounts]) -> None:
    """Commands of one batch that fold one stream into states of several kinds, or from several beginnings, get each its own."""
    wished = order(ALICE, "seen by many", 7)
    happened = PayoutRequested(occurred_at=datetime(2026, 1, 1, tzinfo=UTC), actor=ACTOR, order=wished, postings=())
    past = Past(Loaded({payout_stream(wished.payout_id): [Recorded(1, "any", 1, happened)]}, {}, 1))
    for initial in initials:
        assert past.state(payout_stream(wished.payout_id), initial) == initial.evolve(happened)


def test_a_command_must_declare_the_guards_it_moves(store: MemoryStore) -> None:
    """A posting to a guarded account that the command did not name is a defect of the command."""

    class Careless(PostAdjustment, frozen=True):
        def guards(self) -> list[GuardKey]:
            return []

        def _refusal(self, past: Past) -> None:
            return None

    execute(Ledger(store, TickingClock()), register(ALICE, "Alice"))
    honest = fund(ALICE, 5, "x")
    [outcome] = Ledger(store, TickingClock()).execute(
        [Careless(honest.adjustment_id, honest.reason, honest.postings, ACTOR)]
    )
    assert isinstance(outcome, Failed)
    assert "did not declare" in str(outcome.error)


def test_the_canonical_history_ends_every_payout(store: MemoryStore) -> None:
    """Through confirmation, expiry and a second attempt, failure and cancellation, every payout ends and frees its reserve."""
    append_history(Ledger(store, TickingClock()))
    requested = [item.event for item in store.events if isinstance(item.event, PayoutRequested)]
    states = set()
    for event in requested:
        payout = Payout()
        for item in store.histories([payout_stream(event.order.payout_id)])[payout_stream(event.order.payout_id)]:
            payout = payout.evolve(item.event)
        states.add(payout.state)
    assert states == {"confirmed", "failed", "cancelled"}
    assert store.guards[guard_key(ALICE, books.CLEARING)] == 0


def test_an_append_that_fails_for_one_command_is_tried_in_halves() -> None:
    """A store that refuses one command's event writes all the others."""

    class Picky(MemoryStore):
        def append(self, batch_id, streams, guards, decide) -> None:  # type: ignore[no-untyped-def]
            def check(loaded) -> Decided:  # type: ignore[no-untyped-def]
                decided: Decided = decide(loaded)
                if any("7" in recorded.stream for recorded in decided.records if isinstance(recorded, Recorded)):
                    raise AppendFailed(ValueError("7"))
                return decided

            super().append(batch_id, streams, guards, check)

    outcomes = Ledger(Picky(), TickingClock()).execute(
        [
            ChangeAccount("absent", ACTOR, name="x"),
            *(_wallet(role, place) for role in ("hot", "cold") for place in "67"),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Refused, Accepted, Failed, Accepted, Failed]


def _wallet(role: str, place: str) -> Command:
    return PostAdjustment(
        f"{role}-{place}",
        "x",
        (debit(TREASURY, books.HOT_WALLET, 1, "TRX"), credit(TREASURY, books.SUSPENSE, 1, "TRX")),
        ACTOR,
    )
