"""The producers as one node states them, held to a set that was pinned: who relies on one node does not learn from it alone.

A node could name producers of its own, or keys of its own for them, and sign any block. So the set and the keys are kept,
and what a node states anew is taken up to as many seats as votes change: more is a person's to look at.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from core.ports.alarm import Alarm, Condition
from core.ports.chain import Network
from core.ports.scanning import Cursor, Cursors
from core.tron.chain import Producer

log = logging.getLogger(__name__)

PINNED: Final = "producers"
"""The cursor that keeps the set."""
PERIOD_MS: Final = 21_600_000
"""Mainnet's maintenance, of the local clock: a node that lies would choose the chain's time."""
SEATS_MAX: Final = 5
"""How many seats may change in a maintenance period without a person."""


class Pinned(msgspec.Struct, frozen=True):
    """Addresses in hex: `active` sit now, `keys` has the signing key of each that ever sat; `changed` seats in `period`."""

    active: tuple[str, ...]
    keys: dict[str, str]
    period: int
    changed: int = 0


class PinnedProducers:
    """The port `Network`."""

    def __init__(
        self,
        network: Network,
        cursors: Cursors,
        alarm: Alarm,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._network = network
        self._cursors = cursors
        self._changes = Condition(alarm, "producers_changed")
        self._now_ms = now_ms

    def producers(self) -> Sequence[Producer]:
        """The pinned set, brought up to date where few enough seats changed. Pins what the node states where none is."""
        stated = self._network.producers()
        pinned = self._load()
        if pinned is None:
            pinned = self.pin(stated)
            log.warning(
                "the %d producers that the only node states are pinned: compare them with an explorer's by"
                " `counterfoil scan producers`",
                len(pinned.active),
            )
        pinned = self._taken_up(pinned, stated)
        newest = {producer.address: producer.latest_block for producer in stated}
        active = set(pinned.active)
        return [
            Producer(address, name in active, newest.get(address, 0))
            for name, address in ((name, bytes.fromhex(name)) for name in pinned.keys)
        ]

    def producer_key(self, address: bytes) -> bytes:
        """The pinned key; another one that the node states counts as a seat that changes."""
        pinned, name = self._load(), address.hex()
        key = self._network.producer_key(address)
        if pinned is None or pinned.keys.get(name) == key.hex():
            return key
        if not self._may_change(pinned, 1):
            self._ring(f"another signing key for producer {name}")
            return bytes.fromhex(pinned.keys[name]) if name in pinned.keys else address
        self._save(self._changed(pinned, 1, pinned.active, {**pinned.keys, name: key.hex()}))
        return key

    def pin(self, stated: Sequence[Producer] | None = None) -> Pinned:
        """Pin what the node states now, whatever was pinned: at the beginning, or by a person."""
        stated = self._network.producers() if stated is None else stated
        active = tuple(it.address.hex() for it in stated if it.active)
        keys = {name: self._key(name) for name in {*active, *self._produced_meanwhile(stated)}}
        pinned = Pinned(active, keys, self._period)
        self._save(pinned)
        return pinned

    @property
    def _period(self) -> int:
        return self._now_ms() // PERIOD_MS

    def _taken_up(self, pinned: Pinned, stated: Sequence[Producer]) -> Pinned:
        active = [it.address.hex() for it in stated if it.active]
        came, left = set(active) - set(pinned.active), set(pinned.active) - set(active)
        between = self._produced_meanwhile(stated) - pinned.keys.keys() - came
        seats = max(len(came), len(left)) + len(between)
        if not seats:
            self._changes.stand({})
            return pinned
        if not self._may_change(pinned, seats):
            self._ring(f"{seats} of {len(pinned.active)} producers changed")
            return pinned
        new = {name: self._key(name) for name in came | between if name not in pinned.keys}
        changed = self._changed(pinned, seats, tuple(active), {**pinned.keys, **new})
        self._save(changed)
        return changed

    def _produced_meanwhile(self, stated: Sequence[Producer]) -> set[str]:
        """Who sits no more and produced blocks that are yet to be read."""
        read = self._cursors.load("solid")
        return {
            it.address.hex() for it in stated if not it.active and read is not None and it.latest_block > read.number
        }

    def _key(self, name: str) -> str:
        return self._network.producer_key(bytes.fromhex(name)).hex()

    def _may_change(self, pinned: Pinned, seats: int) -> bool:
        """So many in each period since; what was changed in the last one counts."""
        return seats + pinned.changed <= SEATS_MAX * (1 + max(0, self._period - pinned.period))

    def _changed(self, pinned: Pinned, seats: int, active: tuple[str, ...], keys: dict[str, str]) -> Pinned:
        before = pinned.changed if pinned.period == self._period else 0
        return Pinned(active, keys, self._period, before + seats)

    def _ring(self, what: str) -> None:
        said = (
            f"the only node states {what}, more than votes change in a maintenance period: what it states is not"
            " believed. Compare `counterfoil scan producers` with an explorer; if it is right, run"
            " `counterfoil scan producers --pin`, else use another node"
        )
        self._changes.stand({what: said})

    def _load(self) -> Pinned | None:
        cursor = self._cursors.load(PINNED)
        return msgspec.json.decode(cursor.unsolid, type=Pinned) if cursor is not None and cursor.unsolid else None

    def _save(self, pinned: Pinned) -> None:
        self._cursors.save(PINNED, Cursor(0, "", msgspec.json.encode(pinned)))
