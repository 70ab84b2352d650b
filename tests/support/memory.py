"""Ports in memory for pure journeys: queue, cursors, pool and event store, and a crash at any chosen call of any of them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from typing import Any
from uuid import UUID

from core.ledger.events import Event, Recorded, encode
from core.ledger.guard import GuardKey
from core.ledger.history import SetAside
from core.ledger.ledger import Decided, LastSeal, Loaded
from core.ledger.seals import GENESIS, Seal, SealedPage, seal_hash
from core.ports.queues import Message, Overdue, Received
from core.ports.scanning import Cursor
from core.ports.spent_totals import Spent, SpentMoved
from core.ports.wallets import Holding, ReadyAddress
from core.streams.holdings import movements
from core.streams.instructions import InstructionPrepared
from core.streams.payouts import PayoutPrepared
from core.streams.quarantine import AddressQuarantined, AddressReleased
from core.streams.sweeps import SweepPlanned
from core.tron.address import Address
from core.tron.chain import BlockRef


class MemoryQueue:
    """The port `Queue`; `timeout` makes everything in flight come again."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, Message, int]] = []
        self.flying: dict[str, tuple[int, Message, int]] = {}
        self.buried: list[tuple[bytes, str]] = []
        self.keys: set[str] = set()
        self.sent: list[Message] = []

    def send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.sent.append(message)
            if message.key not in self.keys:
                self.keys.add(message.key)
                self.waiting.append((len(self.sent), message, 0))

    def receive(self, limit: int) -> list[Received]:
        groups = {message.group for _, message, _ in self.flying.values()}
        taken = [item for item in self.waiting if item[1].group not in groups][:limit]
        self.waiting = [item for item in self.waiting if item not in taken]
        received = []
        for place, message, attempts in taken:
            receipt = f"{place}/{attempts + 1}"
            self.flying[receipt] = (place, message, attempts + 1)
            received.append(Received(message.body, message.group, receipt, attempts + 1))
        return received

    def delete(self, receipts: Sequence[str]) -> None:
        for receipt in receipts:
            self.flying.pop(receipt, None)

    def release(self, receipts: Sequence[str]) -> None:
        back = [self.flying.pop(receipt) for receipt in receipts]
        self.waiting = sorted([*back, *self.waiting], key=lambda item: item[0])

    def timeout(self) -> None:
        self.release(list(self.flying))

    def hold(self, receipts: Sequence[str]) -> AbstractContextManager[None]:
        return nullcontext()

    def bury(self, receipt: str, reason: str) -> None:
        _, message, _ = self.flying.pop(receipt)
        self.buried.append((message.body, reason))

    def bury_part(self, receipt: str, part: int, body: bytes, group: str, reason: str) -> None:
        assert receipt in self.flying
        self.buried.append((body, reason))

    def depth(self) -> int:
        return len(self.waiting) + len(self.flying)

    def purge(self) -> None:
        self.waiting.clear()
        self.flying.clear()


class MemoryCursors:
    """The port `Cursors`."""

    def __init__(self) -> None:
        self.rows: dict[str, Cursor] = {}

    def load(self, name: str) -> Cursor | None:
        return self.rows.get(name)

    def save(self, name: str, cursor: Cursor) -> None:
        self.rows[name] = cursor


class MemoryOutstanding:
    """The port `Outstanding`."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[Message, int, int]] = {}
        """Key -> message, times told, due at."""
        self.places: dict[str, int] = {}

    def keep(self, messages: Sequence[Message], due_at: int) -> None:
        for message in messages:
            self.rows.setdefault(message.key, (message, 1, due_at))
            self.places.setdefault(message.key, len(self.places) + 1)

    def numbers(self) -> tuple[int, int] | None:
        places = [self.places[key] for key in self.rows]
        return (min(places), max(places)) if places else None

    def overdue(self, height: int, limit: int) -> list[Overdue]:
        return [Overdue(message, times) for message, times, due_at in self.rows.values() if due_at <= height][:limit]

    def known(self, keys: Sequence[str]) -> set[str]:
        return self.rows.keys() & set(keys)

    def told_again(self, keys: Sequence[str], due_at: int) -> None:
        for key in keys:
            if key in self.rows:
                message, times, _ = self.rows[key]
                self.rows[key] = (message, times + 1, due_at)

    def settle(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.rows.pop(key, None)


class MemoryPool:
    """The port `AddressPool`, of wallets by role."""

    def __init__(self, wallets: Mapping[Address, str]) -> None:
        self.wallets = {address.evm: role for address, role in wallets.items()}
        self.ids: dict[bytes, str] = {}
        self.questions = 0

    def take(self) -> ReadyAddress | None:
        raise NotImplementedError

    def add(self, addresses: Sequence[ReadyAddress]) -> None:
        raise NotImplementedError

    def keep(self, addresses: Sequence[ReadyAddress]) -> None:
        raise NotImplementedError

    def add_wallet(self, role: str, base58: str, key_id: str | None) -> None:
        evm = Address.from_base58(base58).evm
        self.wallets[evm] = role
        if key_id is not None:
            self.ids[evm] = key_id

    def ready(self) -> int:
        return 0

    def highest_index(self, prefix: str) -> int:
        return -1

    def ours(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        self.questions += 1
        return {evm: self.wallets[evm] for evm in evm_addresses if evm in self.wallets}

    def key_ids(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        return {evm: self.ids[evm] for evm in evm_addresses if evm in self.ids}


class MemoryStore:
    """The port `EventStore`."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []
        self.guards: dict[GuardKey, int] = {}
        self.seals: dict[int, str] = {}
        self.format_level: int | None = None
        """What may be written; None: everything."""

    def append(
        self,
        batch_id: UUID,
        streams: Sequence[str],
        guards: Sequence[GuardKey],
        decide: Callable[[Loaded], Decided],
    ) -> None:
        known = {key: self.guards[key] for key in guards if key in self.guards}
        decided = decide(Loaded(self.histories(streams), known, self.head(), format_level=self.format_level))
        records = list(decided.records)
        self.events += records
        if records:
            chained = next(reversed(self.seals.values()), "") + repr(records)
            self.seals[self.head()] = sha256(chained.encode()).hexdigest()
        self.guards |= dict.fromkeys(decided.opened, 0)
        for key, delta in decided.deltas.items():
            self.guards[key] += delta

    def read(self, after: int, limit: int) -> list[Recorded]:
        return self.events[after : after + limit]

    def histories(self, streams: Sequence[str]) -> dict[str, list[Recorded]]:
        wanted = set(streams)
        found: dict[str, list[Recorded]] = {}
        for recorded in self.events:
            if recorded.stream in wanted:
                found.setdefault(recorded.stream, []).append(recorded)
        return found

    def head(self) -> int:
        return len(self.events)

    def last_seal(self) -> LastSeal | None:
        return LastSeal(self.head(), self.seals[self.head()]) if self.seals else None

    def seal_at(self, position: int) -> str | None:
        return self.seals.get(position)


class MemorySealedHistory:
    """The port `SealedHistory` over a store that seals nothing: each page that is asked for is one append."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._hashes = {0: GENESIS}

    def read(self, after: int) -> SealedPage:
        page = self._store.read(after, 1_000)
        if not page:
            return SealedPage([], [])
        rows = [(it.position, it.stream, it.version, *_stored(it.event)) for it in page]
        previous, last = self._hashes[after], rows[-1][0]
        self._hashes[last] = seal_hash(previous, rows)
        return SealedPage(rows, [Seal(after + 1, last, previous, self._hashes[last])])


def _stored(happened: Event) -> tuple[str, bytes]:
    """(topic, JSON); of what could not be read, something that cannot be read."""
    return (happened.topic, b"{}") if isinstance(happened, SetAside) else encode(happened)


class MemorySpentTotals:
    """The port `SpentTotals`."""

    def __init__(self) -> None:
        self.rows: dict[str, Spent] = {}

    def load(self, wallet: str) -> Spent:
        return self.rows.get(wallet, Spent())

    def save(self, wallet: str, spent: Spent) -> None:
        if spent.version != self.load(wallet).version + 1:
            raise SpentMoved
        self.rows[wallet] = spent


class MemorySolidLog:
    """The port `SolidLog`."""

    def __init__(self) -> None:
        self.refs: dict[int, BlockRef] = {}
        self.places: dict[str, tuple[int, str]] = {}
        self.kept_from: int | None = None

    def append(self, block: BlockRef, sent: Mapping[str, str]) -> None:
        if block.number not in self.refs:
            self.refs[block.number] = block
            self.places |= {txid: (block.number, contract_ret) for txid, contract_ret in sent.items()}

    def blocks(self, first: int, until_ms: int) -> list[BlockRef]:
        heights = sorted(number for number in self.refs if number >= first)
        last = next((number for number in heights if self.refs[number].timestamp_ms >= until_ms), None)
        return [] if last is None else [self.refs[number] for number in heights if number <= last]

    def newest(self) -> BlockRef | None:
        return self.refs[max(self.refs)] if self.refs else None

    def find(self, txid: str) -> tuple[int, str] | None:
        return self.places.get(txid)

    def keep_from(self, holder: str, number: int | None) -> None:
        self.kept_from = number


class MemoryAttempts:
    """The port `AttemptIndex`, read from a store."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def streams_of(self, txids: Sequence[str]) -> Mapping[str, str]:
        return {
            recorded.event.attempt.txid: recorded.stream
            for recorded in self.store.events
            if isinstance(recorded.event, PayoutPrepared | InstructionPrepared) and recorded.event.attempt.txid in txids
        }


class Crash(BaseException):
    """The process died here. No `except Exception` sees it."""


class Fuse:
    """Counts every call through it and dies at the chosen one: before it acts (even number), or after (odd)."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.passed = 0
        self.blown = False

    def _burn(self) -> None:
        if self.passed == self.at:
            self.blown = True
            raise Crash
        self.passed += 1

    def through(self, port: Any) -> Any:
        """The port, with a crash possible before and after each of its calls."""
        fuse = self

        class Fused:
            def __getattr__(self, name: str) -> Any:
                def call(*args: Any, **options: Any) -> Any:
                    fuse._burn()
                    answer = getattr(port, name)(*args, **options)
                    fuse._burn()
                    return answer

                return call

        return Fused()


class MemoryHoldings:
    """The port `Holdings`, read from a store."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self._read = 0
        self.rows: dict[str, dict[str, int]] = {}
        self.planned: Counter[str] = Counter()
        self.held: dict[str, str] = {}

    def richest(self, usdt_minor: int, limit: int) -> list[Holding]:
        found = [it for it in self._all() if it.usdt_minor >= usdt_minor]
        return sorted(found, key=lambda it: (-it.usdt_minor, it.address))[:limit]

    def left_over(self, trx_sun: int, usdt_minor: int, limit: int) -> list[Holding]:
        found = [it for it in self._all() if it.trx_sun >= trx_sun and it.usdt_minor < usdt_minor]
        return sorted(found, key=lambda it: (-it.trx_sun, it.address))[:limit]

    def set_aside(self) -> list[str]:
        self._all()
        return sorted(address for address, reason in self.held.items() if reason == "blacklisted")

    def _all(self) -> list[Holding]:
        for recorded in self.store.events[self._read :]:
            happened = recorded.event
            for moved in movements(happened):
                row = self.rows.setdefault(moved.address, {"USDT": 0, "TRX": 0})
                row[moved.currency] += moved.delta_minor
            if isinstance(happened, SweepPlanned):
                self.planned[happened.sweep.address] += 1
            elif isinstance(happened, AddressQuarantined):
                self.held[happened.address] = happened.reason
            elif isinstance(happened, AddressReleased):
                self.held.pop(happened.address, None)
        self._read = len(self.store.events)
        return [
            Holding(address, row["USDT"], row["TRX"], self.planned[address])
            for address, row in self.rows.items()
            if address not in self.held
        ]
