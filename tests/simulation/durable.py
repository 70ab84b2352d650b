"""What outlives a crash, in memory: the ports of core/ports/ with what the real ones do to their users.

Everything reads the world's own clock, so a visibility timeout passes when blocks are mined. What lies in the database can
be copied, and put back later (tests/simulation/copies.py).
"""

import copy
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import msgspec

from core.ledger.events import Recorded, encode
from core.ledger.guard import GuardKey
from core.ledger.history import recorded
from core.ledger.ledger import Decided, LastSeal, Loaded
from core.ledger.seals import GENESIS, Seal, Sealed, seal_hash
from core.ports.high_water import Sight
from core.ports.queues import Message, Received
from core.ports.unavailable import Unavailable
from core.ports.wallets import ReadyAddress
from core.streams.instructions import InstructionPrepared
from core.streams.payouts import PayoutPrepared
from core.tron.address import Address
from signers.keys.keys import Key, SoftwareKey
from tests.support.high_water import MemoryGivenIndexes, MemoryHighWater
from tests.support.memory import (
    MemoryCursors,
    MemoryHoldings,
    MemoryOutstanding,
    MemorySolidLog,
    MemorySpentTotals,
)

Clock = Callable[[], int]
"""Milliseconds."""

VISIBILITY_MS = 60_000
DEDUPLICATION_MS = 300_000


class Store:
    """The port `EventStore`: one append is one transaction, sealed; also the port `AttemptIndex` over what it holds."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []
        self.sealed: list[Sealed] = []
        self.seals: list[Seal] = []
        self.guards: dict[GuardKey, int] = {}
        self._streams: defaultdict[str, list[Recorded]] = defaultdict(list)
        self._attempts: dict[str, str] = {}

    def append(
        self,
        batch_id: UUID,
        streams: Sequence[str],
        guards: Sequence[GuardKey],
        decide: Callable[[Loaded], Decided],
    ) -> None:
        known = {key: self.guards[key] for key in guards if key in self.guards}
        decided = decide(Loaded(self.histories(streams), known, self.head()))
        records = list(decided.records)
        if not records:
            return
        sealed = [(it.position, it.stream, it.version, *encode(it.event)) for it in records]
        assert [row[0] for row in sealed] == list(range(self.head() + 1, self.head() + 1 + len(sealed))), "I3: a gap"
        after = dict(self.guards) | dict.fromkeys(decided.opened, 0)
        for key, delta in decided.deltas.items():
            after[key] += delta
            assert after[key] >= 0, f"I5: {key} would be {after[key]}"
        previous = self.seals[-1].hash if self.seals else GENESIS
        self.seals.append(Seal(sealed[0][0], sealed[-1][0], previous, seal_hash(previous, sealed)))
        self.sealed += sealed
        self.guards = after
        for record in records:
            history = self._streams[record.stream]
            assert record.version == len(history) + 1, f"{record.stream} has version {record.version} twice"
            history.append(record)
            self.events.append(record)
            if isinstance(record.event, PayoutPrepared | InstructionPrepared):
                self._attempts[record.event.attempt.txid] = record.stream

    def __deepcopy__(self, _: object) -> "Store":
        """What is in it never changes, so the copy shares that."""
        made = Store()
        made.events, made.sealed, made.seals = list(self.events), list(self.sealed), list(self.seals)
        made.guards, made._attempts = dict(self.guards), dict(self._attempts)
        made._streams.update({stream: list(history) for stream, history in self._streams.items()})
        return made

    def put(self, stream: str, topic: str, state: bytes) -> None:
        """A row that somebody put there past the program, sealed as any."""
        position, version = self.head() + 1, len(self._streams[stream]) + 1
        row = (position, stream, version, topic, state)
        previous = self.seals[-1].hash if self.seals else GENESIS
        self.seals.append(Seal(position, position, previous, seal_hash(previous, [row])))
        self.sealed.append(row)
        self.events.append(recorded(*row))
        self._streams[stream].append(self.events[-1])

    def read(self, after: int, limit: int) -> list[Recorded]:
        return self.events[after : after + limit]

    def histories(self, streams: Sequence[str]) -> dict[str, list[Recorded]]:
        return {stream: list(self._streams[stream]) for stream in dict.fromkeys(streams) if stream in self._streams}

    def streams(self) -> Collection[str]:
        return self._streams.keys()

    def head(self) -> int:
        return len(self.events)

    def last_seal(self) -> LastSeal | None:
        return LastSeal(self.seals[-1].last, self.seals[-1].hash.hex()) if self.seals else None

    def seal_at(self, position: int) -> str | None:
        return next((seal.hash.hex() for seal in reversed(self.seals) if seal.last == position), None)

    def streams_of(self, txids: Sequence[str]) -> dict[str, str]:
        return {txid: self._attempts[txid] for txid in txids if txid in self._attempts}


class Keystore:
    """The port `Keys` of a seed: every id has its key, none of which signs before `shut_until_ms`."""

    def __init__(self, seed: int, now_ms: Callable[[], int]) -> None:
        self._seed = seed
        self._now_ms = now_ms
        self.shut_until_ms = 0

    def key(self, key_id: str) -> Key:
        key = SoftwareKey(sha256(f"{self._seed}/{key_id}".encode()).digest())
        return RemoteKey(key, lambda: self._now_ms() < self.shut_until_ms)


class RemoteKey:
    """One that somebody else holds, who does not always answer."""

    def __init__(self, key: Key, is_shut: Callable[[], bool]) -> None:
        self.address = key.address
        self._key = key
        self._is_shut = is_shut

    def sign_digest(self, digest: bytes) -> bytes:
        if self._is_shut():
            raise Unavailable("the key service does not answer")
        return self._key.sign_digest(digest)


class Safe:
    """What lies with the keys and in no database: the high-water mark, what was signed of late, how far addresses went."""

    def __init__(self) -> None:
        self.high_water = MemoryHighWater()
        self.totals = MemorySpentTotals()
        self.indexes = MemoryGivenIndexes()


class Archive:
    """The port `ArchiveSight`: checkpoints outside the database, each the seal at a position."""

    def __init__(self) -> None:
        self.checkpoints: dict[int, str] = {}

    def keep(self, store: "Store") -> None:
        newest = store.last_seal()
        if newest is not None:
            self.checkpoints[newest.position] = newest.hash

    def beside(self, store: "Store") -> "Beside":
        return Beside(self, store)


class Beside(NamedTuple):
    """An archive beside one store."""

    archive: Archive
    store: "Store"

    def look(self) -> Sight:
        for position, seal in sorted(self.archive.checkpoints.items(), reverse=True):
            if position > self.store.head():
                return Sight(True, "archive_ahead", position, f"the archive has a checkpoint at {position}")
            if self.store.seal_at(position) != seal:
                return Sight(True, "archive_differs", position, f"the archive's checkpoint at {position} is another")
        return Sight(bool(self.archive.checkpoints))


class _Kept(msgspec.Struct):
    """A message in a queue."""

    place: int
    message: Message
    visible_at: int
    attempts: int = 0
    receipt: str = ""


class FlakyQueue:
    """The port `Queue`, SQS FIFO's promise and no more: groups overtake each other, deletes get lost, messages come again."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._random = random.Random(seed)
        self._kept: list[_Kept] = []
        self._sent_at: dict[str, int] = {}
        self._places = 0
        self.buried: list[tuple[bytes, str]] = []
        self.lost_deletes = 0
        """How many of the next deletes are not carried out, as when the process dies before them."""
        self.sent: list[Message] = []

    def send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            last = self._sent_at.get(message.key)
            if last is not None and self._clock() - last < DEDUPLICATION_MS:
                continue
            self._sent_at[message.key] = self._clock()
            self._places += 1
            self.sent.append(message)
            self._kept.append(_Kept(self._places, message, 0))

    def receive(self, limit: int) -> list[Received]:
        now = self._clock()
        flying = {kept.message.group for kept in self._kept if kept.receipt and kept.visible_at > now}
        groups: defaultdict[str, list[_Kept]] = defaultdict(list)
        for kept in self._kept:
            if kept.message.group not in flying:
                groups[kept.message.group].append(kept)
        order = sorted(groups)
        self._random.shuffle(order)
        most = self._random.randint(1, limit)
        taken = [kept for group in order for kept in groups[group]][:most]
        for kept in taken:
            kept.attempts += 1
            kept.visible_at = now + VISIBILITY_MS
            kept.receipt = f"{kept.place}/{kept.attempts}"
        return [Received(it.message.body, it.message.group, it.receipt, it.attempts) for it in taken]

    def delete(self, receipts: Sequence[str]) -> None:
        if receipts and self.lost_deletes:
            self.lost_deletes -= 1
            return
        self._kept = [kept for kept in self._kept if not kept.receipt or kept.receipt not in receipts]

    def release(self, receipts: Sequence[str]) -> None:
        for kept in self._kept:
            if kept.receipt in receipts:
                kept.visible_at = 0

    def hold(self, receipts: Sequence[str]) -> AbstractContextManager[None]:
        return nullcontext()

    def bury(self, receipt: str, reason: str) -> None:
        self.buried += [(kept.message.body, reason) for kept in self._kept if kept.receipt == receipt]
        self.delete([receipt])

    def depth(self) -> int:
        return len(self._kept)

    def purge(self) -> None:
        """As an operator's PurgeQueue: what was sent before is remembered by nobody."""
        self._kept.clear()
        self._sent_at.clear()


class Bookmarks:
    """The port `Bookmarks`."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def load(self, name: str) -> int:
        return self.rows.get(name, 0)

    def save(self, name: str, position: int) -> None:
        self.rows[name] = max(position, self.rows.get(name, 0))


class Pool:
    """The port `AddressPool`."""

    def __init__(self) -> None:
        self.wallets: dict[bytes, str] = {}
        self.door = Door(self)
        self._ready: list[ReadyAddress] = []
        self._key_ids: list[str] = []
        self._key_of: dict[bytes, str] = {}

    def take(self) -> ReadyAddress | None:
        return self._ready.pop(0) if self._ready and self.door.opened else None

    def add(self, addresses: Sequence[ReadyAddress]) -> None:
        for address in addresses:
            evm = Address.from_base58(address.base58).evm
            if evm not in self.wallets:
                self.wallets[evm] = "payin"
                self._ready.append(address)
                self._key_ids.append(address.key_id)
                self._key_of[evm] = address.key_id

    def give_up(self, used: Collection[str] | None = None) -> None:
        """What is ready, or what is `used` of it, is given out to nobody, and stays ours."""
        self._ready = [] if used is None else [it for it in self._ready if it.base58 not in used]

    def keep(self, addresses: Sequence[ReadyAddress]) -> None:
        ready, self._ready = self._ready, []
        self.add(addresses)
        self._ready = ready

    def add_wallet(self, role: str, base58: str, key_id: str | None) -> None:
        self.wallets.setdefault(Address.from_base58(base58).evm, role)

    def ready(self) -> int:
        return len(self._ready)

    def highest_index(self, prefix: str) -> int:
        return max((int(key_id.removeprefix(prefix)) for key_id in self._key_ids), default=-1)

    def ours(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        return {evm: self.wallets[evm] for evm in evm_addresses if evm in self.wallets}

    def key_ids(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        return {evm: self._key_of[evm] for evm in evm_addresses if evm in self._key_of}


class Door:
    """The port `AddressDoor` of a pool; `height` is what a node called solid."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.opened = False
        self.height: int | None = None
        self.holdings: MemoryHoldings
        self._given_up_to = self._first_index = 0

    def is_open(self) -> bool:
        return self.opened

    def open(self) -> None:
        self.opened = True

    def shut(self) -> None:
        self.opened = False

    def given_up_to(self) -> int:
        return self._given_up_to

    def first_index(self) -> int:
        return self._first_index

    def give_up(self, doubted_at: int, first_index: int) -> None:
        self._given_up_to = max(self._given_up_to, doubted_at)
        self._first_index = max(self._first_index, first_index)
        self.opened = False
        self._pool.give_up()

    def give_up_used(self) -> None:
        self._pool.give_up(self.holdings.rows)

    def chain_height(self) -> int | None:
        return self.height

    def is_shown_to(self, _: int) -> bool:
        return True


class Database:
    """All that one copy of the database has: history, addresses, what was read of the chain, and the queues in it."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.store, self.pool, self.log = Store(), Pool(), MemorySolidLog()
        self.cursors, self.bookmarks, self.outstanding = MemoryCursors(), Bookmarks(), MemoryOutstanding()
        self.holdings = self.pool.door.holdings = MemoryHoldings(self.store)
        self.facts, self.work, self.segments = (FlakyQueue(clock, seed * 3 + n) for n in range(3))

    def copied(self) -> "Database":
        """As it is now. Of what is given out by a copy its server knows nothing until it has looked."""
        made = copy.deepcopy(self)
        made.pool.door.shut()
        made.pool.door.height = None
        return made
