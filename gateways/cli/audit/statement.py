"""`counterfoil statement`: an account's book in a period, written and verified."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import psycopg
from cyclopts import App, Parameter

from core.ledger.journal import account_id_of
from core.proofs.notes import NoteKey, NoteRefused
from gateways.cli.console import Data, Json, Output
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.roles import READER
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError
from gateways.wiring.notes import open_signer
from projections.audit.export import snapshot
from projections.audit.statements import Format, check, statement, written


def make(settings: Settings, account: str, from_: str, until: str, form: Format, output: Path | None) -> None:
    """Write the file. Raises UserError, ViewsBehind."""
    beginning, end = instant(from_, "--from"), instant(until, "--until")
    if beginning >= end:
        raise UserError("--until must lie behind --from")
    with opened_database(settings) as database, psycopg.connect(database.url(READER)) as conn, snapshot(conn):
        made = statement(conn, account_of(account), beginning, end)
    if not made.balances:
        raise NotReady(f"the account {account} had no ledger account by then: there is nothing to state")
    content = written(made, form, open_signer(settings, "statements"))
    if output is None:
        sys.stdout.buffer.write(content)
    else:
        output.write_bytes(content)


def verify(file: Path, keys: Sequence[str], out: Output) -> bool:
    """Print what was signed, or why the file proves nothing. Raises NoteRefused for a key that is none."""
    trusted = [NoteKey.parse(key) for key in keys]
    try:
        signed = check(file.read_bytes(), trusted).rstrip()
    except NoteRefused as error:
        out.show({"holds": False, "reason": str(error)}, f"this proves nothing: {error}")
        return False
    out.show({"holds": True, "signed": signed}, signed)
    return True


def account_of(given: str) -> UUID:
    """Raises UserError."""
    try:
        return account_id_of(given)
    except ValueError:
        raise UserError(f'{given} is no account: give its id, or "treasury"') from None


def instant(given: str, name: str) -> datetime:
    """A time with its zone, or a day, which begins at midnight UTC. Raises UserError."""
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise UserError(f"{name} {given} is no time: write it as 2026-11-01T00:00:00Z") from None
    if found.tzinfo is None:
        if len(given) > 10:
            raise UserError(f"{name} {given} has no zone: write it as 2026-11-01T00:00:00Z")
        found = found.replace(tzinfo=UTC)
    return found


app = App(name="statement", help="An account's book in a period: write it, signed, or check one")


@app.command(name="make")
def _make_statement(
    account: Annotated[str, Parameter(help="The account's id, or treasury")],
    /,
    *,
    from_: Annotated[str, Parameter(name="--from", help="When it begins, as 2026-11-01T00:00:00Z or 2026-11-01")],
    until: Annotated[str, Parameter(help="When it ends, which is when the next one begins")],
    format: Annotated[  # noqa: A002
        Literal["json", "csv"], Parameter(help="How it is written; both carry the signature")
    ] = "json",
    output: Annotated[Path | None, Parameter(help="The file to write; without it, to standard output")] = None,
    data: Data = None,
) -> None:
    """What an account held and every line of its book in a period; signed once the period is over."""
    make(settings_with(data=data), account, from_, until, format, output)


@app.command(name="verify")
def _verify_statement(
    file: Annotated[Path, Parameter(help="A statement, as JSON or CSV")],
    /,
    *,
    key: Annotated[
        list[str], Parameter(help="The key that signs statements, as `audit keys` prints it; several if replaced")
    ],
    json: Json = False,
) -> bool:
    """Is this file the statement that was signed? Exit 1 with the reason if not."""
    return verify(file, key, Output(as_json=json))
