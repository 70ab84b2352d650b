"""Statements: what an account held and every line between two times, the same bytes for ever, signed once it is over."""

import csv
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import psycopg
import pytest

from core.ledger.events import postings_of
from core.ledger.journal import TREASURY, TREASURY_ACCOUNT_ID
from core.ledger.ledger import Ledger
from core.proofs.notes import NoteKey, NoteRefused
from gateways.postgres.event_store import PostgresEventStore
from projections.audit.export import snapshot
from projections.audit.statements import Statement, TooManyLines, ViewsBehind, check, statement, written
from projections.engine.tracking import ViewTracking
from tests.support.checkpoints import Desk, FixedSigner
from tests.support.exports import VERIFIER
from tests.support.history import ALICE, USDT, append_history, execute, fund
from tests.support.postgres import Database
from tests.support.views import project

START = datetime(2026, 1, 1, tzinfo=UTC)
SIGNER = FixedSigner()
ALICE_ID = UUID(ALICE)


@pytest.fixture
def conn(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, tmp_path: Path
) -> Iterator[psycopg.Connection]:
    """A reader of the canonical history, whose batches are a second apart, and of its tree."""
    append_history(ledger)
    project(store, tracking)
    desk = Desk(database, tmp_path / "archive")
    while desk.checkpoints._tree.grow():
        pass
    with psycopg.connect(database.reader_url) as opened:
        yield opened
    desk.login.close()


def made(conn: psycopg.Connection, first: float, last: float, account: UUID = ALICE_ID, **options: Any) -> Statement:
    with snapshot(conn):
        return statement(conn, account, START + timedelta(seconds=first), START + timedelta(seconds=last), **options)


def test_the_lines_lead_from_what_was_held_to_what_is(conn: psycopg.Connection) -> None:
    """Periods that follow each other share their ends, and together hold every line of the book once."""
    cuts = [0, 4, 6.5, 9, 11, 30]
    periods = [made(conn, first, last) for first, last in itertools.pairwise(cuts)]
    for before, after in itertools.pairwise(periods):
        closing = {(held.ledger_account, held.currency): held.closing_minor for held in before.balances}
        assert all(
            held.opening_minor == closing.get((held.ledger_account, held.currency), 0) for held in after.balances
        )
    whole = made(conn, 0, 30)
    assert [line for period in periods for line in period.lines] == whole.lines
    assert {held.ledger_account: held.closing_minor for held in whole.balances}["User_Liability"] == 1_007_800_000
    for held in whole.balances:
        last = [line for line in whole.lines if line.ledger_account == held.ledger_account]
        assert (last[-1].balance_minor if last else 0) == held.closing_minor


def test_the_treasury_has_statements_too(conn: psycopg.Connection, store: PostgresEventStore) -> None:
    """Every line of the operator's own book, in both currencies."""
    whole = made(conn, 0, 30, TREASURY_ACCOUNT_ID)
    lines = [line for each in store.read(0, 1000) for line in postings_of(each.event) if line.book == TREASURY]
    assert [(line.ledger_account, line.side, line.amount_minor, line.currency) for line in whole.lines] == [
        (line.account, line.side, line.amount_minor, line.currency) for line in lines
    ]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_period_that_is_over_is_signed_and_stays_as_it_is(
    conn: psycopg.Connection,
    ledger: Ledger,
    store: PostgresEventStore,
    tracking: ViewTracking,
    form: Literal["json", "csv"],
) -> None:
    """Its bytes are the same before and after whatever happens next, and its signature fits them."""
    file = written(made(conn, 0, 9), form, SIGNER)
    execute(ledger, fund(ALICE, USDT, "later"))
    project(store, tracking)
    assert written(made(conn, 0, 9), form, SIGNER) == file
    text = check(file, [SIGNER.key])
    assert text.splitlines()[1:3] == [
        f"statement of {ALICE}",
        "from 2026-01-01T00:00:00Z until 2026-01-01T00:00:09Z",
    ]


def test_a_period_that_is_not_over_is_not_signed(conn: psycopg.Connection) -> None:
    """It may look otherwise tomorrow, and says so."""
    open_period = made(conn, 0, 3600)
    assert not open_period.final
    for form in ("json", "csv"):
        with pytest.raises(NoteRefused, match="was not over"):
            check(written(open_period, form, SIGNER), [SIGNER.key])


FORGERIES: list[Callable[[bytes], bytes]] = [
    lambda file: file.replace(b"1000000", b"1000001", 1),
    lambda file: file.replace(b"10.000000", b"11.000000", 1),
    lambda file: file.replace(b"debit", b"credit", 1),
    lambda file: file[:-60] + b"\n",
    lambda file: file + b"x",
    lambda file: b"",
]


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("forge", FORGERIES)
def test_a_statement_that_was_changed_is_refused(
    conn: psycopg.Connection, tmp_path: Path, form: Literal["json", "csv"], forge: Callable[[bytes], bytes]
) -> None:
    """By the program and by the stand-alone verifier, which both take the one that was signed."""
    file = written(made(conn, 0, 9), form, SIGNER)
    changed = forge(file)
    path = tmp_path / "statement"
    for content, right in ((file, True), (changed, changed == file)):
        path.write_bytes(content)
        command = [sys.executable, "-I", str(VERIFIER), "statement", str(path), "--key", str(SIGNER.key)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == (0 if right else 1), done.stdout + done.stderr
        if right:
            check(content, [SIGNER.key])
        else:
            with pytest.raises(NoteRefused):
                check(content, [SIGNER.key])


def test_another_key_signs_nothing(conn: psycopg.Connection) -> None:
    """A statement of somebody else's is none."""
    other = FixedSigner(bytes(32)).key
    with pytest.raises(NoteRefused):
        check(written(made(conn, 0, 9), "json", SIGNER), [NoteKey(SIGNER.key.name, other.public_key)])


def test_the_table_says_what_the_json_says(conn: psycopg.Connection) -> None:
    """Openings, lines and closings are the same in both forms."""
    content = made(conn, 4, 9)
    told = json.loads(written(content, "json", SIGNER))["statement"]
    text = written(content, "csv", SIGNER).decode()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    for kind in ("opening", "closing"):
        assert [(row["ledger_account"], row["balance"]) for row in rows if row["kind"] == kind] == [
            (held["ledger_account"], f"{held[f'{kind}_minor'] / 10**6:.6f}") for held in told["balances"]
        ]
    lines = [row for row in rows if row["kind"] == "line"]
    assert [(row["at"], row["entry"], row["debit"] or row["credit"]) for row in lines] == [
        (line["at"], line["entry"], f"{line['amount_minor'] / 10**6:.6f}") for line in told["lines"]
    ]


def test_views_that_are_behind_make_no_statement(conn: psycopg.Connection, ledger: Ledger) -> None:
    """A period whose end the views have not reached is refused; so is one of more lines than may be given."""
    execute(ledger, fund(ALICE, USDT, "later"))
    with pytest.raises(ViewsBehind):
        made(conn, 0, 3600)
    with pytest.raises(TooManyLines):
        made(conn, 0, 9, lines_max=3)
