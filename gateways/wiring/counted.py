"""Ports whose use a process counts, and what it looks up when it is asked for its numbers."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from prometheus_client import Gauge

from core.ledger.ledger import Command, Ledger, Outcome
from core.ports.scanning import Cursor
from core.tron.chain import BlockRef
from gateways.postgres.gauges import QueueGauges, WebhookGauges
from gateways.telemetry.numbers import Numbers

if TYPE_CHECKING:
    from gateways.wiring.platform import Platform

QUEUES_EVERY_S: Final = 60.0
SOLID: Final = "solid"
"""The cursor of scanners/observer.py at the solid height."""


class CountedLedger:
    """The write path, counted."""

    def __init__(self, ledger: Ledger, numbers: Numbers) -> None:
        self._ledger = ledger
        self._numbers = numbers

    def execute(self, commands: Sequence[Command]) -> list[Outcome]:
        began = time.perf_counter()
        outcomes = self._ledger.execute(commands)
        if commands:
            self._numbers.batch(outcomes, time.perf_counter() - began)
        return outcomes


class WatchedChain:
    """How high the chain is and how far the observer came, as it sees them itself."""

    def __init__(self, numbers: Numbers) -> None:
        self._solid = Gauge(
            "counterfoil_chain_solid_block", "The last solid block that the node has", registry=numbers.registry
        )
        self._lag = Gauge(
            "counterfoil_scanner_lag_blocks", "Solid blocks that were not scanned yet", registry=numbers.registry
        )
        self._height: int | None = None
        self._scanned: int | None = None

    def saw(self, solid: BlockRef) -> None:
        self._height = solid.number
        self._solid.set(solid.number)
        self._tell()

    def scanned(self, cursor: Cursor | None) -> None:
        if cursor is not None:
            self._scanned = cursor.number
            self._tell()

    def _tell(self) -> None:
        if self._height is not None and self._scanned is not None:
            self._lag.set(max(0, self._height - self._scanned))


class WatchedNode:
    """A node whose solid height is noted."""

    def __init__(self, node: Any, chain: WatchedChain) -> None:
        self._node = node
        self._chain = chain

    def solid(self) -> BlockRef:
        solid: BlockRef = self._node.solid()
        self._chain.saw(solid)
        return solid

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)


class WatchedCursors:
    """Cursors, of which the one at the solid height is noted."""

    def __init__(self, cursors: Any, chain: WatchedChain) -> None:
        self._cursors = cursors
        self._chain = chain

    def load(self, name: str) -> Cursor | None:
        cursor: Cursor | None = self._cursors.load(name)
        if name == SOLID:
            self._chain.scanned(cursor)
        return cursor

    def save(self, name: str, cursor: Cursor) -> None:
        self._cursors.save(name, cursor)
        if name == SOLID:
            self._chain.scanned(cursor)


def counted(platform: "Platform", process: str, received: Sequence[str]) -> "Platform":
    """A worker's platform with its ports counted; its queues are looked up when its numbers are asked for."""
    numbers = platform.numbers
    given: dict[str, Any] = {"ledger": CountedLedger(platform.ledger, numbers)}
    if process == "observe":
        chain = WatchedChain(numbers)
        given |= {"node": WatchedNode(platform.node, chain), "cursors": WatchedCursors(platform.cursors, chain)}
    if received:
        every_s = QUEUES_EVERY_S if platform.settings.mode == "aws" else 0
        numbers.registry.register(QueueGauges({name: platform.queues[name] for name in received}, every_s))
    if process == "webhooks":
        numbers.registry.register(WebhookGauges(platform.outbox, platform.clock))
    return replace(platform, **given)


def counted_ledger(platform: "Platform") -> Ledger:
    """The ledger alone, for the process that serves."""
    return cast("Ledger", CountedLedger(platform.ledger, platform.numbers))
