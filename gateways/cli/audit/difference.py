"""`counterfoil audit diff`: which balances changed between two positions."""

from typing import Any, Final

import msgspec
import psycopg

from core.ledger.journal import TREASURY, TREASURY_ACCOUNT_ID
from core.ledger.money import format_amount
from gateways.cli.audit.statement import account_of
from gateways.cli.console import Output, Table, number, shown_time
from gateways.cli.installation import opened_database
from gateways.postgres.roles import READER
from gateways.settings import Settings
from gateways.user_error import UserError
from projections.audit.difference import Difference, RangeRefused, difference
from projections.audit.export import snapshot

EVENTS_SHOWN_MAX: Final = 200
_HEAD: Final = "SELECT coalesce(max(notification_id), 0) FROM events"


def show_difference(settings: Settings, after: int, upto: int | None, account: str | None, out: Output) -> None:
    """Print it; `upto` None is the last event. Raises UserError, ViewsBehind."""
    book = None if account is None else book_of(account)
    try:
        with opened_database(settings) as database, psycopg.connect(database.url(READER)) as conn, snapshot(conn):
            if upto is None:
                [(upto,)] = conn.execute(_HEAD).fetchall()
            found = difference(conn, after, upto, account_id=book)
    except RangeRefused as error:
        raise UserError(str(error)) from None
    parts = _tables(found) if found else [f"no balance changed between {after} and {upto}"]
    out.show({"from": after, "to": upto, "data": [facts_of(each) for each in found]}, *parts)


def facts_of(of: Difference) -> dict[str, Any]:
    """The difference as JSON: money as decimal text with the integer beside it."""
    fields: dict[str, Any] = msgspec.to_builtins(of)
    for held in (fields, *fields["events"]):
        for name in [name for name in held if name.endswith("_minor")]:
            held[name.removesuffix("_minor")] = format_amount(held[name], of.currency)
    return fields


def _tables(found: list[Difference]) -> list[str | Table]:
    accounts = [
        (
            each.account_id,
            each.ledger_account,
            format_amount(each.before_minor, each.currency),
            _signed(format_amount(each.change_minor, each.currency)),
            format_amount(each.after_minor, each.currency),
            each.currency,
            len(each.events),
        )
        for each in found
    ]
    moved = sorted((event.position, place, event, each) for place, each in enumerate(found) for event in each.events)
    events = [
        (
            position,
            shown_time(event.occurred_at),
            event.topic,
            event.reference,
            each.account_id,
            each.ledger_account,
            _signed(format_amount(event.change_minor, each.currency)),
            each.currency,
        )
        for position, _, event, each in moved[:EVENTS_SHOWN_MAX]
    ]
    amounts = (number("before"), number("change"), number("after"))
    titles = ("time", "event", "reference", "account", "ledger account", number("change"), "currency")
    parts: list[str | Table] = [
        Table(("account", "ledger account", *amounts, "currency", number("events")), accounts),
        "",
        Table((number("position"), *titles), events),
    ]
    if len(moved) > EVENTS_SHOWN_MAX:
        parts.append(f"and {len(moved) - EVENTS_SHOWN_MAX} more: --json has all of them")
    return parts


def _signed(amount: str) -> str:
    return amount if amount.startswith("-") else f"+{amount}"


ACCOUNT: Final = "SELECT FROM events WHERE originator_id = %s AND originator_version = 1"


def book_of(account: str) -> str:
    """The book of an account, as events name it. Raises UserError."""
    found = account_of(account)
    return TREASURY if found == TREASURY_ACCOUNT_ID else str(found)
