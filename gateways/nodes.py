"""Several Tron nodes behind one port: a step talks to one of them, a failing one rests, and what is final is asked of two.

    with nodes.pinned():     everything inside is one node's answer: head first, then the look, from the same backend
        step()               a NodeFault that leaves the block is held against that node

A failure is raised as it is and changes the node for the next step, never within one. No thread, no retry: the loop asks
again.
"""

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from core.chain import (
    AccountResources,
    Block,
    BlockRef,
    BroadcastAnswer,
    ChainAccount,
    ConstantResult,
    Log,
    Producer,
    Receipt,
)
from core.ports import Disagreement, Network, Node, Unavailable
from gateways.tron_json import MalformedAnswer
from gateways.tron_node import Suspended
from scanners.blocks import NodeFault

log = logging.getLogger(__name__)

REST_FIRST_S: Final = 1.0
REST_MAX_S: Final = 60.0
"""After silence: doubled with each in a row."""
FAULT_REST_FIRST_S: Final = 10.0
FAULT_REST_MAX_S: Final = 600.0
"""After an answer that is not true."""
SURVEY_S: Final = 30.0
LAG_BLOCKS_MAX: Final = 20
"""A minute: as far as a solid block is behind the head. A node further behind the others is of no use."""
_SILENT: Final = re.compile("NO_ANSWER|MALFORMED_ANSWER|HTTP_.*")
"""Codes of an unclear broadcast that the node itself did not give."""

T = TypeVar("T")
Alarm = Callable[[str, str], None]
Outcome = tuple[str, int, str, bool, tuple[Log, ...]]


class OneNode(Node, Network, Protocol):
    """What stands behind each address; TronNode is one."""


class Lagging(NodeFault):
    """The node's head is far behind the other nodes'."""


class OtherNetwork(NodeFault):
    """The node's block 0 is not the other nodes'."""


class Contradicted(NodeFault):
    """Two other nodes agree on something else."""


class Standing(msgspec.Struct, frozen=True):
    """How a node has been: failures and faults in a row, and for how long it will not be asked first."""

    name: str
    failures: int
    faults: int
    rests_s: float


class _NotYet(Exception):
    """The node does not know the matter yet: no vote."""


class _Member:
    def __init__(self, name: str, node: OneNode) -> None:
        self.name = name
        self.node = node
        self.failures = 0
        self.faults = 0
        self.rests_until = 0.0
        self.genesis = ""


class _Here(threading.local):
    """The node that this thread's step is pinned to."""

    member: _Member | None = None


def log_alarm(name: str, sentence: str) -> None:
    """An error line that names what happened, for the log's alarms to count."""
    log.error("ALARM %s: %s", name, sentence)


class Nodes:
    """The ports `Node`, `Network` and `SecondOpinion` over nodes by name, the preferred one first."""

    def __init__(
        self,
        nodes: Mapping[str, OneNode],
        *,
        alarm: Alarm = log_alarm,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`alarm` gets a fault's name and its sentence, each time."""
        self._members = [_Member(name, node) for name, node in nodes.items()]
        self._alarm = alarm
        self._monotonic = monotonic
        self._current = self._members[0]
        self._here = _Here()
        self._genesis = ""
        self._surveyed_at = -SURVEY_S
        self._told = False

    @contextlib.contextmanager
    def pinned(self) -> Iterator[None]:
        """One node for everything on this thread until the end of the block, also if it fails meanwhile."""
        if self._here.member is not None:
            yield
            return
        self._survey()
        member = self._here.member = self._choose()
        try:
            yield
            member.faults = 0
        except NodeFault as fault:
            self._blame(member, fault)
            raise
        finally:
            self._here.member = None

    def on_one(self, step: Callable[[], bool]) -> Callable[[], bool]:
        """The step, each run of it on one node."""

        def pinned() -> bool:
            with self.pinned():
                return step()

        return pinned

    def standing(self) -> list[Standing]:
        now = self._monotonic()
        return [Standing(m.name, m.failures, m.faults, max(0.0, m.rests_until - now)) for m in self._members]

    # Node

    def head(self) -> BlockRef:
        return self._ask(lambda node: node.head())

    def solid(self) -> BlockRef:
        return self._ask(lambda node: node.solid())

    def genesis_id(self) -> str:
        return self._ask(lambda node: node.genesis_id())

    def block(self, number: int) -> Block | None:
        return self._ask(lambda node: node.block(number))

    def solid_block(self, number: int) -> Block | None:
        return self._ask(lambda node: node.solid_block(number))

    def receipts(self, number: int) -> Sequence[Receipt]:
        return self._ask(lambda node: node.receipts(number))

    def solid_receipts(self, number: int) -> Sequence[Receipt]:
        return self._ask(lambda node: node.solid_receipts(number))

    def receipt(self, txid: str) -> Receipt | None:
        return self._ask(lambda node: node.receipt(txid))

    def solid_receipt(self, txid: str) -> Receipt | None:
        return self._ask(lambda node: node.solid_receipt(txid))

    def account(self, address: bytes) -> ChainAccount | None:
        return self._ask(lambda node: node.account(address))

    def solid_account(self, address: bytes) -> ChainAccount | None:
        return self._ask(lambda node: node.solid_account(address))

    def resources(self, address: bytes) -> AccountResources:
        return self._ask(lambda node: node.resources(address))

    def call(self, owner: bytes, contract: bytes, data: bytes, *, solid: bool = False) -> ConstantResult:
        return self._ask(lambda node: node.call(owner, contract, data, solid=solid))

    def chain_parameters(self) -> Mapping[str, int]:
        return self._ask(lambda node: node.chain_parameters())

    def broadcast(self, signed: bytes) -> BroadcastAnswer:
        """To every node that is well: the same bytes are one transaction. Raises Unavailable where nothing was sent."""
        first, now = self._first(), self._monotonic()
        answers: list[BroadcastAnswer] = []
        shut: Unavailable | None = None
        for member in (first, *(m for m in self._members if m is not first and m.rests_until <= now)):
            try:
                answer = member.node.broadcast(signed)
            except Unavailable as error:
                self._failed(member, error)
                shut = error
                continue
            answers.append(answer)
            if answer.verdict == "unclear" and _SILENT.fullmatch(answer.code):
                self._failed(member, Unavailable(f"{answer.code} {answer.message}"))
        if not answers:
            raise Unavailable(f"no node takes the transaction: {shut}") from shut
        return _combined(answers)

    # Network

    def producers(self) -> Sequence[Producer]:
        """A producer is what two nodes state it to be. Raises Unavailable while fewer than two answer."""
        if len(self._members) == 1:
            return self._ask(lambda node: node.producers())
        lists = [stated for _, stated in self._each(lambda node: node.producers())]
        if len(lists) < 2:
            raise Unavailable("fewer than two nodes name the producers")
        stated: dict[bytes, list[Producer]] = {}
        for producers in lists:
            for producer in producers:
                stated.setdefault(producer.address, []).append(producer)
        return [_second_of(each) for each in stated.values() if len(each) >= 2]

    def producer_key(self, address: bytes) -> bytes:
        return self._two(f"whose key signs for producer {address.hex()}", lambda node: node.producer_key(address))

    # SecondOpinion

    def agree_on_solid(self, number: int) -> str:
        def block_id(node: OneNode) -> str:
            block = node.solid_block(number)
            if block is None:
                raise _NotYet
            return block.ref.block_id

        return self._two(f"the solid block {number}", block_id)

    def agree_on_receipts(self, number: int, receipts: Sequence[Receipt]) -> None:
        def outcomes(node: OneNode) -> tuple[Outcome | None, ...]:
            found = {receipt.txid: receipt for receipt in node.solid_receipts(number)}
            if not found:  # it does not have the block yet: here are receipts of it
                raise _NotYet
            return tuple(_outcome(found.get(receipt.txid)) for receipt in receipts)

        self._two(f"the receipts of block {number}", outcomes, tuple(_outcome(receipt) for receipt in receipts))

    def agree_on_absence(self, txid: str, solid: BlockRef) -> None:
        def absence(node: OneNode) -> tuple[str, bool]:
            if node.solid().number < solid.number:  # the height first, then the look (TRON.md 2.7)
                raise _NotYet
            block = node.solid_block(solid.number)
            return block.ref.block_id if block else "", node.solid_receipt(txid) is None

        self._two(f"transaction {txid} in no block up to {solid.number}", absence, (solid.block_id, True))

    def close(self) -> None:
        for member in self._members:
            close = getattr(member.node, "close", None)
            if close is not None:
                close()

    def _first(self) -> _Member:
        return self._here.member or self._choose()

    def _ask(self, question: Callable[[OneNode], T]) -> T:
        member = self._first()
        try:
            answer = question(member.node)
        except Unavailable as error:
            self._failed(member, error)
            raise
        member.failures = 0
        return answer

    def _each(self, question: Callable[[OneNode], T], *, but: _Member | None = None) -> Iterator[tuple[_Member, T]]:
        """Every other node's answer, those that rest last; who is silent or does not know is left out."""
        for member in sorted(self._members, key=lambda m: m.rests_until if m.rests_until > self._monotonic() else 0.0):
            if member is but or not self._is_of_this_network(member):
                continue
            try:
                yield member, question(member.node)
            except _NotYet:
                continue
            except Unavailable as error:
                self._failed(member, error)

    def _two(self, subject: str, question: Callable[[OneNode], T], stated: T | None = None) -> T:
        """What two nodes say. `stated` is what the node of this step said already.

        Raises Disagreement, also when two others outvote this step's node; Unavailable when fewer than two can say.
        """
        if len(self._members) == 1:
            self._tell_once()
            return self._ask(question) if stated is None else stated
        first = self._first() if stated is not None else None
        votes: list[tuple[_Member, Any]] = [(first, stated)] if first else []
        for member, answer in self._each(question, but=first):
            votes.append((member, answer))
            if sum(answer == other for _, other in votes) == 2:
                for dissenter in (each for each, other in votes if other != answer):
                    self._blame(dissenter, Contradicted(f"two nodes state otherwise: {subject}"))
                if first and stated != answer:
                    raise Disagreement(f"two nodes contradict {first.name}: {subject}")
                return answer
        if len(votes) < 2:
            raise Unavailable(f"no second node can say yet: {subject}")
        sentence = f"{' and '.join(member.name for member, _ in votes)} contradict each other: {subject}"
        self._alarm("disagreement", sentence)
        raise Disagreement(sentence)

    def _choose(self) -> _Member:
        """The node in use while it is well, then the first that is; when all rest, the one that will be well first."""
        if len(self._members) > 1:
            now = self._monotonic()
            order = sorted(self._members, key=lambda m: (max(m.rests_until, now), m is not self._current))
            self._current = next(filter(self._is_of_this_network, order), order[0])
        return self._current

    def _is_of_this_network(self, member: _Member) -> bool:
        """Compared once with the first node that was ever used; False while it cannot be known."""
        if not member.genesis:
            try:
                member.genesis = member.node.genesis_id()
            except Unavailable as error:
                self._failed(member, error)
                return False
            self._genesis = self._genesis or member.genesis
            if member.genesis != self._genesis:
                self._blame(member, OtherNetwork(f"its block 0 is {member.genesis}, the others have {self._genesis}"))
        return member.genesis == self._genesis

    def _survey(self) -> None:
        """Now and then every node's head: who lags rests. The highest of three is not believed alone."""
        now = self._monotonic()
        if len(self._members) == 1 or now - self._surveyed_at < SURVEY_S:
            return
        self._surveyed_at = now
        heads: dict[_Member, int] = {}
        for member in self._members:
            if member.rests_until > now or not self._is_of_this_network(member):
                continue
            try:
                heads[member] = member.node.head().number
            except Unavailable as error:
                self._failed(member, error)
        if len(heads) < 2:
            return
        highest = sorted(heads.values())[-2 if len(heads) > 2 else -1]
        for member, height in heads.items():
            if highest - height > LAG_BLOCKS_MAX:
                self._blame(member, Lagging(f"its head is {height}, others have {highest}"))

    def _failed(self, member: _Member, error: Unavailable) -> None:
        """Silence, or no answer of a node's shape."""
        member.failures += 1
        rest_s = min(REST_FIRST_S * 2 ** min(member.failures - 1, 20), REST_MAX_S)
        if isinstance(error, Suspended):
            rest_s = error.seconds
        if isinstance(error.__cause__, MalformedAnswer):
            self._alarm("malformed_answer", f"{member.name}: {error}")
        self._rest(member, rest_s)

    def _blame(self, member: _Member, fault: NodeFault) -> None:
        """An answer that is not true, or belongs to no chain we follow."""
        member.faults += 1
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(fault).__name__).lower()
        self._alarm(name, f"{member.name}: {fault}")
        self._rest(member, min(FAULT_REST_FIRST_S * 2 ** min(member.faults - 1, 20), FAULT_REST_MAX_S))

    def _rest(self, member: _Member, seconds: float) -> None:
        member.rests_until = max(member.rests_until, self._monotonic() + seconds)

    def _tell_once(self) -> None:
        if not self._told:
            log.warning("one node is configured: nothing that %s says is checked against another", self._current.name)
        self._told = True


def _combined(answers: Sequence[BroadcastAnswer]) -> BroadcastAnswer:
    """Accepted if one accepted, refused if all refused, else unclear: it may have been sent (FAILURES 20)."""
    for verdict in ("accepted", "unclear", "refused"):
        for answer in answers:
            if answer.verdict == verdict:
                return answer
    raise AssertionError("an answer without a verdict")


def _second_of(stated: Sequence[Producer]) -> Producer:
    """What at least two of them state."""
    active = sum(producer.active for producer in stated) >= 2
    return Producer(stated[0].address, active, sorted(producer.latest_block for producer in stated)[-2])


def _outcome(receipt: Receipt | None) -> Outcome | None:
    """What is credited from a receipt: everything but fees and resources, which nodes of several versions print differently."""
    if receipt is None:
        return None
    return receipt.txid, receipt.block_number, receipt.result, receipt.failed, receipt.logs
