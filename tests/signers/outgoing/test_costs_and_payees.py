"""What a payout may cost, whom it is paid to, and whose doing costs whom."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from core.ledger import books
from core.ledger.journal import TREASURY
from core.streams.notices import Notice, RecordNotice
from core.streams.payouts import (
    RETRIES_MAX,
    PayoutAttemptFailed,
    PayoutFailed,
    PayoutOrder,
    payout_stream,
)
from core.streams.signing import SigningStopped
from core.tron.address import ZERO_ADDRESS, Address
from signers.keys.keys import SoftwareKey
from signers.outgoing.hot_wallet import LIFE_MS_MIN, HotWallet
from tests.signers.outgoing.world import AMOUNT, COINS, HOT, LIFE_BLOCKS, RULES, World
from tests.support.devnet import BLOCK_MS, SOLID_LAG, START_MS, USDT, Fate
from tests.support.history import ACTOR, ALICE, PAYEE

pytestmark = [pytest.mark.fast, pytest.mark.long]


def test_a_fee_ceiling_too_low_is_waited_for() -> None:
    """A payout whose energy costs more than the ceiling is neither signed nor failed."""
    world = World(rules=msgspec.structs.replace(RULES, fee_limit_sun_max=5 * COINS))
    wished = world.request("p1")
    world.live(3)
    assert world.payout(wished).state == "requested"


def test_the_fee_limit_covers_the_dearest_payee(world: World) -> None:
    """A payee that holds USDT gets the fee limit of one that does not: it may have none in the block (FAILURES 17, 74)."""
    holder = world.node.devnet.chain.genesis.accounts[0].address
    new, known = world.request("new"), world.request("known", to=holder)
    world.work()
    for wished in (new, known):
        assert 130_285 * 100 <= world.attempt(wished).fee_limit_sun < 130_285 * 100 * 1.3


@pytest.mark.parametrize("left_ms", [90_000, 45_000, 30_000, 27_000, 3_000])
def test_no_payout_lives_beyond_a_maintenance(world: World, left_ms: int) -> None:
    """Prices and factors change there: what is built before is mined before, and nothing is built in the last half minute."""
    maintenance_ms = world.node.next_maintenance_ms()
    world.node.now_ms = maintenance_ms - left_ms - BLOCK_MS
    world.node.mine()
    wished = world.request("p1")
    world.work()
    assert bool(world.payout(wished).attempts.made) == (left_ms >= LIFE_MS_MIN)
    while world.node.next_maintenance_ms() == maintenance_ms:
        if world.node.now_ms + BLOCK_MS >= maintenance_ms:  # voted prices hold from the block behind the maintenance on
            world.node.devnet.decree({"getEnergyFee": 200})
        world.node.mine()
        world.work()
    world.live(2 * LIFE_BLOCKS)
    assert world.payout(wished).state == "confirmed"
    assert not world.events(PayoutAttemptFailed)
    first = world.payout(wished).attempts.made[0]
    assert first.expiration_ms <= maintenance_ms or left_ms < LIFE_MS_MIN
    assert set(world.alarms) == set()
    world.assert_books_are_the_chain()


@pytest.mark.parametrize(
    ("to", "code"),
    [(ZERO_ADDRESS, "address_not_payable"), (USDT, "address_not_payable"), (HOT, "address_not_payable")],
    ids=["zero address", "token contract", "hot wallet"],
)
def test_an_unpayable_payee_fails_before_anything_is_built(world: World, to: Address, code: str) -> None:
    """The payout fails with its reason, the reserve goes back, and the next payout is made."""
    wished, after = world.request("p1", to=to), world.request("p2")
    world.live()
    assert world.payout(wished).state == "failed"
    assert [event.failure_code for event in world.events(PayoutFailed)] == [code]
    assert world.payout(wished).attempts.made == ()
    assert world.payout(after).state == "confirmed"
    world.assert_books_are_the_chain()


def test_a_blacklisted_payee_fails_before_signing(world: World) -> None:
    """The token would let the coins arrive and never leave: refused and refunded (TRON 4.6)."""
    world.node.blacklist(PAYEE)
    wished = world.request("p1")
    world.work()
    assert world.payout(wished).state == "failed"
    assert [event.failure_code for event in world.events(PayoutFailed)] == ["payee_blacklisted"]
    assert world.node.sent == []
    assert world.balance(ALICE, books.USER_LIABILITY) == -1_000 * COINS


def test_a_contract_is_paid_unless_the_rules_forbid_it() -> None:
    """Wallets may be contracts; an operator who wants none says so."""
    multisend = World().node.devnet.chain.genesis.multisend
    for allowed, state in ((True, "broadcasted"), (False, "failed")):
        world = World(rules=msgspec.structs.replace(RULES, contract_payees=allowed))
        world.node.fund(multisend, sun=COINS)
        wished = world.request("p1", to=multisend)
        world.work()
        assert world.payout(wished).state == state


def test_a_paused_token_makes_payouts_wait(world: World) -> None:
    """While the trial call reverts nothing is prepared; afterwards the payout is made."""
    world.node.owner_calls("pause()")
    wished = world.request("p1")
    world.live(3)
    assert world.payout(wished).state == "requested"
    world.node.owner_calls("unpause()")
    world.live()
    assert world.payout(wished).state == "confirmed"


def test_the_tokens_fee_switch_does_not_disturb(world: World) -> None:
    """With the fee on, the payee's log is net and the owner's log is the fee: together the payout (TRON 12.15)."""
    world.node.owner_calls("setParams(uint256,uint256)", (10).to_bytes(32, "big"), (40).to_bytes(32, "big"))
    wished = world.request("p1")
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert 0 < world.node.usdt_of(PAYEE) < AMOUNT
    usdt_minor, _ = world.funded
    assert usdt_minor - world.node.usdt_of(HOT) == AMOUNT


@pytest.mark.parametrize("trx", [20, 1_000], ids=["just enough", "plenty"])
def test_a_payee_that_empties_its_wallet_costs_no_failure(trx: int) -> None:
    """The trial saw a holder and the block sees none: the payout is paid all the same, at the price of a new holder (I21)."""
    world = World(sun=trx * COINS)
    payees = [SoftwareKey(bytes([number]) * 32).address for number in (11, 12, 13)]
    for payee in payees:
        world.node.fund(payee, usdt_minor=COINS)
    orders = [world.request(payee.base58, to=payee) for payee in payees]
    for _ in range(len(payees) * LIFE_BLOCKS):
        world.work()
        for payee in payees:
            if world.node.usdt_of(payee) == COINS:
                world.node.devnet.chain.state.apply({("slot", USDT, "balance", payee.evm): None})
        world.node.mine()
    paid = [wished for wished in orders if world.payout(wished).state == "confirmed"]
    assert paid
    assert {world.payout(wished).state for wished in orders} <= {"confirmed", "requested"}
    assert len(paid) == len(orders) or trx == 20  # the rest wait for TRX, and are not tried without
    assert not world.events(PayoutFailed)
    burned = [world.node.receipt(world.attempt(wished).txid) for wished in paid]
    assert all(receipt and receipt.succeeded for receipt in burned)


def dearer(world: World, wished: PayoutOrder, price_sun: int) -> None:
    """The price of energy rises between the broadcast of the next attempt and its block; then the receipt becomes solid."""
    world.node.fate = Fate(arrives=False, kept=True)
    before = len(world.payout(wished).attempts.made)
    while len(world.payout(wished).attempts.made) == before or not world.payout(wished).attempts.sent:
        world.work()
        world.node.mine()
    world.node.devnet.decree({"getEnergyFee": price_sun})
    world.node.mine()
    world.node.fate = Fate()
    world.node.deliver()
    world.node.mine(SOLID_LAG + 1)


@pytest.mark.parametrize("times", [1, RETRIES_MAX])
def test_a_price_that_rose_before_the_block_is_paid_with_the_next_attempt(world: World, times: int) -> None:
    """OUT_OF_ENERGY says nothing about the payee: its fee is booked, and it is made at the price of now (FAILURES 44)."""
    wished = world.request("p1")
    for time in range(times):
        dearer(world, wished, 100 + 100 * (time + 1))
    world.live()
    assert world.payout(wished).state == "confirmed"
    retried = world.events(PayoutAttemptFailed)
    assert [(it.failure_code, it.txid) for it in retried if isinstance(it, PayoutAttemptFailed)] == [
        ("out_of_energy", attempt.txid) for attempt in world.payout(wished).attempts.made[:-1]
    ]
    assert len(retried) == times
    assert world.node.usdt_of(PAYEE) == AMOUNT
    world.assert_books_are_the_chain()


def test_the_chains_own_word_of_a_retried_attempt_stops_nothing(world: World) -> None:
    """The observer reports it as leaving the wallet like any other, after the payout knew: it is explained."""
    wished = world.request("p1")
    dearer(world, wished, 200)
    world.live()
    [first, _] = world.payout(wished).attempts.made
    seen = Notice("outgoing", first.txid, None, 100, "00" * 32, START_MS, HOT.base58, "hot")
    world.ledger.execute([RecordNotice(seen, payout_stream(wished.payout_id), ACTOR)])
    assert not world.events(SigningStopped)


def test_out_of_energy_three_times_ends_a_payout_with_its_own_code(world: World) -> None:
    """What was burned each time is the operator's cost, and the client is refunded."""
    wished = world.request("p1")
    for time in range(RETRIES_MAX + 1):
        dearer(world, wished, 100 + 50 * (time + 1))
    world.live()
    assert world.payout(wished).state == "failed"
    [failed] = world.events(PayoutFailed)
    assert isinstance(failed, PayoutFailed)
    assert failed.failure_code == "out_of_energy"
    assert len(world.events(PayoutAttemptFailed)) == RETRIES_MAX
    burned_sun = sum(it.burned_sun for it in world.events(PayoutAttemptFailed) if isinstance(it, PayoutAttemptFailed))
    assert burned_sun >= RETRIES_MAX * 64_285 * 100
    assert world.balance(TREASURY, books.NETWORK_FEE, "TRX") == burned_sun + failed.burned_sun
    assert world.balance(ALICE, books.USER_LIABILITY) == -1_000 * COINS
    world.assert_books_are_the_chain()


BROKEN: dict[str, tuple[Callable[[], Any], Callable[[World], None]]] = {
    "out of energy ends a payout at once": (
        lambda: patch("core.streams.payout.ends.RETRIED", ()),
        lambda world: test_a_price_that_rose_before_the_block_is_paid_with_the_next_attempt(world, 1),
    ),
    "it is tried again for ever": (
        lambda: patch("core.streams.payout.ends.RETRIES_MAX", 10**9),
        test_out_of_energy_three_times_ends_a_payout_with_its_own_code,
    ),
    "bytes live beyond a maintenance": (
        lambda: patch.object(HotWallet, "life_ms", lambda *_: RULES.lifetime_ms),
        lambda world: test_no_payout_lives_beyond_a_maintenance(world, 45_000),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_without_its_guard_a_test_of_these_fails(name: str, world: World) -> None:
    """Each of these defects is noticed."""
    defect, test = BROKEN[name]
    with defect(), pytest.raises(AssertionError):
        test(world)
