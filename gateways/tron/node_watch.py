"""Step: look at every node now and then, say what is wrong with which, ring when that begins, and say when it is over.

A node that lags, keeps no old blocks or is silent moves no money and loses none; but what is final may wait for it, and then a
person must know for which and why.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from core.ports.alarm import Alarm, Condition
from core.ports.node_states import NodeBoard, NodeState, Trouble
from core.ports.scanning import Cursors
from core.ports.unavailable import Unavailable
from core.tron.chain import BlockRef
from gateways.tron.reach import LowestBlock, behind, has_block, host_of, lacks_blocks, second_newest
from gateways.tron.roster import LAG_S_MAX, Member, Roster
from scanners.observer import SOLID

EVERY: Final = timedelta(seconds=15)
SILENT: Final = timedelta(seconds=60)
"""A node that does not answer rings after so long: restarts are no news."""
SEARCH_EVERY: Final = timedelta(hours=6)
"""A node may be filled up, or replaced by a lite one."""
_ADVICE: Final[dict[Trouble, str]] = {
    "silent": "see whether it runs and can be reached from here",
    "behind": "see whether it has peers and room on its disk; if every node is, whether this machine's clock is right",
    "lacks_blocks": "let it keep all blocks (a full snapshot, or node.openHistoryQueryWhenLiteFN), or configure another",
}
"""These ring here; the others rang when they were found."""

log = logging.getLogger(__name__)


class _Seen(NamedTuple):
    """What a node said of itself at this look."""

    head: BlockRef
    solid: int


class _Known:
    """What is remembered of one node between looks."""

    def __init__(self) -> None:
        self.before: int | None = None
        self.solid: int | None = None
        self.search: LowestBlock | None = None
        self.lowest: int | None = None
        self.searched_at: datetime | None = None
        self.trouble: Trouble = ""
        self.since: datetime | None = None
        self.has_rung = False


class NodeWatch:
    """All nodes of `roster`. `lag_s_max` is how old a head may be by the clock; None: only beside the others' heads."""

    def __init__(
        self,
        roster: Roster,
        cursors: Cursors,
        board: NodeBoard,
        clock: Callable[[], datetime],
        *,
        lag_s_max: int | None,
        alarm: Alarm,
    ) -> None:
        self._roster = roster
        self._cursors = cursors
        self._board = board
        self._clock = clock
        self._lag_s_max = lag_s_max
        self._troubles = {trouble: Condition(alarm, f"node_{trouble}") for trouble in _ADVICE}
        self._known = {member: _Known() for member in roster.members}
        self._next: datetime | None = None

    def step(self) -> bool:
        """A look, or one question of a search; nobody waits for either, so it is never busy. Raises Unavailable."""
        now = self._clock()
        if self._next is not None and now < self._next:
            self._search(now)
            return False
        self._next = now + EVERY
        seen = {member: self._ask(member) for member in self._roster.members}
        cursor = self._cursors.load(SOLID)
        states = [
            self._state(place, member, seen, None if cursor is None else cursor.number + 1, now)
            for place, member in enumerate(self._roster.members, start=1)
        ]
        self._board.put(states)
        for member, state in zip(self._roster.members, states, strict=True):
            self._tell(member, state, now)
        return False

    def _ask(self, member: Member) -> _Seen | None:
        """None for one that does not answer, or did not a moment ago and rests."""
        rests = not self._roster.is_well(member)
        if rests and member.silent:
            return None
        try:
            if not self._roster.is_of_this_network(member):
                return None
            seen = _Seen(member.node.head(), member.node.solid().number)
        except Unavailable as error:
            if not rests:
                self._roster.failed(member, error)
            return None
        member.silent = False
        if not rests:
            member.failures = 0
        return seen

    def _state(
        self, place: int, member: Member, seen: dict[Member, _Seen | None], needed: int | None, now: datetime
    ) -> NodeState:
        known, it = self._known[member], seen[member]
        state = NodeState(place=place, host=host_of(member.name), lowest=known.lowest)
        if it is None:
            return _with(state, *_why_not(member, self._roster))
        lag_s = self._lag_s(it, [each for each in seen.values() if each is not None], now)
        before, known.before, known.solid = known.before, it.head.number, it.solid
        state = msgspec.structs.replace(state, head=it.head.number, solid=it.solid, lag_s=lag_s)
        if lag_s > (LAG_S_MAX if self._lag_s_max is None else self._lag_s_max):
            return _with(state, "behind", behind(lag_s, it.head.number, before))
        if needed is not None and needed <= it.solid and not self._has(member, needed):
            if known.lowest is not None and known.lowest <= needed:  # it kept more when it was searched
                known.lowest = known.search = known.searched_at = None
            return _with(state, "lacks_blocks", lacks_blocks(known.lowest, needed))
        if member.faults and not self._roster.is_well(member):
            return _with(state, "untrue", _UNTRUE)
        if known.lowest is not None and known.lowest > 1:
            return _with(state, "lite", f"is a lite node: its first block is {known.lowest}")
        return state

    def _lag_s(self, it: _Seen, all_seen: list[_Seen], now: datetime) -> int:
        """By the clock, which no node can falsify; where the chain's time is another, by the other nodes' heads."""
        newest_ms = int(now.timestamp() * 1000)
        if self._lag_s_max is None:
            newest_ms = second_newest([each.head.timestamp_ms for each in all_seen])
        return max(0, (newest_ms - it.head.timestamp_ms) // 1000)

    def _has(self, member: Member, needed: int) -> bool:
        try:
            return has_block(member.node, needed)
        except Unavailable as error:
            self._roster.failed(member, error)
            return True  # the next look will say that it is silent

    def _search(self, now: datetime) -> None:
        """One question about the first block of one node."""
        for member, known in self._known.items():
            if known.search is None and (known.searched_at is None or now - known.searched_at >= SEARCH_EVERY):
                known.search = None if known.solid is None else LowestBlock(known.solid)
            if known.search is None or not self._roster.is_well(member):
                continue
            try:
                known.search.ask(member.node)
            except Unavailable as error:
                self._roster.failed(member, error)
                return
            if known.search.number is not None:
                known.lowest, known.search, known.searched_at = known.search.number, None, now
            return

    def _tell(self, member: Member, state: NodeState, now: datetime) -> None:
        known = self._known[member]
        if state.trouble != known.trouble:
            if state.trouble in ("", "lite") and known.has_rung:
                log.info("%s is well again: it no longer %s", member.name, _PAST[known.trouble])
            if state.trouble == "lite":
                log.warning("%s %s: nothing before it can be agreed with it", member.name, state.sentence)
            known.trouble, known.since, known.has_rung = state.trouble, now, False
        advice = _ADVICE.get(state.trouble)
        patience = SILENT if state.trouble == "silent" else timedelta()
        if advice and not known.has_rung and known.since is not None and now - known.since >= patience:
            known.has_rung = True
            said = f"{member.name}: it {state.sentence}. {advice[0].upper()}{advice[1:]}"
            self._troubles[state.trouble].begin(member.name, said)
        for trouble, condition in self._troubles.items():
            if trouble != state.trouble:
                condition.end(member.name)


_UNTRUE: Final = "rests: what it said was not true, and an alarm named it"
_PAST: Final[dict[Trouble, str]] = {
    "silent": "is silent",
    "behind": "is behind",
    "lacks_blocks": "lacks blocks that are needed",
}


def _why_not(member: Member, roster: Roster) -> tuple[Trouble, str]:
    if member.genesis and not roster.is_of_this_network(member):
        return "other_network", "is of another network"
    return "silent", "does not answer"


def _with(state: NodeState, trouble: Trouble, sentence: str) -> NodeState:
    return msgspec.structs.replace(state, trouble=trouble, sentence=sentence)
