"""A running node: a chain, the file that keeps it, the clock that turns it, and the keys that its faucet signs with."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from core.tron.protobuf import MalformedProtobuf
from core.tron.transactions import TRANSFER, TRIGGER, contract_of
from gateways.devnet.chain.block import NO_DECREES, Block, seal
from gateways.devnet.chain.block_log import BlockLog, UnusableData
from gateways.devnet.chain.chain import BLOCK_MS, Chain, DifferentChain
from gateways.devnet.chain.genesis import DEFAULT_SEED, PRODUCERS, USDT, Genesis, Key
from gateways.devnet.execution.outcome import Refused
from gateways.devnet.faults import Faults
from gateways.devnet.machine import abi, energy
from gateways.devnet.machine.machine import SUCCESS
from gateways.devnet.machine.tether import TRANSFER_CALL
from gateways.devnet.state import committee, decrees
from gateways.devnet.state.decrees import Decrees
from gateways.devnet.state.transaction import Transaction, of_raw

OWN_FEE_LIMIT_SUN: Final = 100_000_000
OWN_EXPIRATION_MS: Final = 3_600_000
BEHIND_SLOTS_MAX: Final = 10
"""A node this far behind its clock misses the slots between instead of catching up."""

MAINTENANCE_SLOTS: Final = 2
"""Slots that pass without a block where the producers are elected anew."""

CACHE_SLOTS: Final = 1_200
"""How long the broadcast cache remembers a txid: java-tron's hour, in slots."""


class Config(msgspec.Struct, frozen=True):
    """How to run a devnet. `data_dir` None keeps the chain in memory; port 0 takes a free one."""

    port: int = 0
    block_ms: int = BLOCK_MS
    data_dir: Path | None = None
    host: str = "127.0.0.1"
    seed: str = DEFAULT_SEED
    network: str = ""
    """Names an in-memory chain, so that two of them differ; a kept chain has its own name."""
    factor: int = energy.DEFAULT_FACTOR
    paused: bool = False
    """Begin without producing blocks: only /devnet/mine turns the chain."""
    maintenance_blocks: int = 0
    """Skip two slots before every block whose height is a multiple of this; 0 for never."""
    grpc_port: int | None = None
    """Where gRPC is served beside HTTP, 0 for a free port; None: nowhere."""


class CannotFork(ValueError):
    """The fork asked for is none that a chain could take; the message says why."""


class Verdict(msgspec.Struct, frozen=True):
    """The answer to a broadcast."""

    code: str
    message: str = ""
    txid: str = ""

    @property
    def accepted(self) -> bool:
        return self.code == SUCCESS


class Node:
    """All sync; the server calls it from one thread."""

    def __init__(self, config: Config, clock_ms: Callable[[], int]) -> None:
        """Open or begin the chain. Raises UnusableData."""
        self.config = config
        self.clock_ms = clock_ms
        self.paused = config.paused
        self.maintenance_blocks = config.maintenance_blocks
        self.faults = Faults()
        self._log: BlockLog | None = None
        self._own = 0
        self._lead_ms = 0
        """How far /devnet/mine has driven the chain's time ahead of the clock."""
        self._broadcast_ms: dict[str, int] = {}
        """The broadcast cache (node.rpc.trxCacheEnable): when each txid was first offered."""
        genesis = Genesis(config.seed, config.network, config.factor)
        if config.data_dir:
            self._log = BlockLog(config.data_dir, config.seed, config.factor)
            first = self._log.beginning
            genesis = Genesis(first.seed, first.network, first.factor)
        self.chain = Chain(genesis, config.block_ms)
        self._replay()
        self._lead_ms = max(0, self.chain.head.timestamp_ms - clock_ms())
        if self.chain.head.number == 0:
            self._first_round()

    @property
    def now_ms(self) -> int:
        """The chain's own time: the clock's, and as much as the chain runs ahead of it."""
        return self.clock_ms() + self._lead_ms

    def broadcast(self, transaction: Transaction) -> Verdict:
        """Offer a transaction to the pool."""
        if self.faults.is_armed("trx_cache") and self._is_cached(transaction.txid):
            return Verdict("DUP_TRANSACTION_ERROR", "Transaction already exists.", transaction.txid)
        try:
            self.chain.admit(transaction, self.now_ms)
        except Refused as refused:
            return Verdict(refused.code, refused.message, transaction.txid)
        return Verdict(SUCCESS, txid=transaction.txid)

    def withhold(self, txid: str) -> None:
        """Never put this transaction into a block, until the faults are cleared."""
        self.chain.pool.withheld.add(txid)

    def clear_faults(self) -> None:
        self.faults.clear()
        self.chain.pool.withheld.clear()
        self._broadcast_ms.clear()

    def mine(self, blocks: int = 1, skip_slots: int = 0) -> Block:
        """Produce blocks at once, `skip_slots` missed before each; each is on disk before the next begins."""
        for _ in range(blocks):
            self._mine_at(max(self.clock_ms(), self._due_ms + skip_slots * self.chain.block_ms))
        return self.chain.head

    def decree(self, decided: Decrees) -> Block:
        """Decide in the committee's and the world's place; it counts when this returns. Raises BadDecree.

        The block that brings it is empty: what waits in the pool meets what was decided.
        """
        decrees.check(decided)
        self._mine_at(max(self.clock_ms(), self._due_ms), decided)
        return self.chain.head

    def advance(self, elapsed_ms: int) -> Block:
        """Let chain time pass at once: what waits is mined, then a block at each maintenance and one at the end.

        All slots between are missed. At least as much time passes as was asked for.
        """
        until_ms = self._slot_from(self.now_ms + elapsed_ms)
        if len(self.chain.pool):
            self._mine_at(max(self.clock_ms(), self._due_ms))
        while (maintenance_ms := self._slot_from(committee.next_maintenance_ms(self.chain.state))) < until_ms:
            self._mine_at(maintenance_ms)
        self._mine_at(until_ms)
        return self.chain.head

    def reorg(
        self,
        depth: int,
        drop: Collection[str] = (),
        *,
        keep_order: bool = False,
        vanish: bool = False,
        blocks: int | None = None,
    ) -> list[Block]:
        """Replace the newest `depth` blocks by `blocks` others, as many by default; -> the new ones, oldest first.

        Their transactions come again, last first unless `keep_order`; those in `drop` go back to the pool or, with
        `vanish`, nowhere. `vanish` without `drop` means all of them. Raises CannotFork.
        """
        chain = self.chain
        above = chain.head.number - chain.solid.number
        if not 1 <= depth <= above:
            raise CannotFork(
                f"depth must be between 1 and {above}: block {chain.solid.number} is solid,"
                " and it and those below it are never replaced"
            )
        left = [[each.transaction for each in block.included] for block in chain.blocks[-depth:]]
        txids = {transaction.txid for transactions in left for transaction in transactions}
        if strangers := set(drop) - txids:
            raise CannotFork(f"{min(strangers)} is in none of the newest {depth} blocks")
        dropped = set(drop) or (txids if vanish else set())
        kept = [[each for each in transactions if each.txid not in dropped] for transactions in left]
        branch = _refit(kept if keep_order else [each[::-1] for each in kept[::-1]], blocks or depth)
        returned = [] if vanish else [each for transactions in left for each in transactions if each.txid in dropped]
        built = chain.fork(depth, branch, returned, self.now_ms, self._keep)
        self._set_lead()
        return built

    def is_due(self) -> bool:
        """True when the next slot's time has come."""
        return not self.paused and self.wait_ms() <= 0

    def wait_ms(self) -> int:
        """Until the next slot; counted from the last block where the chain's time runs ahead of the clock's."""
        return self._due_ms - self.clock_ms() - self._lead_ms

    def tick(self) -> None:
        """Produce the next block: its slot if we are late by little, the clock's slot if by much."""
        behind_ms = -self.wait_ms()
        late = behind_ms > BEHIND_SLOTS_MAX * self.chain.block_ms
        self._mine_at(self.clock_ms() if late else self._due_ms)

    def send(self, key: Key, kind: int, parameter: dict[str, Any]) -> Verdict:
        """Sign and broadcast a transaction of one of our own accounts."""
        return self.broadcast(self.sign(key, kind, parameter))

    def sign(self, key: Key, kind: int, parameter: dict[str, Any], **fields: Any) -> Transaction:
        """A transaction on the solid block, raw_data's `fields` as given. No two are alike: each expires at its own time."""
        self._own += 1
        solid = self.chain.solid
        raw = {
            "ref_block_bytes": bytes.fromhex(solid.block_id[12:16]),
            "ref_block_hash": bytes.fromhex(solid.block_id[16:32]),
            "expiration": self.chain.head.timestamp_ms + OWN_EXPIRATION_MS + self._own % OWN_EXPIRATION_MS,
            "timestamp": self.chain.head.timestamp_ms,
            "contract": [contract_of(kind, {"owner_address": key.address, **parameter})],
        }
        if kind == TRIGGER:
            raw["fee_limit"] = OWN_FEE_LIMIT_SUN
        unsigned = of_raw({**raw, **fields})
        return msgspec.structs.replace(unsigned, signatures=(key.sign(bytes.fromhex(unsigned.txid)),))

    def give_trx(self, to: bytes, amount_sun: int) -> Verdict:
        return self.send(self.chain.genesis.treasury, TRANSFER, {"to_address": to, "amount": amount_sun})

    def give_usdt(self, to: bytes, amount_minor: int) -> Verdict:
        data = TRANSFER_CALL.selector + abi.of_address(to[1:]) + abi.of_uint(amount_minor)
        return self.call(self.chain.genesis.treasury, USDT, data)

    def call(self, key: Key, contract: bytes, data: bytes, value_sun: int = 0) -> Verdict:
        value = {"call_value": value_sun} if value_sun else {}
        return self.send(key, TRIGGER, {"contract_address": contract, "data": data, **value})

    def close(self) -> None:
        if self._log:
            self._log.close()

    @property
    def _due_ms(self) -> int:
        """The slot of the next block, after a maintenance's two when one is due."""
        chain, every = self.chain, self.maintenance_blocks
        is_maintenance = every > 0 and (chain.head.number + 1) % every == 0
        return chain.next_slot_ms + (MAINTENANCE_SLOTS * chain.block_ms if is_maintenance else 0)

    def _slot_from(self, chain_ms: int) -> int:
        """The first slot that is not before this time."""
        return -(-chain_ms // self.chain.block_ms) * self.chain.block_ms

    def _mine_at(self, now_ms: int, decided: Decrees = NO_DECREES) -> None:
        self.chain.mine(now_ms, self._keep, decided)
        self._set_lead()

    def _set_lead(self) -> None:
        self._lead_ms = max(0, self.chain.head.timestamp_ms - self.clock_ms())

    def _keep(self, blocks: Sequence[Block]) -> None:
        if self._log:
            self._log.append([seal(block) for block in blocks])

    def _is_cached(self, txid: str) -> bool:
        """Whether the txid was offered within the hour before, however that ended. It is remembered from now on."""
        now_ms = self.now_ms
        last_ms = self._broadcast_ms.get(txid)
        if last_ms is not None and now_ms - last_ms < CACHE_SLOTS * self.chain.block_ms:
            return True
        self._broadcast_ms[txid] = now_ms
        return False

    def _replay(self) -> None:
        if not self._log:
            return
        try:
            for sealed in self._log.blocks():
                self.chain.append(sealed)
        except (DifferentChain, MalformedProtobuf) as error:
            raise UnusableData(f"{self.config.data_dir} holds a chain this version cannot repeat: {error}") from error

    def _first_round(self) -> None:
        """Begin with every producer heard, so that there is a solid block from the first moment."""
        first_ms = self.clock_ms() - PRODUCERS * self.chain.block_ms
        for position in range(PRODUCERS + 1):
            self._mine_at(first_ms + position * self.chain.block_ms)


def _refit(branch: list[list[Transaction]], blocks: int) -> list[list[Transaction]]:
    """The same transactions in the same order over so many blocks: the last takes what comes after, or some stay empty."""
    padded = [*branch, *([] for _ in range(blocks - len(branch)))]
    last = [transaction for transactions in padded[blocks - 1 :] for transaction in transactions]
    return [*padded[: blocks - 1], last]
