"""The devnet in this process behind the ports `Node` and `Staking`: real rules, signatures and energy, a clock turned by hand.

What a broadcast meets is chosen with `fate`: the bytes reach the pool or not, and the answer says so or not.
"""

from collections.abc import Mapping, Sequence

import msgspec

from core.tron.address import USDT_MAINNET, Address
from core.tron.chain import (
    AccountResources,
    Block,
    BlockRef,
    BroadcastAnswer,
    ChainAccount,
    ConstantResult,
    Delegation,
    DelegationIndex,
    Log,
    Receipt,
    Resource,
)
from gateways.devnet import node as devnet
from gateways.devnet.chain.block import Block as DevnetBlock
from gateways.devnet.in_process import InProcess
from gateways.devnet.machine import abi
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Permission
from gateways.devnet.state.state import Overlay
from gateways.devnet.state.transaction import decode
from gateways.tron.node import TronNode

USDT = Address.from_base58(USDT_MAINNET)
START_MS = 1_767_225_600_000
BLOCK_MS = 3_000
SOLID_LAG = 19
ACCEPTED = BroadcastAnswer("accepted")
UNCLEAR_CODES = ("DUP_TRANSACTION_ERROR", "OTHER_ERROR", "NOT_ENOUGH_EFFECTIVE_CONNECTION", "timeout")
ENERGY_MAX = 10**9


class Fate(msgspec.Struct, frozen=True):
    """What happens to bytes that are broadcast: `arrives` in the pool, `kept` for later, or lost; and the answer."""

    arrives: bool = True
    kept: bool = False
    answer: BroadcastAnswer | None = None
    """None: what the node truly says."""


class DevnetNode:
    """A chain that moves when `mine` is called. `sent` has every broadcast's bytes, `kept` those held back."""

    def __init__(self, block_ms: int = BLOCK_MS) -> None:
        self.now_ms = START_MS
        self.devnet = devnet.Node(devnet.Config(block_ms=block_ms, paused=True), lambda: self.now_ms)
        self._asked = TronNode("http://devnet", transport=InProcess(self.devnet))
        self.fate = Fate()
        self.sent: list[bytes] = []
        self.kept: list[bytes] = []
        self.calls = 0

    # What turns it

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.now_ms += self.devnet.chain.block_ms
            self.devnet.mine()

    def fund(self, address: Address, *, usdt_minor: int = 0, sun: int = 0) -> None:
        """Give coins; they are solid when this returns."""
        if sun:
            assert self.devnet.give_trx(address, sun).accepted
        if usdt_minor:
            assert self.devnet.give_usdt(address, usdt_minor).accepted
        self.mine(SOLID_LAG + 1)

    def owner_calls(self, signature: str, *words: bytes) -> None:
        """The token's owner calls it, in the next block."""
        data = abi.selector_of(signature) + b"".join(words)
        assert self.devnet.call(self.devnet.chain.genesis.treasury, USDT, data).accepted
        self.mine()

    def blacklist(self, address: Address) -> None:
        self.owner_calls("addBlackList(address)", abi.of_address(address.evm))

    def hijack(self, address: Address, thief: Address) -> None:
        """The thief's key joins the owner permission."""
        account = accounts.find(self.devnet.chain.state, address)
        assert account is not None
        owner = Permission(0, "owner", 1, ((address, 1), (thief, 1)))
        self.devnet.chain.state.apply({("account", address): msgspec.structs.replace(account, owner=owner)})

    def deliver(self) -> None:
        """What was held back reaches the pool."""
        for signed in self.kept:
            self._admit(signed)
        self.kept.clear()

    def transfers_from(self, address: Address) -> list[tuple[str, int]]:
        """Every successful transfer of the token out of an address, in all blocks: (txid, amount)."""
        return [
            (each.transaction.txid, int.from_bytes(log.data, "big"))
            for block in self.devnet.chain.blocks
            for each in block.included
            for log in each.outcome.logs
            if log.address == USDT.evm and len(log.topics) == 3 and log.topics[1][12:] == address.evm
        ]

    def usdt_of(self, address: Address) -> int:
        return int(self.devnet.chain.state.get(("slot", USDT, "balance", address.evm)) or 0)

    def sun_of(self, address: Address) -> int:
        account = accounts.find(self.devnet.chain.state, address)
        return account.balance_sun if account else 0

    # The port

    def head(self) -> BlockRef:
        return ref_of(self.devnet.chain.head)

    def solid(self) -> BlockRef:
        return ref_of(self.devnet.chain.solid)

    def genesis_id(self) -> str:
        return self.devnet.chain.blocks[0].block_id

    def block(self, number: int) -> Block | None:
        raise NotImplementedError

    def solid_block(self, number: int) -> Block | None:
        raise NotImplementedError

    def receipts(self, number: int) -> Sequence[Receipt]:
        raise NotImplementedError

    def solid_receipts(self, number: int) -> Sequence[Receipt]:
        if number > self.devnet.chain.solid.number:
            return []
        found = (self._receipt(each.transaction.txid) for each in self.devnet.chain.blocks[number].included)
        return [receipt for receipt in found if receipt]

    def receipt(self, txid: str) -> Receipt | None:
        return self._receipt(txid)

    def solid_receipt(self, txid: str) -> Receipt | None:
        receipt = self._receipt(txid)
        return receipt if receipt and receipt.block_number <= self.devnet.chain.solid.number else None

    def _receipt(self, txid: str) -> Receipt | None:
        found = self.devnet.chain.find(txid)
        if found is None:
            return None
        block, each = found
        outcome = each.outcome
        return Receipt(
            txid=txid,
            block_number=block.number,
            block_timestamp_ms=block.timestamp_ms,
            fee_sun=outcome.fee_sun,
            result=outcome.result,
            failed=outcome.contract_ret != "SUCCESS",
            logs=tuple(Log(log.address, log.topics, log.data) for log in outcome.logs),
            energy_used=outcome.energy_used,
            energy_fee_sun=outcome.energy_fee_sun,
            net_used=outcome.net_used,
            net_fee_sun=outcome.net_fee_sun,
            message=outcome.message,
            energy_staked=outcome.energy_staked,
            origin_energy=outcome.origin_energy,
            energy_penalty=outcome.energy_penalty,
            withdrawn_sun=outcome.withdrawn_sun,
            cancelled_sun=sum((outcome.cancelled_sun or {}).values()),
        )

    def broadcast(self, signed: bytes) -> BroadcastAnswer:
        self.sent.append(signed)
        if self.fate.kept:
            self.kept.append(signed)
        said = self._admit(signed) if self.fate.arrives else ACCEPTED
        return self.fate.answer or said

    def account(self, address: bytes) -> ChainAccount | None:
        return self._asked.account(address)

    def solid_account(self, address: bytes) -> ChainAccount | None:
        return self._asked.solid_account(address)

    def resources(self, address: bytes) -> AccountResources:
        return self._asked.resources(address)

    def delegations(self, owner: bytes, receiver: bytes, *, solid: bool = False) -> Sequence[Delegation]:
        return self._asked.delegations(owner, receiver, solid=solid)

    def delegation_index(self, address: bytes, *, solid: bool = False) -> DelegationIndex:
        return self._asked.delegation_index(address, solid=solid)

    def delegatable_sun(self, owner: bytes, resource: Resource, *, solid: bool = False) -> int:
        return self._asked.delegatable_sun(owner, resource, solid=solid)

    def unfreezes_left(self, owner: bytes, *, solid: bool = False) -> int:
        return self._asked.unfreezes_left(owner, solid=solid)

    def withdrawable_sun(self, owner: bytes, at_ms: int, *, solid: bool = False) -> int:
        return self._asked.withdrawable_sun(owner, at_ms, solid=solid)

    def next_maintenance_ms(self) -> int:
        return self._asked.next_maintenance_ms()

    def call(self, owner: bytes, contract: bytes, data: bytes, *, solid: bool = False) -> ConstantResult:
        self.calls += 1
        chain = self.devnet.chain
        state = Overlay(chain.solid_state() if solid else chain.state)
        called = chain.machine.execute(state, Address(contract), Address(owner), data, limit=ENERGY_MAX)
        reverted = called.result != "SUCCESS"
        return ConstantResult(called.energy, called.returned, reverted, called.message, called.penalty)

    def chain_parameters(self) -> Mapping[str, int]:
        return self.devnet.chain.parameters

    def _admit(self, signed: bytes) -> BroadcastAnswer:
        verdict = self.devnet.broadcast(decode(signed)[0])
        if verdict.accepted:
            return ACCEPTED
        return BroadcastAnswer("unclear" if verdict.code in UNCLEAR_CODES else "refused", verdict.code, verdict.message)


class DevnetLog:
    """The port `SolidLog` as an observer at the solid height has written it; `first` is where it began, `missing` gaps."""

    def __init__(self, node: DevnetNode) -> None:
        self.node = node
        self.first = 0
        self.last: int | None = None
        self.missing: set[int] = set()
        self.kept_from: int | None = None

    def append(self, block: BlockRef, sent: Mapping[str, str]) -> None:
        raise NotImplementedError

    def blocks(self, first: int, until_ms: int) -> list[BlockRef]:
        known = []
        for block in self.node.devnet.chain.blocks[max(first, self.first) : self._last() + 1]:
            if block.number not in self.missing:
                known.append(ref_of(block))
                if block.timestamp_ms >= until_ms:
                    return known
        return []

    def newest(self) -> BlockRef | None:
        last = self._last()
        return ref_of(self.node.devnet.chain.blocks[last]) if last >= self.first else None

    def find(self, txid: str) -> tuple[int, str] | None:
        found = self.node.devnet.chain.find(txid)
        if found is None or not self.first <= found[0].number <= self._last():
            return None
        return found[0].number, found[1].outcome.contract_ret

    def keep_from(self, holder: str, number: int | None) -> None:
        self.kept_from = number

    def _last(self) -> int:
        solid = self.node.devnet.chain.solid.number
        return solid if self.last is None else min(self.last, solid)


def ref_of(block: DevnetBlock) -> BlockRef:
    return BlockRef(block.number, block.block_id, block.parent_id, block.timestamp_ms)
