"""Ten thousand transfers of every kind: what is credited is what was meant to be, exactly (I6)."""

import random
from collections import Counter

import pytest

from core.streams.deposits import DepositConfirmed
from core.tron.address import Address
from tests.simulation.corpus import KINDS, Corpus, Expected
from tests.simulation.invariants import check
from tests.simulation.world import World

TRANSFERS = 10_000
HOSTILE = (
    ("empty_infos", {}),
    ("empty_block", {}),
    ("omit_tx", {}),
    ("garbage", {}),
    ("lagging", {"blocks": 6, "times": 5}),
    ("http_500", {}),
    ("drop_connection", {}),
)


def credited(world: World) -> Expected:
    """What the history says was credited since the corpus began."""
    found: Expected = Counter()
    for recorded in world.system.store.events:
        if isinstance(recorded.event, DepositConfirmed):
            fact = recorded.event.transfer
            to = Address.from_base58(fact.to_address).evm
            found[fact.txid, fact.log_index, to, fact.amount_minor, fact.currency] += 1
    return found


def world_and_corpus(seed: int) -> tuple[World, Corpus, Expected]:
    world = World(seed, sweeping=False)
    for _ in range(8):
        world.system.step("addresses")
        world.do_payin(random.Random(0))
    ours = [*world.deposit_addresses, world.system.hot]
    return world, Corpus(world.system, ours, seed), credited(world)


def test_what_is_credited_is_what_was_paid() -> None:
    """Plain, from an allowance, many in one transaction, TRX; and nothing of what only looks like it."""
    world, corpus, before = world_and_corpus(1)
    while corpus.transfers < TRANSFERS:
        corpus.block()
        world.do_work(corpus.random)
    world.settle(fund=False)
    check(world.system)
    assert credited(world) - before == corpus.expected
    assert len(corpus.kinds) == len(set(KINDS))
    assert len(corpus.expected) > TRANSFERS // 4


@pytest.mark.parametrize("seed", [2, 3])
def test_the_same_with_faults_forks_and_deaths(seed: int) -> None:
    """Nodes that leave out, forks that put blocks together anew, processes that die: the same set, exactly."""
    world, corpus, before = world_and_corpus(seed)
    draw = corpus.random
    while corpus.transfers < TRANSFERS // 2:
        corpus.block()
        if draw.random() < 0.3:
            kind, fields = draw.choice(HOSTILE)
            next(iter(world.system.backends.values())).faults.arm(kind, **fields)
        if draw.random() < 0.2:
            world.do_reorg(draw)
        if draw.random() < 0.5:
            world.do_crash(draw)
        if draw.random() < 0.1:
            world.do_lose_deletes(draw)
        world.do_work(draw)
    world.settle(fund=False)
    check(world.system)
    left = {txid for txid, *_ in corpus.expected if world.system.devnet.chain.find(txid) is None}
    assert left, "no fork took anything away"
    assert credited(world) - before == Counter({it: 1 for it in corpus.expected if it[0] not in left})
    assert world.system.crashes > 10
