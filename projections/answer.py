"""What a client is answered: the base of every answer's struct, and the types that answers share.

It stands below the views, so that a view's row and what a client sees of it are one file.
"""

from datetime import datetime
from typing import Annotated

import msgspec

Position = int | str
"""A place in the history: a number for operators, a token for clients."""
Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339, UTC."""
Id = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
"""An id that is text already: it is shown as it is, and no object is made of it on the way."""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Every answer is a closed object; a field with a default is left out where it says nothing."""


def columns(row: type[msgspec.Struct], answer: type[Answer], *more: str) -> str:
    """For a SELECT: the columns that the table's row and the answer both have, and those that the answer is made of besides."""
    shown = answer.__struct_fields__
    return ", ".join(f'"{name}"' for name in row.__struct_fields__ if name in shown or name in more)
