"""The processes of one installation on durable ports, wired as gateways/processes/ wires them. All wiring is here.

A crash throws away every object but the durable ones and builds the processes anew. It can strike before and after each
call that changes something outside the process: append, send, delete, broadcast, cursor, bookmark, pool, log.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from core.ledger.ledger import Ledger
from core.ports.unavailable import Unavailable
from core.tron.address import Address
from gateways.devnet import node as devnet
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.state import committee
from gateways.postgres.set_aside_events import Freezes
from gateways.processes.relay import Relay
from gateways.tron.nodes import Nodes
from scanners.observer import Observer
from scanners.producers import Producers
from scanners.recorder import Recorder
from signers.address_door import Doorkeeper
from signers.addresses import Addresses, wallet_registration
from signers.caught_up import CaughtUp
from signers.fence import Fence
from signers.leash.approvers import Approvers
from signers.leash.leash import Leash
from signers.leash.limits import SignerLimits
from signers.outgoing.homes import Homes
from signers.outgoing.hot_wallet import PayoutRules
from signers.outgoing.instructions import Instructions
from signers.outgoing.payouts import Payouts
from signers.sweeps.sweeps import Sweeps
from signers.sweeps.worth import SweepRules
from tests.signers.leash.limited import ANN
from tests.simulation.backends import Backend
from tests.simulation.crashes import Crashes
from tests.simulation.durable import Archive, Database, Keystore, Safe
from tests.simulation.poison import waiting
from tests.support.leash import leash
from tests.support.memory import Crash

START_MS: Final = 1_788_408_000_000
FACT_KEY: Final = b"observer's key of thirty-two by."
RULES: Final = PayoutRules(lifetime_ms=60_000)
ADDRESS_POOL: Final = 4
INDEXES_SKIPPED: Final = 3
PROCESSES: Final = ("observe", "record", "record2", "relay", "payouts", "payouts2", "sweeps", "sweeps2", "addresses")
"""Of three kinds a second one runs at times, as during a rolling restart."""
SWEEPS: Final = SweepRules(
    threshold_minor=50_000_000,
    cost_max_percent=100,
    trx_price_minor=300_000,
    amount_max_minor=10**15,
    open_max=10,
    gas_daily_max_sun=10**15,
    left_over_min_sun=50_000_000,
)
COIN: Final = 1_000_000
LIMITS: Final = SignerLimits(payout_max=60 * COIN, hour_max=150 * COIN, day_max=150 * COIN)
"""Of a third of the installations; the others' signers have none."""
SWEEP_INTERVAL_MS: Final = 60_000
BACKENDS: Final = ("first", "second")
BY_GRPC: Final = ((), ("second",), ("first",), BACKENDS)


class System(Crashes):
    """What is durable, and the processes that run on it now. Time is the chain's and moves with `pass_ms` and mining."""

    def __init__(
        self,
        seed: int,
        *,
        backends: int = 2,
        mutant: dict[str, Any] | None = None,
        sweeping: bool = True,
        walked: bool = False,
    ) -> None:
        self.seed = seed
        self.sweeping = sweeping
        """Whether sweeps are planned by themselves."""
        super().__init__(walked)
        self.now_ms = START_MS
        self.devnet = devnet.Node(devnet.Config(paused=True, network=f"simulation {seed}"), lambda: self.now_ms)
        bare = {1: BACKENDS[1:], 3: BACKENDS}.get(seed % 4, ())
        self.backends = {
            name: Backend(self.devnet, self.pass_ms, keeps_internal=name not in bare) for name in BACKENDS[:backends]
        }
        self.grpc = BY_GRPC[seed // 4 % len(BY_GRPC)]
        """Which of them are asked by gRPC."""
        self.keys = Keystore(seed, lambda: self.now_ms)
        self.hot: Address = self.keys.key("keystore:hot").address
        self.gas: Address = self.keys.key("keystore:gas").address
        self.cold: Address = self.keys.key("cold").address
        self.safe, self.archive = Safe(), Archive()
        self.limits = LIMITS if seed % 3 == 2 else SignerLimits()
        self._use(Database(lambda: self.now_ms, seed))
        self.lost: list[Database] = []
        """What once ran and was given up: its history is nobody's any more, but what it did is done."""
        self.given: list[str] = []
        """Every deposit address that was ever given out, by whichever database."""
        self.reverted = False
        """Whether the mark beside the keys was once put back together with a database."""
        self.forged: set[str] = set()
        """Streams that an insider wrote."""
        self.proposals: dict[str, int] = {}
        """What the next maintenance brings into force, and no block before it."""
        self.alarms: Counter[str] = Counter()
        self.classes: dict[str, Any] = {
            "observer": Observer,
            "recorder": Recorder,
            "payouts": Payouts,
            "instructions": Instructions,
            "sweeps": Sweeps,
            "fence": Fence,
            "caught_up": CaughtUp,
            "doorkeeper": Doorkeeper,
            "leash": Leash,
        } | (mutant or {})
        self.processes: dict[str, Callable[[], bool]] = {}
        self._start()

    def _use(self, database: Database) -> None:
        self.database = database
        self.store, self.pool, self.log = database.store, database.pool, database.log
        self.cursors, self.bookmarks, self.outstanding = database.cursors, database.bookmarks, database.outstanding
        self.holdings = database.holdings
        self.facts, self.work, self.segments = database.facts, database.work, database.segments

    def _start(self) -> None:
        for name in PROCESSES:
            self.restart(name)

    def put(self, database: Database) -> dict[str, Callable[[], bool]]:
        """Everything runs on another database from now on -> what ran on the one before."""
        before, self.processes = self.processes, {}
        self._use(database)
        self._start()
        return before

    def turn_to(self, database: Database, processes: dict[str, Callable[[], bool]]) -> None:
        """The turn is that of an installation that runs beside another: its database and its processes."""
        self._use(database)
        self.processes = processes

    # Time

    def pass_ms(self, milliseconds: int) -> None:
        self.now_ms += milliseconds

    def mine(self, blocks: int = 1, skip_slots: int = 0) -> None:
        """At each block's own slot, so that the chain's clock and ours stay together."""
        for _ in range(blocks):
            self.now_ms = max(self.now_ms, self.devnet.chain.next_slot_ms + skip_slots * self.devnet.chain.block_ms)
            if self.proposals and self.now_ms >= committee.next_maintenance_ms(self.devnet.chain.state):
                decided, self.proposals = self.proposals, {}
                self.devnet.decree(decided)
            else:
                self.devnet.mine()

    def usdt_of(self, address: Address) -> int:
        return self.devnet.chain.state.get(("slot", USDT, "balance", address.evm)) or 0

    def decree(self, decided: Mapping[str, int]) -> None:
        """A block of its own, at once."""
        self.now_ms = max(self.now_ms, self.devnet.chain.next_slot_ms)
        self.devnet.decree(decided)

    def now(self) -> datetime:
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self.now_ms)

    # Processes

    def step(self, name: str) -> bool:
        """One step of a process. A shut door is what the loop backs off from; a crash is a restart."""
        self.running, self._turn = name.rstrip("2"), self._turn + 1
        try:
            return self.processes[name]()
        except Unavailable:
            return False
        except Crash:
            self.crashes += 1
            self.fuse = None
            self.restart(name)
            return True

    def act(self, command: Any) -> Any:
        """A client's or operator's command through the API's ledger -> its outcome; None when the API died over it."""
        self.running, self._turn = "api", self._turn + 1
        try:
            [outcome] = Ledger(self._through(self.store), self.now).execute([command])
            return outcome
        except Crash:
            self.crashes += 1
            self.fuse = None
            return None

    def restart(self, name: str) -> None:
        """A new process of this name on what is durable."""
        self.processes[name] = getattr(self, f"_{name.rstrip('2')}")()

    @property
    def sees_internal(self) -> bool:
        """Whether TRX by contracts is booked: every node shows it."""
        return all(backend.keeps_internal for backend in self.backends.values())

    def _nodes(self) -> Nodes:
        def seconds() -> float:
            return self.now_ms / 1000

        nodes = {name: it.client(seconds, grpc=name in self.grpc) for name, it in self.backends.items()}
        return Nodes(nodes, alarm=self._alarm, monotonic=seconds)

    def _observe(self) -> Callable[[], bool]:
        nodes = self._nodes()
        self.observer = self.classes["observer"](
            nodes,
            self._through(self.facts),
            self._through(self.cursors),
            self.pool,
            self._through(self.log),
            self._through(self.outstanding),
            usdt=USDT.evm,
            key=FACT_KEY,
            alarm=self._alarm,
            start=1,
            producers=Producers(nodes),
            opinion=nodes,
        )
        observer = self.observer
        self.scan_again = lambda first, last: nodes.on_one(lambda: any([*observer.rescan(first, last)]))()
        return nodes.on_one(self.observer.step)

    def _record(self) -> Callable[[], bool]:
        store = self._through(self.store)
        recorder = self.classes["recorder"](
            self._through(self.facts),
            Ledger(store, self.now),
            store,
            self.store,
            self._through(self.outstanding),
            key=FACT_KEY,
            alarm=self._alarm,
        )
        freezes = Freezes(lambda: waiting(self.store), Ledger(store, self.now), look_every=1)
        return lambda: recorder.step() | freezes.step()

    def _relay(self) -> Callable[[], bool]:
        queues = self._through(self.segments), self._through(self.work)
        return Relay(self.store, self._through(self.bookmarks), *queues).step

    def _payouts(self) -> Callable[[], bool]:
        nodes, store, guards = self._nodes(), self._through(self.store), self._guards("payouts")
        worker = self.classes["payouts"](
            Ledger(store, self.now),
            store,
            self._through(self.bookmarks),
            self._through(self.work),
            self._through(nodes),
            self._through(self.log),
            self.pool,
            self.keys.key("keystore:hot"),
            USDT,
            RULES,
            leash=self._leash(),
            homes=self._homes(),
            alarm=self._alarm,
            opinion=nodes,
            **guards,
        )
        return _both(nodes.on_one(self._look(nodes, **guards)), nodes.on_one(worker.step))

    def _homes(self) -> Homes:
        return Homes(self.pool, {"hot": self.hot, "gas": self.gas}, self.keys, self.cold)

    def _leash(self) -> Leash:
        limits = {"limits": self.limits, "approvers": Approvers((ANN.key,))}
        totals = self._through(self.safe.totals)
        return leash(self.store, self._alarm, totals=totals, clock=self.now, made=self.classes["leash"], **limits)

    def _guards(self, process: str) -> dict[str, Any]:
        """What holds a process back that signs."""
        caught_up = self.classes["caught_up"](self.cursors, self.outstanding, alarm=self._alarm)
        return {"fence": self._fence(process), "caught_up": caught_up}

    def _fence(self, process: str) -> Fence:
        store = self._through(self.store)
        fence: Fence = self.classes["fence"](
            Ledger(store, self.now),
            store,
            self._through(self.safe.high_water),
            self.archive.beside(self.store),
            f"system:{process}",
            lambda: f"store of seed {self.seed}",
            alarm=self._alarm,
        )
        return fence

    @staticmethod
    def _look(nodes: Nodes, fence: Fence, caught_up: CaughtUp) -> Callable[[], bool]:
        """As gateways/wiring/fences.py has it, but for the pace."""

        def look() -> bool:
            fence.holds()
            if caught_up.waits_for:
                caught_up.look(nodes.solid())
            return False

        return look

    def _sweeps(self) -> Callable[[], bool]:
        nodes, store, guards = self._nodes(), self._through(self.store), self._guards("sweeps")
        ports: Any = (Ledger(store, self.now), store, self._through(self.bookmarks), self._through(nodes))
        sweeps = self.classes["sweeps"](
            *ports,
            self.pool,
            self.holdings,
            self.gas,
            USDT,
            SWEEPS,
            fee_limit_sun_max=60_000_000,
            interval_ms=SWEEP_INTERVAL_MS if self.sweeping else 0,
            alarm=self._alarm,
        )
        instructions = self.classes["instructions"](
            *ports,
            self._through(self.log),
            self.pool,
            self.keys.key("keystore:gas"),
            self.keys,
            USDT,
            alarm=self._alarm,
            opinion=nodes,
            homes=self._homes(),
            **guards,
        )
        return _both(*map(nodes.on_one, (self._look(nodes, **guards), sweeps.step, instructions.step)))

    def _addresses(self) -> Callable[[], bool]:
        pool, store = self._through(self.pool), self._through(self.store)
        door, store_read = self.pool.door, self.store
        indexes = self._through(self.safe.indexes)
        maker = Addresses(self.keys, pool, ADDRESS_POOL, door=door, indexes=indexes, skipped=INDEXES_SKIPPED)
        caught_up = self.classes["caught_up"](self.cursors, self.outstanding, alarm=self._alarm)
        fence = self._fence("addresses")
        keeper = self.classes["doorkeeper"](
            fence, caught_up, store_read, self.pool, door, ADDRESS_POOL, maker.first_free
        )
        wallets: Any = {"hot": "keystore:hot", "gas": "keystore:gas"}
        register = wallet_registration(Ledger(store, self.now), pool, self.keys, wallets)

        def step() -> bool:
            register()
            door.height = self.devnet.chain.solid.number
            return bool(keeper.step() or maker.step())

        return step

    def _alarm(self, name: str, sentence: str) -> None:
        self.alarms[name] += 1


def _both(*steps: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: sum(step() for step in steps) > 0
