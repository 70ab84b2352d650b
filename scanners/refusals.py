"""How often the observer refused one block: the third time rings, and /readyz says so from what is kept here."""

from typing import Final

from core.ports.alarm import Alarm, Condition
from core.ports.scanning import Cursor, Cursors

REFUSED: Final = "refused"
"""The cursor of the last block that was refused three times; it is over when the solid cursor has passed it."""
REFUSALS_MAX: Final = 3


class BlockRefusals:
    """Counts while the process lives: a restart asks the nodes anew."""

    def __init__(self, cursors: Cursors, alarm: Alarm) -> None:
        self._cursors = cursors
        self._alarm = alarm
        self._refused = Condition(alarm, "block_refused")
        self._times: dict[int, int] = {}
        self._told: dict[str, int] = {}
        self._stands: dict[str, str] = {}

    def count(self, number: int, fault: Exception) -> None:
        """The block was refused once more."""
        times = self._times.get(number, 0) + 1
        self._times = {number: times} | {other: count for other, count in self._times.items() if other > number}
        if times == REFUSALS_MAX:
            self._cursors.save(REFUSED, Cursor(number, ""))
            said = (
                f"block {number} was refused {times} times, and the scanner stands before it: {fault}."
                " Look at it in an explorer. If only its txTrieRoot cannot be rebuilt, configure a second node, or run"
                f' `counterfoil scan accept-block {number} --reason "..."`'
            )
            self._stands = {f"block {number}": said}
            self._refused.stand(self._stands)

    def passed(self) -> None:
        """The scanner goes on: whatever block was refused, in this process or one before it, it stands before none."""
        self._stands = {}
        self._refused.stand(self._stands)

    def is_hopeless(self, number: int) -> bool:
        """Whether the block was refused as often as rings."""
        return self._times.get(number, 0) >= REFUSALS_MAX

    def tell_once(self, name: str, number: int, sentence: str) -> None:
        """Ring about a block that is let pass: once, however often the step begins anew."""
        if self._told.get(name, -1) != number:
            self._told[name] = number
            self._alarm(name, sentence)
