"""Sweeps: one at a time an address, one instruction at a time a sweep, to a wallet of ours and nowhere else."""

import msgspec
import pytest

from core.ledger.ledger import Accepted, Command, Ledger, Outcome, Refused, Repeated
from core.streams.instructions import InstructionState, SendToken
from core.streams.quarantine import QuarantineAddress
from core.streams.sweeps import (
    ConfirmSweep,
    DeferSweep,
    FuelSweep,
    PlanSweep,
    ReleaseSweep,
    SendSweep,
    Sweep,
    SweepConfirmed,
)
from core.streams.treasury import RegisterWallet
from tests.support.history import ACTOR, ALICE_ADDRESS, HOT_WALLET, PAYER, TickingClock, execute
from tests.support.memory import MemoryStore
from tests.support.treasury import (
    activation,
    append_treasury,
    done,
    loan,
    sent,
    step,
    sweep_order,
    transfer_of,
)

pytestmark = pytest.mark.fast

ORDER = sweep_order()
FIRST, LOAN, TRANSFER = activation(ORDER), loan(ORDER), transfer_of(ORDER)


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger(MemoryStore(), TickingClock())
    execute(ledger, RegisterWallet("hot", HOT_WALLET.base58, "kms:hot", ACTOR))
    return ledger


def wish(ledger: Ledger, command: Command) -> Outcome:
    [outcome] = ledger.execute([command])
    return outcome


def state_of(ledger: Ledger, order: object = ORDER) -> Sweep:
    sweep = Sweep()
    for recorded in ledger._store.histories([ORDER.stream]).get(ORDER.stream, []):
        sweep = sweep.evolve(recorded.event)
    return sweep


def up_to_the_loan(ledger: Ledger) -> None:
    execute(ledger, PlanSweep(ORDER, ACTOR), FuelSweep(ORDER, None, ACTOR, FIRST), *sent(FIRST), done(FIRST))
    execute(ledger, FuelSweep(ORDER, FIRST.instruction_id, ACTOR, LOAN), *sent(LOAN), done(LOAN))


def test_a_second_plan_of_the_same_sweep_changes_nothing(ledger: Ledger) -> None:
    """Two planners at once plan one sweep, whatever each of them saw."""
    execute(ledger, PlanSweep(ORDER, ACTOR))
    other = msgspec.structs.replace(ORDER, amount_minor=1)
    assert isinstance(wish(ledger, PlanSweep(other, ACTOR)), Repeated)


def test_the_next_sweep_waits_until_the_last_is_closed(ledger: Ledger) -> None:
    """Not while it is open, and not while energy is still lent: then two sweeps could count on the same energy."""
    following = sweep_order(2)
    up_to_the_loan(ledger)
    assert isinstance(wish(ledger, PlanSweep(following, ACTOR)), Refused)
    execute(ledger, SendSweep(ORDER, LOAN.instruction_id, ACTOR, TRANSFER, needed_energy=1), *sent(TRANSFER))
    execute(ledger, done(TRANSFER), ConfirmSweep(ORDER, TRANSFER.instruction_id, ACTOR))
    assert isinstance(wish(ledger, PlanSweep(following, ACTOR)), Refused)
    execute(ledger, ReleaseSweep(ORDER, None, ACTOR), PlanSweep(following, ACTOR))


def test_a_number_left_out_is_refused(ledger: Ledger) -> None:
    """The third sweep cannot come before the second, nor any under another's id."""
    assert isinstance(wish(ledger, PlanSweep(sweep_order(2), ACTOR)), Refused)
    forged = msgspec.structs.replace(ORDER, number=1, sweep_id=sweep_order(7).sweep_id)
    assert isinstance(wish(ledger, PlanSweep(forged, ACTOR)), Refused)


def test_a_sweep_goes_to_a_registered_wallet_only(ledger: Ledger) -> None:
    """A plan to another address, or to a role that nobody plays, is refused; so is a transfer other than planned (I8)."""
    for change in ({"to": PAYER.base58}, {"destination": "cold"}):
        assert isinstance(wish(ledger, PlanSweep(msgspec.structs.replace(ORDER, **change), ACTOR)), Refused)
    execute(ledger, PlanSweep(ORDER, ACTOR))
    stolen = step(ORDER, 0, "sweep", "payin", ALICE_ADDRESS, SendToken(PAYER.base58, ORDER.amount_minor))
    assert isinstance(wish(ledger, SendSweep(ORDER, None, ACTOR, stolen, needed_energy=1)), Refused)
    foreign = step(ORDER, 0, "sweep", "payin", PAYER, SendToken(ORDER.to, ORDER.amount_minor))
    assert isinstance(wish(ledger, SendSweep(ORDER, None, ACTOR, foreign, needed_energy=1)), Refused)


def test_an_address_in_quarantine_is_not_swept(ledger: Ledger) -> None:
    """Nothing is burned trying again (FAILURES 23)."""
    execute(ledger, QuarantineAddress(ALICE_ADDRESS.base58, "blacklisted", "the token says so", ACTOR))
    assert isinstance(wish(ledger, PlanSweep(ORDER, ACTOR)), Refused)


def test_one_instruction_at_a_time(ledger: Ledger) -> None:
    """While the last one may still be mined, nothing else is given, and the sweep is not given up."""
    execute(ledger, PlanSweep(ORDER, ACTOR), FuelSweep(ORDER, None, ACTOR, FIRST), *sent(FIRST))
    last = FIRST.instruction_id
    for command in (
        FuelSweep(ORDER, last, ACTOR, LOAN),
        FuelSweep(ORDER, None, ACTOR, LOAN),
        SendSweep(ORDER, last, ACTOR, transfer_of(ORDER, 1), needed_energy=1),
        DeferSweep(ORDER, last, ACTOR, reason="no"),
        DeferSweep(ORDER, None, ACTOR, reason="no"),
        ConfirmSweep(ORDER, last, ACTOR),
    ):
        assert isinstance(wish(ledger, command), Refused), command
    execute(ledger, done(FIRST), FuelSweep(ORDER, last, ACTOR, LOAN))


def test_what_was_given_is_not_given_again(ledger: Ledger) -> None:
    """A worker that died behind the append repeats itself and changes nothing; one with stale eyes is refused."""
    execute(ledger, PlanSweep(ORDER, ACTOR), FuelSweep(ORDER, None, ACTOR, FIRST))
    assert isinstance(wish(ledger, FuelSweep(ORDER, None, ACTOR, FIRST)), Repeated)
    assert isinstance(wish(ledger, FuelSweep(ORDER, None, ACTOR, loan(ORDER, 2))), Refused)


def test_a_sweep_whose_coins_have_left_is_not_put_off(ledger: Ledger) -> None:
    """Between the transfer's confirmation and the sweep's there is one way on."""
    up_to_the_loan(ledger)
    execute(ledger, SendSweep(ORDER, LOAN.instruction_id, ACTOR, TRANSFER, needed_energy=1), *sent(TRANSFER))
    execute(ledger, done(TRANSFER))
    last = TRANSFER.instruction_id
    assert isinstance(wish(ledger, DeferSweep(ORDER, last, ACTOR, reason="no")), Refused)
    outcome = wish(ledger, ConfirmSweep(ORDER, last, ACTOR))
    assert isinstance(outcome, Accepted)
    [recorded] = outcome.events
    assert isinstance(recorded.event, SweepConfirmed)
    assert recorded.event.amount_minor == ORDER.amount_minor
    assert not state_of(ledger).closed
    execute(ledger, ReleaseSweep(ORDER, None, ACTOR))
    assert state_of(ledger).closed


def test_the_canonical_history_ends_with_everything_closed() -> None:
    """Three sweeps of one address: confirmed, failed, deferred; each of their instructions is over."""
    store = MemoryStore()
    append_treasury(Ledger(store, TickingClock()))
    sweeps: dict[str, Sweep] = {}
    instructions: dict[str, InstructionState] = {}
    for recorded in store.events:
        if recorded.stream.startswith("sweep-"):
            sweeps[recorded.stream] = sweeps.get(recorded.stream, Sweep()).evolve(recorded.event)
        if recorded.stream.startswith("instruction-"):
            known = instructions.get(recorded.stream, InstructionState())
            instructions[recorded.stream] = known.evolve(recorded.event)
    assert [(sweep.state, sweep.closed) for sweep in sweeps.values()] == [
        ("confirmed", True),
        ("failed", True),
        ("deferred", True),
    ]
    assert {it.state for it in instructions.values()} == {"confirmed", "failed", "withdrawn"}
