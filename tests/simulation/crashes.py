"""Where processes die: before and after each call that leaves a trace, and which of those places are places of their own."""

import os
from collections.abc import Collection
from typing import Any, Final

import msgspec

from tests.support.memory import Crash

EVERY_PLACE: Final = bool(os.environ.get("EVERY_PLACE"))
WRITES: Final = frozenset(
    {
        "append",
        "send",
        "delete",
        "release",
        "bury",
        "broadcast",
        "save",
        "add",
        "add_wallet",
        "take",
        "keep_from",
        "keep",
        "settle",
        "told_again",
        "move",
        "reserve",
    }
)
"""The port calls that leave a trace: dying before a mere read is dying after the write before it."""


class Fuse(msgspec.Struct):
    """A process dies at the boundary that `left` others precede: of every process and call, or of those named."""

    left: int
    process: str = ""
    call: str = ""

    def burn(self, process: str, call: str) -> bool:
        if self.process in ("", process) and self.call in ("", call):
            self.left -= 1
        return self.left < 0


class Crashes:
    """The part of a system that dies."""

    store: Any
    facts: Any
    work: Any
    outstanding: Any
    devnet: Any

    def __init__(self, walked: bool) -> None:
        self.walked = walked
        """Whether `places` are asked for: to look at everything at every write takes its time."""
        self.crashes = 0
        self.died_at = ""
        """The boundary of the last crash."""
        self.fuse: Fuse | None = None
        self.running = ""
        """The process whose turn it is."""
        self.writes: list[str] = []
        """Every boundary passed: process and call, once before it and once after it."""
        self.turns: list[int] = []
        """The turn that each of them was passed in."""
        self.situations: list[tuple[object, ...]] = []
        """What was durable at each of them, but for heights and times."""
        self._turn = 0

    def places(self, start: int, wanted: Collection[str] = ()) -> list[int]:
        """The boundaries from `start` on, or the `wanted` of them, that are places of their own, counted from there.

        Right before a write is the same place as right after the one before it in the same turn: what is in between reads.
        A boundary where nothing but the chain's height is another than at an earlier one is a place of its own only with
        EVERY_PLACE in the environment (`make simulate-many`).
        """
        turns, writes = self.turns[start:], self.writes[start:]
        situations = self.situations[start:]
        first = {situation: at for at, situation in reversed(list(enumerate(situations)))}

        def is_place(at: int) -> bool:
            return 0 <= at < len(writes) and (not wanted or writes[at] in wanted)

        def is_new(at: int) -> bool:
            return is_place(at) and (EVERY_PLACE or first[situations[at]] == at)

        def is_again(at: int) -> bool:
            return at % 2 == 0 and is_new(at - 1) and turns[at - 1] == turns[at]

        return [at for at in range(len(writes)) if is_new(at) and not is_again(at)]

    def _situation(self) -> tuple[object, ...]:
        chain = self.devnet.chain
        mined = sum(len(block.included) for block in chain.blocks)
        solid = sum(len(block.included) for block in chain.blocks[: chain.solid.number + 1])
        queues = self.facts.depth(), self.work.depth(), len(self.outstanding.rows)
        return self.writes[-1], len(self.writes) % 2, self.store.head(), *queues, len(chain.pool), mined, solid

    def _through(self, port: Any) -> Any:
        return _Fused(port, self)

    def burn(self, call: str) -> None:
        """Called before and after each write."""
        self.writes.append(f"{self.running} {call}")
        self.turns.append(self._turn)
        if self.walked:
            self.situations.append(self._situation())
        if self.fuse is not None and self.fuse.burn(self.running, call):
            self.died_at = self.writes[-1]
            raise Crash


class _Fused:
    """A port whose writes may be the last thing its process does."""

    def __init__(self, port: Any, system: Crashes) -> None:
        self._port = port
        self._system = system

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if name not in WRITES:
            return attribute

        def write(*args: Any, **options: Any) -> Any:
            self._system.burn(name)
            answer = attribute(*args, **options)
            self._system.burn(name)
            return answer

        return write
