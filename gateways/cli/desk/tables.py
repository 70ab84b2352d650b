"""How an endpoint's list is shown: a column for each thing that a person looks for, and how to see the next page."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

from cyclopts import Parameter, validators

from gateways.cli.console import Column, Output, Table, pairs

Limit = Annotated[int, Parameter(help="How many at most", validator=validators.Number(gte=1, lte=200))]
After = Annotated[str | None, Parameter(help="Go on behind this place, which the page before named")]
AccountId = Annotated[str, Parameter(help="The account's id")]
OfAccount = Annotated[str | None, Parameter(help="Only of this account, by its id; all of them where it is left out")]


class Item(dict[str, Any]):
    """What an endpoint answers of one thing: a field that it leaves out is nothing."""

    def __missing__(self, _: str) -> None:
        return None


class Shown(NamedTuple):
    """A column, and what of an item stands in it."""

    column: Column
    of: Callable[[dict[str, Any]], object]


OWNER = Shown(Column("account"), lambda item: item.get("account_id"))
"""The column for lists of several accounts' things."""


def of_account(columns: Sequence[Shown], account: str | None) -> list[Shown]:
    """The columns of one account's list, or of everybody's."""
    return [*columns[:1], *([] if account else [OWNER]), *columns[1:]]


def exact(title: str, key: str) -> Shown:
    """What is under a key of the item, as it is."""
    return Shown(Column(title), lambda item: item.get(key))


def show_page(out: Output, page: dict[str, Any], columns: Sequence[Shown], nothing: str, more: str = "") -> None:
    """A page as a table, or the sentence that there is nothing. `more`: how to see the rest of what has no next page."""
    rows = [[each.of(Item(item)) for each in columns] for item in page["data"]]
    parts: list[str | Table] = [Table([each.column for each in columns], rows) if rows else nothing]
    if page.get("has_more"):
        parts.append(more or f"there is more: --after {page['next_cursor']}")
    out.show(page, *parts)


def show_one(out: Output, item: dict[str, Any], columns: Sequence[Shown], *said: str) -> None:
    """One item, a line for each thing that it has."""
    rows = [(each.column.title, found) for each in columns if (found := each.of(Item(item))) not in (None, "")]
    out.show(item, pairs(rows), *said)
