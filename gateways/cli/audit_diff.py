"""`counterfoil audit diff`: which balances changed between two positions."""

import json
import sys
from typing import Any, Final

import msgspec
import psycopg
from rich.console import Console
from rich.table import Table

from core.ledger.journal import TREASURY, TREASURY_ACCOUNT_ID
from core.ledger.money import format_amount
from gateways.cli.statement import account_of
from gateways.postgres.roles import READER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import visiting
from projections.audit.difference import Difference, RangeRefused, ViewsBehind, difference
from projections.audit.export import snapshot

EVENTS_SHOWN_MAX: Final = 200
_HEAD: Final = "SELECT coalesce(max(notification_id), 0) FROM events"


def show_difference(
    settings: Settings, after: int, upto: int | None, account: str | None, console: Console, *, as_json: bool
) -> None:
    """Print it; `upto` None is the last event. Raises UserError."""
    book = None if account is None else book_of(account)
    try:
        with visiting(settings) as database, psycopg.connect(database.url(READER)) as conn, snapshot(conn):
            if upto is None:
                [(upto,)] = conn.execute(_HEAD).fetchall()
            found = difference(conn, after, upto, account_id=book)
    except (RangeRefused, ViewsBehind) as error:
        raise UserError(str(error)) from None
    if as_json:
        answer = {"from": after, "to": upto, "data": [told(each) for each in found]}
        sys.stdout.buffer.write(json.dumps(answer, indent=2).encode() + b"\n")
        return
    if not found:
        console.print(f"no balance changed between {after} and {upto}")
        return
    _show(found, console)


def told(of: Difference) -> dict[str, Any]:
    """The difference as JSON: money as decimal text with the integer beside it."""
    fields: dict[str, Any] = msgspec.to_builtins(of)
    for held in (fields, *fields["events"]):
        for name in [name for name in held if name.endswith("_minor")]:
            held[name.removesuffix("_minor")] = format_amount(held[name], of.currency)
    return fields


def _show(found: list[Difference], console: Console) -> None:
    table = Table("account", "ledger account", "before", "change", "after", "", "events", box=None, pad_edge=False)
    for column in table.columns[2:5]:
        column.justify = "right"
    for each in found:
        before, change, after = (
            format_amount(minor, each.currency) for minor in (each.before_minor, each.change_minor, each.after_minor)
        )
        events = str(len(each.events))
        table.add_row(each.account_id, each.ledger_account, before, _signed(change), after, each.currency, events)
    console.print(table, "")
    rows = sorted((event.position, number, event, each) for number, each in enumerate(found) for event in each.events)
    table = Table(
        "position", "time", "event", "reference", "account", "ledger account", "change", "", box=None, pad_edge=False
    )
    table.columns[6].justify = "right"
    shown_before = 0
    for position, _, event, each in rows[:EVENTS_SHOWN_MAX]:
        first = position != shown_before
        known = (str(position), f"{event.occurred_at:%Y-%m-%d %H:%M:%S}", event.topic, event.reference or "")
        change = _signed(format_amount(event.change_minor, each.currency))
        of = (each.account_id, each.ledger_account, change, each.currency)
        table.add_row(*(known if first else ("", "", "", "")), *of)
        shown_before = position
    console.print(table)
    if len(rows) > EVENTS_SHOWN_MAX:
        console.print(f"and {len(rows) - EVENTS_SHOWN_MAX} more: --json has all of them")


def _signed(amount: str) -> str:
    return amount if amount.startswith("-") else f"+{amount}"


_ACCOUNT: Final = "SELECT FROM events WHERE originator_id = %s AND originator_version = 1"


def book_of(account: str) -> str:
    """The book of an account, as events name it. Raises UserError."""
    found = account_of(account)
    return TREASURY if found == TREASURY_ACCOUNT_ID else str(found)
