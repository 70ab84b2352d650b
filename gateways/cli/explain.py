"""`counterfoil explain`: why a deposit or a payout is where it is."""

import sys
from collections.abc import Callable
from typing import Annotated

import msgspec
import psycopg
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from gateways.cli.console import Data, console, settings_with
from gateways.postgres.roles import READER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import visiting
from projections.audit.export import snapshot
from projections.explain.deposits import deposits_named, explain_deposit
from projections.explain.explanation import Explanation, NoSuchThing
from projections.explain.payouts import explain_payout


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


app = App(name="explain", help="Why a deposit or a payout is where it is, told from its events")


@app.command(name="deposit")
def _explain_deposit(
    name: Annotated[str, Parameter(name="ID", help="Its id, its transaction id, or its stream")],
    *,
    json: bool = False,
    data: Data = None,
) -> None:
    """What happened to a deposit, why it is where it is, and what comes next."""
    show_deposits(settings_with(data=data), name, console, as_json=json)


@app.command(name="payout")
def _explain_payout(
    name: Annotated[str, Parameter(name="ID", help="Its id; a refused one has its own, too")],
    *,
    json: bool = False,
    data: Data = None,
) -> None:
    """What happened to a payout, why it is where it is, and what comes next."""
    show_payout(settings_with(data=data), name, console, as_json=json)
