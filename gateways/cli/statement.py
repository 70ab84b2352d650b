"""`counterfoil statement`: an account's book in a period, written and verified."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import psycopg
from cyclopts import App, Parameter
from rich.console import Console

from core.ledger.journal import account_id_of
from core.proofs.notes import NoteKey, NoteRefused
from gateways.cli.console import Data, console, settings_with
from gateways.postgres.roles import READER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.notes import open_signer
from gateways.wiring.opened import visiting
from projections.audit.export import snapshot
from projections.audit.statements import Format, ViewsBehind, check, statement, written


def make(settings: Settings, account: str, from_: str, until: str, form: Format, output: Path | None) -> None:
    """Write the file. Raises UserError."""
    beginning, end = instant(from_, "--from"), instant(until, "--until")
    if beginning >= end:
        raise UserError("--until must lie behind --from")
    try:
        with visiting(settings) as database, psycopg.connect(database.url(READER)) as conn, snapshot(conn):
            made = statement(conn, account_of(account), beginning, end)
    except ViewsBehind as error:
        raise UserError(str(error)) from None
    if not made.balances:
        raise UserError(f"the account {account} had no ledger account by then")
    content = written(made, form, open_signer(settings, "statements"))
    if output is None:
        sys.stdout.buffer.write(content)
    else:
        output.write_bytes(content)


def verify(file: Path, keys: Sequence[str], console: Console) -> bool:
    """Print what was signed, or why the file proves nothing."""
    try:
        text = check(file.read_bytes(), [NoteKey.parse(key) for key in keys])
    except NoteRefused as error:
        console.print(f"this proves nothing: {error}", soft_wrap=True)
        return False
    console.print(text.rstrip(), soft_wrap=True)
    return True


def account_of(text: str) -> UUID:
    """Raises UserError."""
    try:
        return account_id_of(text)
    except ValueError:
        raise UserError(f'{text} is no account: give its id, or "treasury"') from None


def instant(text: str, name: str) -> datetime:
    """A time with its zone, or a day, which begins at midnight UTC. Raises UserError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{name} {text} is no time: write it as 2026-11-01T00:00:00Z") from None
    if found.tzinfo is None:
        if len(text) > 10:
            raise UserError(f"{name} {text} has no zone: write it as 2026-11-01T00:00:00Z")
        found = found.replace(tzinfo=UTC)
    return found


app = App(name="statement", help="An account's book in a period, signed")


@app.command(name="make")
def _make_statement(
    account: Annotated[str, Parameter(help="The account's id, or treasury")],
    *,
    from_: Annotated[str, Parameter(name="--from", help="Its beginning, as 2026-11-01T00:00:00Z")],
    until: Annotated[str, Parameter(help="Its end, which is the beginning of the next")],
    format: Literal["json", "csv"] = "json",  # noqa: A002
    output: Annotated[Path | None, Parameter(help="The file to write; without it, to standard output")] = None,
    data: Data = None,
) -> None:
    """What an account held and every line of its book in a period; signed once the period is over."""
    make(settings_with(data=data), account, from_, until, format, output)


@app.command(name="verify")
def _verify_statement(
    file: Path, *, key: Annotated[list[str], Parameter(help="The key that signs statements, from `audit keys`")]
) -> None:
    """Is this file the statement that was signed? Exit 1 with the reason if not."""
    sys.exit(0 if verify(file, key, console) else 1)
