"""Blocks follow each other as mainnet's do, become solid, and can be undone above that."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.tron.secp256k1 import recover, sha256
from gateways.devnet.chain.block import block_id, seal, tx_trie_root
from gateways.devnet.chain.chain import Chain, DifferentChain
from gateways.devnet.chain.genesis import Genesis
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast


def test_block_is_what_its_header_says(devnet: Devnet) -> None:
    """A mined block links to its parent, hashes to its id, and bears the signature and root that its header states."""
    devnet.send_trx(devnet.alice, devnet.bob.address, TRX)
    block, parent = devnet.chain.head, devnet.chain.blocks[-2]
    assert block.parent_id == parent.block_id
    assert block.block_id == block_id(block.number, block.header_raw)
    assert recover(sha256(block.header_raw), block.witness_signature) == block.witness
    assert tx_trie_root(seal(block).transactions) == block.header["txTrieRoot"]
    assert block.witness in {key.address for key in devnet.genesis.producers}


def test_timestamps_are_slots(devnet: Devnet) -> None:
    """Timestamps are multiples of the interval; a block asked for too early takes the next slot."""
    first = devnet.node.mine().timestamp_ms
    second = devnet.node.mine().timestamp_ms
    devnet.now_ms = second + 7_500
    third = devnet.node.mine().timestamp_ms
    assert (first % 3_000, second - first, third - second) == (0, 3_000, 6_000)


def test_numbers_have_no_gap_where_slots_were_missed(devnet: Devnet) -> None:
    """After missed slots the number goes up by one although the time jumps."""
    before = devnet.chain.head
    devnet.now_ms += 3_600_000
    assert devnet.node.mine().number == before.number + 1


def test_solid_is_confirmed_by_nineteen(devnet: Devnet) -> None:
    """With all producers in turn, exactly the block that 19 of them have built on or made is solid."""
    devnet.node.mine(60)
    chain = devnet.chain
    later = {block.witness for block in chain.blocks[chain.solid.number :]}
    assert len(later) == 19
    assert chain.head.number - chain.solid.number == 18


def test_solid_waits_for_distinct_producers(devnet: Devnet) -> None:
    """When only one producer's slots are used, blocks are added and none becomes solid."""
    devnet.node.mine(30)
    solid = devnet.chain.solid.number
    for _ in range(40):
        devnet.now_ms = devnet.chain.head.timestamp_ms + 27 * 3_000
        devnet.node.mine()
    assert devnet.chain.solid.number <= solid + 1


def test_first_round_is_mined_at_once(devnet: Devnet) -> None:
    """A new chain begins with every producer heard, so a solid block above genesis is there from the start."""
    assert devnet.chain.head.number == 28
    assert devnet.chain.solid.number == 10


def test_chains_of_one_seed_share_keys_only() -> None:
    """Two networks of one seed have the same accounts and different genesis blocks."""
    one, other = Devnet(network="one"), Devnet(network="other")
    assert one.alice.address == other.alice.address
    assert one.chain.blocks[0].block_id != other.chain.blocks[0].block_id


def test_same_steps_give_the_same_chain() -> None:
    """The chain is a function of its genesis, the times and the transactions."""
    heads = set()
    for _ in range(2):
        devnet = Devnet()
        devnet.send_trx(devnet.alice, STRANGER, TRX)
        devnet.send_call(devnet.alice, "transfer(address,uint256)", STRANGER.evm, 5)
        heads.add(devnet.chain.head.block_id)
    assert len(heads) == 1


def test_pop_restores_the_state_before(devnet: Devnet) -> None:
    """Taking a block back restores balances, token storage and the unknown txid; the same transaction can then be mined."""
    before = (devnet.trx(devnet.alice.address), devnet.usdt(devnet.bob.address), devnet.trx(STRANGER))
    paid = devnet.send_trx(devnet.alice, STRANGER, TRX)
    devnet.send_call(devnet.alice, "transfer(address,uint256)", devnet.bob.address.evm, 5)
    devnet.chain.pop()
    devnet.chain.pop()
    assert (devnet.trx(devnet.alice.address), devnet.usdt(devnet.bob.address), devnet.trx(STRANGER)) == before
    assert devnet.chain.find(paid.transaction.txid) is None
    devnet.mined(paid.transaction)
    assert devnet.trx(STRANGER) == TRX


def test_solid_block_cannot_be_popped(devnet: Devnet) -> None:
    """Blocks can be taken back down to the solid one and no further; it stays solid meanwhile."""
    solid = devnet.chain.solid
    while devnet.chain.head.number > solid.number:
        devnet.chain.pop()
        assert devnet.chain.solid == solid
    with pytest.raises(ValueError, match="solid"):
        devnet.chain.pop()


def test_solid_state_lags_behind_the_head(devnet: Devnet) -> None:
    """The solid state does not show a payment before its block is solid, and shows it then."""
    included = devnet.send_call(devnet.alice, "transfer(address,uint256)", STRANGER.evm, 5)
    key = ("slot", included.outcome.contract, "balance", STRANGER.evm)
    assert devnet.chain.state.get(key) == 5
    assert devnet.chain.solid_state().get(key) is None
    devnet.node.mine(18)
    assert devnet.chain.solid_state().get(key) == 5


@settings(max_examples=25)
@given(st.lists(st.one_of(st.just("pay"), st.just("mine"), st.integers(1, 18)), max_size=40))
@example(["mine", 2])
@example(["pay", *["mine"] * 5, 3, "pay"])
def test_past_is_as_it_was(walk: list[str | int]) -> None:
    """Whatever was mined and forked, the state and the solid block at any height are what they were with that head."""
    devnet = Devnet()
    chain, account = devnet.chain, ("account", STRANGER)

    def now() -> tuple[object, object]:
        return chain.state.get(account), chain.solid

    seen = {chain.head.block_id: now()}
    for step in walk:
        if step == "pay":
            devnet.send_trx(devnet.alice, STRANGER, TRX)
        elif step == "mine":
            devnet.node.mine()
        elif isinstance(step, int) and step <= chain.head.number - chain.solid.number:
            devnet.node.reorg(step, keep_order=True, blocks=1)
        seen[chain.head.block_id] = now()
    for block in chain.blocks[28:]:
        if block.block_id in seen:
            balance, solid = seen[block.block_id]
            assert chain.state_at(block.number).get(account) == balance
            assert chain.solid_at(block.number) == solid


def test_repeated_chain_is_the_same(devnet: Devnet) -> None:
    """Sealed blocks appended to a new chain give the same head, the same solid block and the same receipts."""
    devnet.send_trx(devnet.alice, STRANGER, TRX)
    devnet.send_call(devnet.alice, "transfer(address,uint256)", STRANGER.evm, 10**30)
    other = Chain(Genesis(network="test"))
    for block in devnet.chain.blocks[1:]:
        assert other.append(seal(block)) == block
    assert other.solid == devnet.chain.solid


def test_repeated_fork_is_the_same(devnet: Devnet) -> None:
    """Blocks of a branch that was left, followed by those of the branch that replaced it, lead to the same head."""
    chain, other = devnet.chain, Chain(Genesis(network="test"))
    kept = [seal(block) for block in chain.blocks[1:]]
    left = devnet.send_trx(devnet.alice, STRANGER, TRX)
    kept += [seal(chain.head), seal(devnet.node.mine())]
    chain.pop()
    chain.pop()
    devnet.now_ms += 30_000
    kept += [seal(devnet.node.mine()) for _ in range(3)]
    for sealed in kept:
        other.append(sealed)
    assert other.head == chain.head
    assert other.find(left.transaction.txid) is None


def test_foreign_block_is_not_appended(devnet: Devnet) -> None:
    """A block of another network does not follow."""
    other = Devnet(network="other")
    with pytest.raises(DifferentChain):
        other.chain.append(seal(devnet.chain.head))


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["trx", "usdt", "new", "mine", "pop"]), max_size=40))
def test_any_walk_keeps_the_books(walk: list[str]) -> None:
    """Whatever is mined and taken back, no USDT appears or vanishes, and TRX is only ever burned as fees."""
    devnet = Devnet()
    holders = [key.address for key in (*devnet.genesis.accounts, devnet.owner)] + [STRANGER]

    def totals() -> tuple[int, int]:
        return sum(map(devnet.usdt, holders)), sum(devnet.trx(holder) or 0 for holder in holders)

    usdt, trx = totals()
    for step in walk:
        if step == "trx":
            devnet.send_trx(devnet.alice, devnet.bob.address, 7)
        elif step == "usdt":
            devnet.send_call(devnet.bob, "transfer(address,uint256)", devnet.carol.address.evm, 3)
        elif step == "new":
            devnet.send_trx(devnet.carol, STRANGER, 1)
        elif step == "mine":
            devnet.node.mine()
        elif devnet.chain.head.number > devnet.chain.solid.number:
            devnet.chain.pop()
    fees = sum(each.outcome.fee_sun for block in devnet.chain.blocks for each in block.included)
    assert totals() == (usdt, trx - fees)
