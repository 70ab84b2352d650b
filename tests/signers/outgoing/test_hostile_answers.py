"""Payouts while the node lies about what it was sent, and while the token or our fuel stand in the way."""

from collections import Counter

import httpx2
import pytest

from core.ledger import books
from core.ledger.journal import TREASURY
from core.ledger.ledger import Ledger
from core.streams.payouts import PayoutExpired, PayoutFailed
from core.tron.chain import BroadcastAnswer
from gateways.devnet.in_process import InProcess
from gateways.devnet.machine import abi
from gateways.tron.node import TronNode
from signers.outgoing.outgoing import REBROADCAST_MS
from signers.outgoing.payouts import Payouts
from tests.signers.outgoing.world import AMOUNT, COINS, FEE, HOT, REFUSALS, UNCLEAR, World
from tests.signers.payments import KEY, PAYEE, STRANGER
from tests.support.devnet import BLOCK_MS, SOLID_LAG, USDT, Fate
from tests.support.history import ALICE, TickingClock
from tests.support.leash import leash

pytestmark = [pytest.mark.fast, pytest.mark.long]

TRIGGER = 31
BUILDERS = {"createtransaction", "triggersmartcontract", "getsignweight", "gettransactionsign", "broadcasttransaction"}
"""java-tron's calls that hand out bytes to sign, sign them, or pack them anew from JSON."""


@pytest.fixture
def world() -> World:
    return World()


def said(code: str) -> BroadcastAnswer:
    return BroadcastAnswer("refused" if code in REFUSALS else "unclear", code)


def assert_held(world: World) -> None:
    """Amount and fee are still set aside: neither paid nor given back."""
    assert world.balance(ALICE, books.CLEARING) == -(AMOUNT + FEE)
    assert not world.events(PayoutFailed)


@pytest.mark.parametrize("code", [*REFUSALS, *UNCLEAR])
@pytest.mark.parametrize("landed", [True, False], ids=["first landed", "first lost"])
def test_a_refused_repetition_ends_nothing(world: World, code: str, landed: bool) -> None:
    """The first sending was accepted and every later one is refused: a block or proven absence decides, never the code."""
    wished = world.request("p1")
    world.node.fate = Fate(arrives=False, kept=landed)
    world.work()
    first = world.attempt(wished)
    world.node.fate = Fate(arrives=False, answer=said(code))
    for _ in range(REBROADCAST_MS // BLOCK_MS + 1):
        world.node.mine()
        world.work()
    assert Counter(world.node.sent).most_common(1)[0][1] >= 2
    assert world.payout(wished).state == "broadcasted"
    assert_held(world)
    if landed:
        world.node.deliver()
    else:
        while not world.events(PayoutExpired):
            assert_held(world)
            world.node.mine()
            world.work()
        assert world.node.solid().timestamp_ms >= first.expiration_ms
        world.node.fate = Fate()
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert (world.payout(wished).txid == first.txid) == landed
    assert [amount for _, amount in world.node.transfers_from(HOT)] == [AMOUNT]
    world.assert_books_are_the_chain()


class Wire(InProcess):
    """The last part of every path that is asked for."""

    def __init__(self, world: World) -> None:
        super().__init__(world.node.devnet)
        self.asked: set[str] = set()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.add(request.url.path.rsplit("/", 1)[-1])
        return super().handle_request(request)


def test_no_node_builds_or_names_what_is_signed(world: World) -> None:
    """Bytes and txid are made here: nobody is asked to build, and a node that answers another txid changes nothing."""
    wire = Wire(world)
    node = TronNode("http://devnet", transport=wire, monotonic=lambda: world.node.now_ms / 1000)
    world.worker = Payouts(
        Ledger(world.store, TickingClock()),
        world.store,
        world.bookmarks,
        world.queue,
        node,
        world.log,
        world.pool,
        KEY,
        USDT,
        world.rules,
        leash=leash(world.store, world._ring),
        alarm=lambda name, sentence: None,
    )
    faults = world.node.devnet.faults
    faults.arm("wrong_txid", times=None)
    wished = world.request("p1")
    world.live()
    assert faults.struck["wrong_txid"] >= 1
    assert world.payout(wished).state == "confirmed"
    assert world.node.transfers_from(HOT) == [(world.attempt(wished).txid, AMOUNT)]
    assert "broadcasthex" in wire.asked
    assert not wire.asked & BUILDERS


def test_a_blacklisted_wallet_of_ours_sends_nothing(world: World) -> None:
    """The token would revert and burn the fee each time: the payout waits unsigned, and is made once the wallet is cleared."""
    world.node.blacklist(HOT)
    wished = world.request("p1")
    sun = world.node.sun_of(HOT)
    world.live()
    assert world.payout(wished).state == "requested"
    assert (world.node.sent, world.node.sun_of(HOT)) == ([], sun)
    world.node.owner_calls("removeBlackList(address)", abi.of_address(HOT.evm))
    world.live()
    assert world.payout(wished).state == "confirmed"
    world.assert_books_are_the_chain()


def test_every_trx_of_ours_is_burned_for_a_transfer_or_still_there(world: World) -> None:
    """Payouts move no TRX to anybody, and none may burn half as much again as one to a new holder needs."""
    holder = world.node.devnet.chain.genesis.accounts[0].address
    orders = []
    for number, payee in enumerate((PAYEE, holder, STRANGER, PAYEE, STRANGER)):
        orders.append(world.request(f"p{number}", COINS, payee))
        world.live(SOLID_LAG + 2)
    assert {world.payout(wished).state for wished in orders} == {"confirmed"}
    burned = 0
    for block in world.node.devnet.chain.blocks:
        for included in block.included:
            if included.transaction.owner == HOT:
                assert (included.transaction.kind, included.outcome.contract) == (TRIGGER, USDT)
                burned += included.outcome.fee_sun
    assert world.node.sun_of(HOT) == world.funded[1] - burned
    assert world.balance(TREASURY, books.NETWORK_FEE, "TRX") == burned
    for wished in orders:
        found = world.node.devnet.chain.find(world.attempt(wished).txid)
        assert found is not None
        energy_fee_sun, fee_limit_sun = found[1].outcome.energy_fee_sun, world.attempt(wished).fee_limit_sun
        assert energy_fee_sun <= fee_limit_sun
        assert 130_285 * 100 <= fee_limit_sun < 130_285 * 100 * 3 // 2


def test_a_fee_limit_follows_the_price_of_the_day(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the network's energy price doubles, so does the limit of the next attempt."""
    one, other = (key.address for key in world.node.devnet.chain.genesis.accounts[:2])
    cheap = world.request("cheap", to=one)
    world.live()
    prices = world.node.chain_parameters()
    monkeypatch.setattr(world.node, "chain_parameters", lambda: {**prices, "getEnergyFee": 2 * prices["getEnergyFee"]})
    dear = world.request("dear", to=other)
    world.work()
    before_sun, after_sun = (world.attempt(wished).fee_limit_sun for wished in (cheap, dear))
    assert 2 * before_sun * 0.99 < after_sun < 2 * before_sun * 1.01


def test_an_attempt_stands_on_a_solid_block_and_dies_soon_by_the_chains_clock(world: World) -> None:
    """It names the newest solid block, which no fork replaces, and lives a minute from the head's time, not from ours."""
    world.node.mine(7)
    wished = world.request("p1")
    world.work()
    attempt, solid, head = world.attempt(wished), world.node.solid(), world.node.head()
    assert (attempt.ref_block_number, attempt.ref_block_id) == (solid.number, solid.block_id)
    assert solid.number < head.number
    assert 0 < attempt.expiration_ms - head.timestamp_ms <= world.rules.lifetime_ms == 60_000
