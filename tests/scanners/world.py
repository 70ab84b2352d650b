"""A client with a deposit address, and everything from the chain to the ledger in memory, to be run and crashed at will."""

from datetime import UTC, datetime
from typing import Any

from core.ledger.guard import guard_key
from core.ledger.ledger import Accepted, Ledger
from core.ports.chain import SecondOpinion
from core.streams.accounts import RegisterAccount
from core.streams.addresses import RequestPayin
from core.streams.deposits import Deposit, deposit_stream
from scanners.observer import Observer
from scanners.pinned_producers import PinnedProducers
from scanners.producers import Producers
from scanners.recorder import Recorder
from tests.support.chain import USDT, MemoryChain, person
from tests.support.memory import (
    Crash,
    Fuse,
    MemoryAttempts,
    MemoryCursors,
    MemoryOutstanding,
    MemoryPool,
    MemoryQueue,
    MemorySolidLog,
    MemoryStore,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = b"observer's key of thirty-two by."
ACCOUNT = "0190f0aa-0000-7000-8000-000000000001"
US, SPARE, HOT, THEM = person(10), person(12), person(20), person(11)
"""The client's address, one that is made and not assigned, the hot wallet, and a stranger's."""


class World:
    """`observer` and `recorder` are the running processes; `restart` starts them anew on what is durable."""

    def __init__(
        self, start: int | None = 1, announce_min_minor: int = 0, *, seats: int = 1, lone: bool = False
    ) -> None:
        """`seats` producers; `lone`: one node that nobody vouches for."""
        self.chain = MemoryChain(seats=seats)
        self.lone = lone
        self.node: Any = self.chain
        """What the observer talks to; may be replaced before a restart."""
        self.opinion: SecondOpinion | None = None
        self.accepted: dict[int, str] = {}
        self.queue = MemoryQueue()
        self.cursors = MemoryCursors()
        self.pool = MemoryPool({US: "payin", SPARE: "payin", HOT: "hot"})
        self.log = MemorySolidLog()
        self.outstanding = MemoryOutstanding()
        self.store = MemoryStore()
        self.ledger = Ledger(self.store, lambda: NOW)
        self.alarms: list[tuple[str, str]] = []
        self.start = start
        self.announce_min_minor = announce_min_minor
        for command in (
            RegisterAccount(ACCOUNT, "Acme", None, "operator:test"),
            RequestPayin("payin", ACCOUNT, US.base58, US.hex(), "key", "User_Liability", None, "operator:test"),
        ):
            [outcome] = self.ledger.execute([command])
            assert isinstance(outcome, Accepted)
        self.restart()

    def restart(self, fuse: Fuse | None = None) -> None:
        """New processes; with a fuse, one of their calls kills them."""

        def through(port: Any) -> Any:
            return fuse.through(port) if fuse else port

        self.queue.timeout()
        node = through(self.node)
        self.observer = Observer(
            node,
            through(self.queue),
            through(self.cursors),
            through(self.pool),
            through(self.log),
            through(self.outstanding),
            usdt=USDT.evm,
            key=KEY,
            alarm=self._ring,
            start=self.start,
            announce_min_minor=self.announce_min_minor,
            producers=Producers(PinnedProducers(node, self.cursors, self._ring) if self.lone else node),
            opinion=self.opinion,
            accepted=lambda number: self.accepted.get(number, ""),
            lone=self.lone,
        )
        self.recorder = Recorder(
            through(self.queue),
            Ledger(through(self.store), lambda: NOW),
            through(self.store),
            MemoryAttempts(self.store),
            through(self.outstanding),
            key=KEY,
            alarm=self._ring,
        )

    def _ring(self, name: str, sentence: str) -> None:
        self.alarms.append((name, sentence))

    def settle(self) -> None:
        """Both steps until neither finds work."""
        for _ in range(200):
            worked = self.observer.step()
            worked = self.recorder.step() or worked
            if not worked:
                return
        raise AssertionError("the steps find work for ever")

    def settle_through(self, fuse: Fuse) -> None:
        """As `settle`, and when the fuse blows the processes start again without it."""
        self.restart(fuse)
        try:
            self.settle()
        except Crash:
            self.restart()
            self.settle()

    def status(self, txid: str, log_index: int | None = 0) -> str:
        return self.deposit(txid, log_index).status

    def deposit(self, txid: str, log_index: int | None = 0) -> Deposit:
        stream = deposit_stream(txid, log_index)
        state = Deposit()
        for recorded in self.store.histories([stream]).get(stream, []):
            state = state.evolve(recorded.event)
        return state

    def story(self, txid: str, log_index: int | None = 0) -> list[str]:
        """The names of the deposit's events, in order."""
        stream = deposit_stream(txid, log_index)
        return [type(r.event).__name__.removeprefix("Deposit") for r in self.store.histories([stream]).get(stream, [])]

    def balance(self) -> int:
        return self.store.guards[guard_key(ACCOUNT, "User_Liability")]
