"""The recorder's database login alone: it can say that coins came which never did, and loses the signer's day limit by it."""

import psycopg
import pytest

from core.ledger import books
from core.streams.deposits import DepositConfirmed
from core.streams.set_aside import AccountPayoutsUnfrozen
from core.streams.signing import SIGNING, SigningCauseEnded
from gateways.postgres.roles import RECORDER
from tests.insiders.world import COINS, Insiders, forged, request_of
from tests.signers.leash.limited import LIMITS
from tests.support.history import ALICE, TickingClock, address, order, transfer

BY = {"occurred_at": TickingClock()(), "actor": "system:recorder"}
MILLION = 1_000_000 * COINS


def credit_itself(world: Insiders) -> None:
    """A deposit of a million that no block has, and the guard row with it: the thief is a client, and asks for payouts."""
    fact = transfer("never", address(f"{ALICE}'s"), MILLION)
    entry = books.deposit_confirmed(ALICE, books.USER_LIABILITY, MILLION)
    came = DepositConfirmed(account_id=ALICE, ledger_account=books.USER_LIABILITY, transfer=fact, postings=entry, **BY)
    world.append_as(RECORDER, forged(fact.stream, 1, came))
    world.move_guard(RECORDER, ALICE, books.USER_LIABILITY, MILLION)


def test_the_largest_loss_is_the_day_s_limit(world: Insiders) -> None:
    """A forged million, asked for in a hundred payouts: what leaves within a day is the day's limit and not a coin more."""
    credit_itself(world)
    for number in range(100):
        world.asked(f"p{number}", 100 * COINS)
    for _ in range(11):
        world.live()
        world.time.pass_(hours=2)
    assert world.paid_minor == LIMITS.day_max == 400 * COINS
    assert "above_signer_limit" in world.alarms()


def test_it_rings_while_the_first_hour_lasts(world: Insiders) -> None:
    """As soon as the hour's room is used up, which a thief's haste does at once."""
    credit_itself(world)
    for number in range(4):
        world.asked(f"p{number}", 100 * COINS)
    world.live(1)
    assert "above_signer_limit" in world.alarms()


def test_a_deposit_whose_entry_says_more_counts_nothing(world: Insiders) -> None:
    """The transfer is of 1, the entry of a million: it is left out of account, and rings."""
    fact = transfer("never", address(f"{ALICE}'s"), 1)
    came = DepositConfirmed(
        account_id=ALICE,
        ledger_account=books.USER_LIABILITY,
        transfer=fact,
        postings=books.deposit_confirmed(ALICE, books.USER_LIABILITY, MILLION),
        **BY,
    )
    world.append_as(RECORDER, forged(fact.stream, 1, came))
    world.asked("own", 90 * COINS)
    world.live()
    assert world.paid_minor == 90 * COINS
    assert fact.stream in world.alarms()["entry_not_covered"]


def test_it_asks_for_no_payout_and_thaws_nothing(world: Insiders) -> None:
    """A request and an unfreezing are the API's events: the database refuses them to the recorder."""
    thawed = forged("freeze-x", 1, AccountPayoutsUnfrozen(account_id=ALICE, position=1, **BY))
    for row in (request_of(order(ALICE, "forged", COINS)), thawed):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.append_as(RECORDER, row)


def test_ending_a_cause_does_not_pay_what_is_not_covered(world: Insiders) -> None:
    """It may end every cause that stops signing; what the history does not cover stays unpaid."""
    world.move_guard(RECORDER, ALICE, books.USER_LIABILITY, MILLION)
    world.asked("rich", 5_000 * COINS)
    world.live()
    ended = SigningCauseEnded(cause="payout_not_covered", stream=SIGNING, moment=None, **BY)
    world.append_as(RECORDER, forged(SIGNING, 2, ended))
    world.live()
    assert world.paid_minor == 0
    assert "payout_not_covered" in world.alarms()
