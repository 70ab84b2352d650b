"""What `counterfoil nodes` finds out about one node: how far it reaches, what its blocks show, and what is wrong with it."""

import time
from typing import Any

import pytest

from core.ports.unavailable import Unavailable
from gateways.cli.chain.nodes import Look, _look
from gateways.tron.reach import lowest_block
from gateways.tron.roster import LAG_S_MAX
from scanners.producers import Producers
from tests.support.chain import SOLID_LAG, MemoryChain

pytestmark = pytest.mark.fast


class Lite:
    """A node that keeps no block below this one, and says so as a lite node or with nothing."""

    def __init__(self, chain: MemoryChain, first: int, *, refuses: bool) -> None:
        self.chain = chain
        self.first = first
        self.refuses = refuses

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chain, name)

    def solid_block(self, number: int) -> Any:
        if number >= self.first:
            return self.chain.solid_block(number)
        if self.refuses:
            raise Unavailable("this API is closed because this node is a lite fullnode")
        return None


def looked(name: str, node: Any, known: Producers, needed: int | None = None) -> Look:
    return _look(name, node, known, lag_s_max=LAG_S_MAX, needed=needed)


@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize("first", [1, 2, 17, 82])
def test_how_far_back_a_node_reaches(first: int, refuses: bool) -> None:
    """The first block that it has is found, whatever it says of those before."""
    chain = MemoryChain()
    chain.mine(blocks=100)
    assert lowest_block(Lite(chain, first, refuses=refuses), chain.solid().number) == first  # type: ignore[arg-type]


def test_what_a_node_claims_stands_beside_what_its_blocks_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """An honest node has no problem, one that claims too much has, and one that stands still is behind."""
    chain = MemoryChain(seats=27)
    chain.mine(blocks=100)
    monkeypatch.setattr(time, "time", lambda: chain.head().timestamp_ms / 1000 + 3)
    look = looked("a", chain, Producers(chain))
    assert (look.head, look.solid, look.counted, look.lag_s, look.problem) == (100, 82, 82, 3, "")
    chain.solid_lag = 5
    assert "calls block 95 solid, and its blocks show 82" in looked("a", chain, Producers(chain)).problem
    chain.solid_lag = SOLID_LAG
    monkeypatch.setattr(time, "time", lambda: chain.head().timestamp_ms / 1000 + LAG_S_MAX + 1)
    assert "it is 61 s behind the chain, at block 100" in looked("a", chain, Producers(chain)).problem


def test_a_silent_node_is_a_row_like_the_others() -> None:
    """What does not answer is told with its reason."""

    class Silent:
        def head(self) -> Any:
            raise Unavailable("http://a does not answer: refused")

    look = looked("a", Silent(), Producers(MemoryChain()))  # type: ignore[arg-type]
    assert (look.head, look.problem) == (None, "http://a does not answer: refused")
