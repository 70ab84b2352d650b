"""Transactions from JSON, as broadcasttransaction reads them: the bytes are packed anew from raw_data.

raw_data_hex and txID in a request are ignored, so what the JSON lost is lost: the txid then differs and the signature
fails. That is java-tron's behaviour, and the reason to prefer broadcasthex.
"""

from collections.abc import Mapping
from typing import Any, Final

from core.protobuf import Message
from core.transactions import CONTRACT_TYPES, RAW, TYPE_NUMBERS, contract_of
from core.tron import Address, InvalidAddress
from gateways.devnet.rendering import ADDRESS_FIELDS, PERMISSION_TYPES, RESOURCES, TEXT_FIELDS
from gateways.devnet.transaction import Transaction, of_raw


class BadRequest(ValueError):
    """The request is not what the call expects: its java exception's class and message."""

    def __init__(self, message: str, kind: str = "java.lang.IllegalArgumentException") -> None:
        super().__init__(message)
        self.kind = kind


def address(text: Any, *, visible: bool = True) -> bytes:
    """Base58 where visible, else hex; the other form is taken too where it is unambiguous. b"" for what is neither."""
    if not isinstance(text, str):
        return b""
    try:
        return Address.from_base58(text) if text.startswith("T") and visible else Address.from_hex(text)
    except InvalidAddress:
        return either_address(text)


def either_address(text: str) -> bytes:
    try:
        return Address.from_base58(text) if text.startswith("T") else Address.from_hex(text)
    except InvalidAddress:
        return b""


def transaction(body: Mapping[str, Any]) -> Transaction:
    """A Transaction's JSON -> Transaction. Raises BadRequest; MalformedProtobuf when it has no contract of a known type."""
    visible = bool(body.get("visible"))
    fields: dict[str, Any] = {}
    for name, value in mapping(body.get("raw_data")).items():
        if name == "contract":
            fields[name] = [_contract(mapping(each), visible=visible) for each in sequence(value)]
        elif name in RAW.by_name and value is not None:
            fields[name] = _value(name, RAW.by_name[name].kind, value, visible=visible)
    signatures = tuple(_hex(each) for each in sequence(body.get("signature") or []))
    return of_raw(fields, signatures)


def parameter(message: Message, fields: Mapping[str, Any], *, visible: bool) -> dict[str, Any]:
    """JSON of a message -> its fields; what the message does not know is ignored, as everywhere in java-tron."""
    value: dict[str, Any] = {}
    for name, item in fields.items():
        field = message.by_name.get(name)
        if field is None or item is None:
            continue
        items = sequence(item) if field.repeated else [item]
        values = [_value(name, field.kind, each, visible=visible) for each in items]
        value[name] = values if field.repeated else values[0]
    return value


def _contract(body: Mapping[str, Any], *, visible: bool) -> dict[str, Any]:
    kind = TYPE_NUMBERS.get(body.get("type", ""))
    if kind is None:
        raise BadRequest(f"contract type {body.get('type')!r} is not known to this devnet")
    value = mapping(mapping(body.get("parameter", {})).get("value", {}))
    fields = parameter(CONTRACT_TYPES[kind], value, visible=visible)
    return contract_of(kind, fields, permission_id=integer(body.get("Permission_id", 0)))


_ENUMS: Final = {"resource": RESOURCES, "type": PERMISSION_TYPES}


def _value(name: str, kind: str | Message, value: Any, *, visible: bool) -> Any:
    if isinstance(kind, Message):
        return parameter(kind, mapping(value), visible=visible)
    if kind == "bytes":
        if name in ADDRESS_FIELDS:
            return address(value, visible=visible)
        return str(value).encode() if visible and name in TEXT_FIELDS else _hex(value)
    if kind == "text":
        return str(value)
    if kind == "bool":
        return value in (True, "true", 1)
    if isinstance(value, str) and value in _ENUMS.get(name, ()):
        return _ENUMS[name].index(value)
    return integer(value)


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
        number = int(value)
        if not -(2**63) <= number < 2**63:
            raise ValueError
        return number
    except (TypeError, ValueError) as error:
        raise BadRequest(f"{value!r} is not an integer", "java.lang.NumberFormatException") from error


def _hex(value: Any) -> bytes:
    try:
        return bytes.fromhex(str(value).removeprefix("0x"))
    except ValueError as error:
        raise BadRequest(f"{value!r} is not hexadecimal", "org.bouncycastle.util.encoders.DecoderException") from error
