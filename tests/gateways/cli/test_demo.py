"""The demo plays on whatever legal course the chain takes."""

import io
from typing import Any

import httpx2
import pytest
from rich.console import Console

from gateways.cli.demo.play import DEPOSIT, Play
from gateways.cli.demo.world import Story, World
from gateways.settings import Settings

pytestmark = pytest.mark.fast

DETECTED, CONFIRMED = "deposit.detected/1", "deposit.confirmed/1"


class OneDeposit(World):
    """An installation whose history has a deposit's events: topic -> position."""

    def __init__(self, printed: io.StringIO, history: dict[str, int]) -> None:
        super().__init__(Story(Console(file=printed, width=200)), Settings(), "key", "http://127.0.0.1:9")
        self._positions = history

    def faucet(self, address: str, **coins: str) -> str:
        return "ab" * 32

    def balance(self, company: httpx2.Client) -> str:
        return DEPOSIT

    def _one(self, condition: str, *values: str) -> int | None:
        return self._positions.get(values[-1])

    def until(self, look: Any) -> Any:
        found = look()
        assert found, "it would wait for ever"
        return found


@pytest.mark.parametrize(
    ("history", "seen_at_the_head"), [({DETECTED: 13, CONFIRMED: 14}, True), ({CONFIRMED: 13}, False)]
)
def test_the_demo_goes_on_where_a_deposit_is_seen_solid_first(history: dict[str, int], seen_at_the_head: bool) -> None:
    """A slow machine's scanner reports it confirmed and never detected: the story leaves that line out."""
    printed = io.StringIO()
    Play(OneDeposit(printed, history))._deposit(httpx2.Client(), "T")
    assert ("seen at the head" in printed.getvalue()) == seen_at_the_head
    assert f"event {history[CONFIRMED]}" in printed.getvalue()
