"""What a sender wrote into `ret` of a transaction, from a node's JSON back to the bytes that txTrieRoot covers.

JSON shows the known fields and never an unknown one: where something cannot be put back the root will not hold, which is
for the scanner to find out. So nothing here is refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from core.tron.protobuf import Field, Message, write_varint
from core.tron.transactions import CONTRACT_RESULTS, RESULT, RESULT_CODES, SIGNED

_ENUMS: Final = {"ret": RESULT_CODES, "contractRet": CONTRACT_RESULTS}
_UNKNOWN: Final = re.compile(r"UNKNOWN_ENUM_VALUE_\w+_(-?\d{1,19})")
"""How java-tron prints a number that has no name: UNKNOWN_ENUM_VALUE_code_7."""
_MAPS: Final = frozenset({"cancel_unfreezeV2_amount"})


def result_bytes(rets: Sequence[Mapping[str, Any]]) -> bytes:
    """The fields `ret` of a Transaction, as far as they are printed."""
    return SIGNED.encode({"ret": [RESULT.encode(_fields(RESULT, ret)) for ret in rets]})


def _fields(message: Message, printed: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in printed.items():
        field = message.by_name.get(name)
        if field is None:
            continue
        if field.repeated:
            each = value if isinstance(value, list) else []
            read = [item for one in each if (item := _item(field, one)) is not None]
        else:
            read = _item(field, value)
        if read is not None:
            fields[name] = read
    return fields


def _item(field: Field, value: Any) -> Any:
    """A printed value as the message has it, None for what is no such value."""
    match value:
        case bool():
            return None
        case int() if field.kind == "int" and -(2**63) <= value < 2**63:
            return value
        case str() if field.kind == "int":
            return _number(field.name, value)
        case str() if field.kind == "text":
            return value
        case str() if field.kind == "bytes":
            return _bytes(value)
        case dict() if field.name in _MAPS:
            return _entry(value)
        case dict() if isinstance(field.kind, Message):
            return _fields(field.kind, value)
    return None


def _number(name: str, printed: str) -> int | None:
    """An enum's name, or the number that has none."""
    names = _ENUMS.get(name, ())
    if printed in names:
        return names.index(printed)
    unknown = _UNKNOWN.fullmatch(printed)
    return int(unknown[1]) if unknown and -(2**63) <= int(unknown[1]) < 2**63 else None


def _bytes(printed: str) -> bytes | None:
    try:
        return bytes.fromhex(printed)
    except ValueError:
        return None


def _entry(printed: Mapping[str, Any]) -> bytes | None:
    """An entry of a map: both of its fields are always written."""
    key, value = printed.get("key", ""), printed.get("value", 0)
    if not isinstance(key, str) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        return None
    out = bytearray(b"\x0a")
    name = key.encode("utf-8", "replace")
    write_varint(out, len(name))
    out += name + b"\x10"
    write_varint(out, value % 2**64)
    return bytes(out)
