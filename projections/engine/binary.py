"""Postgres' binary formats, a column at a time: the fields of many rows as one COPY stream, or as one array a column.

Both carry a value as its length and its bytes, so that one encoder serves both. Columns and not rows, because a list
comprehension over one type costs a tenth of asking every value what it is.
"""

import types
import typing
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain, repeat
from struct import Struct
from typing import Annotated, Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

Id = Annotated[bytes, "uuid"]
"""A UUID as its 16 bytes, where making the object would cost more than writing the row."""
Int4 = Annotated[int, "int4"]
Json = Annotated[Any, "json"]
"""Anything that JSON can hold, kept as its text."""
Jsonb = Annotated[Any, "jsonb"]

_ARRAY_HEAD: Final = 20
"""Dimensions, flags, element type, and of the one dimension its length and first index: a number of four bytes each."""
_NULL: Final = b"\xff\xff\xff\xff"
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_COPY_BEGIN: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END: Final = b"\xff\xff"
_TEXT_OID: Final = 25
_BIGINT_OID: Final = 20
_UUID_OID: Final = 2950
_JSON: Final = msgspec.json.encode
_size: Final = Struct("!i").pack
_int4: Final = Struct("!ii").pack
_int8: Final = Struct("!iq").pack
_two_int8s: Final = Struct("!iqiq").pack
_bool: Final = Struct("!i?").pack
_width: Final = Struct("!h").pack
_array: Final = Struct("!iiIii").pack

Fields = list[bytes]
"""One column's values, each behind its length."""


def _texts(values: Sequence[str]) -> Fields:
    kinds = set(values)
    if 4 * len(kinds) > len(values):
        return [_size(len(text)) + text for text in [value.encode() for value in values]]
    known = {kind: _size(len(kind.encode())) + kind.encode() for kind in kinds}
    return [known[value] for value in values]


def _uuids(values: Sequence[UUID]) -> Fields:
    return [b"\0\0\0\x10" + value.bytes for value in values]


def _ids(values: Sequence[bytes]) -> Fields:
    return [b"\0\0\0\x10" + value for value in values]


def _int4s(values: Sequence[int]) -> Fields:
    return [_int4(4, value) for value in values]


def _int8s(values: Sequence[int]) -> Fields:
    return [_int8(8, value) for value in values]


def _bools(values: Sequence[bool]) -> Fields:
    return [_bool(1, value) for value in values]


def _times(values: Sequence[datetime]) -> Fields:
    since = [value - _EPOCH for value in values]
    return [_int8(8, (one.days * 86_400 + one.seconds) * 1_000_000 + one.microseconds) for one in since]


def _jsons(values: Sequence[Any]) -> Fields:
    return [_size(len(text)) + text for text in map(_JSON, values)]


def _jsonbs(values: Sequence[Any]) -> Fields:
    return [_size(len(text) + 1) + b"\x01" + text for text in map(_JSON, values)]


class Type(NamedTuple):
    """A column type: its name and its number in Postgres, and what writes a column of it."""

    name: str
    oid: int
    encode: Callable[[Sequence[Any]], Fields]


ID: Final = Type("uuid", 2950, _ids)
_TYPES: Final[dict[Any, Type]] = {
    Id: ID,
    UUID: Type("uuid", 2950, _uuids),
    str: Type("text", 25, _texts),
    Int4: Type("int4", 23, _int4s),
    int: Type("int8", 20, _int8s),
    bool: Type("bool", 16, _bools),
    datetime: Type("timestamptz", 1184, _times),
    Json: Type("json", 114, _jsons),
    Jsonb: Type("jsonb", 3802, _jsonbs),
}


class Column(NamedTuple):
    """A column of a table, as a Struct's field declares it."""

    name: str
    type: Type
    nullable: bool

    def fields(self, values: Sequence[Any]) -> Fields:
        """Every value behind its length; None is a length of -1."""
        if not self.nullable or None not in values:
            return self.type.encode(values)
        present = iter(self.type.encode([value for value in values if value is not None]))
        return [_NULL if value is None else next(present) for value in values]

    def array(self, values: Sequence[Any]) -> "BinaryArray":
        """The values as one parameter, to be cast to the type's array."""
        head = _array(1, int(self.nullable), self.type.oid, len(values), 1)
        return BinaryArray(head + b"".join(self.fields(values)))


def time_and_position(at: datetime, position: int) -> bytes:
    """The values of the two columns that end every row which an event makes, as the one value of a `Shared`."""
    since = at - _EPOCH
    return _two_int8s(8, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds, 8, position)


class Shared:
    """Columns that many rows have alike. They are encoded once and given as one value of the row."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def encode(self, *values: Any) -> bytes:
        """The columns' values as the one value that stands for them."""
        return b"".join(column.fields([value])[0] for column, value in zip(self._columns, values, strict=True))

    def fields(self, values: Sequence[bytes]) -> Sequence[bytes]:
        """They are encoded already."""
        return values


def columns_of(row: type[msgspec.Struct]) -> list[Column]:
    """A Struct's fields as columns. Raises KeyError for a type that no column has."""
    hints = typing.get_type_hints(row, include_extras=True)
    return [_column(name, hints[name]) for name in row.__struct_fields__]


def _column(name: str, kind: Any) -> Column:
    nullable = False
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        [kind] = [one for one in typing.get_args(kind) if one is not type(None)]
        nullable = True
    if typing.get_origin(kind) is Literal:
        kind = str
    return Column(name, _TYPES[kind], nullable)


def copy_stream(width: int, slots: Sequence[Column | Shared], rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows of `width` columns as the body of COPY ... FROM STDIN (FORMAT BINARY); each slot is one value of a row."""
    fields = [slot.fields(values) for slot, values in zip(slots, zip(*rows, strict=True), strict=True)]
    lines = chain.from_iterable(zip(repeat(_width(width)), *fields))
    return b"".join((_COPY_BEGIN, *lines, _COPY_END))


class BinaryArray(bytes):
    """An array in Postgres' binary format; the statement's cast says of what."""


def text_array(values: Iterable[bytes]) -> BinaryArray:
    """Encoded texts, none of them NULL, as text[]."""
    fields = [_size(len(value)) + value for value in values]
    return BinaryArray(_array(1, 0, _TEXT_OID, len(fields), 1) + b"".join(fields))


def uuid_array(values: Sequence[UUID]) -> BinaryArray:
    """As uuid[]."""
    return BinaryArray(_array(1, 0, _UUID_OID, len(values), 1) + b"".join(_uuids(values)))


def bigint(value: int) -> bytes:
    """As a bigint by itself."""
    return value.to_bytes(8, "big", signed=True)


def bigint_array(values: Sequence[int]) -> BinaryArray:
    """As bigint[]."""
    fields = Struct(f"!{'iq' * len(values)}").pack(*chain.from_iterable(zip(repeat(8), values)))
    return BinaryArray(_array(1, 0, _BIGINT_OID, len(values), 1) + fields)


def values_of(array: bytes | None) -> list[bytes]:
    """What a one-dimensional array without NULL holds, each value as its bytes; NULL for an array holds nothing."""
    if not array or len(array) < _ARRAY_HEAD:
        return []
    found, at = [], _ARRAY_HEAD
    while at < len(array):
        end = at + 4 + int.from_bytes(array[at : at + 4], "big")
        found.append(array[at + 4 : end])
        at = end
    return found


def bigints_of(array: bytes | None) -> Sequence[int]:
    """Of a bigint[]."""
    if not array or len(array) < _ARRAY_HEAD:
        return []
    return Struct(f"!{'4xq' * ((len(array) - _ARRAY_HEAD) // 12)}").unpack_from(array, _ARRAY_HEAD)


class _BinaryArrayDumper(Dumper):
    format = Format.BINARY
    oid = 0

    def dump(self, obj: Any) -> Buffer:
        return bytes(obj)


psycopg.adapters.register_dumper(BinaryArray, _BinaryArrayDumper)
