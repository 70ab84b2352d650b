"""One node that nobody vouches for: what a block proves is credited, what receipts alone show waits, a lie gains nothing."""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch

import coincurve
import msgspec
import pytest

from core.ports.chain import NoSecondOpinion
from core.ports.unavailable import Unavailable
from core.tron.chain import Producer, Receipt
from core.tron.secp256k1 import address_of
from scanners import proven
from scanners.observer import SOLID
from scanners.pinned_producers import PERIOD_MS, SEATS_MAX, PinnedProducers
from scanners.waiting import ONE_NODE, WaitingBlocks
from tests.scanners.world import THEM, US, World
from tests.support.chain import (
    SOLID_LAG,
    Included,
    MemoryChain,
    direct_transfer,
    producer_key,
    token_call,
    transfer_log,
    trx_transfer,
)
from tests.support.memory import MemoryCursors

pytestmark = pytest.mark.fast

SEATS = 27
CHANGE = msgspec.structs.replace
STRANGER = coincurve.PrivateKey(b"\x09" * 32)


class Lying:
    """The one node: `lie` makes of the receipts of a block what it tells."""

    def __init__(self, chain: MemoryChain, lie: Callable[[list[Receipt]], list[Receipt]] | None = None) -> None:
        self.chain = chain
        self.lie = lie

    def __getattr__(self, name: str) -> Any:
        honest = getattr(self.chain, name)
        if name not in ("receipts", "solid_receipts") or self.lie is None:
            return honest
        return lambda number: self.lie(honest(number)) if honest(number) else []  # type: ignore[misc]


def world_of(lie: Callable[[list[Receipt]], list[Receipt]] | None = None) -> World:
    world = World(seats=SEATS, lone=True)
    world.node = Lying(world.chain, lie)
    world.restart()
    return world


def run(world: World, steps: int = 12) -> None:
    for _ in range(steps):
        with contextlib.suppress(Unavailable):
            world.observer.step()
        world.recorder.step()


def vouched(world: World) -> None:
    """The operator trusts the node, or configures another: the observer is started anew."""
    world.lone = False
    world.restart()
    run(world)


def rung(world: World) -> set[str]:
    return {name for name, _ in world.alarms}


def test_what_a_block_proves_is_credited() -> None:
    """A direct transfer of the token and one of TRX are credited from one node."""
    world = world_of()
    direct, trx = direct_transfer(1, US, 12_500_000), trx_transfer(2, US, 5)
    world.chain.mine(direct, trx, blocks=SOLID_LAG + 1)
    world.settle()
    assert (world.balance(), world.alarms) == (12_500_000, [])
    assert world.status(trx.transaction.txid, None) == "confirmed"


def test_a_transfer_by_another_contract_waits_and_is_credited_when_the_node_is_vouched_for() -> None:
    """It is detected with the reason, rings once, holds nothing else up, and is read again by itself afterwards."""
    world = world_of()
    inner = token_call(1, transfer_log(THEM, US, 70))
    world.chain.mine(inner)
    world.chain.mine(direct_transfer(2, US, 5), blocks=SOLID_LAG + 1)
    world.settle()
    world.restart()
    world.settle()
    deposit = world.deposit(inner.transaction.txid)
    assert deposit.transfer is not None
    assert (deposit.status, deposit.transfer.waits_for, world.balance()) == ("detected", ONE_NODE, 5)
    assert [name for name, _ in world.alarms] == ["one_node"]
    assert world.cursors.rows[ONE_NODE].number == 1
    world.chain.mine(blocks=200)  # what waits is not taken for lost
    world.settle()
    assert world.status(inner.transaction.txid) == "detected"
    vouched(world)
    assert (world.balance(), world.cursors.rows[ONE_NODE].number) == (75, 0)
    assert world.story(inner.transaction.txid)[-1] == "Confirmed"


def test_what_waits_goes_on_waiting_while_the_second_node_is_silent() -> None:
    """A block that waits is tried again until two nodes have said the same of it."""
    world = world_of()
    world.chain.mine(token_call(1, transfer_log(THEM, US, 70)), blocks=SOLID_LAG + 1)
    world.settle()

    class Silent:
        silent = True

        def agree_on_receipts(self, number: int, receipts: Any) -> None:
            if self.silent:
                raise NoSecondOpinion("not yet")

    world.opinion = silent = Silent()  # type: ignore[assignment]
    vouched(world)
    assert (world.balance(), world.cursors.rows[ONE_NODE].number) == (0, 1)
    silent.silent = False
    run(world)
    assert (world.balance(), world.cursors.rows[ONE_NODE].number) == (70, 0)


class Lie(NamedTuple):
    """What the node makes of the receipts of a block that pays us 5, and whether it is refused before it waits."""

    name: str
    tell: Callable[[list[Receipt]], list[Receipt]]


def logs(*told: Any) -> Callable[[list[Receipt]], list[Receipt]]:
    return lambda receipts: [CHANGE(receipts[0], logs=told), *receipts[1:]]


OURS = transfer_log(THEM, US, 10**12)
SUCCESS: dict[str, Any] = {"result": "SUCCESS", "failed": False, "logs": (OURS,)}


def more_for_the_other(receipts: list[Receipt]) -> list[Receipt]:
    return [receipts[0], CHANGE(receipts[1], logs=(*receipts[1].logs, OURS)), *receipts[2:]]


def elsewhere(receipts: list[Receipt]) -> list[Receipt]:
    """The true transfer, at an index that makes another deposit of it."""
    true = receipts[0].logs[0]
    return [CHANGE(receipts[0], logs=(CHANGE(true, address=bytes(20)), true)), *receipts[1:]]


def richer(receipts: list[Receipt]) -> list[Receipt]:
    true = receipts[0].logs[0]
    return [CHANGE(receipts[0], logs=(CHANGE(true, data=(10**12).to_bytes(32, "big")),)), *receipts[1:]]


def twice(receipts: list[Receipt]) -> list[Receipt]:
    return [CHANGE(receipts[0], logs=receipts[0].logs * 2), *receipts[1:]]


LIES = [
    Lie("one receipt more", lambda receipts: [*receipts, CHANGE(receipts[0], txid="ab" * 32)]),
    Lie("one receipt less", lambda receipts: receipts[1:]),
    Lie("a transfer more in a stranger's receipt", more_for_the_other),
    Lie("a transfer more in ours", twice),
    Lie("the transfer hidden", logs()),
    Lie("another amount", richer),
    Lie("a smaller amount", logs(transfer_log(THEM, US, 1))),
    Lie("another index", elsewhere),
    Lie("no receipts", lambda receipts: []),
    Lie(
        "receipts of another block", lambda receipts: [CHANGE(it, block_number=it.block_number + 1) for it in receipts]
    ),
    Lie("a failed call shown as success", lambda receipts: [*receipts[:2], CHANGE(receipts[2], **SUCCESS)]),
    Lie("failed", lambda receipts: [CHANGE(receipts[0], result="REVERT", failed=True, logs=()), *receipts[1:]]),
]


def lied_to(lie: Lie) -> tuple[World, Included]:
    world = world_of(lie.tell)
    deposit = direct_transfer(1, US, 5)
    reverted = token_call(3, result="REVERT")
    world.chain.mine(deposit, direct_transfer(2, THEM, 9), reverted, blocks=SOLID_LAG + 1)
    run(world)
    return world, deposit


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.name)
def test_a_lie_credits_nothing_false_and_loses_nothing_true(lie: Lie) -> None:
    """Whatever its receipts say, no more than the truth is credited, the lie rings, and the truth is credited in the end."""
    world, deposit = lied_to(lie)
    assert world.balance() in (0, 5)
    assert rung(world) & {"one_node", "block_refused"}
    world.node.lie = None
    vouched(world)
    assert world.balance() == 5
    assert world.status(deposit.transaction.txid) == "confirmed"


def test_a_receipt_that_denies_its_block_holds_the_rest_up_for_a_moment_only() -> None:
    """A token that was deprecated shows no log of its own: after some refusals its deposits wait, and the scan goes on."""
    world, _ = lied_to(Lie("the transfer hidden", logs()))
    assert world.cursors.rows[SOLID].number == world.chain.solid().number
    assert world.cursors.rows[ONE_NODE].number == 1
    assert rung(world) == {"one_node", "block_refused"}


# The pinned producers


class Stating:
    """What a node states of the producers: the keys of those that `own` names are its own."""

    def __init__(self, seats: range = range(SEATS)) -> None:
        self.seats = seats
        self.latest: dict[int, int] = {}
        self.own: set[int] = set()

    def producers(self) -> list[Producer]:
        active = [Producer(address(seat), True, 0) for seat in self.seats]
        return [*active, *(Producer(address(seat), False, latest) for seat, latest in self.latest.items())]

    def producer_key(self, asked: bytes) -> bytes:
        stolen = any(address(seat) == asked for seat in self.own)
        return bytes(address_of(STRANGER.public_key.format())) if stolen else asked


def address(seat: int) -> bytes:
    return bytes(address_of(producer_key(seat).public_key.format()))


class Pin:
    """A pinned set of 27, and what the node states, which a test changes."""

    def __init__(self) -> None:
        self.stating, self.cursors, self.now = Stating(), MemoryCursors(), PERIOD_MS
        self.alarms: list[str] = []
        self.network = PinnedProducers(
            self.stating, self.cursors, lambda name, _: self.alarms.append(name), now_ms=lambda: self.now
        )
        assert self.active() == set(map(address, range(SEATS)))

    def active(self) -> set[bytes]:
        return {each.address for each in self.network.producers() if each.active}


def test_a_few_seats_change_by_themselves() -> None:
    """Five in a maintenance period, and five more in the next, are taken up; a sixth is not, and rings once."""
    pin = Pin()
    pin.stating.seats = range(SEATS_MAX, SEATS + SEATS_MAX)
    assert pin.active() == set(map(address, pin.stating.seats))
    pin.stating.seats = range(SEATS_MAX + 1, SEATS + SEATS_MAX + 1)
    assert pin.active() == pin.active() == set(map(address, range(SEATS_MAX, SEATS + SEATS_MAX)))
    assert pin.alarms == ["producers_changed"]
    pin.now += PERIOD_MS
    assert pin.active() == set(map(address, pin.stating.seats))


@pytest.mark.parametrize("seats", [range(1), range(100, 100 + SEATS), range(SEATS_MAX + 1, SEATS)])
def test_more_is_a_person_s_to_look_at(seats: range) -> None:
    """A node that states producers of its own, or too few, is not believed until a person pins what it states."""
    pin = Pin()
    pin.stating.seats = seats
    assert pin.active() == set(map(address, range(SEATS)))
    assert pin.alarms == ["producers_changed"]
    pin.network.pin()
    assert pin.active() == set(map(address, seats))


def test_who_never_sat_here_counts_for_nothing() -> None:
    """Candidates that are said to have produced are strangers: too many of them are not taken up."""
    pin = Pin()
    pin.cursors.save(SOLID, CHANGE(pin.cursors.rows["producers"], number=100, unsolid=b""))
    pin.stating.latest = dict.fromkeys(range(200, 220), 10**9)
    assert {each.address for each in pin.network.producers()} == set(map(address, range(SEATS)))
    assert pin.alarms == ["producers_changed"]


def test_a_producer_s_key_is_pinned_too() -> None:
    """Keys change as seats do: the stranger's key is taken for five of them and for no more."""
    pin = Pin()
    stranger = bytes(address_of(STRANGER.public_key.format()))
    pin.stating.own = set(range(SEATS))
    keys = [pin.network.producer_key(address(seat)) for seat in range(SEATS)]
    assert keys.count(stranger) == SEATS_MAX
    assert pin.alarms == ["producers_changed"] * (SEATS - SEATS_MAX)


def run_of(test: Callable[..., None], *given: Any) -> Callable[[], None]:
    return lambda: test(*given)


def lie_named(name: str) -> Lie:
    return next(lie for lie in LIES if lie.name == name)


A_LIE = test_a_lie_credits_nothing_false_and_loses_nothing_true
BROKEN: dict[str, tuple[Callable[[], Any], Callable[[], None]]] = {
    "what one node's receipts show is credited": (
        lambda: patch("scanners.waiting.is_proven", lambda *_: True),
        run_of(A_LIE, lie_named("a transfer more in a stranger's receipt")),
    ),
    "the amount is the receipt's": (
        lambda: patch.object(proven, "_agrees", lambda *_: True),
        run_of(A_LIE, lie_named("another amount")),
    ),
    "a log may stand anywhere": (
        lambda: patch.object(proven, "_agrees", _any_place),
        run_of(A_LIE, lie_named("another index")),
    ),
    "what is hidden is not missed": (
        lambda: patch("scanners.waiting.check_direct_transfers", lambda *_: None),
        run_of(A_LIE, lie_named("the transfer hidden")),
    ),
    "what waits is forgotten": (
        lambda: patch.object(WaitingBlocks, "_add", lambda *_: None),
        test_a_transfer_by_another_contract_waits_and_is_credited_when_the_node_is_vouched_for,
    ),
    "a node says who produces": (
        lambda: patch.object(PinnedProducers, "_may_change", lambda *_: True),
        run_of(test_more_is_a_person_s_to_look_at, range(100, 127)),
    ),
    "a node says whose key signs": (
        lambda: patch.object(PinnedProducers, "producer_key", lambda self, it: self._network.producer_key(it)),
        test_a_producer_s_key_is_pinned_too,
    ),
}


def _any_place(receipt: Receipt, ordered: Any, usdt: bytes) -> bool:
    return any(int.from_bytes(log.data, "big") == ordered.amount_minor for log in receipt.logs)


@pytest.mark.parametrize("name", BROKEN)
def test_without_its_guard_a_test_of_these_fails(name: str) -> None:
    """Each of these defects is noticed."""
    defect, test = BROKEN[name]
    with defect(), pytest.raises(AssertionError):
        test()
