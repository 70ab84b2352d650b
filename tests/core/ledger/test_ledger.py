"""The ledger over a store in memory: what it refuses, what it repeats, and what a defect costs."""

import itertools
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ledger import books
from core.ledger.events import Recorded
from core.ledger.guard import GuardKey, guard_key
from core.ledger.journal import TREASURY, credit, debit
from core.ledger.ledger import (
    Accepted,
    AppendFailed,
    Command,
    Decided,
    Failed,
    Ledger,
    Loaded,
    Past,
    Refused,
    Repeated,
)
from core.ledger.money import LINE_MAX, SUM_MAX
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
    TransferNotAccepted,
    restore,
)
from core.ports.unavailable import Unavailable
from core.streams.accounts import ChangeAccount, RegisterAccount
from core.streams.addresses import RequestPayin
from core.streams.payouts import Payout, PayoutRequested, payout_stream
from core.streams.transfers import PostTransfer, TransferRefused
from core.streams.treasury import PostAdjustment
from tests.core.ledger.test_any_commands import Books, Doomed
from tests.support.history import (
    ACTOR,
    ALICE,
    ALICE_ADDRESS,
    BOB,
    BOB_ADDRESS,
    TickingClock,
    append_history,
    confirm,
    execute,
    fund,
    order,
    payin,
    register,
    request_payout,
    transfer,
)
from tests.support.memory import MemoryStore

pytestmark = pytest.mark.fast

NUMBERS = itertools.count(1)

Books.TestCase.settings = settings(max_examples=40, stateful_step_count=16)


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
    """Of a transfer it is an event."""
    [outcome] = ledger.execute([command])
    if isinstance(outcome, Accepted) and isinstance(refused := outcome.events[0].event, TransferRefused):
        return restore(refused.code, refused.data)
    assert isinstance(outcome, Refused), outcome
    return outcome.refusal


def adjustment(name: str, *lines: object) -> PostAdjustment:
    return PostAdjustment(name, "a reason", tuple(lines), ACTOR)  # type: ignore[arg-type]


def test_a_repeated_key_with_another_wish_is_refused_with_the_fields_that_differ(ledger: Ledger) -> None:
    """Registering, requesting, transferring and adjusting twice: the same is repeated, another wish is named."""
    wished = order(ALICE, "p", 10, 1)
    moved = PostTransfer("t", ALICE, books.USER_LIABILITY, BOB, books.USER_LIABILITY, 5, ACTOR)
    execute(ledger, request_payout(wished), ChangeAccount(BOB, ACTOR, accept_transfers=True), moved)
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


def test_the_lines_of_one_entry_count_together(ledger: Ledger, store: MemoryStore) -> None:
    """An entry may pass through less than nothing between its lines as long as it ends with something."""
    lines = (
        debit(BOB, books.USER_LIABILITY, 10, "USDT"),
        credit(BOB, books.USER_LIABILITY, 30, "USDT"),
        debit(BOB, books.CLIENT_ASSET, 20, "USDT"),
        debit(TREASURY, books.SUSPENSE, 20, "USDT"),
        credit(TREASURY, books.CUSTODY_CONTROL, 20, "USDT"),
    )
    execute(ledger, adjustment("x", *lines))
    assert store.guards[guard_key(BOB, books.USER_LIABILITY)] == 20


def test_transfers_and_payouts_refuse_what_a_client_may_not_move(ledger: Ledger) -> None:
    """The same account twice, Clearing_Account, an unknown account, a suspended or unknown client."""

    def moved(source: str, client: str, target: str) -> PostTransfer:
        return PostTransfer(str(next(NUMBERS)), ALICE, source, client, target, 1, ACTOR)

    liability, clearing = books.USER_LIABILITY, books.CLEARING
    assert isinstance(refusal(ledger, moved(liability, ALICE, liability)), SameLedgerAccount)
    assert isinstance(refusal(ledger, moved(clearing, BOB, liability)), LedgerAccountNotFound)
    assert isinstance(refusal(ledger, moved(liability, ALICE, clearing)), LedgerAccountNotFound)
    assert isinstance(refusal(ledger, moved(liability, ALICE, "nothing")), LedgerAccountNotFound)
    assert isinstance(refusal(ledger, request_payout(order("nobody", "p", 1))), AccountNotFound)
    execute(ledger, ChangeAccount(BOB, ACTOR, status="suspended"))
    assert isinstance(refusal(ledger, payin(BOB, BOB_ADDRESS, "one")), AccountSuspended)


def test_a_transfer_tells_nothing_of_the_other_account(ledger: Ledger) -> None:
    """No account, no consent, a suspended one, no such code, one of payouts in flight: the same refusal, with no data."""

    def moved(client: str, target: str, amount: int = 1) -> PostTransfer:
        return PostTransfer(str(next(NUMBERS)), ALICE, books.USER_LIABILITY, client, target, amount, ACTOR)

    liability, too_much = books.USER_LIABILITY, 10**12
    assert refusal(ledger, moved("nobody", liability)) == TransferNotAccepted()
    assert refusal(ledger, moved(BOB, liability)) == TransferNotAccepted()
    execute(ledger, ChangeAccount(BOB, ACTOR, accept_transfers=True))
    assert refusal(ledger, moved(BOB, "nothing")) == TransferNotAccepted()
    assert refusal(ledger, moved(BOB, books.CLEARING)) == TransferNotAccepted()
    short = refusal(ledger, moved(BOB, liability, too_much))
    assert isinstance(short, InsufficientFunds)
    assert refusal(ledger, moved(BOB, "nothing", too_much)) == refusal(ledger, moved("nobody", "x", too_much)) == short
    execute(ledger, ChangeAccount(BOB, ACTOR, status="suspended"))
    assert refusal(ledger, moved(BOB, liability)) == TransferNotAccepted()
    execute(ledger, ChangeAccount(BOB, ACTOR, status="active"), moved(BOB, liability))
    execute(ledger, ChangeAccount(BOB, ACTOR, accept_transfers=False))
    assert refusal(ledger, moved(BOB, liability)) == TransferNotAccepted()


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


@pytest.mark.parametrize(
    "lines",
    [
        [("debit", TREASURY, books.SUSPENSE), ("credit", TREASURY, books.OPERATOR_CAPITAL)],
        [("debit", ALICE, books.CLIENT_ASSET), ("credit", ALICE, books.USER_LIABILITY)],
    ],
    ids=["the treasury's", "a client's"],
)
def test_an_amount_that_nobody_can_have_is_refused(ledger: Ledger, lines: list[tuple[str, str, str]]) -> None:
    """More coins than there are of a currency are a slip of somebody's hand, whoever's account it is (FAILURES 73)."""
    posted = [(debit if side == "debit" else credit)(book, code, LINE_MAX + 1, "USDT") for side, book, code in lines]
    assert refusal(ledger, adjustment("a1", *posted)) == AmountOutOfRange()


def test_no_sum_of_an_account_leaves_what_can_be_stored(ledger: Ledger) -> None:
    """Adjustments add up to the bound and no further, in one batch and over many; what is taken back makes room again."""

    def add(name: str, amount_minor: int) -> Command:
        return adjustment(
            name,
            debit(ALICE, books.CLIENT_ASSET, amount_minor, "USDT"),
            credit(ALICE, books.USER_LIABILITY, amount_minor, "USDT"),
            debit(TREASURY, books.SUSPENSE, amount_minor, "USDT"),
            credit(TREASURY, books.CUSTODY_CONTROL, amount_minor, "USDT"),
        )

    room = SUM_MAX - 100
    count = room // LINE_MAX
    outcomes = ledger.execute([add(f"a{number}", LINE_MAX) for number in range(count + 2)])
    assert [type(outcome) for outcome in outcomes] == [Accepted] * count + [Refused] * 2
    assert refusal(ledger, add("again", LINE_MAX)) == AmountOutOfRange()
    execute(ledger, add("the rest", room - count * LINE_MAX))
    assert refusal(ledger, add("one more", 1)) == AmountOutOfRange()
