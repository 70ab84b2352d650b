"""`counterfoil tx decode`: what a raw or signed transaction would do and who signed it, from its bytes alone.

Lenient where the signers are strict: an operator wants to see what is there, odd as it may be.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from core.ledger.money import format_amount
from core.tron.address import USDT_MAINNET, USDT_NILE, Address, InvalidAddress
from core.tron.protobuf import MalformedProtobuf
from core.tron.secp256k1 import InvalidSignature, recover, sha256
from core.tron.transactions import (
    CONTRACT_TYPES,
    RAW,
    RESOURCES,
    SIGNED,
    TRANSFER,
    TRIGGER,
    TYPE_URL_PREFIX,
    parameter_of,
    txid_of,
)
from gateways.cli.console import Json, Output, pairs
from signers.transactions.abi import read_transfer_call

HEX_DIGITS_MAX: Final = 1_024_000
"""java-tron takes no transaction above 500 KiB."""
SUN_FIELDS: Final = {"call_value", "frozen_balance", "unfreeze_balance", "balance"}
BLOCKS_PER_HOUR: Final = 1_200


class UndecodableTransaction(ValueError):
    """The text is neither raw_data nor a Transaction in hex; the message says what was found."""


def decode(text: str) -> dict[str, Any]:
    """Hex of raw_data or of a (signed) Transaction -> a JSON-able dict. Raises UndecodableTransaction.

    Keys: kind, txid, canonical, contracts, reference_block, expiration(_ms), timestamp(_ms), fee_limit_sun, memo,
    signatures. A contract type not known here is given with its parameter's hex; it is no error.
    """
    kind, raw_data, signatures = _split(_bytes_of(text))
    raw = RAW.decode(raw_data, strict=False)
    return {
        "kind": kind,
        "txid": txid_of(raw_data),
        "canonical": RAW.encode(raw) == raw_data,
        "contracts": [_contract(contract) for contract in raw["contract"]],
        "reference_block": {
            "bytes": raw.get("ref_block_bytes", b"").hex(),
            "hash": raw.get("ref_block_hash", b"").hex(),
            "number": raw.get("ref_block_num"),
        },
        "expiration_ms": raw.get("expiration", 0),
        "expiration": _rfc3339(raw.get("expiration", 0)),
        "timestamp_ms": raw.get("timestamp", 0),
        "timestamp": _rfc3339(raw.get("timestamp", 0)),
        "fee_limit_sun": raw.get("fee_limit", 0),
        "memo": _memo(raw.get("data", b"")),
        "signatures": [_signature(sha256(raw_data), signature) for signature in signatures],
    }


def describe(decoded: dict[str, Any]) -> list[tuple[str, str]]:
    """What `decode` gave, as (label, value) rows for people."""
    rows = [("transaction id", decoded["txid"])]
    for contract in decoded["contracts"]:
        rows.append(("contract", contract["type"] + ("" if contract["known"] else " (not known here)")))
        rows += [(name.replace("_", " "), _worded(contract, name, value)) for name, value in contract["fields"].items()]
        call = contract["call"]
        if call is not None:
            amount = (
                f"{call['amount']} {call['currency']}" if call["currency"] else f"{call['amount_minor']} minor units"
            )
            rows += [("calls", call["method"]), ("pays", call["to"]), ("amount", amount)]
        rows.append(("permission id", str(contract["permission_id"])))
    block = decoded["reference_block"]
    rows += [
        ("reference block", f"…{block['bytes']}, hash {block['hash']}"),
        ("expiration", _instant(decoded["expiration_ms"], decoded["expiration"])),
        ("timestamp", f"{_instant(decoded['timestamp_ms'], decoded['timestamp'])}; the chain does not check it"),
        ("fee limit", f"{format_amount(decoded['fee_limit_sun'], 'TRX')} TRX"),
    ]
    if decoded["memo"] is not None:
        rows.append(("memo", decoded["memo"]["text"] or decoded["memo"]["hex"]))
    rows += [("signed by", signature["signer"] or signature["error"]) for signature in decoded["signatures"]]
    if not decoded["signatures"]:
        rows.append(("signed by", "nobody"))
    if not decoded["canonical"]:
        rows.append(("encoding", "not canonical: a node that encodes it anew computes another transaction id"))
    return rows


def _worded(contract: dict[str, Any], name: str, value: Any) -> str:
    if name in SUN_FIELDS or (name == "amount" and contract["type_number"] == TRANSFER):
        return f"{format_amount(value, 'TRX')} TRX"
    if name == "lock":
        return "yes" if value else "no: it can be taken back at any time"
    if name == "lock_period" and value:
        return f"{value} blocks, {value / BLOCKS_PER_HOUR:.1f} hours if none is missed"
    if name == "lock_period":
        return "none named: three days"
    return str(value)


def _bytes_of(text: str) -> bytes:
    digits = "".join(text.split()).removeprefix("0x")
    if len(digits) > HEX_DIGITS_MAX:
        raise UndecodableTransaction("this is longer than any transaction: a node takes at most 500 KiB")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        raise UndecodableTransaction("this is not hexadecimal: give an even number of digits 0-9 a-f") from None
    if not data:
        raise UndecodableTransaction("there is nothing to decode: give the hex of raw_data or of a signed transaction")
    return data


def _split(data: bytes) -> tuple[str, bytes, list[bytes]]:
    """-> what it is, its raw_data, its signatures. No bytes are both: the two messages share no field but 1,
    and a raw_data that has only its field 1 holds no contract."""
    try:
        transaction = SIGNED.decode(data, strict=False)
        raw_data = transaction.get("raw_data", b"")
        if "contract" in RAW.decode(raw_data, strict=False):
            return "transaction", raw_data, transaction.get("signature", [])
        as_transaction = "it holds no contract"
    except MalformedProtobuf as error:
        as_transaction = str(error)
    try:
        if "contract" in RAW.decode(data, strict=False):
            return "raw_data", data, []
        as_raw = "it holds no contract"
    except MalformedProtobuf as error:
        as_raw = str(error)
    raise UndecodableTransaction(f"this is no transaction ({as_transaction}) and no raw_data ({as_raw})")


def _contract(contract: dict[str, Any]) -> dict[str, Any]:
    number = contract.get("type", 0)
    parameter = contract.get("parameter", {})
    decoded: dict[str, Any] = {
        "type": parameter.get("type_url", "").removeprefix(TYPE_URL_PREFIX) or f"type {number}",
        "type_number": number,
        "permission_id": contract.get("Permission_id", 0),
    }
    try:
        fields = parameter_of(contract, strict=False)
    except MalformedProtobuf:
        value = parameter.get("value", b"").hex()
        return decoded | {"known": False, "fields": {"parameter_hex": value}, "call": None}
    known = CONTRACT_TYPES[number].by_name  # defaults that the encoding omits, and that matter to who reads
    if "resource" in known:
        fields["resource"] = fields.get("resource", 0)
    if "lock" in known:
        fields["lock"] = fields.get("lock", False)
        if fields["lock"]:
            fields["lock_period"] = fields.get("lock_period", 0)
    shown = {name: _shown(name, value) for name, value in fields.items()}
    return decoded | {"known": True, "fields": shown, "call": _call(fields) if number == TRIGGER else None}


def _call(fields: dict[str, Any]) -> dict[str, Any] | None:
    """A TRC-20 transfer in plain words; the amount is a decimal only where the token is USDT."""
    transfer = read_transfer_call(fields.get("data", b""))
    if transfer is None:
        return None
    to, amount = transfer
    usdt = _shown("contract_address", fields.get("contract_address", b"")) in (USDT_MAINNET, USDT_NILE)
    return {
        "method": "transfer(address,uint256)",
        "to": to.base58,
        "amount_minor": amount,
        "amount": format_amount(amount, "USDT") if usdt else None,
        "currency": "USDT" if usdt else None,
    }


def _shown(name: str, value: Any) -> Any:
    """A field as JSON has it: addresses in base58, other bytes in hex, enums by name, messages by their fields."""
    if isinstance(value, dict):
        return {inner: _shown(inner, item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_shown(name, item) for item in value]
    if isinstance(value, bytes):
        try:
            return Address(value).base58 if name.endswith("address") else value.hex()
        except InvalidAddress:
            return value.hex()
    return RESOURCES[value] if name == "resource" and 0 <= value < len(RESOURCES) else value


def _memo(data: bytes) -> dict[str, Any] | None:
    if not data:
        return None
    text = data.decode(errors="replace")
    return {"hex": data.hex(), "text": text if text.isprintable() and "\ufffd" not in text else None}


def _signature(digest: bytes, signature: bytes) -> dict[str, Any]:
    try:
        return {"signature": signature.hex(), "signer": recover(digest, signature).base58, "error": None}
    except InvalidSignature as error:
        return {"signature": signature.hex(), "signer": None, "error": str(error)}


def _rfc3339(timestamp_ms: int) -> str | None:
    """ms since 1970 -> 2026-11-22T13:00:00.000Z, or None outside the years 1 to 9999."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=timestamp_ms)
    except OverflowError:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _instant(timestamp_ms: int, text: str | None) -> str:
    return f"{text} ({timestamp_ms} ms)" if text else f"{timestamp_ms} ms, beyond any calendar"


app = App(name="tx", help="Decode a transaction and see who signed it")


@app.command(name="decode")
def _decode(
    hex: Annotated[str, Parameter(help="raw_data, or a whole transaction, in hexadecimal")],  # noqa: A002
    /,
    *,
    json: Json = False,
) -> None:
    """A raw or signed transaction, decoded, with the signers recovered from its signatures."""
    decoded = decode(hex)
    Output(as_json=json).show(decoded, pairs(describe(decoded)))
