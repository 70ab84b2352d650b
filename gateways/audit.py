"""What the command line does for an auditor: prove the database, hand out keys, export."""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Final, Literal

import msgspec
import psycopg
from rich.console import Console

from core.accounts import account_stream
from core.journal import TREASURY, TREASURY_ACCOUNT_ID
from core.merkle import ProofRefused
from core.notes import NoteKey, NoteRefused
from core.receipts import Receipt, check
from gateways.checkpoint_archive import FolderArchive, open_archive
from gateways.embedded.connections import Connections
from gateways.note_keys import open_signer
from gateways.operations import print_checks, progress, visiting
from gateways.platform import open_platform
from gateways.roles import READER
from gateways.settings import Settings
from gateways.statement_files import account_of
from gateways.trail import note_command
from gateways.user_error import UserError
from projections.export import export
from projections.history_tree import GROW_EVENTS_MAX, HistoryTree
from projections.plain_text import Period, journal
from projections.plain_text_forms import FORMS
from projections.reconcile import reconcile
from projections.verify import published_keys, verify

_ACCOUNT: Final = "SELECT FROM events WHERE originator_id = %s AND originator_version = 1"


def export_history(settings: Settings, output: Path | None, console: Console) -> None:
    """Write the export, to standard output where no file is named: a file appears whole or not at all."""
    with visiting(settings) as database, psycopg.connect(database.url(READER)) as conn:
        _write(export(conn), output, console)


def export_journal(
    settings: Settings,
    form: Literal["hledger", "beancount"],
    account: str | None,
    first: date | None,
    last: date | None,
    output: Path | None,
    console: Console,
) -> None:
    """Write the books' journal in the same way, of the days from the first to the last. Raises UserError."""
    if first is not None and last is not None and first > last:
        raise UserError("--to must not lie before --from")
    book = None if account is None else book_of(account)
    with visiting(settings) as database, psycopg.connect(database.url(READER)) as conn:
        if book not in (None, TREASURY):
            with conn.transaction():
                if conn.execute(_ACCOUNT, (account_stream(book),)).fetchone() is None:
                    raise UserError(f"there is no account {account}: give its id, or {TREASURY}")
        _write(journal(conn, FORMS[form](), book, Period(first, last)), output, console)


def book_of(account: str) -> str:
    """The book of an account, as events name it. Raises UserError."""
    found = account_of(account)
    return TREASURY if found == TREASURY_ACCOUNT_ID else str(found)


def _write(lines: Iterable[bytes], output: Path | None, console: Console) -> None:
    if output is None:
        for line in lines:
            sys.stdout.buffer.write(line)
        return
    temporary = output.with_name(f".{output.name}.part")
    with temporary.open("wb") as file, progress(console) as bar:
        task = bar.add_task("exporting", total=None)
        for number, line in enumerate(lines, start=1):
            file.write(line)
            if number % 10_000 == 0:
                bar.update(task, completed=number)
    temporary.replace(output)


def verify_export(file: Path, keys: Sequence[str], archive: Path | None) -> int:
    """Let the stand-alone verifier look, in a process that has nothing of this one -> its exit code."""
    verifier = Path(str(resources.files("schema") / "verify.py"))
    arguments = [argument for key in keys for argument in ("--key", key)]
    arguments += ["--archive", str(archive)] if archive else []
    command = [sys.executable, "-I", str(verifier), "history", str(file), *arguments]
    return subprocess.run(command, check=False).returncode  # noqa: S603  our own file


def verify_database(settings: Settings, keys: Sequence[str], archive: Path | None, console: Console) -> bool:
    """Print every check with its differences -> whether all hold. Everything but the chain, which reconcile asks."""
    trusted = [NoteKey.parse(key) for key in keys]
    with (
        visiting(settings) as database,
        open_platform(settings, READER, database) as platform,
        psycopg.connect(platform.reader_url) as conn,
        progress(console) as bar,
    ):
        task = bar.add_task("replaying", total=None)
        replayed = reconcile(conn, None, lambda at, of: bar.update(task, completed=at, total=of))
        if not trusted:
            trusted = published_keys(conn)
            conn.rollback()
            console.print("the keys are the database's own: give --key to be sure who signed")
        task = bar.add_task("hashing", total=None)
        kept = FolderArchive(archive) if archive else open_archive(settings)
        proven = verify(conn, trusted, kept.contents(), lambda at, of: bar.update(task, completed=at, total=of))
    print_checks([*replayed.checks, *proven], console)
    ok = all(check.ok for check in (*replayed.checks, *proven))
    console.print(f"{replayed.position} events; " + ("everything holds" if ok else "something does not hold"))
    return ok


def verify_receipt(file: Path, keys: Sequence[str], console: Console) -> bool:
    """Print what the receipt proves, or why it proves nothing."""
    try:
        receipt = msgspec.json.decode(file.read_bytes(), type=Receipt)
        refused: Exception = NoteRefused("no key was given")
        for key in keys:
            try:
                note = check(receipt, NoteKey.parse(key))
            except NoteRefused as error:
                refused = error
            else:
                console.print(
                    f"signed by {note.origin} at {note.made_at:%Y-%m-%d %H:%M:%S} UTC, checkpoint {note.number}:"
                )
                console.print(receipt.entry, soft_wrap=True)
                return True
    except (ProofRefused, msgspec.DecodeError) as error:
        refused = error
    console.print(f"this proves nothing: {refused}", soft_wrap=True)
    return False


def print_keys(settings: Settings, console: Console) -> None:
    """One line a key: what it signs, and the key itself."""
    with visiting(settings) as database, psycopg.connect(database.url(READER)) as conn:
        rows = conn.execute("SELECT purpose, key FROM note_keys ORDER BY purpose, since").fetchall()
    for purpose, key in [*rows, ("statements", str(open_signer(settings, "statements").key))]:
        console.print(f"{purpose:<12} {key}", soft_wrap=True)
    if not rows:
        console.print("no checkpoint was signed yet: the process `checkpoints` makes one when it starts")


def regrow_tree(settings: Settings, console: Console) -> None:
    """As the owner: no running process may forget a tile."""
    with visiting(settings) as database, progress(console) as bar:
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
            console.print(f"the tree holds {tree.size} events")
        finally:
            login.close()
