"""A running node: a chain, the file that keeps it, the clock that turns it, and the keys that its faucet signs with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from core.protobuf import MalformedProtobuf
from core.transactions import TRANSFER, TRIGGER, contract_of
from gateways.devnet import abi, energy
from gateways.devnet.block import Block, seal
from gateways.devnet.block_log import BlockLog, UnusableData
from gateways.devnet.chain import BLOCK_MS, Chain, DifferentChain
from gateways.devnet.execution import Refused
from gateways.devnet.genesis import DEFAULT_SEED, PRODUCERS, USDT, Genesis, Key
from gateways.devnet.machine import SUCCESS
from gateways.devnet.tether import TRANSFER_CALL
from gateways.devnet.transaction import Transaction, of_raw

OWN_FEE_LIMIT_SUN: Final = 100_000_000
OWN_EXPIRATION_MS: Final = 3_600_000
BEHIND_SLOTS_MAX: Final = 10
"""A node this far behind its clock misses the slots between instead of catching up."""


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
        self._log: BlockLog | None = None
        self._own = 0
        self._lead_ms = 0
        """How far /devnet/mine has driven the chain's time ahead of the clock."""
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

    def broadcast(self, transaction: Transaction) -> Verdict:
        """Offer a transaction to the pool."""
        try:
            self.chain.admit(transaction, self.clock_ms())
        except Refused as refused:
            return Verdict(refused.code, refused.message, transaction.txid)
        return Verdict(SUCCESS, txid=transaction.txid)

    def mine(self, blocks: int = 1) -> Block:
        """Produce blocks at once; each is on disk before the next begins."""
        for _ in range(blocks):
            self._mine_at(self.clock_ms())
        return self.chain.head

    def is_due(self) -> bool:
        """True when the next slot's time has come."""
        return not self.paused and self.wait_ms() <= 0

    def wait_ms(self) -> int:
        """Until the next slot; counted from the last block where the chain's time runs ahead of the clock's."""
        return self.chain.next_slot_ms - self.clock_ms() - self._lead_ms

    def tick(self) -> None:
        """Produce the next block: its slot if we are late by little, the clock's slot if by much."""
        behind_ms = -self.wait_ms()
        late = behind_ms > BEHIND_SLOTS_MAX * self.chain.block_ms
        self._mine_at(self.clock_ms() if late else self.chain.next_slot_ms)

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

    def call(self, key: Key, contract: bytes, data: bytes) -> Verdict:
        return self.send(key, TRIGGER, {"contract_address": contract, "data": data})

    def close(self) -> None:
        if self._log:
            self._log.close()

    def _mine_at(self, now_ms: int) -> None:
        block = self.chain.mine(now_ms, self._keep)
        self._lead_ms = max(0, block.timestamp_ms - self.clock_ms())

    def _keep(self, block: Block) -> None:
        if self._log:
            self._log.append(seal(block))

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
