"""What a stranger may put into a block stops nobody: it is credited, passed over, or rings; and what does not prove itself."""

import contextlib
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from core.ports.chain import Disagreement, NoSecondOpinion, UnusableAnswer
from core.ports.unavailable import Unavailable
from core.tron.chain import Block, ChainTransaction, Receipt
from core.tron.protobuf import MalformedProtobuf
from core.tron.transactions import RAW, TRANSFER, contract_of, txid_of
from scanners.blocks import NotWhole, read_trx_transfer
from scanners.observer import SOLID
from scanners.refusals import REFUSALS_MAX, REFUSED, BlockRefusals
from tests.scanners.world import THEM, US, World
from tests.support.chain import SOLID_LAG, USDT, Included, token_call, transfer_log, trx_transfer, usdt_transfer

pytestmark = pytest.mark.fast

STRANGE = 2
"""The block with the strange transaction."""


def written(plain: Included, raw: bytes) -> Included:
    """The transaction with these bytes instead of its own."""
    txid = txid_of(raw)
    return Included(
        msgspec.structs.replace(plain.transaction, txid=txid, raw_data=raw),
        msgspec.structs.replace(plain.receipt, txid=txid),
    )


def carrying(parameter: bytes, type_url: str = "type.googleapis.com/protocol.TransferContract") -> Included:
    """A successful transaction of type TransferContract with these parameter bytes."""
    raw = RAW.encode({"contract": [{"type": TRANSFER, "parameter": {"type_url": type_url, "value": parameter}}]})
    return written(trx_transfer(1, US, 5), raw)


def sent(receiver: bytes = bytes(US)) -> bytes:
    return contract_of(TRANSFER, {"owner_address": bytes(THEM), "to_address": receiver, "amount": 5})["parameter"][
        "value"
    ]


def scanned(*included: Included) -> World:
    """A world that has seen these transactions in one solid block, and ours in the next."""
    world = World()
    world.chain.mine(blocks=STRANGE - 1)
    world.chain.mine(*included)
    world.chain.mine(usdt_transfer(9, US, 70), blocks=SOLID_LAG + 1)
    world.settle()
    assert world.balance() == 70  # whatever came before, the scanner goes on
    return world


@pytest.mark.parametrize(
    ("case", "included"),
    [
        ("a group", carrying(sent() + b"\x7b\x08\x01\x7c")),
        ("groups in groups", carrying(sent() + b"\x7b" * 5_000 + b"\x7c" * 5_000)),
        ("a group with the amount's number", carrying(sent() + b"\x1b\x1c")),
        ("an amount of another wire type behind the amount", carrying(sent() + b"\x1a\x01\x05")),
        ("a receiver before ours", carrying(b"\x12\x15" + bytes(THEM) + sent())),
        ("a length of the receiver in five bytes", carrying(sent().replace(b"\x12\x15", b"\x12\x95\x80\x80\x80\x10"))),
        ("a number of the receiver in five bytes", carrying(sent().replace(b"\x12\x15", b"\x92\x80\x80\x80\x10\x15"))),
        ("another prefix", carrying(sent(), "x/y/protocol.TransferContract")),
        ("no prefix but the slash", carrying(sent(), "/protocol.TransferContract")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_strange_transfer_to_us_is_credited(case: str, included: Included) -> None:
    """What java-tron takes for a transfer of 5 sun to us is one, however it is written (FAILURES 39, 77)."""
    world = scanned(included)
    assert world.status(included.transaction.txid, None) == "confirmed"
    assert world.alarms == []


def test_what_cannot_be_read_and_is_nobody_s_of_ours_is_passed_over() -> None:
    """A successful transfer between strangers whose bytes make no sense rings nobody and stops nothing."""
    world = scanned(carrying(sent(bytes(THEM)) + b"\x7b"))
    assert world.alarms == []


@pytest.mark.parametrize("rest", [b"\x7b", b"\x7c", b"\x07", b"\x12\xff", b"\x1a"])
def test_what_cannot_be_read_and_names_us_rings(rest: bytes) -> None:
    """An address of ours in bytes that make no sense is an alarm, and nothing is booked from it."""
    included = carrying(sent() + rest)
    world = scanned(included)
    assert [name for name, _ in world.alarms] == ["transaction_unreadable"]
    assert included.transaction.txid in world.alarms[0][1]
    assert world.status(included.transaction.txid, None) == "absent"


def test_an_address_of_ours_as_somebody_s_account_name_is_nothing() -> None:
    """A stranger who calls his account by the bytes of our hot wallet has not sent anything for us."""
    named = b"\x0a\x15" + bytes(US) + b"\x12\x15" + bytes(THEM)
    url = "type.googleapis.com/protocol.AccountUpdateContract"
    raw = RAW.encode({"contract": [{"type": 10, "parameter": {"type_url": url, "value": named}}]})
    assert scanned(written(trx_transfer(1, THEM, 5), raw)).alarms == []


class Opaque:
    """A node whose answers do not show all of one block's bytes."""

    def __init__(self, chain: Any) -> None:
        self.chain = chain

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chain, name)

    def block(self, number: int) -> Block | None:
        block: Block | None = self.chain.block(number)
        if block is None or number != STRANGE:
            return block
        shown = tuple(msgspec.structs.replace(it, tail=None) for it in block.transactions)
        return msgspec.structs.replace(block, transactions=shown)

    def solid_block(self, number: int) -> Block | None:
        return self.block(number) if number <= self.chain.solid().number else None


class Other:
    """A second node: what it says of a block that does not prove itself."""

    def __init__(self, error: Unavailable | None = None) -> None:
        self.error = error
        self.asked: list[int] = []

    def agree_on_block(self, block: Block) -> None:
        self.asked.append(block.ref.number)
        if self.error:
            raise self.error

    def agree_on_receipts(self, number: int, receipts: Any) -> None: ...

    def agree_on_solid(self, number: int) -> str:
        raise NotImplementedError

    def agree_on_absence(self, txid: str, solid: Any) -> None:
        raise NotImplementedError


def opaque(opinion: Other | None, accepted: str = "") -> World:
    """A world whose node does not show three bytes of a stranger's transaction beside a deposit of ours."""
    world = World()
    world.opinion = opinion
    stranger = trx_transfer(1, THEM, 5)
    tail = b"\x2a\x02\x18\x01" + b"\x7a\x01\x78"
    world.chain.mine(blocks=STRANGE - 1)
    world.chain.mine(
        Included(msgspec.structs.replace(stranger.transaction, tail=tail), stranger.receipt), usdt_transfer(2, US, 70)
    )
    world.chain.mine(blocks=SOLID_LAG + 2)
    world.node = Opaque(world.chain)
    if accepted:
        world.accepted[STRANGE] = accepted if accepted != "this" else world.chain.blocks[STRANGE].ref.block_id
    world.restart()
    return world


def turned(world: World, steps: int = 10) -> None:
    for _ in range(steps):
        with contextlib.suppress(Unavailable):
            world.observer.step()
        world.recorder.step()


def test_bytes_that_are_shown_prove_themselves() -> None:
    """With the unknown field kept behind the signatures the root holds, and nobody is asked."""
    world = opaque(None)
    world.node = world.chain
    world.restart()
    world.settle()
    assert (world.balance(), world.alarms) == (70, [])


def test_two_nodes_that_agree_let_a_block_pass() -> None:
    """Where no node shows the block whole, two that show the same let it pass, with one alarm (FAILURES 38)."""
    other = Other()
    world = opaque(other)
    world.settle()
    assert world.balance() == 70
    assert other.asked == [STRANGE]
    assert [name for name, _ in world.alarms] == ["block_not_whole"]


def test_a_block_shown_empty_passes_with_no_number_of_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A root that names transactions and none shown: nothing can hide in what is not there, whoever else says the same."""
    other = Other()
    world = opaque(other)
    show = Opaque.block

    def emptied(self: Opaque, number: int) -> Block | None:
        block = show(self, number)
        return block if block is None or number != STRANGE else msgspec.structs.replace(block, transactions=())

    monkeypatch.setattr(Opaque, "block", emptied)
    turned(world)
    assert (world.balance(), other.asked, world.cursors.rows[SOLID].number) == (0, [], STRANGE - 1)
    monkeypatch.setattr(Opaque, "block", show)
    world.settle()
    assert world.balance() == 70


def test_an_operator_lets_a_block_pass_by_its_id() -> None:
    """A block that a person accepted passes with one node; another block at its height does not."""
    world = opaque(None, accepted="this")
    world.settle()
    assert world.balance() == 70
    assert [name for name, _ in world.alarms] == ["block_not_whole"]
    world = opaque(None, accepted="ab" * 32)
    with pytest.raises(NotWhole):
        world.observer.step()


@pytest.mark.parametrize(
    "opinion", [None, Other(Disagreement("they contradict each other"))], ids=["one node", "disagreement"]
)
def test_a_block_refused_three_times_rings_and_is_kept_for_readyz(opinion: Other | None) -> None:
    """The third refusal rings once, with what to do, and stands in the cursor that /readyz reads; the solid cursor stays."""
    world = opaque(opinion)
    turned(world, REFUSALS_MAX - 1)
    assert world.alarms == []
    assert REFUSED not in world.cursors.rows
    turned(world)
    [(name, sentence)] = world.alarms
    assert name == "block_refused"
    assert f"scan accept-block {STRANGE} --reason" in sentence
    assert world.cursors.rows[REFUSED].number == STRANGE
    assert world.cursors.rows[SOLID].number == STRANGE - 1
    assert world.balance() == 0


def test_while_no_second_node_can_say_the_head_is_followed() -> None:
    """A block that waits for a second node is refused by nobody: deposits above it are seen."""
    world = opaque(Other(NoSecondOpinion("not yet")))
    late = usdt_transfer(5, US, 9)
    world.chain.mine(late)
    turned(world)
    assert world.status(late.transaction.txid) == "detected"
    assert world.alarms == []
    assert world.cursors.rows[SOLID].number == STRANGE - 1


def test_a_false_transaction_hash_is_no_matter_of_opinion() -> None:
    """Bytes that are not what their txid says are refused, whoever agrees."""
    other = Other()
    world = opaque(other)
    block = world.chain.blocks[STRANGE]
    forged = msgspec.structs.replace(block.transactions[1], txid="ab" * 32)
    world.chain.blocks[STRANGE] = msgspec.structs.replace(block, transactions=(block.transactions[0], forged))
    turned(world)
    assert other.asked == []
    assert world.cursors.rows[SOLID].number == STRANGE - 1


class Heavy:
    """A node that cannot give the receipts of one block at once."""

    def __init__(self, chain: Any) -> None:
        self.chain = chain
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chain, name)

    def receipts(self, number: int) -> list[Receipt]:
        if number == STRANGE:
            raise UnusableAnswer("the answer is larger than it may be")
        found: list[Receipt] = self.chain.receipts(number)
        return found

    solid_receipts = receipts

    def receipt(self, txid: str) -> Receipt | None:
        self.asked.append(txid)
        found: Receipt | None = self.chain.receipt(txid)
        return found

    solid_receipt = receipt


def test_receipts_that_cannot_be_had_at_once_are_asked_for_one_by_one() -> None:
    """Those that name the token or us are asked for, the rest is passed with an alarm, and the deposits are credited."""
    world = World()
    world.chain.mine(blocks=STRANGE - 1)
    ours, trx = token_call(1, transfer_log(THEM, US, 70)), trx_transfer(2, US, 5)
    strangers = [trx_transfer(salt, THEM, 5) for salt in range(3, 9)]
    world.chain.mine(ours, trx, *strangers, blocks=SOLID_LAG + 2)
    world.node = heavy = Heavy(world.chain)
    world.restart()
    turned(world)
    assert world.balance() == 70
    assert world.status(trx.transaction.txid, None) == "confirmed"
    assert set(heavy.asked) == {ours.transaction.txid, trx.transaction.txid}
    assert USDT.evm in ours.transaction.raw_data
    assert [name for name, _ in world.alarms] == ["block_refused", "receipts_passed_over"]
    assert world.cursors.rows[SOLID].number > STRANGE


def test_a_receipt_that_is_missing_one_by_one_is_the_node_s_fault() -> None:
    """Asked for one by one, a receipt that the node does not have moves no cursor."""
    world = World()
    world.chain.mine(blocks=STRANGE - 1)
    world.chain.mine(usdt_transfer(1, US, 70), blocks=SOLID_LAG + 2)
    world.node = heavy = Heavy(world.chain)
    heavy.solid_receipt = lambda txid: None  # type: ignore[method-assign, assignment]
    world.restart()
    turned(world)
    assert world.cursors.rows[SOLID].number == STRANGE - 1
    assert world.balance() == 0


def test_a_transaction_s_tail_is_part_of_the_root() -> None:
    """Two transactions that differ in their tail alone are two leaves."""
    plain = trx_transfer(1, THEM, 5).transaction
    assert isinstance(plain, ChainTransaction)
    world = World()
    first = world.chain.mine(Included(plain, trx_transfer(1, THEM, 5).receipt))
    second = world.chain.mine(
        Included(msgspec.structs.replace(plain, tail=b"\x2a\x00"), trx_transfer(1, THEM, 5).receipt)
    )
    assert first.tx_trie_root != second.tx_trie_root


def _stops(message: bytes, offset: int, number: int) -> int:
    raise MalformedProtobuf("a group")


def _group() -> None:
    test_a_strange_transfer_to_us_is_credited("a group", carrying(sent() + b"\x7b\x08\x01\x7c"))


BROKEN: dict[str, tuple[Callable[[], Any], Callable[[], None]]] = {
    "a group ends the reading": (lambda: patch("core.tron.protobuf._behind_group", _stops), _group),
    "what cannot be read ends the step": (
        lambda: patch("scanners.blocks._trx_transfer", read_trx_transfer),
        test_what_cannot_be_read_and_is_nobody_s_of_ours_is_passed_over,
    ),
    "what cannot be read and names us is passed over": (
        lambda: patch("scanners.observer.unreadable", lambda *_: []),
        lambda: test_what_cannot_be_read_and_names_us_rings(b"\x7b"),
    ),
    "what cannot be read rings, whoever it is": (
        lambda: patch("scanners.notices._naming_us", lambda block, _: iter(block.transactions)),
        test_what_cannot_be_read_and_is_nobody_s_of_ours_is_passed_over,
    ),
    "receipts that cannot be had are asked for again for ever": (
        lambda: patch.object(BlockRefusals, "is_hopeless", lambda *_: False),
        test_receipts_that_cannot_be_had_at_once_are_asked_for_one_by_one,
    ),
    "a block is refused in silence": (
        lambda: patch("scanners.refusals.REFUSALS_MAX", 10**9),
        lambda: test_a_block_refused_three_times_rings_and_is_kept_for_readyz(None),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_without_its_guard_a_test_of_these_fails(name: str) -> None:
    """Each of these defects is noticed."""
    defect, test = BROKEN[name]
    with defect(), pytest.raises((AssertionError, ValueError, Unavailable)):
        test()
