"""Protocol buffers, the part Tron needs: messages as tables, bytes canonical both ways.

A Message is a table of fields; a value is a plain dict without defaults. `encode` writes fields in number order and
omits proto3 defaults, which is the one form whose sha256 is a transaction id. `decode` refuses what it would not write;
`read` takes whatever a stranger may send, as java-tron takes it.
"""

from collections.abc import Iterator
from typing import Any, Final

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
GROUP: Final = 3
GROUP_END: Final = 4
FIXED32: Final = 5
_KINDS: Final = {"int": VARINT, "bool": VARINT, "bytes": BYTES, "text": BYTES}
_INT64_MIN: Final = -(2**63)
_UINT64: Final = 2**64
_UINT32: Final = 2**32
_VARINT_BYTES_MAX: Final = 10
_TOP_BIT: Final = 2**63


class MalformedProtobuf(ValueError):
    """The bytes are no message, or, for `decode`, not its canonical encoding; the text says where."""


class Field:
    """One field: its number, name, kind ("int", "bool", "bytes", "text" or a Message) and whether it repeats."""

    __slots__ = ("kind", "name", "number", "repeated", "wire")

    def __init__(self, number: int, name: str, kind: "str | Message", *, repeated: bool = False) -> None:
        self.number = number
        self.name = name
        self.kind = kind
        self.repeated = repeated
        self.wire = _KINDS[kind] if isinstance(kind, str) else BYTES


class Message:
    """A message type by its protobuf name and fields."""

    __slots__ = ("by_name", "by_number", "fields", "name")

    def __init__(self, name: str, *fields: Field) -> None:
        self.name = name
        self.fields = sorted(fields, key=lambda field: field.number)
        self.by_number = {field.number: field for field in fields}
        self.by_name = {field.name: field for field in fields}

    def encode(self, value: dict[str, Any]) -> bytes:
        """A dict of field names -> canonical bytes. Raises KeyError for an unknown field, ValueError beyond int64."""
        unknown = value.keys() - self.by_name.keys()
        if unknown:
            raise KeyError(f"{self.name} has no field {sorted(unknown)}")
        out = bytearray()
        for field in self.fields:
            if field.name not in value:
                continue
            items = value[field.name] if field.repeated else (value[field.name],)
            for item in items:
                _encode_field(out, field, item)
        return bytes(out)

    def decode(self, data: bytes, *, strict: bool = True) -> dict[str, Any]:
        """Bytes -> dict without defaults. Raises MalformedProtobuf; `strict` refuses what is not canonical."""
        value: dict[str, Any] = {}
        offset = 0
        while offset < len(data):
            key, offset = read_varint(data, offset)
            field = self.by_number.get(key >> 3)
            if field is None:
                raise MalformedProtobuf(f"{self.name} has no field {key >> 3}")
            if key & 7 != field.wire:
                raise MalformedProtobuf(f"{self.name}.{field.name} has wire type {key & 7}, expected {field.wire}")
            item, offset = _decode_field(data, offset, field, strict=strict)
            if field.repeated:
                value.setdefault(field.name, []).append(item)
            else:
                value[field.name] = item
        if strict and self.encode(value) != data:
            raise MalformedProtobuf(f"{self.name} is not canonically encoded")
        return value

    def read(self, data: bytes) -> dict[str, Any]:
        """Bytes -> dict, as java-tron reads what others wrote. Raises MalformedProtobuf for what is no message at all.

        The last of a field wins, a message that comes twice is merged, and what has an unknown number, or a known one with
        another wire type, is skipped.
        """
        value: dict[str, Any] = {}
        parts: dict[str, bytes] = {}
        for number, wire, item in read_fields(data):
            field = self.by_number.get(number)
            if field is None or wire != field.wire:
                continue
            kind = field.kind
            if isinstance(kind, Message) and not field.repeated:
                parts[field.name] = parts.get(field.name, b"") + _bytes(item)  # merged: read as if in one piece
            elif field.repeated:
                value.setdefault(field.name, []).append(_read_item(field, item))
            else:
                value[field.name] = _read_item(field, item)
        for name, payload in parts.items():
            part = self.by_name[name].kind
            assert isinstance(part, Message)
            value[name] = part.read(payload)
        return value


def _encode_field(out: bytearray, field: Field, item: Any) -> None:
    kind = field.kind
    if kind in ("int", "bool"):
        number = int(item)
        if not _INT64_MIN <= number < -_INT64_MIN:
            raise ValueError(f"{field.name} is {number}, which does not fit in 64 bits")
        if number == 0 and not field.repeated:
            return
        write_varint(out, field.number << 3 | VARINT)
        write_varint(out, number % _UINT64)
        return
    if kind == "bytes":
        payload = bytes(item)
    elif kind == "text":
        payload = item.encode()
    else:
        assert isinstance(kind, Message)
        payload = kind.encode(item)
    if not payload and not field.repeated and not isinstance(kind, Message):
        return
    write_varint(out, field.number << 3 | BYTES)
    write_varint(out, len(payload))
    out += payload


def _decode_field(data: bytes, offset: int, field: Field, *, strict: bool) -> tuple[Any, int]:
    if field.wire == VARINT:
        number, offset = read_varint(data, offset)
        if field.kind == "bool":
            return bool(number), offset
        return (number - _UINT64 if number >= 2**63 else number), offset
    length, offset = read_varint(data, offset)
    end = offset + length
    if end > len(data):
        raise MalformedProtobuf(f"{field.name} ends beyond the message")
    payload = data[offset:end]
    if field.kind == "bytes":
        return payload, end
    if field.kind == "text":
        try:
            return payload.decode(), end
        except UnicodeDecodeError as error:
            raise MalformedProtobuf(f"{field.name} is not UTF-8") from error
    assert isinstance(field.kind, Message)
    return field.kind.decode(payload, strict=strict), end


def _read_item(field: Field, item: int | bytes) -> Any:
    kind = field.kind
    if isinstance(item, int):
        return bool(item) if kind == "bool" else item - _UINT64 if item >= 2**63 else item
    if isinstance(kind, Message):
        return kind.read(item)
    if kind == "bytes":
        return item
    try:
        return item.decode()
    except UnicodeDecodeError as error:
        raise MalformedProtobuf(f"{field.name} is not UTF-8") from error


def _bytes(item: int | bytes) -> bytes:
    assert isinstance(item, bytes)
    return item


def read_fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, value) of every field in order, whatever they mean; a group is one field with its bytes.

    Numbers and lengths are cut to 32 bits, as java-tron cuts them. Raises MalformedProtobuf for what is no message.
    """
    offset, end = 0, len(message)
    while offset < end:
        key = message[offset]
        if (
            key < 0x80
        ):  # nearly every key, and below nearly every length: a call for each would cost more than all the rest
            number, wire, offset = key >> 3, key & 7, offset + 1
        else:
            number, wire, offset = _read_key(message, offset)
        if not number:
            raise MalformedProtobuf("a field has the number 0")
        if wire == BYTES:
            if offset < end and (length := message[offset]) < 0x80:
                start = offset + 1
                offset = start + length
                if offset > end:
                    raise MalformedProtobuf("a field ends beyond its message")
            else:
                start, offset = _span(message, offset, wire)
            yield number, wire, message[start:offset]
        elif wire == VARINT:
            varint, offset = read_varint(message, offset)
            yield number, wire, varint
        else:
            start, offset = (
                (offset, _behind_group(message, offset, number)) if wire == GROUP else _span(message, offset, wire)
            )
            yield number, wire, message[start:offset]


def _read_key(message: bytes, offset: int) -> tuple[int, int, int]:
    key, offset = read_varint(message, offset)
    key %= _UINT32
    if not key >> 3:
        raise MalformedProtobuf("a field has the number 0")
    return key >> 3, key & 7, offset


def _span(message: bytes, offset: int, wire: int) -> tuple[int, int]:
    """-> where the bytes of a field begin and end."""
    if wire == BYTES:
        length, offset = read_varint(message, offset)
        length %= _UINT32
    elif wire in (FIXED64, FIXED32):
        length = 8 if wire == FIXED64 else 4
    elif wire == GROUP_END:
        raise MalformedProtobuf("a group ends that never began")
    else:
        raise MalformedProtobuf(f"wire type {wire}")
    if offset + length > len(message):
        raise MalformedProtobuf("a field ends beyond its message")
    return offset, offset + length


def _behind_group(message: bytes, offset: int, number: int) -> int:
    """-> the offset behind the group's end. Groups stand within groups as deep as somebody likes: no recursion."""
    open_groups = [number]
    while open_groups:
        if offset >= len(message):
            raise MalformedProtobuf(f"group {open_groups[-1]} does not end")
        number, wire, offset = _read_key(message, offset)
        if wire == GROUP:
            open_groups.append(number)
        elif wire == GROUP_END:
            if open_groups.pop() != number:
                raise MalformedProtobuf(f"a group ends as {number}, which is not the number it began with")
        elif wire == VARINT:
            _, offset = read_varint(message, offset)
        else:
            _, offset = _span(message, offset, wire)
    return offset


def leading_fields(message: bytes, key: int) -> Iterator[tuple[int, int]]:
    """Where each of the fields with this key, of one byte and of bytes, begins and ends, as long as no other comes between.

    What is cut off is left to whoever reads the rest. Raises MalformedProtobuf.
    """
    offset, end = 0, len(message)
    while offset + 2 < end and message[offset] == key:
        length, start = message[offset + 1], offset + 2
        if length > 0x7F:
            if message[start] < 0x80:
                length, start = length & 0x7F | message[start] << 7, start + 1
            else:
                length, start = read_varint(message, offset + 1)
        if start + length > end:
            return
        offset = start + length
        yield start, offset


def field_key(number: int, size: int) -> bytes:
    """What stands before a field's `size` bytes: its number and wire type, and the length."""
    out = bytearray()
    write_varint(out, number << 3 | BYTES)
    write_varint(out, size)
    return bytes(out)


def write_varint(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def read_varint(data: bytes, offset: int) -> tuple[int, int]:
    """-> (number below 2^64, the offset behind it). Raises MalformedProtobuf when cut short or longer than ten bytes.

    A number of ten bytes has its 64th bit, whatever the tenth byte says: the library that java-tron reads with does not look.
    """
    if offset < len(data) and (byte := data[offset]) < 0x80:  # nearly every key and length
        return byte, offset + 1
    number = shift = 0
    for byte in data[offset : offset + _VARINT_BYTES_MAX]:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if shift == 7 * _VARINT_BYTES_MAX:
                number |= _TOP_BIT
            return number % _UINT64, offset + shift // 7
    if len(data) - offset < _VARINT_BYTES_MAX:
        raise MalformedProtobuf("a number is cut short")
    raise MalformedProtobuf("a number is longer than 64 bits")
