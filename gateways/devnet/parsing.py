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
    raw = body.get("raw_data")
    if not isinstance(raw, Mapping):
        raise BadRequest("raw_data is missing")
    fields: dict[str, Any] = {}
    for name, value in raw.items():
        if name == "contract":
            fields[name] = [_contract(each, visible=visible) for each in value]
        elif name in RAW.by_name and value is not None:
            fields[name] = _value(name, RAW.by_name[name].kind, value, visible=visible)
    signatures = tuple(_hex(each) for each in body.get("signature") or ())
    return of_raw(fields, signatures)


def parameter(message: Message, fields: Mapping[str, Any], *, visible: bool) -> dict[str, Any]:
    """JSON of a message -> its fields; what the message does not know is ignored, as everywhere in java-tron."""
    value: dict[str, Any] = {}
    for name, item in fields.items():
        field = message.by_name.get(name)
        if field is None or item is None:
            continue
        values = [_value(name, field.kind, each, visible=visible) for each in (item if field.repeated else (item,))]
        value[name] = values if field.repeated else values[0]
    return value


def _contract(body: Mapping[str, Any], *, visible: bool) -> dict[str, Any]:
    kind = TYPE_NUMBERS.get(body.get("type", ""))
    if kind is None:
        raise BadRequest(f"contract type {body.get('type')!r} is not known to this devnet")
    value = body.get("parameter", {}).get("value", {})
    fields = parameter(CONTRACT_TYPES[kind], value, visible=visible)
    return contract_of(kind, fields, permission_id=_integer(body.get("Permission_id", 0)))


_ENUMS: Final = {"resource": RESOURCES, "type": PERMISSION_TYPES}


def _value(name: str, kind: str | Message, value: Any, *, visible: bool) -> Any:
    if isinstance(kind, Message):
        return parameter(kind, value, visible=visible)
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
    return _integer(value)


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"{value!r} is not an integer", "java.lang.NumberFormatException") from error


def _hex(value: Any) -> bytes:
    try:
        return bytes.fromhex(str(value).removeprefix("0x"))
    except ValueError as error:
        raise BadRequest(f"{value!r} is not hexadecimal", "org.bouncycastle.util.encoders.DecoderException") from error
