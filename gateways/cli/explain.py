"""`counterfoil explain`: why a deposit or a payout is where it is."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import psycopg
from cyclopts import App, Parameter

from gateways.cli.console import Data, Json, Output, Table, number, pairs, shown_time, text
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.roles import READER
from gateways.settings import Settings
from gateways.user_error import UserError
from projections.audit.export import snapshot
from projections.explain.deposits import deposits_named, explain_deposit
from projections.explain.explanation import Explanation, NoSuchThing
from projections.explain.payouts import explain_payout


def show_deposits(settings: Settings, name: str, out: Output) -> None:
    """Every deposit of a transaction, where its id was given. Raises UserError."""
    _show(_read(settings, lambda conn: [explain_deposit(conn, stream) for stream in deposits_named(conn, name)]), out)


def show_payout(settings: Settings, name: str, out: Output) -> None:
    """Raises UserError."""
    _show(_read(settings, lambda conn: [explain_payout(conn, name)]), out)


def _read(settings: Settings, work: Callable[[psycopg.Connection[Any]], list[Explanation]]) -> list[Explanation]:
    try:
        with opened_database(settings) as database, psycopg.connect(database.url(READER)) as conn, snapshot(conn):
            return work(conn)
    except NoSuchThing as error:
        raise UserError(str(error)) from None


def _show(found: list[Explanation], out: Output) -> None:
    facts = msgspec.to_builtins(found)
    parts: list[str | Table] = []
    for each in found:
        rows = [(step.position, shown_time(step.occurred_at), step.topic, step.sentence) for step in each.story]
        parts += [
            pairs([("stream", each.stream), ("account", each.account_id), ("state", each.state)]),
            "",
            Table((number("position"), "time", "event", text("what happened")), rows),
            "",
            pairs([("now", f"{each.now.sentence} ({each.now.code})"), ("then", each.now.then)]),
            "",
        ]
    out.show(facts if len(facts) > 1 else facts[0], *parts[:-1])


app = App(name="explain", help="Why a deposit or a payout is where it is, from its events")


@app.command(name="deposit")
def _explain_deposit(
    name: Annotated[str, Parameter(name="ID", help="Its id, its transaction's id, or its stream")],
    /,
    *,
    json: Json = False,
    data: Data = None,
) -> None:
    """What happened to a deposit, why it is where it is, and what comes next."""
    show_deposits(settings_with(data=data), name, Output(as_json=json))


@app.command(name="payout")
def _explain_payout(
    name: Annotated[str, Parameter(name="ID", help="Its id; a refused one has an id, too")],
    /,
    *,
    json: Json = False,
    data: Data = None,
) -> None:
    """What happened to a payout, why it is where it is, and what comes next."""
    show_payout(settings_with(data=data), name, Output(as_json=json))
