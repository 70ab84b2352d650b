"""One call as a handler sees it: the node, the height that may be seen, and the parameters, java-tron's looseness included."""

from collections.abc import Mapping
from typing import Any

from gateways.devnet import parsing, rendering
from gateways.devnet.block import Block, Included
from gateways.devnet.chain import Chain
from gateways.devnet.node import Node
from gateways.devnet.state import State

Answer = Any
"""What becomes the JSON of an answer."""


class Ask:
    """Parameters from a query string, a form or a JSON body; `solid` for /walletsolidity."""

    def __init__(self, node: Node, body: Mapping[str, Any], *, solid: bool = False) -> None:
        self.node = node
        self.body = body
        self.solid = solid
        self.visible = parsing.is_true(body.get("visible"))

    @property
    def chain(self) -> Chain:
        return self.node.chain

    @property
    def top(self) -> Block:
        """The newest block that may be seen."""
        return self.chain.solid if self.solid else self.chain.head

    @property
    def state(self) -> State:
        return self.chain.solid_state() if self.solid else self.chain.state

    def block(self, number: int) -> Block | None:
        return self.chain.block(number) if number <= self.top.number else None

    def block_by_id(self, block_id: str) -> Block | None:
        block = self.chain.block_by_id(block_id)
        return block if block and block.number <= self.top.number else None

    def find(self, txid: str) -> tuple[Block, Included] | None:
        found = self.chain.find(txid)
        return found if found and found[0].number <= self.top.number else None

    def message(self, text: str) -> str:
        """A message as this asker gets it."""
        return rendering.text(text, visible=self.visible)

    def text(self, name: str) -> str:
        return str(self.body.get(name) or "")

    def integer(self, name: str, default: int = 0) -> int:
        """Raises BadRequest for what is no integer."""
        value = self.body.get(name)
        return default if value is None or value == "" else parsing.integer(value)

    def flag(self, name: str) -> bool:
        return parsing.is_true(self.body.get(name))

    def address(self, name: str) -> bytes:
        """The address, b"" for what is none: java-tron then finds nothing rather than complain."""
        return parsing.address(self.text(name))
