"""How long a process has waited for something outside: shown in its sign of life, and rung once where it lasts."""

import threading
import time
from collections.abc import Callable
from typing import Final

from core.ledger.events import UnknownTopic
from core.ports.alarm import Alarm, Condition

LASTS_S: Final = 60.0
"""After so long a wait shows and rings."""
ALARM: Final = "outage_lasts"


class Waits:
    """Of one process. Each step waits for itself; the first try that succeeds ends its wait."""

    def __init__(self, name: str, alarm: Alarm, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._lasting = Condition(alarm, ALARM, within=name)
        self._clock = clock
        self._since: dict[int, float] = {}
        self._reason: dict[int, str] = {}
        self._newer: dict[int, str] = {}
        self._lock = threading.Lock()

    def begin(self, step: int, error: Exception) -> None:
        """The step with this number cannot work now; said again at every try."""
        reason = str(error)
        with self._lock:
            if isinstance(error, UnknownTopic):
                self._newer[step] = reason
                return
            self._newer.pop(step, None)
            since_s = self._since.setdefault(step, self._clock())
            self._reason[step] = reason
            rings = self._clock() - since_s >= LASTS_S
        if rings:
            said = f"{self._name} has waited for a minute, and goes on by itself when this ends: {reason}"
            self._lasting.begin(f"{self._name}, step {step + 1}", said)

    def end(self, step: int) -> None:
        """The step could work."""
        with self._lock:
            self._newer.pop(step, None)
            self._since.pop(step, None)
            self._reason.pop(step, None)
        self._lasting.end(f"{self._name}, step {step + 1}")

    def newer(self) -> str:
        """What of a newer version a step stands before: no outage, it ends when this program is that version (I22)."""
        with self._lock:
            return next(iter(self._newer.values()), "")

    def sentence(self) -> str:
        """What a newer version wrote, at once; else what has lasted longest, empty while nothing has lasted for a minute."""
        with self._lock:
            if self._newer:
                return f"{self._name} stands: {next(iter(self._newer.values()))}"
            step = min(self._since, key=self._since.__getitem__, default=None)
            if step is None or self._clock() - self._since[step] < LASTS_S:
                return ""
            return f"{self._name} has waited for {self._clock() - self._since[step]:.0f} s: {self._reason[step]}"
