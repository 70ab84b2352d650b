"""Statements on the command line: made of any account, the treasury's too, and checked offline."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
from rich.console import Console

from core.journal import account_id_of
from core.notes import NoteKey, NoteRefused
from gateways.note_keys import open_signer
from gateways.operations import visiting
from gateways.roles import READER
from gateways.settings import Settings
from gateways.user_error import UserError
from projections.export import snapshot
from projections.statements import Format, ViewsBehind, check, statement, written


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
