"""Adds an example of every event that recorded_events.json does not know yet: python -m tests.core.record_events

What stands there was written by some version of this program and must be readable for ever: lines are added, never
changed.
"""

import hashlib
import json
import types
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

import core.streams.all_events  # noqa: F401  declares every event
from core.ledger.events import CLASSES, encode

RECORDED = Path(__file__).with_name("recorded_events.json")
DIGESTS = Path(__file__).with_name("recorded_events.sha256")
"""A line for each recorded event, added with it: whoever changes what was recorded has to change two files."""


def example(kind: Any, name: str = "text") -> Any:
    """Some value of a type: fields that may be absent are present, unless only None is left."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind)
        return kind(**{field: example(hints[field], field) for field in kind.__struct_fields__})
    if origin in (typing.Union, types.UnionType):
        return example(next(one for one in arguments if one is not type(None)), name)
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        return (example(arguments[0], name), example(arguments[0], name))
    if origin is dict:
        return {name: "text"}
    return {str: name, int: 12, bool: True, datetime: datetime(2026, 11, 22, 13, 0, tzinfo=UTC)}[kind]


def recorded() -> dict[str, Any]:
    """topic -> the fields as they were stored."""
    return json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}  # type: ignore[no-any-return]


def digest(fields: Any) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def digests() -> dict[str, str]:
    """topic -> the digest that its fields were recorded with."""
    lines = DIGESTS.read_text(encoding="utf-8").splitlines() if DIGESTS.exists() else []
    return {topic: kept for kept, topic in (line.split("  ") for line in lines)}


def main() -> None:
    known = recorded()
    for topic, kind in sorted(CLASSES.items()):
        known.setdefault(topic, json.loads(encode(example(kind))[1]))
    RECORDED.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    kept = {topic: digest(fields) for topic, fields in known.items()} | digests()
    DIGESTS.write_text("".join(f"{kept[topic]}  {topic}\n" for topic in sorted(kept)), encoding="utf-8")


if __name__ == "__main__":
    main()
