"""What the command line does for an auditor: prove the database, hand out keys, export."""

import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

import psycopg
from cyclopts import App, Parameter

from core.ledger.journal import TREASURY
from core.streams.accounts import account_stream
from gateways.cli.acts import note_command
from gateways.cli.audit.difference import ACCOUNT, book_of, show_difference
from gateways.cli.audit.keys import rotate_key
from gateways.cli.audit.verification import Asked, verify_database, verify_export
from gateways.cli.console import Data, Json, Output, Table, progress
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.connections import Connections
from gateways.postgres.roles import READER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.notes import open_signer
from gateways.wiring.platform import utc_now
from projections.audit.export import export
from projections.audit.history_tree import GROW_EVENTS_MAX, HistoryTree
from projections.audit.plain_text import Period, journal
from projections.audit.plain_text_forms import FORMS
from projections.named import rows

_KEYS: Final = "SELECT purpose, key FROM note_keys ORDER BY purpose, since"


def export_history(settings: Settings, output: Path | None) -> None:
    """Write the export, to standard output where no file is named: a file appears whole or not at all."""
    with opened_database(settings) as database, psycopg.connect(database.url(READER)) as conn:
        _write(export(conn, utc_now()), output)


def export_journal(
    settings: Settings,
    form: Literal["hledger", "beancount"],
    account: str | None,
    first: date | None,
    last: date | None,
    output: Path | None,
) -> None:
    """Write the books' journal in the same way, of the days from the first to the last. Raises UserError."""
    if first is not None and last is not None and first > last:
        raise UserError("--to must not lie before --from")
    book = None if account is None else book_of(account)
    with opened_database(settings) as database, psycopg.connect(database.url(READER)) as conn:
        if book not in (None, TREASURY):
            with conn.transaction():
                if conn.execute(ACCOUNT, (account_stream(book),)).fetchone() is None:
                    raise UserError(f"there is no account {account}: give its id, or {TREASURY}")
        _write(journal(conn, FORMS[form](), book, Period(first, last)), output)


def _write(lines: Iterable[bytes], output: Path | None) -> None:
    if output is None:
        for line in lines:
            sys.stdout.buffer.write(line)
        return
    temporary = output.with_name(f".{output.name}.part")
    with temporary.open("wb") as file, progress() as bar:
        task = bar.add_task("exporting", total=None)
        for number, line in enumerate(lines, start=1):
            file.write(line)
            if number % 10_000 == 0:
                bar.update(task, completed=number)
    temporary.replace(output)


def show_keys(settings: Settings, out: Output) -> None:
    """One line a key: what it signs, and the key itself."""
    with opened_database(settings) as database, psycopg.connect(database.url(READER)) as conn:
        signed = [(each.purpose, each.key) for each in rows(conn, _KEYS)]
    keys = [*signed, ("statements", str(open_signer(settings, "statements").key))]
    parts: list[str | Table] = [Table(("signs", "key"), keys, has_header=False)]
    if not signed:
        parts.append("no checkpoint was signed yet: the process `checkpoints` makes one when it starts")
    out.show({"data": [{"purpose": purpose, "key": key} for purpose, key in keys]}, *parts)


def regrow_tree(settings: Settings, out: Output) -> None:
    """As the owner: no running process may forget a tile."""
    with opened_database(settings) as database, progress() as bar:
        login = Connections(database.owner_url)
        try:
            tree = HistoryTree(login.transaction)
            tree.forget()
            task = bar.add_task("hashing", total=None)
            grown = GROW_EVENTS_MAX
            while grown == GROW_EVENTS_MAX:
                grown = tree.grow()
                bar.update(task, advance=grown)
            note_command(settings, "history-tree.regrown", database, events=tree.size)
            events = tree.size
        finally:
            login.close()
    out.show({"events": events}, f"the tree holds {events} events")


app = App(name="audit", help="Prove the history: checkpoints, exports, what changed between two positions")


@app.command(name="export")
def _export(
    *,
    format: Annotated[  # noqa: A002
        Literal["ndjson", "hledger", "beancount"], Parameter(help="The history, or the books as a journal")
    ] = "ndjson",
    account: Annotated[str | None, Parameter(help="Of a journal: one book, by the account's id, or treasury")] = None,
    from_: Annotated[
        date | None, Parameter(name="--from", help="Of a journal: its first day (UTC); what was held before opens it")
    ] = None,
    to: Annotated[date | None, Parameter(help="Of a journal: its last day (UTC)")] = None,
    output: Annotated[Path | None, Parameter(help="The file to write; without it, to standard output")] = None,
    data: Data = None,
) -> None:
    """The whole history as NDJSON, for `audit verify FILE` and schema/verify.py, or the books for hledger or beancount.

    NDJSON has events, seals, checkpoints and balances. A journal has every entry and asserts what each account holds, at
    every checkpoint and at the end.
    """
    settings = settings_with(data=data)
    if format != "ndjson":
        export_journal(settings, format, account, from_, to, output)
    elif account is not None or from_ is not None or to is not None:
        raise UserError(
            "NDJSON is the whole history, which nothing proves in parts: --account, --from and --to are"
            " for --format hledger or beancount"
        )
    else:
        export_history(settings, output)


@app.command(name="verify")
def _verify(
    file: Annotated[Path | None, Parameter(help="An export; without it, the database itself")] = None,
    /,
    *,
    archive: Annotated[
        Path | None, Parameter(help="The folder of archived checkpoints; default: COUNTERFOIL_CHECKPOINT_ARCHIVE")
    ] = None,
    key: Annotated[
        list[str] | None, Parameter(help="A key that signs checkpoints, as `audit keys` prints it; several if replaced")
    ] = None,
    seen: Annotated[
        list[Path] | None,
        Parameter(help="A file with checkpoints kept from an earlier day, as GET /v1/checkpoints answers; several"),
    ] = None,
    unsigned_tail: Annotated[
        int | None,
        Parameter(help="So many seconds after the last checkpoint its signature may be missing; else it is needed"),
    ] = None,
    json: Json = False,
    data: Data = None,
) -> int | bool:
    """Is the history, in the database or in an export, the one that was signed? Exit 1 if not, or if nobody signed it."""
    asked = Asked(key or (), archive, seen or (), unsigned_tail)
    if file is not None:
        return verify_export(file, asked, as_json=json)
    return verify_database(settings_with(data=data), asked, Output(as_json=json))


@app.command(name="diff")
def _diff(
    *,
    from_: Annotated[int, Parameter(name="--from", help="A position; what its event did is not in the difference")],
    to: Annotated[int | None, Parameter(help="A later position, whose event is in it; default: the last one")] = None,
    account: Annotated[str | None, Parameter(help="One book, by the account's id, or treasury")] = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Which balances changed between two positions, by how much, and by which events."""
    show_difference(settings_with(data=data), from_, to, account, Output(as_json=json))


@app.command(name="keys")
def _keys(*, json: Json = False, data: Data = None) -> None:
    """Print the keys that sign checkpoints and statements. Give them to auditors and clients by a way of their own."""
    show_keys(settings_with(data=data), Output(as_json=json))


@app.command(name="rotate-key")
def _rotate_key(*, json: Json = False, data: Data = None) -> None:
    """Another key for checkpoints; the one before endorses it, and what it signed stays proven by it."""
    rotate_key(settings_with(data=data), Output(as_json=json))


@app.command(name="regrow-tree")
def _regrow_tree(*, json: Json = False, data: Data = None) -> None:
    """Forget the Merkle tree's tiles and make them again from the events."""
    regrow_tree(settings_with(data=data), Output(as_json=json))
