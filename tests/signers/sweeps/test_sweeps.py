"""Sweeps on the devnet's real rules: every coin arrives, nothing runs out of energy, books and chain agree to the unit."""

from typing import Any

import msgspec
import pytest

from core.ledger import books
from core.ledger.journal import derived_id
from core.ports.chain import CallNotMade
from core.streams.attempts import Attempt
from core.streams.instructions import InstructionPrepared
from core.streams.quarantine import AddressQuarantined, AddressReleased
from core.streams.sweeps import SweepConfirmed, SweepFailed
from core.tron.chain import ConstantResult
from core.tron.secp256k1 import sha256
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Permission
from projections.explain.signing import holding
from signers.outgoing.funds import Prices
from signers.outgoing.needs import need_of
from signers.transactions.build import LIFETIME_MS_MAX, Trc20Transfer, assemble, build, envelope_for
from tests.signers.payments import STRANGER, USDT
from tests.support.treasury_world import COINS, RULES, SOLID_LAG, TreasuryWorld

pytestmark = [pytest.mark.fast, pytest.mark.long]


def test_an_address_is_swept_by_trx_that_it_needs() -> None:
    """Without stake: TRX for this very transfer, the transfer, and the coins are in the hot wallet."""
    world = TreasuryWorld()
    [address] = world.deposits(120)
    world.settle()
    assert world.usdt_of(address) == 0
    assert world.usdt_of(world.hot) == 1_120 * COINS
    [order] = world.orders()
    assert (order.method, world.sweep(order).state) == ("fuel", "confirmed")
    assert len(world.events(SweepConfirmed)) == 1
    assert set(world.results()) == {"SUCCESS"}
    world.assert_books_are_the_chain()
    assert world.balance(books.HOT_WALLET) == 1_120 * COINS


def test_an_address_is_swept_by_energy_that_is_lent() -> None:
    """With stake: an account, the energy, the transfer, and the stake is back."""
    world = TreasuryWorld(stake_trx=20_000)
    [address] = world.deposits(120)
    world.settle()
    assert world.usdt_of(address) == 0
    [order] = world.orders()
    assert (order.method, world.sweep(order).state) == ("loan", "confirmed")
    assert world.sweep(order).closed
    assert not world.node.delegation_index(world.gas).receivers
    assert set(world.results()) == {"SUCCESS"}
    world.assert_books_are_the_chain()


def test_what_was_left_over_pays_for_the_next_sweep() -> None:
    """The second sweep of an address is sent only what lacks beside the margin of the first (FAILURES 18)."""
    world = TreasuryWorld()
    [address] = world.deposits(120)
    world.settle()
    left = world.sun_of(address)
    assert left > 0
    world.give(address, usdt=200)
    world.mine(SOLID_LAG + 1)
    world.settle()
    first, second = (it.act.amount_sun for it in world.given("fuel"))
    assert second < first - left + COINS  # the free allowance is used up: bytes are burned the second time
    assert world.usdt_of(address) == 0
    world.assert_books_are_the_chain()


def test_trx_that_nobody_needs_is_taken_back() -> None:
    """On an address without coins to sweep they go to the gas wallet, where the free allowance pays for it."""
    world = TreasuryWorld(rules=msgspec.structs.replace(RULES, left_over_min_sun=5 * COINS))
    address = world.payin()
    world.give(address, trx=30)
    world.mine(SOLID_LAG + 1)
    gas = world.sun_of(world.gas)
    world.settle()
    world.live(30)
    world.settle()
    assert world.sun_of(address) == 0
    assert world.sun_of(world.gas) == gas + 30 * COINS
    world.assert_books_are_the_chain()


@pytest.mark.parametrize("stake_trx", [0, 20_000], ids=["fuel", "loan"])
@pytest.mark.parametrize("moment", ["planned", "fuelling", "fuelled"])
@pytest.mark.parametrize("change", ["price", "factor", "empty"])
def test_a_change_between_estimate_and_broadcast_costs_no_transfer(stake_trx: int, moment: str, change: str) -> None:
    """Price doubled, factor grown, or receiver emptied: it is looked at anew, more is brought, nothing runs out of energy."""
    world = TreasuryWorld(stake_trx=stake_trx, rules=msgspec.structs.replace(RULES, cost_max_percent=50))
    world.decree(**{f"factor:{USDT.hex()}": 20_000})
    [address] = world.deposits(120)
    world.until(moment)
    if change == "price":
        world.decree(getEnergyFee=210)
    elif change == "factor":
        world.decree(**{f"factor:{USDT.hex()}": 34_000})
    else:
        world.devnet.chain.state.apply({("slot", USDT, "balance", world.hot.evm): None})
    world.settle()
    assert set(world.results()) == {"SUCCESS"}
    assert [world.sweep(it).state for it in world.orders()] == ["confirmed"]
    assert world.usdt_of(address) == 0
    assert not world.node.delegation_index(world.gas).receivers


@pytest.mark.parametrize("stake_trx", [0, 20_000], ids=["fuel", "loan"])
def test_a_sweep_into_a_hot_wallet_that_is_only_about_to_hold_coins_does_not_fail(stake_trx: int) -> None:
    """Nodes count what is in no block yet: a hot wallet that holds nothing in solid blocks is taken for empty (FAILURES 75)."""
    world = TreasuryWorld(stake_trx=stake_trx, hot_usdt=0)
    [address] = world.deposits(120)
    call, state, slot = world.node.call, world.devnet.chain.state, ("slot", USDT, "balance", world.hot.evm)

    def with_pending(*question: bytes, solid: bool = False) -> ConstantResult:
        kept = state.apply({} if solid else {slot: 5 * COINS})
        try:
            return call(*question, solid=solid)
        finally:
            state.apply(kept)

    world.node.call = with_pending  # type: ignore[method-assign, assignment]
    world.settle()
    assert set(world.results()) == {"SUCCESS"}
    assert world.usdt_of(world.hot) == 120 * COINS
    assert world.usdt_of(address) == 0


@pytest.mark.parametrize("stake_trx", [0, 20_000], ids=["fuel", "loan"])
def test_a_sweep_to_cold_storage_that_is_emptied_meanwhile_does_not_fail(stake_trx: int) -> None:
    """Cold storage's owner may empty it at any time: a sweep into it has the energy of a new holder, and the fee limit."""
    world = TreasuryWorld(stake_trx=stake_trx, rules=msgspec.structs.replace(RULES, hot_ceiling_minor=1_000 * COINS))
    world.give(world.cold, usdt=1)
    world.deposits(120)
    world.until_fuelled()
    world.work()
    world.devnet.chain.state.apply({("slot", USDT, "balance", world.cold.evm): None})
    world.settle()
    assert [it.destination for it in world.orders()] == ["cold"]
    assert set(world.results()) == {"SUCCESS"}
    assert world.usdt_of(world.cold) == 120 * COINS


def test_a_bundle_of_cold_storage_is_good_for_its_day() -> None:
    """Hot wallet emptied, energy factor at the chain's ceiling: the bytes of yesterday morning still do their transfer."""
    world = TreasuryWorld()
    world.decree(**{f"factor:{USDT.hex()}": 0})
    world.give(world.cold, usdt=500, trx=100)
    world.mine(SOLID_LAG + 1)
    amount_minor, head = 400 * COINS, world.node.head()
    prices = Prices.of(world.node)
    need = need_of(world.node, prices, world.cold, USDT, world.hot, amount_minor, 50, beyond_maintenance=True)
    assert not need.short_sun
    envelope = envelope_for(
        derived_id("instruction", "cold", "1").bytes,
        1,
        world.node.solid(),
        chain_time_ms=head.timestamp_ms,
        lifetime_ms=LIFETIME_MS_MAX,
        fee_limit_sun=need.fee_limit_sun(60 * COINS),
    )
    raw_data = build(Trc20Transfer(world.cold, USDT, world.hot, amount_minor), envelope)
    signature = world.keys.key("keystore:cold").sign_digest(sha256(raw_data))
    world.now_ms += 23 * 3_600_000
    world.mine(2)
    world.decree(**{f"factor:{USDT.hex()}": 34_000})
    world.mine()
    world.devnet.chain.state.apply({("slot", USDT, "balance", world.hot.evm): None})
    assert world.node.broadcast(assemble(raw_data, signature)).verdict == "accepted"
    world.mine()
    assert world.results()["SUCCESS"] == sum(world.results().values())
    assert world.usdt_of(world.hot) == amount_minor


@pytest.mark.parametrize("moment", ["planned", "fuelling", "fuelled"])
def test_one_slow_call_holds_up_one_sweep_and_begins_no_round_anew(moment: str) -> None:
    """A node that is too slow for one constant call is asked again: the other sweeps go on, nothing rings (FAILURES 76)."""
    world = TreasuryWorld()
    slow, other = world.deposits(120, 110)
    call, told = world.node.call, 3

    def sometimes_slow(*question: bytes, solid: bool = False) -> ConstantResult:
        nonlocal told
        states = {it.address: world.sweep(it).state for it in world.orders()}
        if question[0] == slow and told and (moment == "planned" or states.get(slow.base58) == moment):
            told -= 1
            raise CallNotMade("CPU timeout")
        return call(*question, solid=solid)

    world.node.call = sometimes_slow  # type: ignore[method-assign, assignment]
    world.settle()
    world.live(60)
    world.settle()
    assert (world.usdt_of(slow), world.usdt_of(other)) == (0, 0)
    assert told == 0
    assert [name for name, _ in world.alarms if name != "gas_wallet_short"] == []
    assert len(world.orders()) == 2
    assert set(world.results()) == {"SUCCESS"}


def test_a_change_behind_the_broadcast_costs_the_fee_limit_at_most() -> None:
    """The bytes are out when the price is five times what it was: what is lost is bounded, booked, and the stake is back."""
    world = TreasuryWorld()
    [address] = world.deposits(120)
    world.until_fuelled()
    world.work()
    [attempt] = [it.attempt for it in world.events(InstructionPrepared) if it.attempt.from_address == address.base58]
    before = world.sun_of(address)
    world.devnet.decree({"getEnergyFee": 500})
    world.settle()
    assert before - world.sun_of(address) <= attempt.fee_limit_sun + 400_000
    failed = [it for it in world.events(SweepFailed) if it.failure_code == "out_of_energy"]
    confirmed = world.events(SweepConfirmed)
    assert len(failed) + len(confirmed) >= 1
    world.assert_books_are_the_chain()


def test_a_transfer_waits_where_prices_may_change_within_its_life() -> None:
    """Prices and factors are voted at maintenance: what would live beyond it is not made before (TRON.md 6.5)."""
    world = TreasuryWorld()
    world.deposits(120)
    made = []
    prepared = world.instructions._attempt

    def seen(*args: Any) -> Attempt:
        attempt = prepared(*args)
        made.append((attempt.expiration_ms, world.node.next_maintenance_ms(), len(args) == 5))
        return attempt

    world.instructions._attempt = seen  # type: ignore[method-assign]
    world.settle()
    transfers = [row for row in made if row[2]]
    assert transfers
    assert all(expiration_ms < maintenance_ms for expiration_ms, maintenance_ms, _ in transfers)


def test_a_blacklisted_address_is_set_aside_and_nothing_is_burned() -> None:
    """The token would revert: no TRX is sent, no transaction made, and once cleared the address is swept (FAILURES 23)."""
    world = TreasuryWorld()
    [address] = world.deposits(120)
    world.owner_calls("addBlackList(address)", address)
    burned = world.burned_sun
    world.live(40)
    assert world.burned_sun == burned
    assert world.orders() == []
    [held] = world.events(AddressQuarantined)
    assert (held.address, held.reason) == (address.base58, "blacklisted")
    world.owner_calls("removeBlackList(address)", address)
    world.sweeps._reconcile_at_ms = 0
    world.live(40)
    world.settle()
    assert len(world.events(AddressReleased)) == 1
    assert world.usdt_of(address) == 0


def test_an_address_blacklisted_behind_its_fuel_keeps_its_trx() -> None:
    """The trial before the transfer reverts: the sweep is put off, the address set aside, the energy taken back."""
    world = TreasuryWorld(stake_trx=20_000)
    [address] = world.deposits(120)
    while not world.given("loan"):
        world.work()
        world.mine()
    world.owner_calls("addBlackList(address)", address)
    world.settle()
    assert [world.sweep(it).state for it in world.orders()] == ["deferred"]
    assert not world.node.delegation_index(world.gas).receivers
    assert len(world.events(AddressQuarantined)) == 1
    assert set(world.results()) == {"SUCCESS"}


def test_coins_go_to_the_hot_wallet_up_to_its_ceiling_and_then_to_cold() -> None:
    """The richest first: what fits under the ceiling is hot, the rest goes to cold storage."""
    rules = msgspec.structs.replace(RULES, hot_floor_minor=500 * COINS, hot_ceiling_minor=1_500 * COINS)
    world = TreasuryWorld(rules=rules)
    world.deposits(400, 300, 200, 90)
    world.settle()
    assert {(it.amount_minor // COINS, it.destination) for it in world.orders()} == {
        (400, "hot"),
        (300, "cold"),
        (200, "cold"),
        (90, "hot"),
    }
    assert world.usdt_of(world.cold) == 500 * COINS
    world.assert_books_are_the_chain()


def test_below_the_floor_everything_goes_to_the_hot_wallet() -> None:
    """What clients are still to be paid counts as gone."""
    rules = msgspec.structs.replace(RULES, hot_floor_minor=500 * COINS, hot_ceiling_minor=1_100 * COINS)
    world = TreasuryWorld(rules=rules, hot_usdt=100)
    world.deposits(1_200)
    world.settle()
    assert [it.destination for it in world.orders()] == ["hot"]


@pytest.mark.parametrize(
    ("change", "amounts", "swept"),
    [
        ({"threshold_minor": 100 * COINS}, (99.999999, 100), [100 * COINS]),
        ({"cost_max_percent": 1}, (200, 400), [400 * COINS]),
        ({"amount_max_minor": 150 * COINS}, (400,), [150 * COINS]),
    ],
    ids=["threshold", "share", "amount"],
)
def test_limits_of_one_sweep(change: dict[str, int], amounts: tuple[float, ...], swept: list[int]) -> None:
    """What is too small, or too dear for what it moves, stays; what is too much is left for the next sweep."""
    world = TreasuryWorld(rules=msgspec.structs.replace(RULES, **change), interval_ms=10**9)
    world.deposits(*amounts)
    world.sweeps._planned_ms = 0
    world.settle()
    assert [it.amount_minor for it in world.events(SweepConfirmed)] == swept
    world.assert_books_are_the_chain()


def test_limits_of_all_sweeps() -> None:
    """So many at the same time, and so many TRX a day: a program gone wrong cannot empty the gas wallet."""
    world = TreasuryWorld(rules=msgspec.structs.replace(RULES, open_max=2))
    world.deposits(100, 100, 100)
    world.work()
    assert len(world.orders()) == 2
    world = TreasuryWorld(rules=msgspec.structs.replace(RULES, gas_daily_max_sun=20 * COINS))
    world.deposits(100, 100, 100, 100)
    world.settle()
    world.live(60)
    world.settle()
    assert len(world.events(SweepConfirmed)) == 2


def test_a_gas_wallet_that_is_short_delays_and_nothing_else() -> None:
    """Without TRX nothing begins; when they come, the sweeps do."""
    world = TreasuryWorld(gas_trx=2)
    world.deposits(120)
    world.live(30)
    assert world.orders() == []
    world.give(world.gas, trx=100)
    world.live(60)
    world.settle()
    assert len(world.events(SweepConfirmed)) == 1
    world.assert_books_are_the_chain()


def test_a_sweep_while_signing_is_stopped_waits() -> None:
    """Nothing is planned, fuelled or sent until an operator has looked; then it goes on."""
    world = TreasuryWorld()
    world.deposits(120)
    world.work()
    world.owner_calls("pause()")
    world.live(SOLID_LAG + 2)
    sent = sum(world.results().values())
    world.live(30)
    assert sum(world.results().values()) == sent
    world.owner_calls("unpause()")
    world.live(SOLID_LAG + 2)
    world.settle()
    world.live(60)
    world.settle()
    assert world.usdt_of(world.addresses[0]) == 0
    assert set(world.results()) == {"SUCCESS"}


def test_a_hijacked_deposit_address_signs_nothing() -> None:
    """Another key in its owner permission stops signing: whoever has that key has more of ours (FAILURES 22)."""
    world = TreasuryWorld()
    [address] = world.deposits(120)
    world.until_fuelled()
    account = accounts.find(world.devnet.chain.state, address)
    assert account is not None
    thief = Permission(0, "owner", 1, ((address, 1), (STRANGER, 1)))
    world.devnet.chain.state.apply({("account", address): msgspec.structs.replace(account, owner=thief)})
    world.live(20)
    assert [each.cause for each in holding(world.store)] == ["wallet_permission_changed"]
    assert STRANGER.base58 in holding(world.store)[0].sentence
    assert world.usdt_of(address) == 120 * COINS


def test_two_workers_at_once_sweep_once() -> None:
    """They read the same history and take turns: the second's commands are refused or already done."""
    world = TreasuryWorld(stake_trx=20_000)
    world.deposits(120, 90)
    one = (world.sweeps, world.instructions)
    world.start()
    other = (world.sweeps, world.instructions)
    for _ in range(150):
        world.record()
        for sweeps, instructions in (one, other, other, one):
            sweeps.step()
            instructions.step()
        world.mine()
    world.settle()
    assert len(world.events(SweepConfirmed)) == 2
    assert set(world.results()) == {"SUCCESS"}
    world.assert_books_are_the_chain()
