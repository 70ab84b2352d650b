"""Instructions: in whatever order things are wished, bytes that may be mined are never replaced (I7); books balance."""

from collections.abc import Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.ledger import books
from core.ledger.events import postings_of
from core.ledger.journal import TREASURY, check_balanced
from core.ledger.ledger import Accepted, Command, Ledger, Refused, Repeated
from core.ledger.refusals import ConflictingFacts, SigningIsStopped
from core.streams.attempts import Attempt, BroadcastAttempt, ExpireAttempt, PrepareAttempt, SignAttempt
from core.streams.instructions import (
    ConfirmInstruction,
    Delegate,
    Freeze,
    GiveInstruction,
    Instruction,
    InstructionBroadcast,
    InstructionConfirmed,
    InstructionExpired,
    InstructionFailed,
    InstructionPrepared,
    InstructionSigned,
    InstructionState,
    InstructionWithdrawn,
    SendToken,
    SendTrx,
    Undelegate,
    Unfreeze,
    WithdrawInstruction,
    WithdrawUnfrozen,
)
from core.streams.signing import SIGNING
from core.streams.treasury import RegisterWallet
from tests.support.history import ACTOR, TickingClock, execute, notice
from tests.support.memory import MemoryStore
from tests.support.treasury import GAS_WALLET, activation, attempt_of, done, failed, proof_of, sent, sweep_order

pytestmark = pytest.mark.fast

INSTRUCTION = activation(sweep_order())
OTHER = activation(sweep_order(2))
NUMBER = st.integers(1, 4)


class Hostile(RuleBasedStateMachine):
    """One instruction, and every command about it in any order, some of them with another attempt's txid."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.ledger = Ledger(self.store, TickingClock())

    def wish(self, command: Command) -> None:
        [outcome] = self.ledger.execute([command])
        assert isinstance(outcome, Accepted | Repeated | Refused), outcome

    @rule()
    def give(self) -> None:
        self.wish(GiveInstruction(INSTRUCTION, ACTOR))

    @rule()
    def withdraw(self) -> None:
        self.wish(WithdrawInstruction(INSTRUCTION, ACTOR, reason="no more"))

    @rule(number=NUMBER)
    def prepare(self, number: int) -> None:
        self.wish(PrepareAttempt(INSTRUCTION, ACTOR, attempt=attempt_of(INSTRUCTION, number)))

    @rule(number=NUMBER)
    def sign(self, number: int) -> None:
        self.wish(SignAttempt(INSTRUCTION, ACTOR, txid=attempt_of(INSTRUCTION, number).txid, signature="00" * 65))

    @rule(number=NUMBER)
    def broadcast(self, number: int) -> None:
        self.wish(BroadcastAttempt(INSTRUCTION, ACTOR, txid=attempt_of(INSTRUCTION, number).txid))

    @rule(number=NUMBER)
    def expire(self, number: int) -> None:
        txid = attempt_of(INSTRUCTION, number).txid
        self.wish(ExpireAttempt(INSTRUCTION, ACTOR, txid=txid, proof=proof_of(INSTRUCTION, number)))

    @rule(number=NUMBER)
    def confirm(self, number: int) -> None:
        self.wish(done(INSTRUCTION, number))

    @rule(number=NUMBER)
    def fail(self, number: int) -> None:
        self.wish(failed(INSTRUCTION, number))

    @invariant()
    def nothing_that_may_be_mined_is_replaced(self) -> None:
        alive: Attempt | None = None
        signed = sent_out = over = False
        made = 0
        for recorded in self.store.events:
            happened = recorded.event
            assert not over, f"{happened} after the end"
            match happened:
                case InstructionPrepared():
                    assert alive is None
                    alive, signed, sent_out, made = happened.attempt, False, False, made + 1
                    assert alive.number == made
                case InstructionSigned():
                    assert alive is not None
                    assert (happened.txid, signed) == (alive.txid, False)
                    signed = True
                case InstructionBroadcast():
                    assert alive is not None
                    assert (happened.txid, signed, sent_out) == (alive.txid, True, False)
                    sent_out = True
                case InstructionExpired():
                    assert alive is not None
                    assert happened.txid == alive.txid
                    alive = None
                case InstructionWithdrawn():
                    assert alive is None
                    over = True
                case InstructionConfirmed() | InstructionFailed():
                    assert happened.txid in {attempt_of(INSTRUCTION, number).txid for number in range(1, made + 1)}
                    over = True
            check_balanced(postings_of(happened))


TestHostile = Hostile.TestCase
TestHostile.settings = settings(max_examples=60, stateful_step_count=30)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(MemoryStore(), TickingClock())


def test_the_same_id_with_another_intent_is_refused(ledger: Ledger) -> None:
    """What was given once stays: an id names one intent for ever."""
    execute(ledger, GiveInstruction(INSTRUCTION, ACTOR))
    forged = Instruction(
        INSTRUCTION.instruction_id, "fuel", INSTRUCTION.serves, GAS_WALLET.base58, "gas", SendTrx("T", 10**9)
    )
    again, other = ledger.execute([GiveInstruction(INSTRUCTION, ACTOR), GiveInstruction(forged, ACTOR)])
    assert isinstance(again, Repeated)
    assert isinstance(other, Refused)
    assert other.refusal == ConflictingFacts(stream=INSTRUCTION.stream, difference="act")


def test_a_confirmation_of_another_intent_is_refused(ledger: Ledger) -> None:
    """The entry follows from the recorded intent, never from what a command brings along."""
    execute(ledger, GiveInstruction(INSTRUCTION, ACTOR), *sent(INSTRUCTION))
    forged = Instruction(
        INSTRUCTION.instruction_id, "fuel", INSTRUCTION.serves, GAS_WALLET.base58, "gas", SendTrx("T", 10**9)
    )
    command = done(INSTRUCTION)
    lie = ConfirmInstruction(forged, ACTOR, txid=command.txid, block_number=1, block_timestamp_ms=1, burned_sun=0)
    [outcome] = ledger.execute([lie])
    assert isinstance(outcome, Refused)


def test_nothing_is_prepared_signed_or_sent_while_signing_is_stopped(ledger: Ledger) -> None:
    """The stop holds every wallet, and what is out is still settled."""
    execute(ledger, GiveInstruction(INSTRUCTION, ACTOR), *sent(INSTRUCTION), GiveInstruction(OTHER, ACTOR))
    execute(ledger, notice("wallet_permission_changed"))
    [outcome] = ledger.execute([PrepareAttempt(OTHER, ACTOR, attempt=attempt_of(OTHER))])
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.refusal, SigningIsStopped)
    execute(ledger, done(INSTRUCTION))


STAKE = 5_000_000_000
CASES: list[tuple[Sequence[object], dict[str, int], dict[tuple[str, str], int]]] = [
    (
        ("sweep", "payin", SendToken("T", 15_000_000)),
        {"burned_sun": 7},
        {("In_Transit_Asset", "USDT"): 15_000_000, ("Payin_Wallets_Asset", "USDT"): -15_000_000},
    ),
    (
        ("excess", "hot", SendToken("T", 15_000_000)),
        {"burned_sun": 7, "taken_minor": 40},
        {
            ("In_Transit_Asset", "USDT"): 14_999_960,
            ("Network_Fee_Expense", "USDT"): 40,
            ("Hot_Wallet_Asset", "USDT"): -15_000_000,
        },
    ),
    (
        ("fuel", "gas", SendTrx("T", 100)),
        {"burned_sun": 7},
        {("In_Transit_Asset", "TRX"): 100, ("Gas_Wallet_Asset", "TRX"): -100},
    ),
    (
        ("stake", "gas", Freeze(STAKE, "ENERGY")),
        {"burned_sun": 7},
        {("Staked_Asset", "TRX"): STAKE, ("Gas_Wallet_Asset", "TRX"): -STAKE},
    ),
    (("stake", "gas", Unfreeze(STAKE, "ENERGY")), {"burned_sun": 7}, {}),
    (
        ("stake", "gas", WithdrawUnfrozen()),
        {"burned_sun": 7, "returned_sun": STAKE},
        {("Staked_Asset", "TRX"): -STAKE, ("Gas_Wallet_Asset", "TRX"): STAKE},
    ),
    (("loan", "gas", Delegate("T", STAKE, "ENERGY")), {"burned_sun": 7}, {}),
    (("loan_return", "gas", Undelegate("T", STAKE, "ENERGY")), {"burned_sun": 7}, {}),
]


@pytest.mark.parametrize(("about", "found", "moved"), CASES)
def test_each_act_has_its_entry(
    ledger: Ledger, about: Sequence[object], found: dict[str, int], moved: dict[tuple[str, str], int]
) -> None:
    """Coins on their way, stake that stays ours, and every sun that was burned stand in the treasury's book."""
    purpose, wallet, act = about
    instruction = Instruction("i", purpose, "", GAS_WALLET.base58, wallet, act)  # type: ignore[arg-type]
    execute(ledger, GiveInstruction(instruction, ACTOR), *sent(instruction))
    told = ConfirmInstruction(
        instruction, ACTOR, txid=attempt_of(instruction).txid, block_number=9, block_timestamp_ms=9, **found
    )
    [outcome] = ledger.execute([told])
    assert isinstance(outcome, Accepted)
    sums: dict[tuple[str, str], int] = {}
    for line in postings_of(outcome.events[0].event):
        assert line.book == TREASURY
        amount = line.amount_minor if line.side == "debit" else -line.amount_minor
        sums[line.account, line.currency] = sums.get((line.account, line.currency), 0) + amount
    account = books.WALLET_ACCOUNTS[str(wallet)]
    expected = dict(moved)
    for key, amount in ((("Network_Fee_Expense", "TRX"), 7), ((account, "TRX"), -7)):
        expected[key] = expected.get(key, 0) + amount
    assert sums == expected


def test_a_failure_costs_its_fee_and_nothing_else(ledger: Ledger) -> None:
    """The coins are still where they were."""
    execute(ledger, GiveInstruction(INSTRUCTION, ACTOR), *sent(INSTRUCTION))
    [outcome] = ledger.execute([failed(INSTRUCTION)])
    assert isinstance(outcome, Accepted)
    assert postings_of(outcome.events[0].event) == books.network_fee(books.GAS_WALLET, 862_400)


def test_the_state_is_what_happened(ledger: Ledger) -> None:
    """Given, prepared, broadcast, given again when dead, confirmed; FailInstruction then changes nothing."""
    store = ledger._store
    states = []
    commands: list[Command] = [GiveInstruction(INSTRUCTION, ACTOR), *sent(INSTRUCTION)]
    commands.append(ExpireAttempt(INSTRUCTION, ACTOR, txid=attempt_of(INSTRUCTION).txid, proof=proof_of(INSTRUCTION)))
    for command in [*commands, *sent(INSTRUCTION, 2), done(INSTRUCTION, 2)]:
        execute(ledger, command)
        state = InstructionState()
        for recorded in store.histories([INSTRUCTION.stream])[INSTRUCTION.stream]:
            state = state.evolve(recorded.event)
        states.append(state.state)
    assert states == [
        "given", "prepared", "prepared", "broadcast", "given", "prepared", "prepared", "broadcast", "confirmed",
    ]  # fmt: skip
    [outcome] = ledger.execute([failed(INSTRUCTION, 2)])
    assert isinstance(outcome, Refused)
    assert SIGNING not in store.histories([SIGNING])


def test_a_wallet_is_registered_before_it_is_used(ledger: Ledger) -> None:
    """The role's address is an event; another one for the same role is refused."""
    execute(ledger, RegisterWallet("gas", GAS_WALLET.base58, "kms:gas", ACTOR))
    [outcome] = ledger.execute([RegisterWallet("gas", "TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC", "kms:gas", ACTOR)])
    assert isinstance(outcome, Refused)
