"""A token of ours on a chain that has none: TetherToken's interface, its source and its bytes beside this file."""

import json
from pathlib import Path
from typing import Any, Final

from core.tron.address import Address
from core.tron.protobuf import Field, Message
from core.tron.secp256k1 import keccak256
from core.tron.transactions import TYPE_URL_PREFIX
from tests.live.hand import Hand, txid

SOURCE: Final = Path(__file__).with_name("token.sol")
BUILT: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("token.json").read_text())
SUPPLY_MINOR: Final = 1_000_000 * 10**6
FEE_LIMIT_SUN: Final = 200_000_000

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
    contract = {
        "origin_address": bytes(hand.address),
        "bytecode": bytes.fromhex(BUILT["bytecode"]) + SUPPLY_MINOR.to_bytes(32, "big"),
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


def address_of(created_by: str, owner: Address) -> Address:
    """Where the contract lives that a transaction of this owner makes."""
    return Address.from_evm(keccak256(bytes.fromhex(created_by) + bytes(owner))[12:])
