"""What the API answers: the structs that are encoded, and the schemas of the OpenAPI document.

Money is a decimal string with the integer beside it; `position` is a token for clients and a number for operators.
"""

from functools import cache
from typing import Any, TypeVar

import msgspec

from core.ledger.money import format_amount
from projections.answer import Answer, Id, Position, Time

__all__ = ["Answer", "Id", "Position", "Time", "all_of", "listed", "money", "of_row"]

S = TypeVar("S", bound=msgspec.Struct)


def money(minor: int, currency: str) -> str:
    return format_amount(minor, currency)


def of_row(kind: type[S], row: Any, **made: Any) -> S:
    """A struct of a row's columns by their names, and of what is made of them. A field with a default is never the row's."""
    return kind(**{name: getattr(row, name) for name in _needed(kind) if name not in made}, **made)


@cache
def _needed(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(kind) if field.required)


@cache
def listed(item: type[Answer]) -> Any:
    """The schema of a page of items."""
    fields = [("data", list[item]), ("has_more", bool), ("next_cursor", str | None)]  # type: ignore[valid-type]
    return msgspec.defstruct(f"{item.__name__}List", fields, bases=(Answer,), frozen=True)


@cache
def all_of(item: type[Answer]) -> Any:
    """The schema of a list that is always given whole."""
    return msgspec.defstruct(f"{item.__name__}Data", [("data", list[item])], bases=(Answer,), frozen=True)  # type: ignore[valid-type]
