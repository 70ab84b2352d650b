"""Each node's reach is known: which one lags, is silent or lacks blocks, in words, with an alarm once, until it is over."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.ports.chain import UnusableAnswer
from core.ports.node_states import NodeState
from core.ports.scanning import Cursor
from core.ports.unavailable import Unavailable
from gateways.tron.node_watch import EVERY, SILENT, NodeWatch
from gateways.tron.nodes import Nodes
from gateways.tron.reach import LITE, host_of
from gateways.tron.roster import LAG_S_MAX, REST_MAX_S
from scanners.blocks import InvalidBlock
from scanners.observer import SOLID
from tests.support.chain import GENESIS_MS, MemoryChain
from tests.support.memory import MemoryCursors

pytestmark = pytest.mark.fast

URLS = ("https://a.example/SECRET/", "http://user:SECRET@b.example:8090", "http://c.example")


class Talker:
    """A node on a chain; `lag` blocks are still to come to it, those below `first` it has not, `says` is answered instead."""

    def __init__(self, chain: MemoryChain) -> None:
        self.chain = chain
        self.lag, self.first = 0, 0
        self.says: dict[str, Callable[..., Any]] = {}

    def head(self) -> Any:
        return self.says.get("head", lambda: self.chain.blocks[-1 - self.lag].ref)()

    def solid_block(self, number: int) -> Any:
        if number < self.first:
            return self.says.get("solid_block", lambda: None)()
        return self.chain.solid_block(number)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chain, name)


class Watched:
    """The watch over some nodes, on a chain whose head is as old as the clock says."""

    def __init__(self, count: int = 3, *, lag_s_max: int | None = LAG_S_MAX) -> None:
        self.chain = MemoryChain()
        self.chain.mine(blocks=200)
        self.now = datetime.fromtimestamp(self.chain.head().timestamp_ms / 1000, UTC)
        self.talkers = [Talker(self.chain) for _ in range(count)]
        self.rang: list[tuple[str, str]] = []
        self.states: Sequence[NodeState] = ()
        self.nodes = Nodes(
            dict(zip(URLS, self.talkers, strict=False)),  # type: ignore[arg-type]
            alarm=self._ring,
            monotonic=lambda: self.now.timestamp(),
        )
        self.cursors = MemoryCursors()
        self.cursors.save(SOLID, Cursor(150, ""))
        self.watch = NodeWatch(
            self.nodes.roster, self.cursors, self, lambda: self.now, lag_s_max=lag_s_max, alarm=self._ring
        )

    def _ring(self, name: str, sentence: str) -> None:
        self.rang.append((name, sentence))

    def put(self, states: Sequence[NodeState]) -> None:
        self.states = states

    def look(self, after: timedelta = EVERY, blocks: int = 5) -> list[str]:
        """One look after some time in which the chain went on -> what is wrong with each."""
        self.now += after
        self.chain.mine(blocks=blocks)
        assert not self.watch.step()
        return [f"{state.trouble}: {state.sentence}" if state.trouble else "" for state in self.states]

    def search(self) -> None:
        for _ in range(60):
            assert not self.watch.step()

    def node_alarms(self) -> list[tuple[str, str]]:
        return [(name, sentence) for name, sentence in self.rang if name.startswith("node_")]


def test_one_that_lags_is_named_while_the_others_are_fresh() -> None:
    """By its age and by whether it catches up; it rings once, and again when it was well in between."""
    watched = Watched()
    assert watched.look() == ["", "", ""]
    watched.talkers[1].lag = 40
    assert watched.look() == ["", "behind: is 120 s behind the chain, at block 170, and stands there", ""]
    watched.talkers[1].lag = 35
    assert watched.look()[1] == "behind: is 105 s behind the chain, at block 180, and catches up"
    [(name, sentence)] = watched.node_alarms()
    assert name == "node_behind"
    assert sentence.startswith(f"{URLS[1]}: it is 120 s behind")
    assert "See whether it has peers" in sentence
    watched.talkers[1].lag = 0
    assert watched.look() == ["", "", ""]
    watched.talkers[1].lag = 21
    assert watched.look()[1].startswith("behind: is 63 s behind")
    assert len(watched.node_alarms()) == 2


def test_one_that_rests_for_its_answers_is_not_called_silent() -> None:
    """It was blamed, rests, and answers: what it lacks is named; a silent one that rests is not asked."""
    watched = Watched()
    assert watched.look() == ["", "", ""]
    member = watched.nodes.roster.members[1]
    watched.talkers[1].first = 160
    watched.nodes.roster.failed(member, Unavailable("once"))
    for _ in range(6):
        watched.nodes.roster.blame(member, InvalidBlock("it has no block 151"))
    assert watched.look()[1] == "silent: does not answer"
    member.silent = False
    assert watched.look(timedelta(seconds=15))[1].startswith("lacks_blocks: has not the block 151")


def test_the_limit_is_the_setting_s() -> None:
    """What is behind by a minute is well for who allows five."""
    watched = Watched(lag_s_max=300)
    watched.talkers[0].lag = 40
    assert watched.look() == ["", "", ""]
    watched.talkers[0].lag = 101
    assert watched.look()[0].startswith("behind: is 303 s behind")


def test_all_are_behind_when_the_chain_stands_or_the_clock_is_wrong() -> None:
    """By the clock each of them is named, and the sentence says what may be."""
    watched = Watched()
    troubles = watched.look(timedelta(seconds=90), blocks=1)
    assert all(trouble.startswith("behind: is 8") for trouble in troubles)
    assert "whether this machine's clock is right" in watched.rang[0][1]


def test_a_chain_with_a_time_of_its_own_is_measured_by_its_nodes() -> None:
    """On a devnet the clock says nothing; and one of three that claims the future makes none of the others lag."""
    watched = Watched(lag_s_max=None)
    watched.now = datetime.fromtimestamp(GENESIS_MS / 1000, UTC) + timedelta(days=1_000)
    assert watched.look() == ["", "", ""]
    far = watched.chain.head().__class__(10**9, "00" * 32, "00" * 32, 10**15)
    watched.talkers[2].says["head"] = lambda: far
    assert watched.look()[:2] == ["", ""]
    watched.talkers[2].says.clear()
    watched.talkers[0].lag = 21
    assert watched.look()[0].startswith("behind: is 63 s behind")


@pytest.mark.parametrize(
    "answer", [None, UnusableAnswer("no JSON"), Unavailable(f"this API is closed because … {LITE}")]
)
def test_a_lite_node_is_told_before_and_when_it_matters(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Its first block is found; it rings where the scanner needs one before it, and says which."""

    def said() -> Any:
        if answer is not None:
            raise answer

    watched = Watched(2)
    watched.talkers[1].first = 120
    watched.talkers[1].says["solid_block"] = said
    assert watched.look() == ["", ""]
    watched.search()
    with caplog.at_level(logging.WARNING):
        assert watched.look() == ["", "lite: is a lite node: its first block is 120"]
    assert "nothing before it can be agreed with it" in caplog.text
    assert [state.lowest for state in watched.states] == [1, 120]
    assert watched.node_alarms() == []
    watched.cursors.save(SOLID, Cursor(99, ""))
    assert watched.look()[1] == (
        "lacks_blocks: has not the block 100 that the scanner needs: its first is 120, as of a lite node"
    )
    [(name, _)] = watched.node_alarms()
    assert name == "node_lacks_blocks"


def test_silence_rings_after_a_minute_and_a_restart_does_not() -> None:
    """Who answers no more is shown at once; who does again is well; a node that rests is not asked."""
    watched = Watched()
    asked: list[int] = []

    def silent() -> Any:
        asked.append(1)
        raise Unavailable("no answer")

    watched.look()
    watched.talkers[0].says["head"] = silent
    assert watched.look()[0] == "silent: does not answer"
    watched.talkers[0].says.clear()
    watched.look(timedelta(seconds=REST_MAX_S))
    assert watched.look()[0] == ""
    assert watched.node_alarms() == []
    watched.talkers[0].says["head"] = silent
    times = int(2 * SILENT / EVERY)
    for _ in range(times):
        assert watched.look()[0] == "silent: does not answer"
    assert [name for name, _ in watched.node_alarms()] == ["node_silent"]
    assert len(asked) < times


def test_one_of_another_network_and_one_that_lied_are_shown() -> None:
    """Both rang when they were found, so they do not ring here."""
    watched = Watched()
    watched.nodes.roster.members[1].genesis = "ff" * 32
    watched.look()
    for _ in range(2):  # it rests for longer than until the next look
        watched.nodes.roster.blame(watched.nodes.roster.members[2], InvalidBlock("no"))
    assert watched.look() == [
        "",
        "other_network: is of another network",
        "untrue: rests: what it said was not true, and an alarm named it",
    ]
    assert watched.node_alarms() == []


def test_what_everybody_may_see_holds_no_secret() -> None:
    """A host and a port, without path and login (I13)."""
    assert [host_of(url) for url in (*URLS, "first")] == ["a.example", "b.example:8090", "c.example", "first"]
    watched = Watched()
    watched.look()
    assert [(state.place, state.host) for state in watched.states] == [
        (1, "a.example"),
        (2, "b.example:8090"),
        (3, "c.example"),
    ]
