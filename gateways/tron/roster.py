"""The nodes by name, how each has been, and which one is used: health, rests that grow, lag, one network for all."""

import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from core.ports.alarm import Alarm, tell
from core.ports.chain import Network, Node, Staking
from core.ports.unavailable import Unavailable
from gateways.telemetry.alarm_log import alarm_name, log_alarm
from gateways.tron.node import Suspended
from gateways.tron.node_json import MalformedAnswer
from scanners.blocks import NodeFault

REST_FIRST_S: Final = 1.0
REST_MAX_S: Final = 60.0
"""After silence: doubled with each in a row."""
FAULT_REST_FIRST_S: Final = 10.0
FAULT_REST_MAX_S: Final = 600.0
"""After an answer that is not true."""
SURVEY_S: Final = 30.0
LAG_S_MAX: Final = 60
"""As far as a solid block is behind the head. A node further behind is of no use."""
BLOCK_S: Final = 3


class OneNode(Node, Network, Staking, Protocol):
    """What stands behind each address; TronNode is one."""


class Lagging(NodeFault):
    """The node's head is far behind the other nodes'."""


class OtherNetwork(NodeFault):
    """The node's block 0 is not the other nodes'."""


class Member:
    """A node and how it has been."""

    def __init__(self, name: str, node: OneNode) -> None:
        self.name = name
        self.node = node
        self.failures = 0
        self.faults = 0
        self.rests_until = 0.0
        self.silent = False
        """The last question had no answer: it rests for that, not for what it said."""
        self.genesis = ""


class Roster:
    """`members` in the order of preference. `alarm` gets a fault's name and its sentence, each time.

    A node whose head is `lag_s_max` of blocks behind the others' rests.
    """

    def __init__(
        self,
        nodes: Mapping[str, OneNode],
        *,
        alarm: Alarm = log_alarm,
        monotonic: Callable[[], float] = time.monotonic,
        lag_s_max: int = LAG_S_MAX,
    ) -> None:
        self._lag_blocks_max = lag_s_max // BLOCK_S
        self.members = [Member(name, node) for name, node in nodes.items()]
        self.alarm = alarm
        self._monotonic = monotonic
        self._current = self.members[0]
        self._genesis = ""
        self._surveyed_at = -SURVEY_S

    @property
    def is_single(self) -> bool:
        return len(self.members) == 1

    def is_well(self, member: Member) -> bool:
        return member.rests_until <= self._monotonic()

    def choose(self) -> Member:
        """The node in use while it is well, then the first that is; when all rest, the one that will be well first."""
        if not self.is_single:
            now = self._monotonic()
            order = sorted(self.members, key=lambda m: (max(m.rests_until, now), m is not self._current))
            self._current = next(filter(self.is_of_this_network, order), order[0])
        return self._current

    def is_of_this_network(self, member: Member) -> bool:
        """Compared once with the first node that was ever used; False while it cannot be known."""
        if not member.genesis:
            try:
                member.genesis = member.node.genesis_id()
            except Unavailable as error:
                self.failed(member, error)
                return False
            self._genesis = self._genesis or member.genesis
            if member.genesis != self._genesis:
                self.blame(member, OtherNetwork(f"its block 0 is {member.genesis}, the others have {self._genesis}"))
        return member.genesis == self._genesis

    def survey(self) -> None:
        """Now and then every node's head: who lags rests. The highest of three is not believed alone."""
        now = self._monotonic()
        if self.is_single or now - self._surveyed_at < SURVEY_S:
            return
        self._surveyed_at = now
        heads: dict[Member, int] = {}
        for member in self.members:
            if not self.is_well(member) or not self.is_of_this_network(member):
                continue
            try:
                heads[member] = member.node.head().number
            except Unavailable as error:
                self.failed(member, error)
        if len(heads) < 2:
            return
        highest = sorted(heads.values())[-2 if len(heads) > 2 else -1]
        for member, height in heads.items():
            if highest - height > self._lag_blocks_max:
                self.blame(member, Lagging(f"its head is {height}, others have {highest}"))

    def failed(self, member: Member, error: Unavailable) -> None:
        """Silence, or no answer of a node's shape."""
        member.failures += 1
        member.silent = True
        rest_s = min(REST_FIRST_S * 2 ** min(member.failures - 1, 20), REST_MAX_S)
        if isinstance(error, Suspended):
            rest_s = error.seconds
        if isinstance(error.__cause__, MalformedAnswer):
            tell(self.alarm, "malformed_answer", member.name, f"{member.name}: {error}")
        self._rest(member, rest_s)

    def blame(self, member: Member, fault: NodeFault) -> None:
        """An answer that is not true, or belongs to no chain we follow."""
        member.faults += 1
        tell(self.alarm, alarm_name(fault), member.name, f"{member.name}: {fault}")
        self._rest(member, min(FAULT_REST_FIRST_S * 2 ** min(member.faults - 1, 20), FAULT_REST_MAX_S))

    def _rest(self, member: Member, seconds: float) -> None:
        member.rests_until = max(member.rests_until, self._monotonic() + seconds)
        if member is self._current:  # the next one's turn, also when this one's rest is over by then
            self._current = self.members[(self.members.index(member) + 1) % len(self.members)]
