"""What is looked up for /metrics is looked up at once and in bounded time, whatever does not answer."""

import threading
from collections.abc import Iterable, Iterator

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateways.telemetry.looked_up import LookedUp, Source
from tests.support.patience import until

pytestmark = pytest.mark.fast


class Asked(Collector):
    """Answers when it is let."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.may = threading.Event()
        self.may.set()
        self.times = 0

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        self.times += 1
        self.may.wait()
        yield GaugeMetricFamily(self.name, "what it says", value=1)


def told(looked_up: LookedUp) -> dict[str, float]:
    return {
        sample.name + "".join(sample.labels.values()): sample.value
        for metric in looked_up.collect()
        for sample in metric.samples
    }


def test_a_source_that_does_not_answer_costs_no_other_its_numbers() -> None:
    """It is told as 0, with what stands for it, asked once however often it is looked at, and back when it answers."""
    frozen, well = Asked("frozen"), Asked("well")
    silent = GaugeMetricFamily("reachable", "whether it answers", value=0)
    looked_up = LookedUp([Source("a", frozen, lambda: [silent]), Source("b", well)], within_s=0.05)
    assert told(looked_up) == {
        "frozen": 1,
        "well": 1,
        "counterfoil_source_answersa": 1,
        "counterfoil_source_answersb": 1,
    }
    frozen.may.clear()
    for _ in range(3):
        assert told(looked_up) == {
            "reachable": 0,
            "well": 1,
            "counterfoil_source_answersa": 0,
            "counterfoil_source_answersb": 1,
        }
    assert frozen.times == 2
    frozen.may.set()
    until(lambda: told(looked_up)["counterfoil_source_answersa"], "it answers again")


def test_two_who_ask_at_once_wait_once() -> None:
    """The second waits for the answer to the first: two watchers do not double the time."""
    slow = Asked("slow")
    slow.may.clear()
    looked_up = LookedUp([Source("a", slow)], within_s=60)
    found: list[dict[str, float]] = []
    watchers = [threading.Thread(target=lambda: found.append(told(looked_up))) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    slow.may.set()
    for watcher in watchers:
        watcher.join()
    assert [each["slow"] for each in found] == [1, 1]
