"""The API's database login alone: what it can append moves no coin that the history does not show."""

from collections.abc import Iterator

import pytest

from gateways.postgres.roles import API
from tests.insiders.world import COINS, Insiders, request_of
from tests.support.history import ALICE, BOB, fund, order, register
from tests.support.postgres import Database


@pytest.fixture
def world(database: Database) -> Iterator[Insiders]:
    made = Insiders(database)
    made.do(register(ALICE, "Alice Ltd"), fund(ALICE, 900 * COINS, "opening"))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("account_id", "amount"), [(ALICE, 1_500), (BOB, 1_000)], ids=["more than it has", "no such account"]
)
def test_a_forged_request_is_not_paid(world: Insiders, account_id: str, amount: int) -> None:
    """One PayoutRequested with a seal that fits it, of an account that has less or is none: nothing leaves, and it rings."""
    wished = order(account_id, "forged", amount * COINS)
    world.append_as(API, request_of(wished))
    world.live()
    assert world.paid_minor == 0
    assert wished.payout_id in world.alarms()["payout_not_covered"]
