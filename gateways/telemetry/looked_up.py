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


class _Asked:
    """One question to a source, in a thread of its own: whoever comes while it is asked waits for the same answer."""

    def __init__(self, source: Source) -> None:
        self.began_at = time.monotonic()
        self.found: list[Metric] | None = None
        self._source = source
        self.thread = threading.Thread(target=self._ask, name=f"look-{source.name}", daemon=True)
        self.thread.start()

    def _ask(self) -> None:
        self.found = list(self._source.collector.collect())


class LookedUp(Collector):
    """All sources at once. What a source says to a question of long ago is not told: it is old."""

    def __init__(self, sources: Sequence[Source], within_s: float = WITHIN_S) -> None:
        self._sources = sources
        self._within_s = within_s
        self._lock = threading.Lock()
        self._asked: dict[str, _Asked] = {}

    def describe(self) -> Iterable[Metric]:
        """Asked at registration: nothing is looked up for that."""
        return []

    def collect(self) -> Iterator[Metric]:
        until = time.monotonic() + self._within_s
        asked = [(source, self._ask(source)) for source in self._sources]
        answers = GaugeMetricFamily(
            "counterfoil_source_answers",
            "1 for what could be looked up in time for this answer, 0 for what could not",
            labels=["source"],
        )
        for source, it in asked:
            it.thread.join(max(0.0, until - time.monotonic()))
            found = it.found if it.began_at > until - 2 * self._within_s else None
            answers.add_metric([source.name], found is not None)
            yield from source.silent() if found is None else found
        yield answers

    def _ask(self, source: Source) -> _Asked:
        """A new question, or the one that is being asked: where that waits for long, no other is begun."""
        with self._lock:
            before = self._asked.get(source.name)
            if before is None or not before.thread.is_alive():
                before = self._asked[source.name] = _Asked(source)
            return before
