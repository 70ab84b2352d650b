"""One call as a handler sees it: the node, the height that may be seen, and the parameters, java-tron's looseness included.

A call that a lagging backend answers sees everything, blocks, state and lookups, as it was so many blocks ago.
"""

from collections.abc import Mapping
from typing import Any

from gateways.devnet.chain.block import Block, Included
from gateways.devnet.chain.chain import Chain
from gateways.devnet.faults import BROADCASTING, another_txid, silence_of
from gateways.devnet.faults import MESSAGES as CODE_MESSAGES
from gateways.devnet.http import parsing, rendering
from gateways.devnet.machine.machine import SUCCESS
from gateways.devnet.node import Node, Verdict
from gateways.devnet.requests import Silenced
from gateways.devnet.state import committee
from gateways.devnet.state.parameters import Parameters
from gateways.devnet.state.state import State
from gateways.devnet.state.transaction import Transaction

Answer = Any
"""What becomes the JSON of an answer."""


class Ask:
    """Parameters from a query string, a form or a JSON body; `solid` for /walletsolidity, `lag` and `lead` in blocks."""

    def __init__(
        self,
        node: Node,
        body: Mapping[str, Any],
        *,
        solid: bool = False,
        lag: int = 0,
        lead: int = 0,
        path: str = "",
    ) -> None:
        self.node = node
        self.body = body
        self.solid = solid
        self.lag = lag
        self.lead = lead
        self.path = path
        self.visible = parsing.is_true(body.get("visible"))

    @property
    def chain(self) -> Chain:
        return self.node.chain

    @property
    def head(self) -> Block:
        """The newest block of the backend that answers."""
        return self.chain.blocks[max(self.chain.head.number - self.lag, 0)]

    @property
    def solid_head(self) -> Block:
        """That backend's solid block."""
        solid = self.chain.solid_at(self.head.number) if self.lag else self.chain.solid
        return self.chain.blocks[min(solid.number + self.lead, self.head.number)] if self.lead else solid

    @property
    def top(self) -> Block:
        """The newest block that may be seen."""
        return self.solid_head if self.solid else self.head

    @property
    def state(self) -> State:
        """What /wallet answers from is pending, in no block yet (FAILURES 75)."""
        return self.chain.pool.state if self.top is self.chain.head else self.chain.state_at(self.top.number)

    @property
    def parameters(self) -> Parameters:
        """The chain's parameters there."""
        return committee.parameters(self.state)

    def block(self, number: int) -> Block | None:
        return self.chain.block(number) if number <= self.top.number else None

    def block_by_id(self, block_id: str) -> Block | None:
        block = self.chain.block_by_id(block_id)
        return block if block and block.number <= self.top.number else None

    def find(self, txid: str) -> tuple[Block, Included] | None:
        found = self.chain.find(txid)
        return found if found and found[0].number <= self.top.number else None

    def broadcast(self, transaction: Transaction) -> Verdict:
        """Offer a transaction to the node; what is told of it may be another thing. Raises Silenced for no answer at all."""
        faults, txid = self.node.faults, transaction.txid
        fault = faults.find(*BROADCASTING, path=self.path)
        if fault and fault.kind == "reject_code":
            faults.strike(fault)
            return Verdict(fault.code, fault.message or CODE_MESSAGES[fault.code], txid)
        reference = self.chain.reference(transaction)
        if reference and reference.number > self.head.number:
            return Verdict("TAPOS_ERROR", CODE_MESSAGES["TAPOS_ERROR"], txid)
        verdict = self.node.broadcast(transaction)
        if fault is None or not verdict.accepted:
            return verdict
        faults.strike(fault)
        match fault.kind:
            case "blackhole_tx":
                self.node.withhold(txid)
                return verdict
            case "wrong_txid":
                return Verdict(SUCCESS, txid=another_txid(txid))
            case "accept_then_code":
                return Verdict(fault.code, fault.message or CODE_MESSAGES[fault.code], txid)
        raise Silenced(silence_of(fault))

    def message(self, text: str) -> str:
        """A message as this asker gets it."""
        return rendering.text(text, visible=self.visible)

    def shown(self, address: bytes) -> str:
        """An address as this asker gets it."""
        return rendering.hex_or_base58(address, visible=self.visible)

    def text(self, name: str) -> str:
        return str(self.body.get(name) or "")

    def integer(self, name: str, default: int = 0) -> int:
        """Raises BadRequest for what is no integer."""
        value = self.body.get(name)
        return default if value is None or value == "" else parsing.integer(value)

    def flag(self, name: str) -> bool:
        return parsing.is_true(self.body.get(name))

    def address(self, name: str) -> bytes:
        """Base58 if visible, else hex, as it was given; b"" for none. Raises BadRequest for what cannot be read as that."""
        text = self.text(name)
        if not text:
            return b""
        return parsing.base58(text) if self.visible else parsing.hexadecimal(text)
