"""Which rows of a list are asked for. Here, and nowhere else, it is said whose (I12): a client's own, whatever it asks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

from gateways.http.answer import Answer, listed
from gateways.http.endpoint import Call, Reply, before, page_reply, reply
from gateways.http.errors import invalid
from gateways.http.fields import AccountId, Amount, Code, Instant, Page, Read, Reference, Txid
from gateways.http.resources.as_of import position_before


class Owned(Read):
    """What belongs to an account; the operator reads any."""

    account_id: AccountId | None = None
    """For the operator's key: whose. A client's key reads its own."""


class OwnedPage(Page, Owned):
    """A list of what belongs to an account; the operator's key gets everybody's where it names no account."""


class Moved(OwnedPage):
    """What deposits and payouts are looked for by. Each filter that is given narrows the list."""

    tx_hash: Txid | None = None
    """The transaction on Tron."""
    client_reference: Reference | None = None
    """Exactly this reference."""
    ledger_account: Code | None = None
    """The ledger account's code."""
    min_amount: Amount | None = None
    """At least so much, such as 12.50."""
    max_amount: Amount | None = None
    """At most so much."""
    created_after: Instant | None = None
    """From this time on, as `created_at` of a payout and the first sighting of a deposit have it."""
    created_before: Instant | None = None
    """Before this time."""


class Asked(NamedTuple):
    """A condition of SQL that is never empty, and its values."""

    where: LiteralString
    params: dict[str, Any]


Filters = Mapping[str, LiteralString]
"""A query's field -> the condition that it stands for, which names the field as its value."""


def whose(call: Call, asked: Owned | None = None) -> str | None:
    """The account that is read; None, which only an operator gets, is everybody. Raises RequestRefused (422)."""
    named = asked.account_id if asked is not None else None
    if call.is_operator:
        return named
    if named not in (None, call.account_id):
        raise invalid("?account_id", "is for the operator's key: yours reads your own account")
    return call.account_id


def must_be_one(call: Call, asked: Owned) -> str:
    """The account, of what is only ever one account's. Raises RequestRefused (422)."""
    account_id = whose(call, asked)
    if account_id is None:
        raise invalid("?account_id", "is required of the operator's key: this is one account's")
    return account_id


def asked_for(
    call: Call, asked: Owned | None = None, filters: Filters | None = None, table: LiteralString = ""
) -> Asked:
    """Whose rows, and which of them: `table` is what the column account_id stands behind, such as "p."."""
    account_id = whose(call, asked)
    conditions: list[LiteralString] = []
    params: dict[str, Any] = {}
    if account_id is not None:
        conditions.append(f"{table}account_id = %(account_id)s::uuid")
        params["account_id"] = account_id
    for name, condition in (filters or {}).items():
        value = getattr(asked, name)
        if value is not None:
            conditions.append(condition)
            params[name] = value
    return Asked(" AND ".join(conditions) or "true", params)


async def in_time(call: Call, page: Moved, created_at: LiteralString) -> Asked:
    """What `created_after` and `created_before` stand for: places in the history, by which the lists are ordered anyhow."""
    conditions: list[LiteralString] = []
    params: dict[str, Any] = {}
    if page.created_after is not None:
        params["from_position"], _ = await position_before(call, page.created_after)
        params["created_after"] = page.created_after
        conditions += ['"position" > %(from_position)s', f"{created_at} >= %(created_after)s"]
    if page.created_before is not None:
        params["to_position"], _ = await position_before(call, page.created_before)
        conditions.append('"position" <= %(to_position)s')
    return Asked(" AND ".join(conditions) or "true", params)


def both(one: Asked, other: Asked) -> Asked:
    """What holds of both."""
    return Asked(f"{one.where} AND {other.where}", {**one.params, **other.params})


def owner_shown(call: Call, row: Any) -> UUID | None:
    """The row's account, for the operator; a client knows whose its own are."""
    return row.account_id if call.is_operator else None


# Lists in which rows of several accounts share a position, which is one event's

BEFORE: Final[LiteralString] = '("position", id) < (%(before)s, %(before_id)s::uuid)'
"""What lies behind a place of such a list; its order is by position and id, the highest first."""
_LOWEST_ID: Final = UUID(int=0)


def place(call: Call, page: Page, cut: int | None = None) -> dict[str, Any]:
    """The values of BEFORE. A client's rows have each a position of their own, and its cursor is one."""
    if not call.is_operator or page.after is None:
        return {"before": before(call, page, cut), "before_id": _LOWEST_ID}
    position, _, row_id = call.api.positions.read_cursor_at(call.caller, call.route, page.after).partition(".")
    if cut is not None and int(position) > cut:
        return {"before": cut + 1, "before_id": _LOWEST_ID}
    return {"before": int(position), "before_id": UUID(row_id)}


def placed_reply(call: Call, page: Page, found: Sequence[tuple[int, Any]]) -> Reply:
    """The same as page_reply, for answers that have an id, of rows that may share a position."""
    answer = page_reply(call, page, found)
    if not call.is_operator or len(found) <= page.limit:
        return answer
    shown = found[: page.limit]
    position, last = shown[-1]
    kind: type[Answer] = type(last)
    after = call.api.positions.cursor_at(call.caller, call.route, f"{position}.{last.id}")
    return reply(listed(kind)([each for _, each in shown], True, after))
