"""An order's alarm rings once, however long it lasts, and every name that is rung is one that can end."""

import re
from pathlib import Path

import pytest

from signers import outgoing
from signers.outgoing.open_orders import OpenOrder
from signers.outgoing.order_alarms import KNOWN_AFTER_MS, NAMES, OrderAlarms

pytestmark = pytest.mark.fast


class Waiting(OpenOrder):
    """An order that nothing is known of but its name."""

    def __init__(self) -> None:
        self.rung = {}

    @property
    def name(self) -> str:
        return "instruction 7"


@pytest.mark.parametrize("name", NAMES)
def test_what_lasts_rings_once(name: str) -> None:
    """Also past the time at which it is looked at what still holds; and nothing of it ends the worker."""
    rung: list[str] = []
    alarms, order = OrderAlarms(lambda name, _: rung.append(name), "instructions"), Waiting()
    for minute in range(30):
        alarms.ring(order, name, "it waits")
        alarms.look([order], minute * KNOWN_AFTER_MS // 5)
    assert rung == [name]


def test_every_alarm_of_an_order_is_one_of_those_that_end() -> None:
    """Whatever the workers ring stands in the list."""
    sources = Path(outgoing.__file__).parent.glob("*.py")
    named = {
        name for file in sources for name in re.findall(r'_?ring\(\s*order, "(\w+)"', file.read_text(encoding="utf-8"))
    }
    assert named - set(NAMES) == set()
    assert len(named) > 5
