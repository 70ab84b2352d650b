"""What the API answers: the structs that are encoded, and the schemas of the OpenAPI document.

Money is a decimal string with the integer beside it; `position` is a token for clients and a number for operators.
"""

from datetime import datetime
from functools import cache
from typing import Annotated, Any

import msgspec

from core.ledger.money import format_amount

Position = int | str
Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339, UTC."""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Every answer is a closed object; a field with a default is left out where it says nothing."""


def money(minor: int, currency: str) -> str:
    return format_amount(minor, currency)


@cache
def listed(item: type[Answer]) -> Any:
    """The schema of a page of items."""
    fields = [("data", list[item]), ("has_more", bool), ("next_cursor", str | None)]  # type: ignore[valid-type]
    return msgspec.defstruct(f"{item.__name__}List", fields, bases=(Answer,), frozen=True)


@cache
def all_of(item: type[Answer]) -> Any:
    """The schema of a list that is always given whole."""
    return msgspec.defstruct(f"{item.__name__}Data", [("data", list[item])], bases=(Answer,), frozen=True)  # type: ignore[valid-type]
