"""Fifty accounts at one hot wallet that is short at random, and a worker that dies again and again (I7, I20)."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from core.streams.payout.turns import ExpeditePayout
from core.streams.payouts import PayoutExpedited, PayoutPrepared, PayoutRequested
from signers.outgoing.hot_wallet import HotWallet
from signers.outgoing.lanes import turn
from tests.signers.outgoing.test_lanes import goes_on_behind_a_short_head, stops_at_the_first_short
from tests.signers.outgoing.world import COINS, HOT, RULES, World
from tests.support.devnet import USDT
from tests.support.history import ACTOR
from tests.support.memory import Crash, Fuse

pytestmark = [pytest.mark.fast, pytest.mark.long]

LANES = 50
DAYS = 15
"""Rounds of the simulation: in each some ask, some coins come, some blocks are mined and the worker dies a few times."""
REST_MAX = 60
"""Rounds after which everything must be paid, once no one asks any more and all that is owed has come in."""


class Fifty:
    """Fifty clients with an urgent wish at times, and a wallet that gets what they ask for a while after they ask."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.world = World(usdt_minor=20 * COINS, sun=10**6 * COINS)
        self.clients = [self.world.client(f"client {number}", 10_000 * COINS) for number in range(LANES)]
        self.orders: list[Any] = []
        self.owed_minor = 0
        self.deaths = 0

    def run(self) -> None:
        for day in range(DAYS):
            for _ in range(self.draw.randint(0, 6)):
                self.ask()
            if self.orders and self.draw.random() < 0.2:
                self.world.ledger.execute([ExpeditePayout(self.draw.choice(self.orders), ACTOR, reason="asked")])
            self.pay_in(day, self.draw.randint(0, min(self.owed_minor, 60 * COINS)))
            self.live(self.draw.randint(1, 8))
        self.pay_in(DAYS, self.owed_minor)
        for _ in range(REST_MAX):
            if self.paid():
                break
            self.live(8)

    def ask(self) -> None:
        minor = self.draw.choice((COINS, self.draw.randint(1, 5) * COINS, 90 * COINS))
        wishes = {"priority": self.draw.choice(("normal", "normal", "high"))}
        account_id = self.clients[min(int(self.draw.expovariate(0.08)), LANES - 1)]
        self.orders.append(self.world.request(f"{len(self.orders)}", minor, account_id=account_id, **wishes))
        self.owed_minor += minor

    def pay_in(self, day: int, minor: int) -> None:
        if minor:
            self.world.refill(f"refill {day}", minor)
            self.owed_minor -= minor

    def live(self, blocks: int) -> None:
        """Blocks pass; the worker dies at a call that nobody chose, and a new one goes on."""
        for _ in range(blocks):
            self.world.start(Fuse(self.draw.randint(0, 60)))
            try:
                self.world.work()
            except Crash:
                self.deaths += 1
                self.world.start()
                self.world.work()
            self.check_nobody_waits_for_nothing()
            self.world.node.mine()

    def check_nobody_waits_for_nothing(self) -> None:
        """When the worker has nothing to do, every lane's head lacks coins that no one else was keeping from it."""
        worker, node = self.world.worker, self.world.node
        wallet = HotWallet.look(node, self.world.pool, HOT, USDT, RULES, worker._in_flight(HOT))
        lanes = worker._lanes.lanes(node.head().timestamp_ms)
        left = turn(lanes, wallet.free_minor, worker._lanes.earmarks.set_aside, LANES).made
        assert not left, "who can be paid is paid, whoever else is short"

    def paid(self) -> bool:
        return all(self.world.payout(wished).state == "confirmed" for wished in self.orders)

    def check(self) -> None:
        """Each was paid once, for what was asked; no lane was disturbed."""
        assert self.paid(), "every payout is made once enough has come in"
        wanted = Counter(wished.amount_minor for wished in self.orders)
        assert Counter(minor for _, minor in self.world.node.transfers_from(HOT)) == wanted
        requested: defaultdict[str, list[str]] = defaultdict(list)
        waiting: dict[str, PayoutRequested] = {}
        expedited: set[str] = set()
        for recorded in self.world.store.events:
            happened = recorded.event
            if isinstance(happened, PayoutRequested):
                waiting[happened.order.payout_id] = happened
                requested[happened.order.account_id].append(happened.order.payout_id)
            elif isinstance(happened, PayoutExpedited):
                expedited.add(happened.payout_id)
            elif isinstance(happened, PayoutPrepared) and happened.payout_id in waiting:
                order = waiting.pop(happened.payout_id).order
                older = requested[order.account_id]
                ahead = older[: older.index(order.payout_id)]
                older.remove(order.payout_id)
                if order.priority == "normal" and order.payout_id not in expedited:
                    normal = [it for it in ahead if waiting[it].order.priority == "normal"]
                    assert not normal, "in order within a lane"


def whatever(seed: int) -> int:
    fifty = Fifty(seed)
    fifty.run()
    fifty.check()
    return fifty.deaths


@pytest.mark.parametrize("seed", range(2))
def test_fifty_lanes_and_a_worker_that_dies_at_any_step(seed: int) -> None:
    """Every payout is made once and in its lane's order, whatever is short and whoever dies."""
    assert whatever(seed) > 10


@pytest.mark.parametrize("broken", [stops_at_the_first_short, goes_on_behind_a_short_head])
def test_the_fifty_lanes_notice_a_broken_rule(broken: Callable[..., Any]) -> None:
    """A turn without one of its rules keeps somebody waiting for nothing, or disturbs a lane."""
    with patch("signers.outgoing.payouts.turn", broken), pytest.raises(AssertionError):
        whatever(0)
