"""The chain: 27 producers in turn, headers signed as mainnet's, solid once 19 of them have built on a block.

Pure and deterministic: time is an argument, keys come from the genesis, nothing is read from outside. `mine` is one step;
`fork` replaces the newest blocks, `append` repeats kept ones; `pop` takes the newest block back, never a solid one.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from core.tron.secp256k1 import sha256
from core.tron.transactions import HEADER_RAW
from gateways.devnet.chain import pool as pools
from gateways.devnet.chain.block import (
    HEADER_VERSION,
    NO_DECREES,
    Block,
    Included,
    SealedBlock,
    assemble,
    seal,
    tx_trie_root,
    unseal,
)
from gateways.devnet.chain.genesis import GENESIS_MS, Genesis, Key
from gateways.devnet.chain.pool import Pool, Waiting
from gateways.devnet.execution.execution import execute
from gateways.devnet.execution.outcome import Context, Outcome, Refused, invalid
from gateways.devnet.machine.machine import Machine
from gateways.devnet.state import committee
from gateways.devnet.state import decrees as decreed
from gateways.devnet.state.decrees import Decrees
from gateways.devnet.state.parameters import Parameters
from gateways.devnet.state.state import Head, Journal, Overlay, Past, State
from gateways.devnet.state.transaction import RESULT_BYTES_MAX, Transaction

BLOCK_MS = 3_000
SOLID_INDEX = 8
"""java-tron sorts the producers' latest heights and takes index int(27 * 0.3): 19 of 27 have reached it."""

RECENT_BLOCKS = 65_536
"""How far back TAPOS looks: the reference is the low 16 bits of a height."""

LAG_BLOCKS_MAX = 200
"""How far behind the head the state can still be read, its solid block's included."""

_SPARE_JOURNALS = 2 * LAG_BLOCKS_MAX


class DifferentChain(Exception):
    """A kept block does not follow from the state before it: another genesis, or another version of the devnet."""


Keep = Callable[[Sequence[Block]], None]
"""Puts blocks on disk, all or none. What it raises leaves the chain as it was."""


def _nowhere(_: Sequence[Block]) -> None:
    """Keeps nothing: the chain is in memory only."""


class Chain:
    """Blocks from genesis to head, the state at the head, and the pool that waits on it."""

    def __init__(self, genesis: Genesis, block_ms: int = BLOCK_MS) -> None:
        self.genesis = genesis
        self.block_ms = block_ms
        self.machine = Machine(genesis.contracts, genesis.treasury.address)
        self.state = Head()
        self.pool = Pool(self.state, self._check, pools.PENDING_SLOTS * block_ms)
        self._producers = {key.address: key for key in genesis.producers}
        self._positions: dict[str, tuple[int, int]] = {}
        self._numbers: dict[str, int] = {}
        self._undo: list[Journal] = []
        self._solid = 0
        self._solids = [0]
        """The solid height as each block left it."""
        first = Overlay(self.state)
        genesis.write(first)
        header = HEADER_RAW.encode({"txTrieRoot": bytes(32), "parentHash": genesis.parent, "timestamp": GENESIS_MS})
        self.blocks = [assemble(header, b"", ())]
        self._numbers[self.blocks[0].block_id] = 0
        self.state.apply(first.changes)

    # -- what is read

    @property
    def head(self) -> Block:
        return self.blocks[-1]

    @property
    def solid(self) -> Block:
        return self.blocks[self._solid]

    @property
    def next_slot_ms(self) -> int:
        """The earliest time the next block may bear."""
        return self.head.timestamp_ms // self.block_ms * self.block_ms + self.block_ms

    @property
    def parameters(self) -> Parameters:
        """What is in force for the next block."""
        return committee.parameters(self.state)

    @property
    def context(self) -> Context:
        return Context(self.head.timestamp_ms, self.parameters, self.machine)

    @property
    def _in_block(self) -> Context:
        return msgspec.structs.replace(self.context, mined=True)

    def solid_at(self, number: int) -> Block:
        """The block that was solid when the head stood at this height."""
        return self.blocks[self._solids[number]]

    def solid_state(self) -> State:
        """The state as the solid block left it."""
        return self.state_at(self._solid)

    def state_at(self, number: int) -> State:
        """The state as this block left it. Raises LookupError for one too long ago."""
        depth = self.head.number - number
        if depth > len(self._undo):
            raise LookupError(f"the state of block {number} is no longer kept")
        return Past(self.state, self._undo[-depth:]) if depth else self.state

    def block(self, number: int) -> Block | None:
        return self.blocks[number] if 0 <= number < len(self.blocks) else None

    def block_by_id(self, block_id: str) -> Block | None:
        number = self._numbers.get(block_id)
        return None if number is None else self.blocks[number]

    def find(self, txid: str) -> tuple[Block, Included] | None:
        """The block that holds a transaction, and the transaction in it."""
        position = self._positions.get(txid)
        if position is None:
            return None
        block = self.blocks[position[0]]
        return block, block.included[position[1]]

    def reference(self, transaction: Transaction) -> Block | None:
        """The block of this chain that a transaction refers to: two bytes of its height, eight of its hash (TAPOS)."""
        low, head = transaction.raw.get("ref_block_bytes", b""), self.head.number
        block = self.block(head - (head - int.from_bytes(low, "big")) % RECENT_BLOCKS) if len(low) == 2 else None
        named = transaction.raw.get("ref_block_hash", b"").hex()
        return block if block and block.block_id[16:32] == named else None

    def pending(self, txid: str) -> Waiting | None:
        return self.pool.find(txid)

    # -- what turns it

    def admit(self, transaction: Transaction, now_ms: int) -> None:
        """Take a transaction into the pool. Raises Refused with the first of java-tron's reasons that holds."""
        if not transaction.contracts:
            raise invalid("No contract!")
        if len(self.pool) >= pools.PENDING_MAX:
            raise Refused("SERVER_BUSY", "Server busy.")
        if transaction.expiration_ms < self.next_slot_ms:
            raise Refused("TRANSACTION_EXPIRATION_ERROR", "Transaction expired")
        self._check(self.state, transaction)
        size = transaction.bandwidth + RESULT_BYTES_MAX  # java-tron adds the room for a result twice
        if size > pools.TRANSACTION_BYTES_MAX:
            message = (
                f"Too big transaction with result, TxId {transaction.txid}, the size is {size} bytes,"
                f" maxTxSize {pools.TRANSACTION_BYTES_MAX}"
            )
            raise Refused("TOO_BIG_TRANSACTION_ERROR", message)
        if not pools.is_timely(transaction, self.head.timestamp_ms, self.next_slot_ms):
            raise Refused("TRANSACTION_EXPIRATION_ERROR", "Transaction expired")
        if transaction.contracts > 1:
            words = f"contract size should be exactly 1, this is extend feature ,actual :{transaction.contracts}"
            raise invalid(f"tx {transaction.txid} {words}")
        if self.pool.find(transaction.txid) or transaction.txid in self._positions:
            raise Refused("DUP_TRANSACTION_ERROR", "Dup transaction.")
        self.pool.add(transaction, self.context, now_ms)

    def mine(self, now_ms: int, keep: Keep = _nowhere, decrees: Decrees = NO_DECREES) -> Block:
        """The next block, at the slot of `now_ms`, or at the next free one if that is taken. It counts once it is kept.

        A block with decrees holds nothing else: what waits meets what they changed.
        """
        block, state = self._build(now_ms, () if decrees else self.pool.transactions(), decrees)
        keep([block])
        self._put(block, state)
        self.pool.rebase(block.included, self.context, self.next_slot_ms, now_ms)
        return block

    def fork(
        self,
        depth: int,
        branch: Sequence[Sequence[Transaction]],
        returned: Sequence[Transaction],
        now_ms: int,
        keep: Keep = _nowhere,
    ) -> list[Block]:
        """Replace the newest `depth` blocks by one for each item of `branch`, which says what it should hold.

        The branch's producers are those a slot later, and it brings the same decrees. What it cannot hold, expired or no
        longer payable, waits in the pool with `returned`. Raises ValueError for a depth that reaches the solid block.
        """
        if not 0 < depth <= self.head.number - self._solid:
            raise ValueError("only blocks above the solid one can be replaced")
        solid, first_ms = self._solid, self.blocks[-depth].timestamp_ms + self.block_ms
        brought = [block.decrees for block in self.blocks[-depth:]]
        left = [self.pop() for _ in range(depth)][::-1]
        built: list[Block] = []
        try:
            for position, transactions in enumerate(branch):
                last = position == len(branch) - 1
                decrees = _together(brought[position:] if last else brought[position : position + 1])
                block, state = self._build(first_ms + position * self.block_ms, transactions, decrees)
                self._put(block, state)
                built.append(block)
            keep(built)
        except BaseException:
            self._solid = solid
            self._replace(left[0].number - 1, [seal(block) for block in left])
            raise
        included = tuple(each for block in built for each in block.included)
        again = [*(transaction for transactions in branch for transaction in transactions), *returned]
        self.pool.rebase(included, self.context, self.next_slot_ms, now_ms, again)
        return built

    def _build(self, now_ms: int, transactions: Iterable[Transaction], decrees: Decrees) -> tuple[Block, Overlay]:
        timestamp_ms = max(now_ms // self.block_ms * self.block_ms, self.next_slot_ms)
        state = Overlay(self.state)
        included = pools.pack(state, transactions, self._check, self._in_block, self.next_slot_ms)
        number, producer = self.head.number + 1, self.producer_at(timestamp_ms)
        header: dict[str, int | bytes] = {
            "timestamp": timestamp_ms,
            "txTrieRoot": tx_trie_root([each.transaction.encode(each.outcome.contract_ret) for each in included]),
            "parentHash": bytes.fromhex(self.head.block_id),
            "number": number,
            "witness_address": producer.address,
            "version": HEADER_VERSION,
        }
        header_raw = HEADER_RAW.encode(header)
        _conclude(state, number, timestamp_ms, decrees)
        return assemble(header_raw, producer.sign(sha256(header_raw)), included, decrees), state

    def append(self, sealed: SealedBlock) -> Block:
        """Repeat a kept block; on an earlier parent, a fork, what came after that is taken back first.

        Raises DifferentChain when the block follows from nothing here above the solid block.
        """
        parent = self._numbers.get(HEADER_RAW.decode(sealed.header_raw)["parentHash"].hex(), -1)
        if parent < self._solid:
            raise DifferentChain("a block follows no block of this chain")
        return self._replace(parent, [sealed])

    def _replace(self, parent: int, branch: Iterable[SealedBlock]) -> Block:
        while self.head.number > parent:
            self.pop()
        for sealed in branch:
            self._repeat(sealed)
        return self.head

    def _repeat(self, sealed: SealedBlock) -> None:
        state, context = Overlay(self.state), self._in_block
        included = []
        for transaction, contract_ret in unseal(sealed):
            outcome = _repeat(state, transaction, context)
            if outcome.contract_ret != contract_ret:
                raise DifferentChain(f"{transaction.txid} ended {contract_ret}, and now {outcome.contract_ret}")
            included.append(Included(transaction, outcome))
        block = assemble(sealed.header_raw, sealed.witness_signature, tuple(included), sealed.decrees)
        _conclude(state, block.number, block.timestamp_ms, block.decrees)
        self._put(block, state)

    def pop(self) -> Block:
        """Take the newest block back: the state before it returns, its transactions are nowhere. Never a solid one.

        Whoever forks rebases the pool, or mines, before anything more is admitted: trials were made on the block taken back.
        """
        if self.head.number <= self._solid:
            raise ValueError("a solid block cannot be taken back")
        block = self.blocks.pop()
        self.state.apply(self._undo.pop())
        self._solids.pop()
        del self._numbers[block.block_id]
        for each in block.included:
            del self._positions[each.transaction.txid]
        return block

    def producer_at(self, timestamp_ms: int) -> Key:
        """Whose slot this is: the producers take turns by slot, so one whose slot passes unused produces nothing."""
        return self.genesis.producers[timestamp_ms // self.block_ms % len(self.genesis.producers)]

    def _put(self, block: Block, state: Overlay) -> None:
        state.set(("produced", block.witness), block.number)
        heights = sorted(state.get(("produced", address)) or 0 for address in self._producers)
        self._solid = max(heights[SOLID_INDEX], self._solid)
        self._undo.append(self.state.apply(state.changes))
        self.blocks.append(block)
        self._solids.append(self._solid)
        self._numbers[block.block_id] = block.number
        for index, each in enumerate(block.included):
            self._positions[each.transaction.txid] = (block.number, index)
        del self._undo[: -(block.number - self._solid + _SPARE_JOURNALS)]

    def _check(self, state: State, transaction: Transaction) -> None:
        """What a fork may change for a transaction admitted before: who may sign, and its reference. Raises Refused."""
        pools.check_signatures(state, transaction)
        if self.reference(transaction) is None:
            raise Refused("TAPOS_ERROR", "Tapos check error.")


def _conclude(state: Overlay, number: int, timestamp_ms: int, decrees: Decrees) -> None:
    """What the end of a block changes: the cycle, when it is time, and what the block decrees."""
    committee.turn(state, number, timestamp_ms)
    if decrees:
        decreed.apply(state, decrees, timestamp_ms)


def _together(brought: Iterable[Decrees]) -> Decrees:
    return {name: value for decrees in brought for name, value in decrees.items()}


def _repeat(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    attempt = Overlay(state)
    try:
        outcome = execute(attempt, transaction, context)
    except Refused as refused:
        raise DifferentChain(f"{transaction.txid} is refused now: {refused.message}") from refused
    state.merge(attempt)
    return outcome
