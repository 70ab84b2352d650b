"""What an insider does rings within ten seconds: the first look after the deed raises the alarm, and no look is further off.

Steps are counted, not seconds: a busy machine is no reason to believe or doubt it.
"""

from collections.abc import Callable

import pytest

from core.ledger import books
from core.streams.instructions import Instruction, InstructionGiven, SendToken
from core.streams.transfers import InternalTransferPosted
from gateways.postgres.roles import API, RECORDER, SIGNER
from gateways.processes import loop
from gateways.processes.registry import PROCESSES
from gateways.wiring import fences
from tests.insiders.world import COINS, HOT, Insiders, forged, request_of
from tests.support.history import ALICE, BOB, TickingClock, address, order, register

WITHIN_S = 10.0
BY = {"occurred_at": TickingClock()(), "actor": "somebody"}


def asks_for_what_nobody_has(world: Insiders) -> None:
    world.append_as(API, request_of(order(ALICE, "forged", 1_500 * COINS)))


def asks_for_more_than_the_limits(world: Insiders) -> None:
    world.append_as(API, request_of(order(ALICE, "forged", 800 * COINS)))


def moves_what_nobody_has(world: Insiders) -> None:
    world.do(register(BOB, "Bob"))
    codes = (BOB, books.USER_LIABILITY, ALICE, books.USER_LIABILITY)
    moved = InternalTransferPosted(
        transfer_id="x",
        account_id=BOB,
        from_ledger_account=books.USER_LIABILITY,
        to_account_id=ALICE,
        to_ledger_account=books.USER_LIABILITY,
        amount_minor=COINS,
        currency="USDT",
        postings=books.internal_transfer(*codes, COINS),
        **BY,
    )
    world.append_as(API, forged("transfer-x", 1, moved))


def raises_its_own_balance(world: Insiders) -> None:
    world.move_guard(RECORDER, ALICE, books.USER_LIABILITY, 10**12)
    world.asked("rich", 5_000 * COINS)


def invents_a_cold_wallet(world: Insiders) -> None:
    to = address("Mallory's")
    world.pool.wallets[to.evm] = "cold"
    act = SendToken(to.base58, COINS)
    given = Instruction("00000000-0000-0000-0000-000000000001", "excess", "", HOT.base58, "hot", act)
    world.append_as(SIGNER, forged(given.stream, 1, InstructionGiven(instruction=given, **BY)))


@pytest.mark.parametrize(
    ("deed", "alarm"),
    [
        (asks_for_what_nobody_has, "payout_not_covered"),
        (asks_for_more_than_the_limits, "above_signer_limit"),
        (moves_what_nobody_has, "entry_not_covered"),
        (raises_its_own_balance, "payout_not_covered"),
        (invents_a_cold_wallet, "instruction_goes_astray"),
    ],
)
def test_the_first_look_after_the_deed_rings(world: Insiders, deed: Callable[[Insiders], None], alarm: str) -> None:
    """No block passes, and no clock: the signer reads on until there is nothing to do, and the alarm is in the table."""
    world.asked("honest", 10 * COINS)
    world.look()
    assert alarm not in world.alarms()
    deed(world)
    world.look()
    assert alarm in world.alarms()
    world.node.mine()
    assert world.paid_minor == 10 * COINS


@pytest.mark.fast
def test_no_look_is_further_off_than_ten_seconds() -> None:
    """Each process that has nothing to do, or that waits for somebody else, looks again before that; so do the fences."""
    rests = [getattr(process, name) for process in PROCESSES.values() for name in ("idle_s", "public_idle_s")]
    assert max(rests) < WITHIN_S
    assert loop.BACKOFF_MAX_S <= WITHIN_S
    assert fences.EVERY_S < WITHIN_S


def test_a_settled_alarm_rings_again_for_another_deed(world: Insiders) -> None:
    """Two requests of what nobody has are two alarms: the second names its own payout."""
    first, second = (order(ALICE, name, 1_500 * COINS) for name in ("one", "two"))
    for wished in (first, second):
        world.append_as(API, request_of(wished))
        world.look()
        assert wished.payout_id in world.alarms()["payout_not_covered"]
