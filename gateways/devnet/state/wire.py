"""Bytes as java-tron writes them after it has read them: the fields it knows anew, what it does not know behind them.

So a doubled field, another order and overlong numbers are gone from a transaction and from its txid, while unknown fields
stay, in each message at its end, by number. What an `Any` holds is bytes, and stays as it was sent.
"""

from core.tron.protobuf import BYTES, FIXED32, FIXED64, VARINT, Field, Message, read_fields, write_varint

_NARROW = frozenset({("Contract", "type"), ("Contract", "Permission_id")})
"""Numbers of 32 bits: what stands above is lost when they are read."""


def canonical(message: Message, data: bytes) -> bytes:
    """Raises MalformedProtobuf for what is no message at all."""
    known: dict[str, list[int | bytes]] = {}
    unknown: list[tuple[int, int, bytes]] = []
    for number, wire, item in read_fields(data):
        field = message.by_number.get(number)
        if field is None or wire != field.wire:
            unknown.append((number, wire, _encoded(number, wire, item)))
        else:
            known.setdefault(field.name, []).append(item)
    out = bytearray()
    for field in message.fields:
        for item in _kept(message.name, field, known.get(field.name, [])):
            out += _encoded(field.number, field.wire, item)
    for _, _, encoded in sorted(unknown, key=lambda each: each[:2]):
        out += encoded
    return bytes(out)


def unknown_fields(message: Message, data: bytes) -> bytes:
    """What `canonical` puts behind the fields that the message has."""
    unknown = [
        (number, wire, _encoded(number, wire, item))
        for number, wire, item in read_fields(data)
        if (field := message.by_number.get(number)) is None or field.wire != wire
    ]
    return b"".join(encoded for _, _, encoded in sorted(unknown, key=lambda each: each[:2]))


def _kept(message: str, field: Field, items: list[int | bytes]) -> list[int | bytes]:
    """Every item of a repeated field, the last of another if it is no default; a message that comes twice is merged."""
    if isinstance(field.kind, Message):
        kind = field.kind
        parts = [item for item in items if isinstance(item, bytes)]
        if not field.repeated and parts:
            parts = [b"".join(parts)]
        return [canonical(kind, part) for part in parts]
    if field.repeated:
        return items
    if items and (message, field.name) in _NARROW:
        low = int(items[-1]) % 2**32
        return [low + 2**64 - 2**32 if low >= 2**31 else low] if low else []
    if items and field.kind == "bool":
        return [int(bool(items[-1]))] if items[-1] else []
    return items[-1:] if items and items[-1] else []


def _encoded(number: int, wire: int, item: int | bytes) -> bytes:
    out = bytearray()
    write_varint(out, number << 3 | wire)
    if wire == VARINT:
        assert isinstance(item, int)
        write_varint(out, item)
        return bytes(out)
    assert isinstance(item, bytes)
    if wire == BYTES:
        write_varint(out, len(item))
    else:
        assert wire in (FIXED32, FIXED64) or item  # a group's bytes end with the group's own end
    return bytes(out) + item
