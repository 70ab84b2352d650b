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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from core.ports.alarm import Alarm
from core.ports.chain import Disagreement, NoSecondOpinion, UnusableAnswer
from core.ports.unavailable import Unavailable
from core.tron.chain import (
    AccountResources,
    Block,
    BlockRef,
    BroadcastAnswer,
    ChainAccount,
    ConstantResult,
    Delegation,
    DelegationIndex,
    InternalTransfer,
    Log,
    Producer,
    Receipt,
    Resource,
)
from gateways.steps import Step, Worked
from gateways.telemetry.alarm_log import log_alarm
from gateways.tron.roster import LAG_S_MAX, Member, OneNode, Roster
from scanners.blocks import NodeFault

log = logging.getLogger(__name__)

_SILENT: Final = re.compile("NO_ANSWER|MALFORMED_ANSWER|HTTP_.*")
"""Codes of an unclear broadcast that the node itself did not give."""

T = TypeVar("T")
Outcome = tuple[str, int, str, bool, tuple[Log, ...]]


class Contradicted(NodeFault):
    """Two other nodes agree on something else."""


class _NotYet(Exception):
    """The node does not know the matter yet: no vote."""


class _Here(threading.local):
    """The node that this thread's step is pinned to."""

    member: Member | None = None


class Nodes:
    """The ports `Node`, `Staking`, `Network` and `SecondOpinion` over nodes by name, the preferred one first."""

    def __init__(
        self,
        nodes: Mapping[str, OneNode],
        *,
        alarm: Alarm = log_alarm,
        monotonic: Callable[[], float] = time.monotonic,
        lag_s_max: int = LAG_S_MAX,
    ) -> None:
        """`alarm` gets a fault's name and its sentence, each time."""
        self.roster = self._roster = Roster(nodes, alarm=alarm, monotonic=monotonic, lag_s_max=lag_s_max)
        self._here = _Here()
        self._told = False
        self._waits_for = ""

    @contextlib.contextmanager
    def pinned(self) -> Iterator[None]:
        """One node for everything on this thread until the end of the block, also if it fails meanwhile."""
        if self._here.member is not None:
            yield
            return
        self._roster.survey()
        member = self._here.member = self._roster.choose()
        try:
            yield
            member.faults = member.failures = 0
        except NodeFault as fault:
            self._roster.blame(member, fault)
            raise
        finally:
            self._here.member = None

    def on_one(self, step: Step) -> Step:
        """The step, each run of it on one node."""

        def pinned() -> Worked:
            with self.pinned():
                return step()

        return pinned

    @property
    def members(self) -> Mapping[str, OneNode]:
        """Each node by its name, the preferred one first: to look at one apart from the others."""
        return {member.name: member.node for member in self._roster.members}

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
        first, well = self._first(), filter(self._roster.is_well, self._roster.members)
        others = [member for member in well if member is not first and self._roster.is_of_this_network(member)]
        answers: list[BroadcastAnswer] = []
        shut: Unavailable | None = None
        for member in (first, *others):
            try:
                answer = member.node.broadcast(signed)
            except Unavailable as error:
                self._roster.failed(member, error)
                shut = error
                continue
            answers.append(answer)
            if answer.verdict == "unclear" and _SILENT.fullmatch(answer.code):
                self._roster.failed(member, Unavailable(f"{answer.code} {answer.message}"))
        if not answers:
            raise Unavailable(f"no node takes the transaction: {shut}") from shut
        return _combined(answers)

    # Staking

    def delegations(self, owner: bytes, receiver: bytes, *, solid: bool = False) -> Sequence[Delegation]:
        return self._ask(lambda node: node.delegations(owner, receiver, solid=solid))

    def delegation_index(self, address: bytes, *, solid: bool = False) -> DelegationIndex:
        return self._ask(lambda node: node.delegation_index(address, solid=solid))

    def delegatable_sun(self, owner: bytes, resource: Resource, *, solid: bool = False) -> int:
        return self._ask(lambda node: node.delegatable_sun(owner, resource, solid=solid))

    def unfreezes_left(self, owner: bytes, *, solid: bool = False) -> int:
        return self._ask(lambda node: node.unfreezes_left(owner, solid=solid))

    def withdrawable_sun(self, owner: bytes, at_ms: int, *, solid: bool = False) -> int:
        return self._ask(lambda node: node.withdrawable_sun(owner, at_ms, solid=solid))

    def next_maintenance_ms(self) -> int:
        return self._ask(lambda node: node.next_maintenance_ms())

    # Network

    def producers(self) -> Sequence[Producer]:
        """A producer is what two nodes state it to be. Raises Unavailable while fewer than two answer."""
        if self._roster.is_single:
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

    def agree_on_block(self, block: Block) -> None:
        def content(node: OneNode) -> tuple[str, tuple[tuple[str, str], ...]]:
            other = node.solid_block(block.ref.number)
            if other is None:
                raise _NotYet
            return _content(other)

        subject = f"block {block.ref.number}, whose transactions do not prove themselves"
        if self._roster.is_single:
            raise Disagreement(f"one node is configured, and nobody else can say: {subject}")
        self._two(subject, content, _content(block))

    def agree_on_receipts(self, number: int, receipts: Sequence[Receipt]) -> None:
        def outcomes(node: OneNode) -> tuple[Outcome | None, ...]:
            found = _receipts_of(node, number, [receipt.txid for receipt in receipts])
            return tuple(_outcome(found.get(receipt.txid)) for receipt in receipts)

        self._two(f"the receipts of block {number}", outcomes, tuple(_outcome(receipt) for receipt in receipts))

    def agree_on_internal(
        self, number: int, internal: Collection[tuple[str, InternalTransfer]]
    ) -> Collection[tuple[str, InternalTransfer]]:
        if self._roster.is_single:
            self._tell_once()
            return internal

        def shown(node: OneNode) -> set[tuple[str, InternalTransfer]]:
            txids = {txid for txid, _ in internal}
            found = _receipts_of(node, number, sorted(txids))
            if not txids <= found.keys():  # what it says of the others is no word about these
                raise _NotYet
            return {(txid, each) for txid, receipt in found.items() for each in receipt.internal}

        alone, voices = set(internal), 0
        for _, others in self._each(shown, but=self._first()):
            voices += 1
            alone -= others
            if not alone:
                break
        if not voices:
            raise NoSecondOpinion(f"no second node can say yet: TRX by contracts in block {number}")
        return set(internal) - alone

    def agree_on_absence(self, txid: str, solid: BlockRef) -> None:
        def absence(node: OneNode) -> tuple[str, bool]:
            if node.solid().number < solid.number:  # the height first, then the look (TRON.md 2.7)
                raise _NotYet
            block = node.solid_block(solid.number)
            return block.ref.block_id if block else "", node.solid_receipt(txid) is None

        self._two(f"transaction {txid} in no block up to {solid.number}", absence, (solid.block_id, True))

    def close(self) -> None:
        for member in self._roster.members:
            close = getattr(member.node, "close", None)
            if close is not None:
                close()

    def _first(self) -> Member:
        return self._here.member or self._roster.choose()

    def _ask(self, question: Callable[[OneNode], T]) -> T:
        member = self._first()
        try:
            answer = question(member.node)
        except Unavailable as error:
            self._roster.failed(member, error)
            raise
        member.silent = False
        if self._here.member is None:
            member.failures = 0
        return answer

    def _each(
        self, question: Callable[[OneNode], T], *, but: Member | None = None, missing: list[str] | None = None
    ) -> Iterator[tuple[Member, T]]:
        """Every other node's answer; who is silent or does not know is left out, and `missing` is told why.

        Two voices need no good name to agree.
        """
        missing = [] if missing is None else missing
        well = self._roster.is_well
        for member in sorted(self._roster.members, key=lambda m: not well(m)):
            if member is but:
                continue
            if (member.failures and not well(member)) or not self._roster.is_of_this_network(member):
                missing.append(f"{member.name} did not answer of late, or is of another network")
                continue
            try:
                answer = question(member.node)
            except _NotYet:
                missing.append(f"{member.name} does not have it")
                continue
            except Unavailable as error:
                self._roster.failed(member, error)
                missing.append(f"{member.name} cannot say: {error}")
                continue
            member.failures = 0
            yield member, answer

    def _two(self, subject: str, question: Callable[[OneNode], T], stated: T | None = None) -> T:
        """What two nodes say. `stated` is what the node of this step said already.

        Raises Disagreement, also when two others outvote this step's node; NoSecondOpinion when fewer than two can say.
        """
        if self._roster.is_single:
            self._tell_once()
            return self._ask(question) if stated is None else stated
        first = self._first() if stated is not None else None
        votes: list[tuple[Member, Any]] = [(first, stated)] if first else []
        missing: list[str] = []
        for member, answer in self._each(question, but=first, missing=missing):
            votes.append((member, answer))
            if sum(answer == other for _, other in votes) == 2:
                for dissenter in (each for each, other in votes if other != answer):
                    self._roster.blame(dissenter, Contradicted(f"two nodes state otherwise: {subject}"))
                if first and stated != answer:
                    raise Disagreement(f"two nodes contradict {first.name}: {subject}")
                return answer
        if len(votes) < 2:
            sentence = f"no second node can say yet: {subject} ({'; '.join(missing) or 'no other is well'})"
            if self._waits_for != subject:
                log.warning("%s", sentence)
            self._waits_for = subject
            raise NoSecondOpinion(sentence)
        sentence = f"{' and '.join(member.name for member, _ in votes)} contradict each other: {subject}"
        self._roster.alarm("disagreement", sentence)
        raise Disagreement(sentence)

    def _tell_once(self) -> None:
        if not self._told:
            log.warning(
                "one node is configured: nothing that %s says is checked against another", self._roster.members[0].name
            )
        self._told = True


def _receipts_of(node: OneNode, number: int, txids: Sequence[str]) -> Mapping[str, Receipt]:
    """A solid block's receipts by txid, at least these. Raises _NotYet where the node has none of them."""
    try:
        found = {receipt.txid: receipt for receipt in node.solid_receipts(number)}
    except UnusableAnswer:  # as large at every node: one by one, too
        each = [node.solid_receipt(txid) for txid in txids]
        found = {receipt.txid: receipt for receipt in each if receipt is not None}
    if not found:  # it does not have the block yet: here are receipts of it
        raise _NotYet
    return found


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


def _content(block: Block) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What two nodes must show alike: the id, and each transaction with its end, in order."""
    return block.ref.block_id, tuple((it.txid, it.contract_ret) for it in block.transactions)


def _outcome(receipt: Receipt | None) -> Outcome | None:
    """What is credited from a receipt: everything but fees and resources, which nodes of several versions print differently."""
    if receipt is None:
        return None
    return receipt.txid, receipt.block_number, receipt.result, receipt.failed, receipt.logs
