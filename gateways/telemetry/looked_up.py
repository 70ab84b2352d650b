"""Numbers that are looked up elsewhere, together and in bounded time: what does not answer costs no other its numbers.

Whoever watches must be answered while what is watched is dead: with a 0 for what cannot be looked up, not with silence.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

WITHIN_S: Final = 1.5
"""/metrics answers within two seconds, whatever is dead."""


class Source(NamedTuple):
    """Something that is asked: its name, what asks it, and what is said where it does not answer in time."""

    name: str
    collector: Collector
    silent: Callable[[], Iterable[Metric]] = tuple


class _Look:
    """One source, asked in a thread of its own; while that waits, no other begins."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.thread: threading.Thread | None = None
        self.found: list[Metric] | None = None

    def begin(self) -> None:
        if self.thread is None or not self.thread.is_alive():
            self.found = None
            self.thread = threading.Thread(target=self._ask, name=f"look-{self.source.name}", daemon=True)
            self.thread.start()
        else:
            self.found = None  # what an old question brings is old

    def _ask(self) -> None:
        self.found = list(self.source.collector.collect())


class LookedUp(Collector):
    """All sources at once. `clock` gives seconds."""

    def __init__(self, sources: Sequence[Source], within_s: float = WITHIN_S) -> None:
        self._looks = [_Look(each) for each in sources]
        self._within_s = within_s
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Asked at registration: nothing is looked up for that."""
        return []

    def collect(self) -> Iterator[Metric]:
        answers = GaugeMetricFamily(
            "counterfoil_source_answers",
            "1 for what could be looked up in time for this answer, 0 for what could not",
            labels=["source"],
        )
        found: list[Metric] = []
        with self._lock:
            for look in self._looks:
                look.begin()
            until = time.monotonic() + self._within_s
            for look in self._looks:
                assert look.thread is not None
                look.thread.join(max(0.0, until - time.monotonic()))
                known = look.found if not look.thread.is_alive() else None
                answers.add_metric([look.source.name], known is not None)
                found += look.source.silent() if known is None else known
        yield from found
        yield answers
