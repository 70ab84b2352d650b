"""The port `Node` as far as blocks and receipts go, one contract for both ways: a devnet's JSON, and its gRPC."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from core.ports.chain import UnusableAnswer
from core.ports.unavailable import Unavailable
from core.tron.transactions import RESULT
from gateways.devnet.chain.block import seal, unseal
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.in_process import InProcess
from gateways.tron.node import Suspended, TronNode
from scanners.blocks import IncompleteReceipts, NotWhole, WrongTransactions, check, check_receipts, transfers
from tests.gateways.devnet.world import STRANGER, TRX, Devnet
from tests.gateways.tron.grpc_calls import devnet_node

pytestmark = pytest.mark.fast

TOKEN = USDT[1:]


class Side:
    """A devnet with a history of every kind, and a node that reads it one way. Faults are armed on `devnet.node.faults`."""

    def __init__(self, way: str) -> None:
        self.devnet = Devnet()
        self.json = TronNode(
            "http://devnet", transport=InProcess(self.devnet.node), monotonic=self._seconds, token=TOKEN
        )
        self.node: TronNode = self.json
        if way == "grpc":
            self.node = devnet_node(self.devnet.node, TOKEN, self._seconds)
        self.busy = history(self.devnet)
        self.node.head()
        self.node.solid()

    def _seconds(self) -> float:
        return self.devnet.now_ms / 1000

    def arm(self, kind: str, **fields: Any) -> None:
        self.devnet.node.faults.arm(kind, **fields)


def history(devnet: Devnet) -> int:
    """Payments, failures and stake -> the number of a solid block with three transfers."""
    devnet.send_trx(devnet.alice, STRANGER, TRX)
    devnet.send_call(devnet.owner, "transfer(address,uint256)", STRANGER, 5)
    devnet.send_call(devnet.alice, "transfer(address,uint256)", STRANGER, 2**200)
    devnet.send_call(devnet.alice, "approve(address,uint256)", STRANGER, 7)
    for number in (1, 2, 10, 14):
        devnet.send_call(devnet.alice, "misbehave(uint256)", number, contract=devnet.genesis.misbehaving)
    devnet.freeze(devnet.alice, 5)
    devnet.send(devnet.alice, 55, unfreeze_balance=TRX, resource=1)
    devnet.send(devnet.alice, 59)
    for amount in (1, 2):
        devnet.node.give_usdt(STRANGER, amount)
    devnet.node.give_trx(STRANGER, 3)
    busy = devnet.node.mine().number
    devnet.node.mine(40)
    return busy


@pytest.fixture(params=["json", "grpc"])
def side(request: pytest.FixtureRequest) -> Side:
    return Side(request.param)


def test_the_newest_blocks_are_the_chain_s(side: Side) -> None:
    """The head and the solid block, by number, id, parent and time."""
    chain = side.devnet.chain
    for told, block in ((side.node.head(), chain.head), (side.node.solid(), chain.solid)):
        assert (told.number, told.block_id) == (block.number, block.block_id)
        assert (told.parent_id, told.timestamp_ms) == (block.parent_id, block.timestamp_ms)
    assert side.node.solid().number < side.node.head().number


def test_every_block_proves_itself_and_its_receipts_are_complete(side: Side) -> None:
    """Header, txids and root hold, and no receipt denies its transaction; what moved is found in a busy block."""
    for number in range(1, side.node.head().number + 1):
        block = side.node.block(number)
        assert block is not None
        check(block)
        check_receipts(block, side.node.receipts(number))
    solid, receipts = side.node.solid_block(side.busy), side.node.solid_receipts(side.busy)
    assert solid is not None
    moved = sorted((it.currency, it.amount_minor) for it in transfers(solid, receipts, TOKEN))
    assert moved == [("TRX", 3), ("USDT", 1), ("USDT", 2)]


def test_both_ways_tell_the_same(side: Side) -> None:
    """Blocks and receipts are equal to what JSON says, field for field, and cover every result that was played."""
    results = set()
    for number in range(side.node.head().number + 1):
        assert side.node.block(number) == side.json.block(number)
        receipts = side.node.receipts(number)
        assert list(receipts) == list(side.json.receipts(number))
        results |= {(receipt.result, receipt.failed) for receipt in receipts}
    assert results >= {
        ("", False),
        ("SUCCESS", False),
        ("REVERT", True),
        ("OUT_OF_ENERGY", True),
        ("TRANSFER_FAILED", True),
    }


def test_what_the_node_does_not_have_is_nothing(side: Side) -> None:
    """No block above the view's newest, and no receipts of it."""
    above = side.node.head().number + 1
    assert side.node.block(above) is None
    assert side.node.receipts(above) == []
    unsolid = side.node.solid().number + 1
    assert side.node.block(unsolid) is not None
    assert side.node.solid_block(unsolid) is None
    assert side.node.solid_receipts(unsolid) == []


QUESTIONS: list[Callable[[Side], object]] = [
    lambda side: side.node.head(),
    lambda side: side.node.solid(),
    lambda side: side.node.block(side.busy),
    lambda side: side.node.solid_block(side.busy),
    lambda side: side.node.receipts(side.busy),
    lambda side: side.node.solid_receipts(side.busy),
]


@pytest.mark.parametrize("kind", ["http_500", "timeout", "drop_connection", "garbage", "http_429"])
def test_no_answer_is_the_node_s_fault(side: Side, kind: str) -> None:
    """Whatever is asked: an error, silence, a cut connection and half an answer are Unavailable, and then it answers again."""
    for question in QUESTIONS:
        side.arm(kind, seconds=60)
        with pytest.raises(UnusableAnswer if kind == "garbage" else Unavailable):
            question(side)
        side.devnet.now_ms += 120_000
        question(side)


def test_a_node_that_limits_our_rate_is_left_alone(side: Side) -> None:
    """Suspended for as long as the node says, and not asked meanwhile (FAILURES 6)."""
    side.arm("http_429", seconds=20)
    with pytest.raises(Suspended) as caught:
        side.node.head()
    assert caught.value.seconds == 20
    side.devnet.node.faults.armed.clear()
    side.devnet.now_ms += 19_000
    with pytest.raises(Suspended, match="not asked again"):
        side.node.head()
    side.devnet.now_ms += 2_000
    side.node.head()


def test_lies_are_told_both_ways(side: Side) -> None:
    """A transaction left out, a block emptied or denied, receipts left out or invented: what is told is caught, or compared."""
    block, receipts = side.node.solid_block(side.busy), side.node.solid_receipts(side.busy)
    assert block is not None
    for kind, fault in (("omit_tx", NotWhole), ("empty_block", WrongTransactions)):
        side.arm(kind, path="")
        lie = side.node.solid_block(side.busy)
        assert lie is not None
        with pytest.raises(fault):
            check(lie)
    side.arm("no_block")
    assert side.node.solid_block(side.busy) is None
    side.arm("empty_infos")
    with pytest.raises(IncompleteReceipts):
        check_receipts(block, side.node.solid_receipts(side.busy))
    side.arm("forge_transfer", to=STRANGER.base58, amount_minor=9)
    forged = side.node.solid_receipts(side.busy)
    assert len(transfers(block, forged, TOKEN)) in (3, 4)
    assert list(forged) != list(receipts)
    assert list(side.node.solid_receipts(side.busy)) == list(receipts)


def test_heavy_receipts_are_read_as_light_ones(side: Side) -> None:
    """What a contract returned, a megabyte in each receipt, changes nothing of what is read (FAILURES 90)."""
    light = list(side.node.solid_receipts(side.busy))
    side.arm("heavy_infos")
    assert list(side.node.solid_receipts(side.busy)) == light
    assert side.devnet.node.faults.struck == {"heavy_infos": 1}


def test_an_older_state_is_told(side: Side) -> None:
    """A stale head is a number of blocks behind."""
    head = side.node.head().number
    side.arm("stale", blocks=7)
    assert side.node.head().number == head - 7
    assert side.node.head().number == head


def test_more_is_called_solid_than_is(side: Side) -> None:
    """The solid view alone reaches higher, never above the head, and has the blocks and receipts that it names."""
    chain = side.devnet.chain
    side.devnet.node.mine(3)
    true, head = chain.solid.number, chain.head.number
    side.arm("early_solid", times=None, blocks=4)
    assert (side.node.solid().number, side.node.head().number) == (true + 4, head)
    assert side.node.solid_block(true + 4) is not None
    assert side.node.solid_block(true + 5) is None
    side.devnet.node.faults.armed[0].blocks = 200
    assert side.node.solid().number == head


def test_what_a_peer_wrote_into_ret_stays(side: Side) -> None:
    """A fee, a code that has no name, amounts: the block sets contractRet beside them, and proves itself either way."""
    plain = side.devnet.signed(side.devnet.alice, 1, {"to_address": STRANGER, "amount": 1})
    wrote = RESULT.encode({"fee": -1, "ret": 7, "contractRet": 2, "withdraw_amount": 5, "orderId": b"order"})
    number = side.devnet.mined(msgspec.structs.replace(plain, result=wrote)) and side.devnet.chain.head.number
    block = side.node.block(number)
    assert block is not None
    [transaction] = block.transactions
    assert transaction.contract_ret == "SUCCESS"
    assert transaction.tail is not None
    check(block)
    [kept] = unseal(seal(side.devnet.chain.head))
    assert kept[0].encode(kept[1]) == side.devnet.chain.head.included[0].transaction.encode("SUCCESS")


def test_unknown_fields_are_shown_by_grpc_alone(side: Side) -> None:
    """A stranger's bytes behind his signature: by gRPC the block proves itself, by JSON all but its root (FAILURES 38)."""
    plain = side.devnet.signed(side.devnet.alice, 1, {"to_address": STRANGER, "amount": 1})
    odd = msgspec.structs.replace(plain, unknown=b"\x7a\x01\x78")
    number = side.devnet.mined(odd) and side.devnet.chain.head.number
    block = side.node.block(number)
    assert block is not None
    [transaction] = block.transactions
    if side.node is side.json:
        with pytest.raises(NotWhole):
            check(block)
        return
    assert transaction.tail == b"\x2a\x02\x18\x01\x7a\x01\x78"
    assert transaction.contract_ret == "SUCCESS"
    check(block)
