"""What happens to the system: a run is a list of actions, each with a number that all its choices follow from.

So the same list is the same run, and a list with some actions taken out is a run as well: that is how a failure shrinks.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from core.ledger.journal import derived_id
from core.streams.accounts import ChangeAccount
from core.streams.instructions import Freeze, GiveInstruction, Instruction
from core.streams.payouts import PayoutOrder
from core.streams.treasury import RegisterWallet
from core.tron.address import Address
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.node import CannotFork
from tests.simulation import poison
from tests.simulation.clients import ACTOR, Clients
from tests.simulation.crashes import Fuse
from tests.simulation.customers import COINS, PAYEES, PAYMENTS, Customers, Payment
from tests.simulation.faults import arm
from tests.simulation.invariants import Broken, check, open_payouts
from tests.simulation.operators import Operators
from tests.simulation.strangers import Strangers
from tests.simulation.system import PROCESSES, System
from tests.simulation.treasury import open_treasury

STAKE_ID: Final = str(derived_id("instruction", "simulation", "stake"))
QUIET_STEPS_MAX: Final = 400
SETTLE_BLOCKS_MAX: Final = 500
SETTLE_BLOCKS: Final = 3
"""So many at a time: nothing is wrong any more, and whatever is open waits for solid blocks."""
MAINTENANCE_MS: Final = 360_000
"""120 blocks: every run has some of them."""
FUNDS: Final = 100_000 * COINS
"""What pays everything that is open in the end."""
SOLID_BLOCKS: Final = 25
"""More blocks than lie between the head and the solid block."""


class Action(msgspec.Struct, frozen=True):
    """What happens, and the number that its choices follow from."""

    name: str
    draw: int

    def __str__(self) -> str:
        return f"{self.name}({self.draw})"


class World(Clients, Operators):
    """A system with customers, clients and weather. `trace` hears a line about each thing that happens."""

    def __init__(self, seed: int, *, trace: Callable[[str], None] | None = None, **system: Any) -> None:
        super().__init__()
        self.seed = seed
        self.system = System(seed, **system)
        self.trace = trace or (lambda line: None)
        self.random = random.Random(seed)
        self.customers = Customers(self.system, self._targets)
        self.strangers = Strangers(self.system, self.customers)
        self.accounts: list[str] = []
        self.orders: dict[tuple[str, str], PayoutOrder] = {}
        self.deposit_addresses: list[Address] = []
        self.struck: Counter[str] = Counter()
        """The faults that a node answered with, by kind."""
        self._begin()

    @property
    def genesis(self) -> Any:
        return self.system.devnet.chain.genesis

    def _begin(self) -> None:
        """Two clients with an address each, a funded hot wallet, customers who may use the multisender."""
        self.work()
        self.system.pool.add_wallet("cold", self.system.cold.base58, None)
        self.system.act(RegisterWallet("cold", self.system.cold.base58, None, ACTOR))
        self.system.decree({"getMaintenanceTimeInterval": MAINTENANCE_MS})
        for _ in range(2):
            self.do_register(random.Random(len(self.accounts)))
            self.do_payin(random.Random(len(self.accounts) - 1))
        self.customers.approve(USDT)
        self.system.devnet.give_usdt(self.system.hot, 500 * COINS)
        self.system.devnet.give_trx(self.system.hot, 500 * COINS)
        self.system.devnet.give_trx(self.system.gas, 40_000 * COINS)
        self.system.mine(SOLID_BLOCKS)
        if self.seed % 2:  # half of the installations have stake, the others send TRX
            stake = Instruction(STAKE_ID, "stake", "", self.system.gas.base58, "gas", Freeze(30_000 * COINS, "ENERGY"))
            self.system.act(GiveInstruction(stake, "operator:simulation"))
            self.work()
            self.system.mine(SOLID_BLOCKS)
            self.work()
        for address in self.deposit_addresses:
            self.system.devnet.give_usdt(address, 300 * COINS)
        self.system.mine(SOLID_BLOCKS)
        self.work()

    def run(self, actions: Sequence[Action]) -> None:
        """All actions, the settling of the dust, the look at what is left. Raises Broken."""
        try:
            for action in actions:
                self.perform(action)
            self.settle()
            check(self.system)
        except Broken as broken:
            raise Broken(broken.invariant, f"{broken.sentence} (seed {self.seed})") from broken

    def perform(self, action: Action) -> None:
        chain, store, crashes = self.system.devnet.chain, self.system.store, self.system.crashes
        before = store.head()
        self.trace(f"head {chain.head.number}, solid {chain.solid.number}: {action}")
        ACTIONS[action.name][1](self, random.Random(action.draw))
        for backend in self.system.backends.values():
            self.struck |= backend.faults.struck
        if self.system.crashes > crashes:
            self.trace(f"        died: {self.system.died_at}")
        for recorded in store.read(before, store.head()):
            self.trace(f"        {recorded.position}: {type(recorded.event).__name__} in {recorded.stream}")

    def work(self, names: Sequence[str] = ("addresses", "observe", "record", "relay", "payouts", "sweeps")) -> None:
        """Every process until none finds work."""
        for _ in range(QUIET_STEPS_MAX):
            if not [name for name in names if self.system.step(name)]:
                return
        raise Broken("liveness", "the processes find work for ever")

    def settle(self, *, fund: bool = True) -> None:
        """The weather clears and the operator funds the wallet; then until nothing is open."""
        system = self.system
        system.fuse = None
        for backend in system.backends.values():
            backend.clear()
        system.devnet.clear_faults()
        system.keys.shut_until_ms = 0
        system.facts.lost_deletes = system.work.lost_deletes = 0
        self.settle_copies()
        self.strangers.feed()
        for settlement in poison.settlements(system.store):
            system.act(settlement)
        for account_id in self.accounts:
            system.act(ChangeAccount(account_id, ACTOR, status="active"))
        self._owner("unpause()")
        self._owner("setParams(uint256,uint256)", 0, 0)
        for payee in (*PAYEES, system.hot, *self.deposit_addresses):
            self._owner("removeBlackList(address)", payee)
        if fund:
            self._fund()
        system.mine(SOLID_BLOCKS)
        self.work()
        forgotten = bool(system.lost)
        for _ in range(0, SETTLE_BLOCKS_MAX, SETTLE_BLOCKS):
            self.do_resume(self.random)
            self.do_approve(self.random)
            if fund and self.is_settled and system.usdt_of(system.hot) < FUNDS // 2:
                self._fund()  # what came before the evacuation was over went to cold storage
            if not self._busy():
                if (
                    forgotten
                ):  # what was lent in lost history is taken back within an hour, and by a process that starts
                    forgotten = False
                    system.restart("sweeps")
                system.mine(SOLID_BLOCKS)
                self.work()
                if not self._busy():
                    return
            system.mine(SETTLE_BLOCKS)
            self.work()
        check(system)  # what is worse has its own name
        still = [*open_payouts(system), *open_treasury(system.store)]
        raise Broken("liveness", f"still open after {SETTLE_BLOCKS_MAX} blocks: {still}")

    def _fund(self) -> None:
        self.system.devnet.give_usdt(self.system.hot, FUNDS)
        self.system.devnet.give_trx(self.system.hot, 10_000 * COINS)

    def _busy(self) -> bool:
        system = self.system
        return bool(
            open_payouts(system)
            or not self.is_settled
            or open_treasury(system.store)
            or system.facts.depth()
            or system.outstanding.rows
            or len(system.devnet.chain.pool)
        )

    # Processes

    def do_step(self, draw: random.Random) -> None:
        """Some process gets a turn or a few."""
        name = draw.choice((*PROCESSES, "observe", "observe", "payouts", "sweeps"))
        for _ in range(draw.randint(1, 4)):
            if not self.system.step(name):
                return

    def do_work(self, draw: random.Random) -> None:
        """Every process gets its turns."""
        for name in draw.sample(("observe", "record", "relay", "payouts", "sweeps", "addresses"), 6):
            for _ in range(6):
                if not self.system.step(name):
                    break

    def do_crash(self, draw: random.Random) -> None:
        """A process dies at one of its next writes, before it or after it, whenever that is."""
        process, calls = draw.choice([*CALLS.items(), *([("payouts", CALLS["payouts"])] * 2)])
        call = draw.choice(calls)
        self.system.fuse = Fuse(draw.randint(0, 3 if call else 9), process, call)
        for _ in range(3):
            if self.system.fuse:
                self.system.step(process)

    def do_kill(self, draw: random.Random) -> None:
        """A process dies between two steps; perhaps nobody signs for minutes then."""
        self.system.restart(draw.choice(list(self.system.processes)))
        if draw.random() < 0.5:
            self.system.keys.shut_until_ms = self.system.now_ms + draw.randint(10_000, 600_000)

    def do_mine(self, draw: random.Random) -> None:
        self.system.mine(draw.choice((1, 1, 1, 2, 3, 8)), draw.choice((0, 0, 0, 1)))

    def do_wait(self, draw: random.Random) -> None:
        """Everything goes its way for some blocks."""
        for _ in range(draw.randint(5, 25)):
            self.system.mine()
            self.do_work(draw)

    # Weather

    def do_reorg(self, draw: random.Random) -> None:
        chain = self.system.devnet.chain
        above = chain.head.number - chain.solid.number
        depth = draw.randint(1, min(above, draw.choice((2, 5, 18))))
        txids = [each.transaction.txid for block in chain.blocks[-depth:] for each in block.included]
        drop = [txid for txid in txids if draw.random() < 0.4]
        blocks = draw.choice((None, depth, depth + 1, max(1, depth - 1)))
        if any(block.decrees for block in chain.blocks[-depth:]):
            blocks = None  # no fork brings a maintenance before its time
        try:
            self.system.devnet.reorg(
                depth, drop, keep_order=draw.random() < 0.5, vanish=draw.random() < 0.4, blocks=blocks
            )
        except CannotFork as error:
            self.trace(f"      no fork: {error}")

    def do_fault(self, draw: random.Random) -> None:
        arm(self.system, draw, self.deposit_addresses)

    def do_clear(self, draw: random.Random) -> None:
        draw.choice(list(self.system.backends.values())).clear()

    def do_lose_deletes(self, draw: random.Random) -> None:
        draw.choice((self.system.facts, self.system.work)).lost_deletes += 1

    def do_purge(self, draw: random.Random) -> None:
        """An operator purges a queue, and does no more about it (I11)."""
        queue = draw.choice((self.system.facts, self.system.facts, self.system.work, self.system.segments))
        queue.purge()

    def do_owner(self, draw: random.Random) -> None:
        """The token's issuer acts; what stops payouts is taken back before the end."""
        payee = draw.choice(PAYEES)
        signature, words = draw.choice(
            (
                ("pause()", ()),
                ("unpause()", ()),
                ("addBlackList(address)", (payee,)),
                ("removeBlackList(address)", (payee,)),
                ("addBlackList(address)", (self.system.hot,)),
                ("removeBlackList(address)", (self.system.hot,)),
                ("addBlackList(address)", (draw.choice(self.deposit_addresses),)),
                ("removeBlackList(address)", (draw.choice(self.deposit_addresses),)),
                ("setParams(uint256,uint256)", (10, 2)),
                ("setParams(uint256,uint256)", (0, 0)),
            )
        )
        self._owner(signature, *words)

    def do_poison(self, draw: random.Random) -> None:
        """Somebody writes past the program: into a stream that there is, or into one of its own."""
        streams = sorted({record.stream for record in self.system.store.events})
        stream = draw.choice(
            (*streams, f"adjustment-{derived_id('adjustment', 'poison', str(self.system.store.head()))}")
        )
        self.system.store.put(stream, *poison.unreadable(draw, draw.choice(self.accounts)))

    def do_look(self, _: random.Random) -> None:
        """The operator has looked at what was set aside, and lets its streams go on."""
        for settlement in poison.settlements(self.system.store):
            self.system.act(settlement)

    # Customers

    def do_pay(self, draw: random.Random) -> None:
        """A customer pays an address of ours in one of the ways there are."""
        key = draw.choice(self.genesis.accounts)
        to = draw.choice(self._targets())
        amount = draw.choice((1, draw.randint(1, 10**6), draw.randint(1, 200 * COINS)))
        pay: Payment = draw.choice(PAYMENTS)
        pay(self.customers, draw, key, to, amount)

    # Strangers

    def do_payee(self, draw: random.Random) -> None:
        """A payee's wallet is filled or emptied, at any moment of its payout."""
        draw.choice((self.strangers.pay_payee, self.strangers.empty_payee))(draw)

    def do_fund(self, draw: random.Random) -> None:
        self.system.devnet.give_usdt(self.system.hot, draw.randint(1, 100 * COINS))

    def _owner(self, signature: str, *words: Address | int) -> None:
        self.customers.call(self.genesis.treasury, USDT, signature, *words)

    def _targets(self) -> tuple[Address, ...]:
        """Where customers pay to."""
        return (*self.deposit_addresses, *self.deposit_addresses, self.system.hot)


CALLS: Final[dict[str, tuple[str, ...]]] = {
    "observe": ("", "send", "send", "save", "append"),
    "record": ("", "append", "delete"),
    "payouts": ("", "append", "append", "broadcast"),
    "sweeps": ("", "append", "append", "broadcast"),
    "relay": ("", "send", "save"),
}
"""Where a crash is aimed at: a process and one of its calls, or any."""
ACTIONS: Final[dict[str, tuple[float, Callable[[World, random.Random], None]]]] = {
    "step": (20, World.do_step),
    "work": (10, World.do_work),
    "mine": (12, World.do_mine),
    "wait": (3, World.do_wait),
    "crash": (11, World.do_crash),
    "kill": (2, World.do_kill),
    "reorg": (5, World.do_reorg),
    "fault": (9, World.do_fault),
    "clear": (1, World.do_clear),
    "lose_deletes": (2, World.do_lose_deletes),
    "purge": (3, World.do_purge),
    "owner": (2, World.do_owner),
    "pay": (16, World.do_pay),
    "odd": (3, lambda world, draw: world.strangers.send_odd(draw, draw.choice(world._targets()))),
    "payee": (3, World.do_payee),
    "promise": (2, lambda world, draw: world.strangers.promise(draw)),
    "vote": (1, lambda world, draw: world.strangers.vote(draw)),
    "starve": (1, lambda world, draw: world.strangers.starve(draw, draw.randint(1, 3))),
    "fund": (1, World.do_fund),
    "register": (1, World.do_register),
    "poison": (1, World.do_poison),
    "look": (1, World.do_look),
    "crowd": (0.1, World.do_crowd),
    "suspend": (2, World.do_suspend),
    "payin": (2, World.do_payin),
    "payout": (9, World.do_payout),
    "cancel": (1, World.do_cancel),
    "transfer": (2, World.do_transfer),
    "copy": (2, World.do_copy),
    "checkpoint": (0.5, World.do_checkpoint),
    "restore": (1, World.do_restore),
    "twins": (0.8, World.do_twins),
    "evacuate": (0.4, World.do_evacuate),
    "forge": (0.4, World.do_forge),
    "approve": (1, World.do_approve),
    "resume": (2, World.do_resume),
}
"""Name -> how often it happens beside the others, and what it does."""


def plan(seed: int, length: int = 120) -> list[Action]:
    """The actions of a seed."""
    choice = random.Random(seed)
    names, weights = list(ACTIONS), [weight for weight, _ in ACTIONS.values()]
    return [Action(name, choice.randrange(2**32)) for name in choice.choices(names, weights, k=length)]
