"""One deposit and one payout, and a death at every boundary there is: before and after each write of any process (I1-I11)."""

import functools
import random
from collections import Counter

import pytest

from core.ledger import books
from core.ledger.journal import derived_id
from core.streams.payouts import PayoutOrder, RequestPayout
from tests.simulation.crashes import Fuse
from tests.simulation.customers import COINS, PAYEES
from tests.simulation.invariants import Broken, check, open_payouts
from tests.simulation.mutants import MUTANTS, WALKED
from tests.simulation.world import ACTOR, World

PARTS = 4
BLOCKS = 24
"""From the broadcast until all of it is solid."""


def life(world: World) -> None:
    """A customer pays a client, the client pays out, each until it is final."""
    world.customers.pay_plainly(random.Random(0), world.genesis.accounts[0], world.deposit_addresses[0], 7 * COINS)
    order = PayoutOrder(
        payout_id=str(derived_id("payout", world.accounts[0], "walk")),
        account_id=world.accounts[0],
        ledger_account=books.USER_LIABILITY,
        to_address=PAYEES[0].base58,
        amount_minor=5 * COINS,
        fee_minor=COINS,
        currency="USDT",
        client_reference=None,
    )
    while world.system.act(RequestPayout(order, minimum_minor=1, actor=ACTOR)) is None:
        pass  # the client asks again with the same key
    for _ in range(BLOCKS):
        for name in ("observe", "record", "relay", "payouts", "payouts", "payouts", "addresses"):
            crashes = world.system.crashes
            world.system.step(name)
            world.system.mine(world.system.crashes - crashes)  # a restart takes its time
        world.system.mine()


@functools.cache
def undisturbed() -> tuple[list[str], list[int]]:
    """Every boundary of an undisturbed life, in order, and those that are places of their own to die at."""
    world = World(0, backends=1, walked=True)
    before = len(world.system.writes)
    life(world)
    return world.system.writes[before:], world.system.places(before)


def boundaries() -> list[str]:
    return undisturbed()[0]


def walk(fuse: Fuse, **system: object) -> World:
    """A life with a death at one boundary, brought to its end. Raises Broken."""
    world = World(0, backends=1, **system)
    world.system.fuse = fuse
    life(world)
    assert world.system.crashes == 1, fuse
    world.settle()
    check(world.system)
    return world


def test_the_walk_passes_every_kind_of_boundary() -> None:
    """Append, send, delete, broadcast, cursor, bookmark and log: all of them are places to die at."""
    kinds = Counter(boundaries())
    wanted = {
        "api append",
        "observe send",
        "observe save",
        "observe append",
        "record append",
        "record delete",
        "relay send",
        "relay save",
        "payouts append",
        "payouts broadcast",
        "payouts delete",
    }
    assert wanted <= kinds.keys(), kinds
    assert {boundaries()[at] for at in undisturbed()[1]} == kinds.keys()
    assert kinds["payouts append"] == 2 * 3  # prepared; signed and broadcast; confirmed


@pytest.mark.parametrize("part", range(PARTS))
def test_a_death_at_any_boundary_changes_nothing(part: int) -> None:
    """The deposit is credited once, the payout paid once, books and chain agree, wherever a process died."""
    for at in undisturbed()[1][part::PARTS]:
        world = walk(Fuse(at))
        assert not open_payouts(world.system), boundaries()[at]
        assert len([it for it in world.system.store.events if it.stream.startswith("payout-")]) == 5, boundaries()[at]


@pytest.mark.parametrize(
    ("name", "process", "call"),
    [
        ("the cursor moves before the queue has the facts", "observe", "send"),
        ("bytes are sent before they are recorded", "payouts", "append"),
    ],
)
def test_the_walk_notices_what_only_a_death_shows(name: str, process: str, call: str) -> None:
    """A system that writes in the wrong order is whole until it dies in between."""
    mutant = (MUTANTS | WALKED)[name]
    deaths = [Fuse(left, process, call) for left in range(boundaries().count(f"{process} {call}"))]
    with mutant.patch():
        assert any(shows(death, mutant.classes) for death in deaths)


def shows(death: Fuse, mutant: dict[str, type]) -> bool:
    """Whether a mutant's life with this death breaks an invariant."""
    try:
        walk(death, mutant=mutant)
    except Broken:
        return True
    return False
