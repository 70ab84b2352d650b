"""What tracing reads of the ports that it looks on at: nothing that passes them by may stop a process."""

from collections.abc import Sequence
from typing import Any, get_args

import pytest

from core.ports.queues import Message
from gateways.wiring.traced import TracedDeposits
from scanners import facts
from tests.core.record_events import example

pytestmark = pytest.mark.fast


class _Traces:
    """Remembers of which transfers it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def observed(self, kind: str, *_: Any) -> None:
        self.told.append(kind)


class _Queue:
    def send(self, messages: Sequence[Message]) -> None:
        """Takes everything."""


@pytest.mark.parametrize("kind", get_args(facts.Fact), ids=lambda kind: kind.__name__)
def test_whatever_the_observer_tells_passes(kind: Any) -> None:
    """Each kind of fact goes to the queue, and only a transfer is part of a trace."""
    traces = _Traces()
    sender = TracedDeposits(_Queue(), "deposits", traces)  # type: ignore[arg-type]
    sender.send([facts.message(example(kind), b"a key of thirty-two bytes, or so")])
    assert traces.told == (["detected"] if kind is facts.Report else [])
