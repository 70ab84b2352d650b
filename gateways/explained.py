"""Why a deposit or a payout is where it is, at the command line: its story, what holds it, what comes next; or JSON."""

import sys
from collections.abc import Callable

import msgspec
import psycopg
from rich.console import Console
from rich.table import Table

from gateways.operations import visiting
from gateways.roles import READER
from gateways.settings import Settings
from gateways.user_error import UserError
from projections.explained_deposits import deposits_named, explain_deposit
from projections.explained_payouts import explain_payout
from projections.explanation import Explanation, NoSuchThing
from projections.export import snapshot


def show_deposits(settings: Settings, name: str, console: Console, *, as_json: bool) -> None:
    """Every deposit of a transaction, where its id was given. Raises UserError."""
    _show(
        _read(settings, lambda conn: [explain_deposit(conn, stream) for stream in deposits_named(conn, name)]),
        console,
        as_json=as_json,
    )


def show_payout(settings: Settings, name: str, console: Console, *, as_json: bool) -> None:
    """Raises UserError."""
    _show(_read(settings, lambda conn: [explain_payout(conn, name)]), console, as_json=as_json)


def _read(
    settings: Settings, work: "Callable[[psycopg.Connection[tuple[object, ...]]], list[Explanation]]"
) -> list[Explanation]:
    try:
        with visiting(settings) as database, psycopg.connect(database.url(READER)) as conn, snapshot(conn):
            return work(conn)
    except NoSuchThing as error:
        raise UserError(str(error)) from None


def _show(found: list[Explanation], console: Console, *, as_json: bool) -> None:
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(found if len(found) > 1 else found[0]), indent=2)
        sys.stdout.buffer.write(text + b"\n")
        return
    for each in found:
        console.print(f"{each.stream}\naccount {each.account_id}, {each.state}", soft_wrap=True)
        table = Table("position", "time", "event", "", box=None, pad_edge=False)
        for told in each.story:
            table.add_row(str(told.position), f"{told.occurred_at:%Y-%m-%d %H:%M:%S}", told.topic, told.sentence)
        console.print(table)
        console.print(f"now   {each.now.sentence} ({each.now.code})\nthen  {each.now.then}\n", soft_wrap=True)
