"""How anything rings for a person, and how it says that it is over.

What happened is told by an `Alarm`; what lasts is a `Condition`, which is told when it begins and ends by itself.
"""

from collections.abc import Callable, Container, Mapping
from typing import Final, NamedTuple, Protocol, runtime_checkable

Alarm = Callable[[str, str], None]
"""(name, sentence): something that a person must look at; counted by name."""


LONG_MS: Final = 600_000
FORGOTTEN_MS: Final = 1_800_000


@runtime_checkable
class AlarmBoard(Protocol):
    """An `Alarm` that keeps what it is told, so that a repetition is counted and an end is known. It never raises."""

    def __call__(self, name: str, sentence: str) -> None: ...

    def begin(self, name: str, about: str, sentence: str) -> None:
        """`about` says of which thing there may be several; the same again is a repetition."""

    def end(self, name: str, about: str) -> None:
        """The cause is over, whoever of this kind of process has seen it begin."""

    def stand(self, name: str, now: Mapping[str, str], within: str) -> None:
        """Of all that begin with `within`, these stand, with their sentences, and no other."""


class Condition:
    """One kind of trouble that lasts. Told once when it begins; a plain `Alarm` hears of no end."""

    def __init__(self, alarm: Alarm, name: str, within: str = "") -> None:
        """`within` begins the names of what this process alone looks at, where others of its kind look at more."""
        self._alarm = alarm
        self._name = name
        self._within = within
        self._begun: set[str] = set()

    def begin(self, about: str, sentence: str) -> None:
        """Rings the first time."""
        if isinstance(self._alarm, AlarmBoard):
            self._alarm.begin(self._name, about, sentence)
        elif about not in self._begun:
            self._alarm(self._name, sentence)
        self._begun.add(about)

    def end(self, about: str) -> None:
        """Also of what another process saw begin, which has ended since."""
        if isinstance(self._alarm, AlarmBoard):
            self._alarm.end(self._name, about)
        self._begun.discard(about)

    def stand(self, now: Mapping[str, str]) -> None:
        """What stands now, by what it is about, with its sentence; what is missing is over."""
        if isinstance(self._alarm, AlarmBoard):
            self._alarm.stand(self._name, now, self._within)
        else:
            for about in sorted(now.keys() - self._begun):
                self._alarm(self._name, now[about])
        self._begun = set(now)


def tell(alarm: Alarm, name: str, about: str, sentence: str) -> None:
    """Something happened to one of several things: each has a row of its own, where repetitions are counted."""
    if isinstance(alarm, AlarmBoard):
        alarm.begin(name, about, sentence)
    else:
        alarm(name, sentence)


class _Refused(NamedTuple):
    since_ms: int
    last_ms: int
    rung: bool


class LongRefusals:
    """What is tried and refused again and again: after ten minutes it rings, with the last refusal.

    Time is the caller's: chain time or a clock, in milliseconds. Who is not refused for half an hour was not tried either.
    """

    def __init__(self, alarm: Alarm, *, forgotten_ms: int = FORGOTTEN_MS) -> None:
        self._condition = Condition(alarm, "refused_for_long")
        self._forgotten_ms = forgotten_ms
        self._refused: dict[str, _Refused] = {}

    def refused(self, about: str, sentence: str, now_ms: int) -> None:
        """It was tried once more, in vain."""
        before = self._refused.get(about)
        if before is None or now_ms - before.last_ms > self._forgotten_ms:
            before = _Refused(now_ms, now_ms, rung=False)
        rings = now_ms - before.since_ms >= LONG_MS
        self._refused[about] = _Refused(before.since_ms, now_ms, rings or before.rung)
        if rings:
            minutes = (now_ms - before.since_ms) // 60_000
            self._condition.begin(about, f"for {minutes} minutes: {sentence}")

    def over(self, about: str, *, whoever_saw_it: bool = False) -> None:
        """It was done, or is tried no more; `whoever_saw_it`: also what another process has rung for."""
        before = self._refused.pop(about, None)
        if whoever_saw_it or (before is not None and before.rung):
            self._condition.end(about)

    def keep(self, abouts: Container[str]) -> None:
        """The rest is over."""
        for about in [each for each in self._refused if each not in abouts]:
            self.over(about)
