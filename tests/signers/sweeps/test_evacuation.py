"""An evacuation: every coin that can be moved goes to the registered cold wallet, and nothing is paid meanwhile."""

from datetime import datetime

import msgspec
import pytest

from core.ledger.events import New
from core.ledger.guard import GuardKey
from core.ledger.ledger import Accepted, Past, Refused
from core.streams.evacuation import BeginEvacuation
from core.streams.instructions import Instruction, SendToken, SendTrx
from core.streams.signing import SIGNING, ResumeSigning, SigningStopped
from core.tron.chain import BlockRef
from signers.caught_up import CaughtUp
from tests.support.history import ACTOR, execute
from tests.support.treasury_world import COINS, SOLID_LAG, TreasuryWorld

pytestmark = [pytest.mark.fast, pytest.mark.long]

BEGIN = BeginEvacuation("a key may be stolen", ACTOR)


class Stop(msgspec.Struct, frozen=True):
    """Coins have left a wallet of ours, and nobody knows why."""

    def streams(self) -> list[str]:
        return [SIGNING]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, _: Past, now: datetime) -> list[New]:
        fields = {"cause": "outgoing_unexplained", "stream": SIGNING, "moment": None}
        return [New(SIGNING, SigningStopped(occurred_at=now, actor=ACTOR, **fields))]  # type: ignore[arg-type]


def begin(world: TreasuryWorld) -> None:
    [outcome] = world.ledger.execute([BEGIN])
    assert isinstance(outcome, Accepted)


def test_every_coin_goes_to_cold_storage_and_nothing_is_paid() -> None:
    """The hot wallet's and each deposit address' USDT, small ones too; the payout waits; the books are the chain."""
    world = TreasuryWorld(hot_usdt=1_000)
    world.deposits(100, 300, 7)
    waiting = world.pay_out("waiting", 300)
    begin(world)
    world.live(10 * SOLID_LAG)
    assert world.usdt_of(world.cold) == 1_407 * COINS - 1  # a minor unit stays, so that the hot wallet's place is kept
    assert [world.usdt_of(address) for address in world.addresses] == [0, 0, 0]
    assert world.payout(waiting).state == "requested"
    world.assert_books_are_the_chain()


def test_it_goes_on_while_other_causes_stop_signing() -> None:
    """What gave the alarm holds signing back as well, and is no reason to leave the coins where they are."""
    world = TreasuryWorld(hot_usdt=1_000)
    world.deposits(60)
    execute(world.ledger, Stop())
    begin(world)
    world.live(10 * SOLID_LAG)
    assert world.usdt_of(world.hot) == 1
    assert world.usdt_of(world.addresses[0]) == 0


class Behind(CaughtUp):
    """The scanner has days to read."""

    def look(self, _: BlockRef) -> bool:
        return False


@pytest.mark.parametrize("evacuated", [True, False])
def test_it_waits_for_no_chain_to_be_read(evacuated: bool) -> None:
    """After a start payouts wait for scanner and recorder; what goes to cold storage does not."""
    world = TreasuryWorld(hot_usdt=1_000)
    world.deposits(60)
    waiting = world.pay_out("waiting", 30)
    for worker in (world.payouts, world.instructions):
        worker._caught_up = Behind(world.cursors, world.outstanding, alarm=world.ring)
    if evacuated:
        begin(world)
    world.live(10 * SOLID_LAG)
    assert (world.usdt_of(world.hot), world.usdt_of(world.addresses[0])) == (
        (1, 0) if evacuated else (1_000 * COINS, 60 * COINS)
    )
    assert world.payout(waiting).state == "requested"


def test_sweeps_that_were_to_fill_the_hot_wallet_go_to_cold_storage() -> None:
    """One that was begun before is put off, and planned again to where everything goes."""
    world = TreasuryWorld(hot_usdt=10)
    world.deposits(100)
    while not world.given("sweep"):
        world.live(1)
    assert world.given("sweep")[0].act == SendToken(world.hot.base58, 100 * COINS)
    begin(world)
    world.live(10 * SOLID_LAG)
    world.settle()
    assert world.usdt_of(world.cold) + world.usdt_of(world.hot) == 110 * COINS
    assert world.usdt_of(world.hot) == 1
    world.assert_books_are_the_chain()


def test_payouts_go_on_when_it_has_ended() -> None:
    """Once an operator resumes signing and the hot wallet has coins again."""
    world = TreasuryWorld(hot_usdt=100)
    world.deposits(60)
    begin(world)
    world.live(8 * SOLID_LAG)
    wished = world.pay_out("later", 20)
    world.live(3 * SOLID_LAG)
    assert world.payout(wished).state == "requested"
    [resumed] = world.ledger.execute([ResumeSigning(("evacuation",), "it was a false alarm", ACTOR)])
    assert isinstance(resumed, Accepted)
    world.give(world.hot, usdt=50)
    world.live(6 * SOLID_LAG)
    world.settle()
    assert world.payout(wished).state == "confirmed"
    world.assert_books_are_the_chain()


def test_there_must_be_a_cold_wallet_and_twice_is_once() -> None:
    """Nothing is begun that has no end, and nothing that is under way already."""
    world = TreasuryWorld(cold=False)
    [outcome] = world.ledger.execute([BEGIN])
    assert isinstance(outcome, Refused)
    assert outcome.refusal.code == "no_cold_wallet"
    world = TreasuryWorld()
    begin(world)
    head = len(world.store.events)
    world.ledger.execute([BEGIN])
    assert len(world.store.events) == head


@pytest.mark.parametrize(
    ("act", "purpose", "goes"),
    [
        (SendToken("COLD", 5), "evacuation", True),
        (SendToken("COLD", 5), "sweep", True),
        (SendToken("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", 5), "evacuation", False),
        (SendTrx("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", 5), "fuel", True),
        (SendTrx("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", 5), "evacuation", False),
    ],
)
def test_only_what_ends_in_cold_storage_passes_the_stop(act: SendToken | SendTrx, purpose: str, goes: bool) -> None:
    """By where it goes, not by what it is called."""
    wished = Instruction("0" * 32, purpose, "", "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", "hot", act)  # type: ignore[arg-type]
    assert wished.serves_evacuation("COLD") is goes


def test_it_plans_at_its_own_pace_where_sweeps_are_planned_by_hand() -> None:
    """Without an interval of its own, too, each plan, which asks the node about many addresses, is seconds after the last."""
    world = TreasuryWorld(hot_usdt=1_000, interval_ms=0)
    begin(world)
    world.work()
    planned = []
    usual = world.sweeps._planning
    world.sweeps._planning = lambda: planned.append(world.devnet.chain.next_slot_ms) or usual()  # type: ignore[method-assign, func-returns-value]
    for _ in range(20):
        world.sweeps.step()
    assert planned == []
    world.mine(3)
    for _ in range(20):
        world.sweeps.step()
    assert len(planned) == 1
