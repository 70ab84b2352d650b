"""`tx decode` says what a transaction does and who signed it, or in a sentence why it cannot."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tron.address import Address
from core.tron.transactions import RAW, SIGNED, contract_of
from gateways.cli.tx import UndecodableTransaction, decode, describe
from tests.recorded import RECORDED, Recorded

pytestmark = pytest.mark.fast

USDT_TRANSFER = next(row for row in RECORDED if row.txid.startswith("e122cba6"))
NEW_HOLDER = next(row for row in RECORDED if row.txid.startswith("0130dfde"))
WITH_MEMO = next(row for row in RECORDED if row.txid.startswith("ec0fa0d7"))
OWNER = Address.from_base58("TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC")
PAYEE = Address.from_base58("TDvSsdrNM5eeXNL3czpa6AxLDHZA9nwe9K")


def signed(row: Recorded, *more: bytes) -> str:
    signatures = [bytes.fromhex(row.signature), *more]
    return SIGNED.encode({"raw_data": bytes.fromhex(row.raw_data), "signature": signatures}).hex()


def raw_with(contract: dict[str, Any], **fields: Any) -> str:
    return RAW.encode({"ref_block_bytes": b"\x12\x34", "expiration": 1, "contract": [contract], **fields}).hex()


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: row.name)
def test_recorded_transactions_are_decoded(row: Recorded) -> None:
    """A recorded transaction gives its txid and its signer, whether as raw_data or signed, and is JSON."""
    whole, raw = decode(signed(row)), decode(row.raw_data)
    assert (whole["kind"], raw["kind"]) == ("transaction", "raw_data")
    assert whole["txid"] == raw["txid"] == row.txid
    assert [signature["signer"] for signature in whole["signatures"]] == [row.signer]
    assert raw["signatures"] == []
    assert whole["canonical"]
    assert json.loads(json.dumps(whole)) == whole


def test_a_usdt_transfer_reads_in_plain_words() -> None:
    """A USDT transfer is shown with its payee, its amount, its block, its times and its fee limit."""
    decoded = decode(signed(USDT_TRANSFER))
    contract = decoded["contracts"][0]
    assert contract["type"] == "TriggerSmartContract"
    assert contract["fields"]["owner_address"] == "TVy95wrbDgQ8NA3XT8qKqwC6YBsFTPHtFF"
    assert contract["fields"]["contract_address"] == "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
    assert contract["call"] == {
        "method": "transfer(address,uint256)",
        "to": "TDii6vao7xyWg2rKPbCPWVRpSmne8xcqYx",
        "amount_minor": 30_401_259,
        "amount": "30.401259",
        "currency": "USDT",
    }
    assert decoded["reference_block"] == {"bytes": "5313", "hash": "46a60be20a563ff1", "number": None}
    assert (decoded["expiration_ms"], decoded["expiration"]) == (1767246552000, "2026-01-01T05:49:12.000Z")
    assert (decoded["timestamp_ms"], decoded["timestamp"]) == (1767246195175, "2026-01-01T05:43:15.175Z")
    assert decoded["fee_limit_sun"] == 100_000_000
    rows = dict(describe(decoded))
    assert rows["transaction id"] == USDT_TRANSFER.txid
    assert rows["pays"] == "TDii6vao7xyWg2rKPbCPWVRpSmne8xcqYx"
    assert rows["amount"] == "30.401259 USDT"
    assert rows["fee limit"] == "100.000000 TRX"
    assert rows["signed by"] == USDT_TRANSFER.signer


def test_a_payee_word_padded_with_41_is_read_as_the_token_reads_it() -> None:
    """The payee of mainnet's 0130dfde… is the one its Transfer log names."""
    call = decode(NEW_HOLDER.raw_data)["contracts"][0]["call"]
    assert Address.from_base58(call["to"]).hex() == "41ec20315a879c48f5e3a6a1c9826d5225f8b658b8"


def test_another_tokens_amount_is_not_called_usdt() -> None:
    """A transfer of another token shows minor units only, and its memo is shown as text."""
    decoded = decode(WITH_MEMO.raw_data)
    call = decoded["contracts"][0]["call"]
    assert (call["amount"], call["currency"], call["amount_minor"]) == (None, None, 0x112209C76DE80000)
    assert decoded["memo"] == {"hex": "73656e6420746f20746f6e79", "text": "send to tony"}
    rows = dict(describe(decoded))
    assert rows["amount"] == "1234560000000000000 minor units"
    assert (rows["memo"], rows["signed by"]) == ("send to tony", "nobody")


@pytest.mark.parametrize(
    ("kind", "parameter", "field", "shown", "worded"),
    [
        (1, {"owner_address": OWNER, "to_address": PAYEE, "amount": 5}, "amount", 5, "0.000005 TRX"),
        (
            57,
            {"owner_address": OWNER, "receiver_address": PAYEE, "balance": 10**6},
            "resource",
            "BANDWIDTH",
            "BANDWIDTH",
        ),
        (58, {"owner_address": OWNER, "resource": 1, "balance": 10**6}, "resource", "ENERGY", "ENERGY"),
        (57, {"owner_address": OWNER, "balance": 10**6}, "lock", False, "no: it can be taken back at any time"),
        (57, {"owner_address": OWNER, "lock": True}, "lock", True, "yes"),
        (57, {"owner_address": OWNER, "lock": True}, "lock_period", 0, "none named: three days"),
        (
            57,
            {"owner_address": OWNER, "lock": True, "lock_period": 1_800},
            "lock_period",
            1_800,
            "1800 blocks, 1.5 hours if none is missed",
        ),
        (57, {"owner_address": OWNER, "receiver_address": PAYEE}, "receiver_address", PAYEE.base58, PAYEE.base58),
        (55, {"owner_address": OWNER, "unfreeze_balance": 7}, "unfreeze_balance", 7, "0.000007 TRX"),
        (55, {"owner_address": OWNER, "resource": 9}, "resource", 9, "9"),
        (56, {"owner_address": OWNER}, "owner_address", OWNER.base58, OWNER.base58),
        (59, {"owner_address": OWNER}, "owner_address", OWNER.base58, OWNER.base58),
        (54, {"owner_address": OWNER, "frozen_balance": 10**6}, "frozen_balance", 10**6, "1.000000 TRX"),
        (0, {"owner_address": OWNER, "account_address": PAYEE}, "account_address", PAYEE.base58, PAYEE.base58),
        (31, {"owner_address": OWNER, "data": b"\x01\x02"}, "data", "0102", "0102"),
        (1, {"owner_address": b"\x41\x01"}, "owner_address", "4101", "4101"),
    ],
)
def test_contract_fields_are_readable(
    kind: int, parameter: dict[str, Any], field: str, shown: object, worded: str
) -> None:
    """Addresses are base58 where they are addresses, resources have names, sun is told as TRX to people."""
    decoded = decode(raw_with(contract_of(kind, parameter)))
    assert decoded["contracts"][0]["fields"][field] == shown
    assert dict(describe(decoded))[field.replace("_", " ")] == worded


def test_permissions_are_shown_with_their_keys() -> None:
    """A permission update shows every key that may sign afterwards."""
    owner = {"permission_name": "owner", "threshold": 1, "keys": [{"address": PAYEE, "weight": 1}]}
    decoded = decode(raw_with(contract_of(46, {"owner_address": OWNER, "owner": owner}, permission_id=2)))
    contract = decoded["contracts"][0]
    assert contract["permission_id"] == 2
    assert contract["fields"]["owner"]["keys"] == [{"address": PAYEE.base58, "weight": 1}]


def test_an_unknown_contract_is_shown_not_refused() -> None:
    """A contract type that is not known here is named from its url and given in hex."""
    url = "type.googleapis.com/protocol.CreateSmartContract"
    decoded = decode(raw_with({"type": 30, "parameter": {"type_url": url, "value": b"\x0a\x01\x41"}}))
    assert decoded["contracts"][0] == {
        "type": "CreateSmartContract",
        "type_number": 30,
        "permission_id": 0,
        "known": False,
        "fields": {"parameter_hex": "0a0141"},
        "call": None,
    }
    assert ("contract", "CreateSmartContract (not known here)") in describe(decoded)


def test_a_contract_that_contradicts_its_type_is_not_read_as_either() -> None:
    """A TRX transfer that calls itself a contract call is shown in hex."""
    contract = contract_of(1, {"owner_address": OWNER, "to_address": PAYEE, "amount": 5}) | {"type": 31}
    assert not decode(raw_with(contract))["contracts"][0]["known"]


def test_oddities_are_shown() -> None:
    """More contracts than one, times beyond any calendar, foreign encodings and bad signatures are all shown."""
    contract = contract_of(1, {"owner_address": OWNER, "to_address": PAYEE, "amount": 5})
    raw = bytes.fromhex(raw_with(contract, timestamp=2**63 - 1, data=b"\xff")) + bytes.fromhex("4001")
    decoded = decode(SIGNED.encode({"raw_data": raw + raw, "signature": [b"short", bytes(65)]}).hex())
    rows = describe(decoded)
    assert len(decoded["contracts"]) == 2
    assert not decoded["canonical"]
    assert decoded["timestamp"] is None
    assert decoded["memo"] == {"hex": "ff", "text": None}
    assert ("signed by", "a signature has 65 bytes, this has 5") in rows
    assert ("signed by", "no public key fits this signature and digest") in rows
    assert any("not canonical" in value for _, value in rows)


@pytest.mark.parametrize("spell", [str.upper, lambda text: "0x" + text, lambda text: f"  {text[:40]}\n{text[40:]}\n"])
def test_hex_may_be_pasted_as_it_comes(spell: Any) -> None:
    """Capital digits, 0x and line breaks do not matter."""
    assert decode(spell(signed(USDT_TRANSFER)))["txid"] == USDT_TRANSFER.txid


def test_several_signatures_name_several_signers() -> None:
    """Each signature names its own signer; v of 27 or 28 is read as well."""
    signature = bytes.fromhex(USDT_TRANSFER.signature)
    decoded = decode(signed(USDT_TRANSFER, signature[:64] + bytes([signature[64] + 27])))
    assert [entry["signer"] for entry in decoded["signatures"]] == [USDT_TRANSFER.signer] * 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "nothing to decode"),
        ("0x", "nothing to decode"),
        ("xyz", "not hexadecimal"),
        ("abc", "not hexadecimal"),
        ("00" * 600_000, "longer than any transaction"),
        (USDT_TRANSFER.txid, "no transaction"),
        (USDT_TRANSFER.signature, "no transaction"),
        (USDT_TRANSFER.raw_data[:-10], "no raw_data"),
        ("0a021234", "it holds no contract"),
    ],
)
def test_what_is_no_transaction_is_explained(text: str, sentence: str) -> None:
    """Text that is no transaction gets one sentence that says what was found."""
    with pytest.raises(UndecodableTransaction, match=sentence):
        decode(text)


@given(st.sampled_from(RECORDED), st.integers(0), st.binary(max_size=3))
def test_damaged_bytes_never_crash(row: Recorded, at: int, patch: bytes) -> None:
    """Any damaged transaction is either decoded and described or refused with a sentence."""
    data = bytes.fromhex(signed(row))
    at %= len(data)
    try:
        decoded = decode((data[:at] + patch + data[at + 1 :]).hex())
    except UndecodableTransaction:
        return
    assert describe(decoded)
    json.dumps(decoded)
