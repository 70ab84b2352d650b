"""Whether what we know of the chain has reached what the signer itself saw of it: after a start nothing is signed before (I16).

A store that was away, for a night or because it is a copy, knows nothing of what the chain holds since: payments that were
made, keys that were changed. All of that stops signing once it is recorded; so it is recorded first.
"""

from typing import Final

from core.ports.alarm import Alarm, Condition
from core.ports.queues import Outstanding
from core.ports.scanning import Cursors
from core.tron.chain import BlockRef

LAG_BLOCKS: Final = 2
"""What the producers' signatures may be short of what a node calls solid (scanners/producers.py)."""
RINGS_AFTER_MS: Final = 120_000
SCANNED: Final = "solid"
"""The cursor of the scanner."""


class CaughtUp:
    """Of one process, from its start on."""

    def __init__(self, cursors: Cursors, outstanding: Outstanding, *, alarm: Alarm) -> None:
        self._cursors = cursors
        self._outstanding = outstanding
        self._wait = Condition(alarm, "signing_waits_for_chain")
        self._begun: BlockRef | None = None
        """The block that was solid at the first look."""
        self._reports: int | None = None
        """The last report that was under way when the scanner had reached that block."""
        self.waits_for = "the first look at the chain"
        """What is lacking, as a sentence's end; empty once nothing is."""

    def look(self, solid: BlockRef) -> bool:
        """Whether scanner and recorder have come to where the chain was at the first look. Raises Unavailable."""
        if not self.waits_for:
            return True
        begun = self._begun = self._begun or solid
        self.waits_for = self._lacking(begun.number)
        if not self.waits_for:
            self._wait.stand({})
        elif solid.timestamp_ms - begun.timestamp_ms >= RINGS_AFTER_MS:
            self._wait.stand({"the start": f"nothing is signed since the start: it waits for {self.waits_for}"})
        return not self.waits_for

    def _lacking(self, number: int) -> str:
        cursor = self._cursors.load(SCANNED)
        if cursor is None:
            return "the scanner's first block"
        if cursor.number < number - LAG_BLOCKS:
            return f"the scanner, which is at block {cursor.number} of {number}"
        waiting = self._outstanding.numbers()
        if self._reports is None:
            self._reports = waiting[1] if waiting else 0
        if waiting is not None and waiting[0] <= self._reports:
            return f"the recorder, which has reports up to block {cursor.number} before it"
        return ""
