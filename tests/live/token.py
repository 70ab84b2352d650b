"""A token of ours on a chain that has none: TetherToken's interface, its source and its bytes beside this file."""

import json
from pathlib import Path
from typing import Any, Final

from core.ports.chain import CallNotMade
from core.tron.address import Address
from core.tron.protobuf import Field, Message
from core.tron.secp256k1 import keccak256
from core.tron.transactions import TYPE_URL_PREFIX
from tests.live.hand import Hand, txid

SOURCE: Final = Path(__file__).with_name("token.sol")
BUILT: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("token.json").read_text())
SUPPLY_MINOR: Final = 1_000_000 * 10**6
FEE_LIMIT_SUN: Final = 200_000_000
WARM_CALLS: Final = 10

CREATE_SMART_CONTRACT: Final = 30
_CONTRACT: Final = Message(
    "SmartContract",
    Field(1, "origin_address", "bytes"),
    Field(4, "bytecode", "bytes"),
    Field(6, "consume_user_resource_percent", "int"),
    Field(7, "name", "text"),
    Field(8, "origin_energy_limit", "int"),
)
_CREATE: Final = Message("CreateSmartContract", Field(1, "owner_address", "bytes"), Field(2, "new_contract", _CONTRACT))


def deploy(hand: Hand) -> Address:
    """The token's address once it is solid; everything there is of it belongs to the hand."""
    code = bytes.fromhex(BUILT["bytecode"]) + SUPPLY_MINOR.to_bytes(32, "big")
    _warm(hand, code)
    contract = {
        "origin_address": bytes(hand.address),
        "bytecode": code,
        "consume_user_resource_percent": 100,
        "name": "TestToken",
        "origin_energy_limit": 10_000_000,
    }
    value = _CREATE.encode({"owner_address": bytes(hand.address), "new_contract": contract})
    parameter = {"type_url": TYPE_URL_PREFIX + _CREATE.name, "value": value}
    signed = hand.signed_contract({"type": CREATE_SMART_CONTRACT, "parameter": parameter}, fee_limit=FEE_LIMIT_SUN)
    hand.send(signed)
    hand.solid(txid(signed))
    return address_of(txid(signed), hand.address)


def _warm(hand: Hand, code: bytes) -> None:
    """A node that was just started runs out of time with its first contracts, and whoever sent them pays for it."""

    def tried() -> bool:
        try:
            return not any(hand.node.call(bytes(hand.address), b"", code).reverted for _ in range(WARM_CALLS))
        except CallNotMade:
            return False

    hand.until(tried, "the node is fast enough to make the token")


def address_of(created_by: str, owner: Address) -> Address:
    """Where the contract lives that a transaction of this owner makes."""
    return Address.from_evm(keccak256(bytes.fromhex(created_by) + bytes(owner))[12:])
