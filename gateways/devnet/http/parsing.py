"""Transactions from JSON, as broadcasttransaction reads them: the bytes are packed anew from raw_data.

raw_data_hex and txID in a request are ignored, so what the JSON lost is lost: the txid then differs and the signature
fails. That is java-tron's behaviour, and the reason to prefer broadcasthex.
"""

from collections.abc import Mapping
from typing import Any, Final

from core.tron.address import Address, InvalidAddress
from core.tron.protobuf import Field, Message
from core.tron.transactions import CONTRACT, RAW, TYPE_URL_PREFIX
from gateways.devnet.http.rendering import ADDRESS_FIELDS, ENUMS, TEXT_FIELDS
from gateways.devnet.state.kinds import KINDS, NUMBERS
from gateways.devnet.state.transaction import Transaction, of_raw

NULL_POINTER: Final = "java.lang.NullPointerException"
_BASE58: Final = frozenset("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")


class BadRequest(ValueError):
    """The request is not what the call expects: its java exception's class and message."""

    def __init__(self, message: str, kind: str = "java.lang.IllegalArgumentException") -> None:
        super().__init__(message)
        self.kind = kind


def address(text: Any) -> bytes:
    """Base58 or hex, whatever `visible` says, as most of java-tron's calls take it; b"" for what is neither."""
    try:
        return Address.from_base58(text) if str(text).startswith("T") else Address.from_hex(str(text))
    except InvalidAddress:
        return b""


def transaction(body: Mapping[str, Any]) -> Transaction:
    """A Transaction's JSON -> Transaction. Raises BadRequest; MalformedProtobuf when it has no contract of a known type."""
    visible = is_true(body.get("visible"))
    fields: dict[str, Any] = {}
    if not body.get("raw_data"):
        words = 'Cannot invoke "com.alibaba.fastjson.JSONObject.getJSONArray(String)" because "<local3>" is null'
        raise BadRequest(words, NULL_POINTER)
    for name, value in mapping(body["raw_data"]).items():
        if name == "contract":
            fields[name] = [_contract(mapping(each), visible=visible) for each in sequence(value)]
        elif name in RAW.by_name and value is not None:
            fields |= parameter(RAW, {name: value}, visible=visible)
    signatures = tuple(hexadecimal(each) for each in sequence(body.get("signature") or []))
    return of_raw(fields, signatures)


def parameter(message: Message, fields: Mapping[str, Any], *, visible: bool) -> dict[str, Any]:
    """JSON of a message -> its fields; what the message does not know is ignored, as everywhere in java-tron."""
    value: dict[str, Any] = {}
    for name, item in fields.items():
        field = message.by_name.get(name)
        if field is None or item is None:
            continue
        items = item if isinstance(item, list) else [item]
        if not items and not field.repeated:
            continue
        values = [_value(message, field, each, visible=visible) for each in items]
        value[name] = values if field.repeated else values[-1]
    return value


def _contract(body: Mapping[str, Any], *, visible: bool) -> dict[str, Any]:
    kind = NUMBERS.get(body.get("type", ""))
    if kind is None:
        raise BadRequest(f"contract type {body.get('type')!r} is not known to this devnet")
    holds = mapping(body.get("parameter", {}))
    fields = parameter(KINDS[kind], mapping(holds.get("value", {})), visible=visible)
    others = {name: value for name, value in body.items() if name not in ("type", "parameter")}
    packed = {
        "type_url": str(holds.get("type_url") or TYPE_URL_PREFIX + KINDS[kind].name),
        "value": KINDS[kind].encode(fields),
    }
    return {"type": kind, "parameter": packed} | parameter(CONTRACT, others, visible=visible)


def _value(message: Message, field: Field, value: Any, *, visible: bool) -> Any:
    if isinstance(field.kind, Message):
        return parameter(field.kind, mapping(value), visible=visible)
    if field.kind == "bytes":
        if field.name in ADDRESS_FIELDS:
            return address(value)
        return str(value).encode() if visible and field.name in TEXT_FIELDS else hexadecimal(value)
    if field.kind == "text":
        return str(value)
    if field.kind == "bool":
        return is_true(value)
    names = ENUMS.get((message.name, field.name), ())
    return names.index(value) if value in names else integer(value)


def is_true(value: Any) -> bool:
    """A flag, from JSON or from a query."""
    return value in (True, "true", "True")


def mapping(value: Any) -> Mapping[str, Any]:
    """Raises BadRequest for what is no JSON object."""
    if not isinstance(value, Mapping):
        raise BadRequest(f"{value!r} is not an object", "com.alibaba.fastjson.JSONException")
    return value


def sequence(value: Any) -> list[Any]:
    """Raises BadRequest for what is no JSON array."""
    if not isinstance(value, list):
        raise BadRequest(f"{value!r} is not an array", "com.alibaba.fastjson.JSONException")
    return value


def integer(value: Any) -> int:
    """An int64, from a number or its text. Raises BadRequest."""
    try:
        number = int(value) if not isinstance(value, float) else int(str(value))
        if not -(2**63) <= number < 2**63:
            raise ValueError
        return number
    except (TypeError, ValueError) as error:
        raise BadRequest(f'For input string: "{value}"', "java.lang.NumberFormatException") from error


def memo(value: Any, *, visible: bool) -> bytes:
    """`extra_data` of a call that builds: text if visible, else hex. Raises BadRequest."""
    return str(value).encode() if visible else hexadecimal(value)


def hex_of(text: str) -> bytes | None:
    """Hex as java-tron reads it: 0x may stand before it, and an odd digit too few is a 0. None for what is no hex."""
    digits = text.removeprefix("0x")
    try:
        return bytes.fromhex("0" * (len(digits) % 2) + digits) if digits.isalnum() or not digits else None
    except ValueError:
        return None


def hexadecimal(value: Any) -> bytes:
    """Raises BadRequest for what is no hex."""
    data = hex_of(str(value))
    if data is None:
        words = "exception decoding Hex string: invalid characters encountered in Hex string"
        raise BadRequest(words, "org.bouncycastle.util.encoders.DecoderException")
    return data


def illegal_character(text: str) -> str:
    """The complaint of the first character that base58 does not have; empty for none."""
    place = next((place for place, character in enumerate(text) if character not in _BASE58), None)
    return "" if place is None else f"Illegal character {text[place]} at {place}"


def base58(text: str) -> bytes:
    """Raises BadRequest for what is no address."""
    if stranger := illegal_character(text):
        raise BadRequest(stranger)
    try:
        return Address.from_base58(text)
    except InvalidAddress:
        raise BadRequest('Cannot read the array length because "bytes" is null', NULL_POINTER) from None
