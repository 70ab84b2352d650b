"""The newest blocks are replaced by others: transactions stay, move, wait again or vanish, and receipts are made anew."""

import errno
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.tron.secp256k1 import recover, sha256
from gateways.devnet.chain.block import SealedBlock, block_id
from gateways.devnet.chain.block_log import BlockLog
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.node import CannotFork
from gateways.devnet.state.accounts import ALL_OPERATIONS
from gateways.devnet.state.transaction import Transaction
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast

TRANSFER = "transfer(address,uint256)"


def paid(devnet: Devnet, amount_sun: int = TRX) -> str:
    """A payment to the stranger in a block of its own; -> its txid."""
    return devnet.send_trx(devnet.alice, STRANGER, amount_sun).transaction.txid


def where(devnet: Devnet, txid: str) -> int | None:
    """The height that holds a transaction."""
    found = devnet.chain.find(txid)
    return found[0].number if found else None


def test_replaced_blocks_are_others(devnet: Devnet) -> None:
    """The blocks that come instead link, hash, and bear other ids and other producers' good signatures."""
    left = [devnet.node.mine() for _ in range(4)]
    built = devnet.node.reorg(4)
    assert devnet.chain.blocks[-4:] == built
    assert [block.number for block in built] == [block.number for block in left]
    assert not {block.block_id for block in built} & {block.block_id for block in left}
    for block, old, parent in zip(built, left, devnet.chain.blocks[-5:], strict=False):
        assert block.parent_id == parent.block_id
        assert block.block_id == block_id(block.number, block.header_raw)
        assert recover(sha256(block.header_raw), block.witness_signature) == block.witness != old.witness


def test_left_block_is_unknown(devnet: Devnet) -> None:
    """A block that was replaced is found neither by id nor through its transactions' receipts."""
    txid = paid(devnet)
    left = devnet.chain.head
    devnet.node.reorg(1, vanish=True)
    assert devnet.chain.block_by_id(left.block_id) is None
    assert where(devnet, txid) is None


def test_depth_ends_above_solid(devnet: Devnet) -> None:
    """Every block above the solid one can be replaced; the solid one and those below never."""
    devnet.node.mine(30)
    solid = devnet.chain.solid
    above = devnet.chain.head.number - solid.number
    for depth in (0, -1, above + 1, 10_000):
        with pytest.raises(CannotFork, match=f"depth must be between 1 and {above}"):
            devnet.node.reorg(depth)
    devnet.node.reorg(above)
    assert devnet.chain.block_by_id(solid.block_id) == solid


@pytest.mark.parametrize("keep_order", [True, False])
def test_transactions_are_kept_or_reordered(devnet: Devnet, keep_order: bool) -> None:
    """Kept in order each transaction stays at its height; otherwise the last comes first."""
    first, second = paid(devnet, 1 * TRX), paid(devnet, 2 * TRX)
    low, high = where(devnet, first), where(devnet, second)
    devnet.node.reorg(2, keep_order=keep_order)
    assert (where(devnet, first), where(devnet, second)) == ((low, high) if keep_order else (high, low))
    assert devnet.trx(STRANGER) == 3 * TRX


def test_order_within_a_block_turns(devnet: Devnet) -> None:
    """Two transactions of one block come in the other order in its replacement."""
    for amount in (1, 2):
        devnet.node.broadcast(devnet.signed(devnet.alice, 1, {"to_address": devnet.bob.address, "amount": amount}))
    before = [each.transaction.txid for each in devnet.node.mine().included]
    devnet.node.reorg(1)
    assert [each.transaction.txid for each in devnet.chain.head.included] == before[::-1]


def test_dropped_transaction_waits_again(devnet: Devnet) -> None:
    """A dropped transaction is in no block, waits in the pool, and the next block holds it."""
    dropped, kept = paid(devnet, 1 * TRX), paid(devnet, 2 * TRX)
    devnet.node.reorg(2, [dropped])
    assert where(devnet, dropped) is None
    assert where(devnet, kept)
    assert devnet.chain.pending(dropped)
    devnet.node.mine()
    assert where(devnet, dropped) == devnet.chain.head.number
    assert devnet.trx(STRANGER) == 3 * TRX


def test_vanished_transaction_is_nowhere_and_may_come_again(devnet: Devnet) -> None:
    """A vanished transaction is neither mined nor waiting; broadcast again it is taken, once."""
    included = devnet.send_trx(devnet.alice, STRANGER, TRX)
    txid = included.transaction.txid
    devnet.node.reorg(1, [txid], vanish=True)
    devnet.node.mine(2)
    assert where(devnet, txid) is None
    assert devnet.trx(STRANGER) is None
    devnet.mined(included.transaction)
    assert devnet.trx(STRANGER) == TRX


def test_vanish_alone_takes_all(devnet: Devnet) -> None:
    """`vanish` without a list takes every transaction of the replaced blocks."""
    txids = [paid(devnet, amount) for amount in (1, 2, 3)]
    devnet.node.reorg(3, vanish=True)
    assert [where(devnet, txid) for txid in txids] == [None] * 3
    assert len(devnet.chain.pool) == 0


def test_unknown_transaction_cannot_be_dropped(devnet: Devnet) -> None:
    """Dropping a transaction that is in none of the blocks is refused, and nothing is replaced."""
    txid = paid(devnet)
    devnet.node.mine(3)
    head = devnet.chain.head
    with pytest.raises(CannotFork, match="none of the newest 2 blocks"):
        devnet.node.reorg(2, [txid])
    assert devnet.chain.head == head


def test_success_becomes_a_failure(devnet: Devnet) -> None:
    """Of two transfers of the same money the other succeeds after the order turned: both receipts change."""
    balance = devnet.usdt(devnet.alice.address)
    first = devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, balance)
    second = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, balance)
    assert (first.outcome.result, second.outcome.result) == ("SUCCESS", "REVERT")
    devnet.node.reorg(2)
    results = {}
    for each in (first, second):
        found = devnet.chain.find(each.transaction.txid)
        assert found
        results[each.transaction.txid] = found[1].outcome.result
    assert list(results.values()) == ["REVERT", "SUCCESS"]
    assert devnet.usdt(STRANGER) == 0


def test_reference_to_a_replaced_block_dies(devnet: Devnet) -> None:
    """A transaction that refers to a block that was replaced can never be mined: TAPOS, in the fork and afterwards."""
    reference = devnet.node.mine().block_id
    raw = {"ref_block_bytes": bytes.fromhex(reference[12:16]), "ref_block_hash": bytes.fromhex(reference[16:32])}
    included = devnet.send_trx(devnet.alice, STRANGER, TRX, **raw)
    devnet.node.reorg(2)
    devnet.node.mine(2)
    assert where(devnet, included.transaction.txid) is None
    assert devnet.node.broadcast(included.transaction).code == "TAPOS_ERROR"


def test_waiting_transaction_with_a_replaced_reference_is_forgotten(devnet: Devnet) -> None:
    """What waits in the pool with a reference to a replaced block is forgotten; what refers below is not."""
    reference = devnet.node.mine().block_id
    raw = {"ref_block_bytes": bytes.fromhex(reference[12:16]), "ref_block_hash": bytes.fromhex(reference[16:32])}
    fields = {"to_address": STRANGER, "amount": TRX}
    dead, alive = devnet.signed(devnet.alice, 1, fields, **raw), devnet.signed(devnet.alice, 1, fields)
    assert devnet.node.broadcast(dead).accepted
    assert devnet.node.broadcast(alive).accepted
    devnet.node.reorg(1)
    assert (devnet.chain.pending(dead.txid), bool(devnet.chain.pending(alive.txid))) == (None, True)


def test_expired_meanwhile_is_not_mined(devnet: Devnet) -> None:
    """A transaction whose expiration lies before its new slot finds no place in the replacement and is gone."""
    transaction = devnet.signed(
        devnet.alice, 1, {"to_address": STRANGER, "amount": TRX}, expiration=devnet.chain.next_slot_ms
    )
    devnet.mined(transaction)
    devnet.node.mine()
    devnet.node.reorg(2)
    assert where(devnet, transaction.txid) is None
    assert devnet.chain.pending(transaction.txid) is None


def test_signature_is_judged_anew(devnet: Devnet) -> None:
    """A transaction signed by a key that a permission update let in dies with that update."""
    keys = [{"address": devnet.bob.address, "weight": 1}]
    permission = {"permission_name": "owner", "threshold": 1, "keys": keys}
    update = devnet.mined(
        devnet.signed(
            devnet.alice,
            46,
            {"owner": permission, "actives": [{"type": 2, "operations": ALL_OPERATIONS, **permission}]},
        )
    )
    fields = {"owner_address": devnet.alice.address, "to_address": STRANGER, "amount": TRX}
    by_bob = devnet.mined(devnet.signed(devnet.bob, 1, fields)).transaction
    devnet.node.reorg(2, [update.transaction.txid], vanish=True)
    devnet.node.mine()
    assert where(devnet, by_bob.txid) is None
    devnet.send_trx(devnet.alice, STRANGER, TRX)


@pytest.mark.parametrize(("blocks", "heights"), [(1, -2), (3, 0), (5, 2)])
def test_branch_may_be_shorter_or_longer(devnet: Devnet, blocks: int, heights: int) -> None:
    """Three blocks are replaced by as many as asked for, and all their transactions are in them."""
    txids = [paid(devnet, amount) for amount in (1, 2, 3)]
    head = devnet.chain.head.number
    devnet.node.reorg(3, keep_order=True, blocks=blocks)
    assert devnet.chain.head.number == head + heights
    assert all(where(devnet, txid) for txid in txids)


def test_forks_follow_forks(devnet: Devnet) -> None:
    """Fork after fork at the same height gives new ids every time, and the chain becomes solid over them."""
    txid = paid(devnet)
    ids = {devnet.chain.head.block_id}
    for _ in range(10):
        ids |= {devnet.node.reorg(1)[-1].block_id}
    assert len(ids) == 11
    devnet.node.mine(27)
    found = devnet.chain.find(txid)
    assert found
    assert found[0].number <= devnet.chain.solid.number


def test_fork_survives_a_restart(kept: Path) -> None:
    """A kept chain opened again has the replacement, the transactions where it put them, and their receipts."""
    devnet = Devnet(data_dir=kept)
    txids = [paid(devnet, amount) for amount in (1, 2, 3)]
    devnet.node.reorg(3, [txids[0]], vanish=True)
    devnet.node.reorg(2, keep_order=True)
    devnet.node.mine(2)
    devnet.node.close()
    after = Devnet(data_dir=kept)
    assert after.chain.blocks == devnet.chain.blocks
    assert after.chain.solid == devnet.chain.solid
    assert [where(after, txid) for txid in txids] == [where(devnet, txid) for txid in txids]


@pytest.mark.parametrize("torn_bytes", [1, 100, 400])
def test_fork_is_on_disk_whole_or_not_at_all(kept: Path, torn_bytes: int) -> None:
    """When the writing of a fork was cut short, the blocks it was to replace are still the chain's."""
    devnet = Devnet(data_dir=kept)
    txid = paid(devnet)
    devnet.node.mine(2)
    before = list(devnet.chain.blocks)
    devnet.node.reorg(3, [txid])
    devnet.node.close()
    path = kept / "blocks.log"
    path.write_bytes(path.read_bytes()[:-torn_bytes])
    after = Devnet(data_dir=kept)
    assert after.chain.blocks == before
    assert where(after, txid)


def test_full_disk_leaves_the_chain(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork that cannot be written raises, and the chain, its state and its solid block are as before."""
    devnet = Devnet(data_dir=kept)
    txid = paid(devnet)
    devnet.node.mine(16)
    before, solid = list(devnet.chain.blocks), devnet.chain.solid

    def full(_: BlockLog, __: Sequence[SealedBlock]) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patched:
        patched.setattr(BlockLog, "append", full)
        with pytest.raises(OSError, match="no space"):
            devnet.node.reorg(17, blocks=60)
    assert (devnet.chain.blocks, devnet.chain.solid) == (before, solid)
    assert where(devnet, txid)
    assert devnet.trx(STRANGER) == TRX
    devnet.node.mine()
    devnet.node.close()
    assert Devnet(data_dir=kept).chain.blocks == devnet.chain.blocks


def test_faults_of_time_keep_numbers_contiguous(devnet: Devnet) -> None:
    """Skipped slots before each block make time jump by as many, and heights still go up by one."""
    before = devnet.chain.head
    block = devnet.node.mine(2, skip_slots=5)
    assert (block.number - before.number, block.timestamp_ms - before.timestamp_ms) == (2, 2 * 6 * 3_000)


def test_maintenance_skips_two_slots() -> None:
    """With a maintenance every ten blocks, the block at each tenth height comes two slots late, the others on time."""
    devnet = Devnet(maintenance_blocks=10)
    start = devnet.chain.head.number
    devnet.node.mine(30)
    blocks = devnet.chain.blocks[start:]
    for parent, block in itertools.pairwise(blocks):
        assert block.timestamp_ms - parent.timestamp_ms == (9_000 if block.number % 10 == 0 else 3_000)


def test_clock_driven_production_waits_for_the_maintenance() -> None:
    """Turned by the clock, the block after a maintenance is due when its two slots have passed, and not before."""
    devnet = Devnet(maintenance_blocks=30, paused=False)
    devnet.now_ms = devnet.chain.next_slot_ms
    devnet.node.tick()
    assert devnet.chain.head.number == 29
    devnet.now_ms = devnet.chain.head.timestamp_ms + 8_999
    assert not devnet.node.is_due()
    devnet.now_ms += 1
    assert devnet.node.is_due()
    devnet.node.tick()
    assert devnet.chain.head.timestamp_ms == devnet.now_ms


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["trx", "usdt", "mine"]), st.just(0), st.just(False), st.just(False)),
        st.tuples(st.just("reorg"), st.integers(1, 18), st.booleans(), st.booleans()),
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(STEPS)
def test_any_forks_keep_the_books(steps: list[tuple[str, int, bool, bool]]) -> None:
    """Whatever forks, no USDT appears, TRX is only burned as fees, and a replay of the blocks gives the same state."""
    devnet = Devnet()
    sent: list[Transaction] = []

    def send(key: Any, kind: int, fields: dict[str, Any]) -> None:
        sent.append(devnet.signed(key, kind, fields))
        assert devnet.node.broadcast(sent[-1]).accepted

    holders = [key.address for key in (*devnet.genesis.accounts, devnet.owner)] + [STRANGER]

    def totals() -> tuple[int, int]:
        return sum(map(devnet.usdt, holders)), sum(devnet.trx(holder) or 0 for holder in holders)

    usdt, trx = totals()
    for step, depth, keep_order, vanish in steps:
        if step == "trx":
            send(devnet.alice, 1, {"to_address": STRANGER, "amount": 7})
        elif step == "usdt":
            data = devnet.data(TRANSFER, STRANGER.evm, 3)
            send(devnet.bob, 31, {"contract_address": USDT, "data": data})
        elif step == "mine":
            devnet.node.mine()
        elif depth <= devnet.chain.head.number - devnet.chain.solid.number:
            devnet.node.reorg(depth, keep_order=keep_order, vanish=vanish)
    fees = sum(each.outcome.fee_sun for block in devnet.chain.blocks for each in block.included)
    assert totals() == (usdt, trx - fees)
    held = [each.transaction.txid for block in devnet.chain.blocks for each in block.included]
    assert len(held) == len(set(held))
    assert set(held) <= {transaction.txid for transaction in sent}
