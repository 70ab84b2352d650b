"""What mainnet recorded, the devnet's code computes: blocks, transactions, energy."""

from typing import Any

import pytest

from core.tron.secp256k1 import recover, sha256
from core.tron.transactions import CONTRACT_TYPES, HEADER_RAW, SIGNED
from gateways.devnet.chain.block import block_id, tx_trie_root
from gateways.devnet.chain.pool import check_signatures
from gateways.devnet.http import parsing, rendering
from gateways.devnet.machine import energy
from gateways.devnet.state.state import Head
from gateways.devnet.state.transaction import Transaction, decode, of_raw
from tests.recorded import RECORDED, Recorded

pytestmark = pytest.mark.fast

BLOCK_13232131 = {
    "id": "0000000000c9e803d5258a17e15172768b41ffb69e857530e7d9f7a92ccb78e8",
    "number": 13232131,
    "timestamp": 1615967187000,
    "version": 20,
    "parent": "0000000000c9e802e54079a6a84e92315f8b8dbcbefd9b151dc2317d27523049",
    "root": "1b8e8977290caedf6de737f3e42d142c5c603d20d46942bb47a75963ec78709d",
    "witness": "41ad3353aa1343b90a311f09b784c76f089d278232",
    "signature": (
        "aa4ed732351f8abda25ce74255393dbeff305d132d4d25d5839dffed0298be6e"
        "67e9d4672ad404f9b198854c6378b25bed3759995c249278e5c0f1d489ff910201"
    ),
}
"""A mainnet block; its three transactions are the recorded ones of that height."""

ENERGY = [
    ("balanceOf", energy.BALANCE_OF, 935, 1_953, 4_062),
    ("transfer to a holder", energy.TRANSFER, 14_650, 31_895, 64_285),
    ("transfer to an empty address", energy.into_new(energy.TRANSFER), 29_650, 64_895, 130_285),
    ("transfer of 0", energy.TRANSFER_ZERO, 14_584, 31_758, 63_999),
    ("transfer with the fee on", energy.TRANSFER_WITH_FEE, 27_507, 60_057, 120_790),
    ("transferFrom, limited allowance", energy.TRANSFER_FROM, 20_349, 44_365, 89_325),
    ("transferFrom, unlimited allowance", energy.TRANSFER_FROM_UNLIMITED, 14_842, 32_305, 65_123),
    ("transferFrom of 0", energy.TRANSFER_FROM_ZERO, 20_283, 44_228, 89_039),
    ("approve anew", energy.into_new(energy.APPROVE), 22_688, 49_799, 99_764),
    ("approve, changed", energy.APPROVE, 7_688, 16_799, 33_764),
    ("revert: insufficient balance", energy.REVERT_BALANCE, 1_984, 4_146, 8_624),
    ("revert: blacklisted sender", energy.REVERT_BLACKLISTED, 1_026, 2_146, 4_466),
    ("revert: to the zero address", energy.REVERT_ZERO_ADDRESS, 1_817, 3_792, 7_896),
    ("revert: unknown selector", energy.REVERT_SELECTOR, 793, 1_657, 3_459),
]


def signed(recorded: Recorded) -> Transaction:
    fields = {"raw_data": bytes.fromhex(recorded.raw_data), "signature": [bytes.fromhex(recorded.signature)]}
    return decode(SIGNED.encode(fields))[0]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.name)
def test_recorded_transaction_has_its_txid(recorded: Recorded) -> None:
    """A recorded transaction, decoded and encoded again, has its bytes and its txid."""
    transaction = signed(recorded)
    assert transaction.raw_data.hex() == recorded.raw_data
    assert transaction.txid == recorded.txid


@pytest.mark.parametrize("visible", [False, True], ids=["hex", "visible"])
@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.name)
def test_recorded_transaction_survives_json(recorded: Recorded, visible: bool) -> None:
    """A recorded transaction printed as JSON and packed again from raw_data alone has the same txid and signature."""
    printed = rendering.transaction(signed(recorded), visible=visible)
    body: dict[str, Any] = {"visible": visible, "raw_data": printed["raw_data"], "signature": printed["signature"]}
    packed = parsing.transaction(body)
    assert packed.txid == recorded.txid
    assert packed.signatures == (bytes.fromhex(recorded.signature),)


def test_mainnet_block_has_its_id() -> None:
    """Block 13,232,131's header, encoded here, hashes to the block's id."""
    assert block_id(BLOCK_13232131["number"], header()) == BLOCK_13232131["id"]


def test_mainnet_block_names_its_witness() -> None:
    """The signature of block 13,232,131 recovers to the witness that its header names."""
    assert recover(sha256(header()), bytes.fromhex(BLOCK_13232131["signature"])).hex() == BLOCK_13232131["witness"]


def test_mainnet_block_has_its_root() -> None:
    """The Merkle root over block 13,232,131's transactions is its txTrieRoot."""
    included = [signed(recorded).encode("SUCCESS") for recorded in RECORDED if "13232131" in recorded.name]
    assert tx_trie_root(included).hex() == BLOCK_13232131["root"]


def header() -> bytes:
    block = BLOCK_13232131
    return HEADER_RAW.encode(
        {
            "timestamp": block["timestamp"],
            "txTrieRoot": bytes.fromhex(block["root"]),
            "parentHash": bytes.fromhex(block["parent"]),
            "number": block["number"],
            "witness_address": bytes.fromhex(block["witness"]),
            "version": block["version"],
        }
    )


def test_empty_block_has_a_root_of_zeros() -> None:
    """A block without transactions has 32 zero bytes for a root."""
    assert tx_trie_root([]) == bytes(32)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.name)
def test_recorded_owner_signature_is_good(recorded: Recorded) -> None:
    """A recorded signature by the owner's key passes the devnet's check on a chain that never saw the account."""
    check_signatures(Head(), signed(recorded))


def test_usdt_transfer_takes_345_bytes() -> None:
    """The recorded USDT transfer of block 78,861,100 is charged 345 bytes of bandwidth."""
    assert signed(next(each for each in RECORDED if "78861100" in each.name)).bandwidth == 345


@pytest.mark.parametrize(("path", "histogram", "base", "x22", "x44"), ENERGY, ids=lambda value: value)
def test_energy_of_each_path(path: str, histogram: energy.Path, base: int, x22: int, x44: int) -> None:
    """Each path costs what was recorded at factors 0, 12,000 and 34,000, and its penalty is the rest."""
    for factor, total in ((0, base), (12_000, x22), (34_000, x44)):
        assert energy.cost(histogram, factor) == (total, total - base)


@pytest.mark.parametrize("kind", CONTRACT_TYPES)
def test_every_contract_type_survives_json(kind: int) -> None:
    """A transaction of each of the twelve types, printed as JSON and packed again, keeps its txid."""
    message = CONTRACT_TYPES[kind]
    samples = {"int": 2, "bool": True, "text": "owner", "bytes": bytes.fromhex("41" + "07" * 20)}

    def sample(message: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for field in message.fields:
            value = samples[field.kind] if isinstance(field.kind, str) else sample(field.kind)
            values[field.name] = [value] if field.repeated else value
        return values

    fields = {
        "type": kind,
        "parameter": {"type_url": f"type.googleapis.com/protocol.{message.name}"},
        "Permission_id": 2,
        "provider": b"\x05",
    }
    fields["parameter"]["value"] = message.encode(sample(message))  # type: ignore[index]
    original = of_raw({"ref_block_bytes": b"\x01\x02", "ref_block_num": 9, "expiration": 1, "contract": [fields]})
    for visible in (False, True):
        printed = rendering.transaction(original, visible=visible)
        assert parsing.transaction({"visible": visible, "raw_data": printed["raw_data"]}).txid == original.txid
