"""A node that lies: nothing is credited from what it says, the lie is called by its name, and another node is used."""

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch

import coincurve
import msgspec
import pytest

from core.ports.chain import Disagreement
from core.ports.unavailable import Unavailable
from core.tron.chain import Block, BlockRef, Receipt
from gateways.tron.node_json import MalformedAnswer
from gateways.tron.nodes import Nodes
from gateways.tron.roster import BLOCK_S, LAG_S_MAX, SURVEY_S
from scanners.observer import SOLID, ChainMismatch
from tests.scanners.world import THEM, US, World
from tests.support.chain import SOLID_LAG, block_of, token_call, transfer_log, tx_trie_root, usdt_transfer

pytestmark = pytest.mark.fast

AMOUNT = 5
PLACE = 6
"""The block that is lied about: it pays us, and somebody else."""
STRANGER = coincurve.PrivateKey(b"\x09" * 32)
CHANGE = msgspec.structs.replace


class Liar:
    """A node that answers as the chain does, except where a lie has been made of the answer."""

    def __init__(self, chain: Any, methods: str, lie: Callable[[Any], Any]) -> None:
        self.chain = chain
        self.lies = dict.fromkeys(methods.split(), lie)
        self.told = 0
        self.everywhere = False

    def __getattr__(self, name: str) -> Any:
        honest = getattr(self.chain, name)
        lie = self.lies.get(name)

        def answer(*asked: Any) -> Any:
            truth = honest(*asked)
            if lie is None or (asked and asked != (PLACE,) and not self.everywhere):
                return truth
            self.told += 1
            return lie(truth)

        return answer


class Lie(NamedTuple):
    """What is lied about, how, and the alarm that calls it by its name."""

    name: str
    methods: str
    lie: Callable[[Any], Any]
    alarm: str


def rebuilt(
    block: Block, *, sign: bool, parent: bytes | None = None, drop: int = 0, root: bytes | None = None
) -> Block:
    """The block with another header, its id fitting; signed by the producer itself, or with the old signature."""
    transactions = block.transactions[drop:]
    parent = parent or bytes.fromhex(block.ref.parent_id)
    root = root or tx_trie_root(transactions)
    made = block_of(block.ref.number, parent, block.ref.timestamp_ms, root, transactions)
    return made if sign else CHANGE(made, witness_signature=block.witness_signature)


def foreign(block: Block) -> Block:
    """The same block by somebody who is no producer."""
    parent = bytes.fromhex(block.ref.parent_id)
    ref = block.ref
    return block_of(ref.number, parent, ref.timestamp_ms, block.tx_trie_root, block.transactions, STRANGER)


def resigned(block: Block) -> Block:
    return CHANGE(block, witness_signature=foreign(block).witness_signature)


def other_id(block: Block) -> Block:
    return CHANGE(block, ref=CHANGE(block.ref, block_id=block.ref.block_id[:16] + "ab" * 24))


def richer(receipts: list[Receipt]) -> list[Receipt]:
    return [CHANGE(receipts[0], logs=(transfer_log(THEM, US, 10**12),)), *receipts[1:]]


def hidden(receipts: list[Receipt]) -> list[Receipt]:
    return [CHANGE(receipts[0], logs=()), *receipts[1:]]


def redirected(receipts: list[Receipt]) -> list[Receipt]:
    return [receipts[0], CHANGE(receipts[1], logs=(transfer_log(THEM, US, 7),)), *receipts[2:]]


def failed(receipts: list[Receipt]) -> list[Receipt]:
    return [CHANGE(receipts[0], result="REVERT", failed=True, logs=()), *receipts[1:]]


def forced(receipts: list[Receipt]) -> list[Receipt]:
    """What the block shows as reverted has paid us a fortune."""
    return [*receipts[:2], CHANGE(receipts[2], result="SUCCESS", failed=False, logs=(transfer_log(THEM, US, 10**12),))]


def garbage(_: Any) -> Any:
    raise Unavailable("it answers with something else than asked for") from MalformedAnswer("no JSON")


BLOCKS, RECEIPTS = "block solid_block", "receipts solid_receipts"
LIES = (
    Lie("wrong header hash", BLOCKS, other_id, "wrong_header"),
    Lie("another time", BLOCKS, lambda b: CHANGE(b, ref=CHANGE(b.ref, timestamp_ms=1)), "wrong_header"),
    Lie("wrong witness signature", BLOCKS, resigned, "wrong_signature"),
    Lie("no witness signature", BLOCKS, lambda b: CHANGE(b, witness_signature=b""), "wrong_signature"),
    Lie("foreign witness", BLOCKS, foreign, "unknown_producer"),
    Lie("wrong txTrieRoot", BLOCKS, lambda b: rebuilt(b, sign=True, root=b"\x01" * 32), "not_whole"),
    Lie("a root of nothing", BLOCKS, lambda b: rebuilt(b, sign=True, root=bytes(32)), "wrong_transactions"),
    Lie("all transactions dropped", BLOCKS, lambda b: CHANGE(b, transactions=()), "wrong_transactions"),
    Lie("dropped transaction", BLOCKS, lambda b: CHANGE(b, transactions=b.transactions[1:]), "not_whole"),
    Lie("dropped transaction, root and id made to fit", BLOCKS, lambda b: rebuilt(b, sign=False, drop=1), "wrong_signature"),
    Lie("wrong parent, id made to fit", BLOCKS, lambda b: rebuilt(b, sign=False, parent=b"\x01" * 32), "wrong_signature"),
    Lie("wrong parent, by a producer gone bad", BLOCKS, lambda b: rebuilt(b, sign=True, parent=b"\x01" * 32), "unlinked"),
    Lie("a block it does not give", BLOCKS, lambda b: None, "missing_block"),
    Lie("a block of another height", BLOCKS, lambda b: CHANGE(b, ref=CHANGE(b.ref, number=PLACE + 1)), "missing_block"),
    Lie("garbage for a block", BLOCKS, garbage, "malformed_answer"),
    Lie("empty infos", RECEIPTS, lambda r: [], "incomplete_receipts"),
    Lie("dropped receipt", RECEIPTS, lambda r: r[1:], "incomplete_receipts"),
    Lie("extra receipt", RECEIPTS, lambda r: [*r, CHANGE(r[0], txid="ab" * 32)], "incomplete_receipts"),
    Lie("receipt of another block", RECEIPTS, lambda r: [CHANGE(r[0], block_number=4), *r[1:]], "incomplete_receipts"),
    Lie("garbage for receipts", RECEIPTS, garbage, "malformed_answer"),
    Lie("changed amount in a receipt", RECEIPTS, richer, "contradicted"),
    Lie("changed payee in a receipt", RECEIPTS, redirected, "contradicted"),
    Lie("hidden transfer in a receipt", RECEIPTS, hidden, "contradicted"),
    Lie("success shown as failure", RECEIPTS, failed, "wrong_receipt"),
    Lie("failure shown as success", RECEIPTS, forced, "wrong_receipt"),
)  # fmt: skip
PROVABLE = [lie for lie in LIES if lie.alarm != "contradicted"]
ONLY_ANOTHER_NODE_CAN_TELL = [lie for lie in LIES if lie.alarm == "contradicted"]
"""No block states the logs of its receipts."""


class Scene:
    """A world that listens to a liar first and to honest nodes behind it, and a clock that is turned by hand."""

    def __init__(self, lie: Lie, honest: int = 2) -> None:
        self.now = 0.0
        self.alarms: list[str] = []
        self.world = World()
        self.world.chain.mine(blocks=PLACE - 1)
        self.deposit, self.strangers = usdt_transfer(1, US, AMOUNT), usdt_transfer(2, THEM, 9)
        reverted = token_call(3, result="REVERT")
        self.world.chain.mine(self.deposit, self.strangers, reverted, blocks=SOLID_LAG + 2)
        self.liar = Liar(self.world.chain, lie.methods, lie.lie)
        others = {f"honest {place}": Liar(self.world.chain, "", lie.lie) for place in range(honest)}
        self.second = next(iter(others.values()), self.liar)
        self.nodes = Nodes(
            {"liar": self.liar, **others},  # type: ignore[dict-item]
            alarm=lambda name, sentence: self.alarms.append(f"{name} {sentence.split(':')[0]}"),
            monotonic=lambda: self.now,
        )
        self.world.node = self.world.opinion = self.nodes
        self.world.restart()
        self.step = self.nodes.on_one(self.world.observer.step)

    def run(self, steps: int = 30) -> None:
        for _ in range(steps):
            self.now += 1
            with contextlib.suppress(Unavailable):
                self.step()
            self.world.recorder.step()

    def credited(self) -> list[tuple[str, int]]:
        """What the books hold of deposits, whatever their txid says."""
        names = [event.stream for event in self.world.store.events if type(event.event).__name__ == "DepositConfirmed"]
        return [(name, self.world.balance()) for name in names]

    @property
    def truth(self) -> list[tuple[str, int]]:
        return [(f"deposit-{self.deposit.transaction.txid}-0", AMOUNT)]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.name)
def test_a_lie_credits_nothing_has_a_name_and_the_other_node_is_used(lie: Lie) -> None:
    """From a lying node nothing is credited, the lie is named once it is told, and the truth is credited from another node."""
    scene = Scene(lie)
    while scene.liar.told == 0:
        with contextlib.suppress(Unavailable):
            scene.step()
    scene.world.recorder.step()
    assert scene.credited() == []
    assert f"{lie.alarm} liar" in scene.alarms
    scene.run()
    assert scene.credited() == scene.truth
    assert {alarm for alarm in scene.alarms if "honest" in alarm} == set()


@pytest.mark.parametrize("lie", [lie for lie in PROVABLE if lie.methods == BLOCKS], ids=lambda lie: lie.name)
def test_one_honest_node_beside_the_liar_is_enough_where_the_block_proves_the_lie(lie: Lie) -> None:
    """Of two nodes the liar is named, and the truth is credited from the other."""
    scene = Scene(lie, honest=1)
    scene.run(60)
    assert scene.credited() == scene.truth
    assert f"{lie.alarm} liar" in scene.alarms


@pytest.mark.parametrize("lie", PROVABLE, ids=lambda lie: lie.name)
def test_a_lie_of_the_only_node_credits_nothing(lie: Lie) -> None:
    """With one node whatever the chain's own proofs can tell is refused, and the cursor stays; what is true comes later."""
    scene = Scene(lie, honest=0)
    with contextlib.suppress(ChainMismatch):
        scene.run()
    assert scene.credited() == []
    assert scene.world.cursors.rows[SOLID].number < PLACE
    scene.liar.lies.clear()
    scene.run(60)
    assert scene.credited() == scene.truth


@pytest.mark.parametrize("lie", ONLY_ANOTHER_NODE_CAN_TELL, ids=lambda lie: lie.name)
def test_of_two_nodes_that_contradict_each_other_neither_is_believed(lie: Lie) -> None:
    """While two nodes disagree on receipts nothing is credited and the cursor stays; when they agree the truth is credited."""
    scene = Scene(lie, honest=1)
    scene.run()
    assert scene.credited() == []
    assert scene.world.cursors.rows[SOLID].number == PLACE - 1
    assert scene.alarms.count("disagreement liar and honest 0 contradict each other") > 1
    with pytest.raises(Disagreement):
        scene.step()
    scene.liar.lies.clear()
    scene.run()
    assert scene.credited() == scene.truth


def test_without_a_second_node_deposits_are_seen_and_not_credited() -> None:
    """While the second of two nodes is silent the head is followed all the same, and what is solid waits for it."""
    scene = Scene(LIES[0], honest=1)
    scene.liar.lies.clear()
    second = scene.second
    second.lies = dict.fromkeys(("solid_receipts", "receipts"), garbage)
    second.everywhere = True
    late = usdt_transfer(3, US, 70)
    scene.world.chain.mine(late)
    scene.run()
    assert scene.credited() == []
    assert scene.world.cursors.rows[SOLID].number == PLACE - 1
    assert [scene.world.status(each.transaction.txid) for each in (scene.deposit, late)] == ["detected"] * 2
    second.lies.clear()
    scene.run()
    assert scene.credited() == scene.truth


@pytest.mark.parametrize("honest", [1, 2])
def test_a_stale_head_is_noticed(honest: int) -> None:
    """A node whose head stands still is named as lagging and left for one that goes on."""
    old: list[BlockRef] = []

    def stale(ref: BlockRef) -> BlockRef:
        old.append(ref)
        return old[0]

    scene = Scene(Lie("stale head", "", stale, "lagging"), honest)
    frozen = {name: getattr(scene.world.chain, name)() for name in ("head", "solid")}
    scene.run(5)
    assert scene.alarms == []
    scene.liar.lies.update({name: lambda ref, name=name: frozen[name] for name in frozen})  # type: ignore[misc]
    late = usdt_transfer(3, US, 70)
    scene.world.chain.mine(late, blocks=SOLID_LAG + LAG_S_MAX // BLOCK_S)
    scene.run(5)
    assert scene.world.status(late.transaction.txid) == "absent"
    scene.now += SURVEY_S
    scene.run(5)
    assert scene.alarms == ["lagging liar"]
    assert scene.world.balance() == AMOUNT + 70


def test_one_node_s_other_solid_chain_stops_nobody() -> None:
    """Where one node's solid chain differs and two still have what was booked, that node is at fault; nothing stops."""
    scene = Scene(LIES[0])
    scene.liar.lies.clear()
    scene.run(5)
    booked = scene.world.cursors.rows[SOLID]
    scene.liar.lies["solid"] = lambda ref: CHANGE(ref, block_id="00" * 32)
    scene.run(3)
    assert "unlinked liar" in scene.alarms
    scene.world.chain.mine(blocks=3)
    scene.run(5)
    assert scene.world.cursors.rows[SOLID].number == booked.number + 3


def test_another_solid_chain_that_two_nodes_have_stops_the_scanner() -> None:
    """When two nodes state another solid chain than was booked, the scanner stops and the cursor stays."""
    scene = Scene(LIES[0])
    scene.liar.lies.clear()
    scene.run(5)
    booked = scene.world.cursors.rows[SOLID]
    scene.world.chain.fork(SOLID_LAG + 4)
    for _ in range(2):
        scene.now += 1
        with pytest.raises(ChainMismatch):
            scene.step()
    assert scene.world.cursors.rows[SOLID] == booked


def _lies_named(name: str) -> Lie:
    return next(lie for lie in LIES if lie.name == name)


@pytest.mark.parametrize("name", ["success shown as failure", "failure shown as success"])
def test_without_the_look_at_what_the_block_proves_a_lie_of_its_ends_is_noticed(name: str) -> None:
    """The broken variant believes receipts alone: of one node's false end something false is credited, or the truth is lost."""
    with patch("scanners.observer.check_receipts", lambda *_: None), pytest.raises(AssertionError):
        test_a_lie_of_the_only_node_credits_nothing(_lies_named(name))
