"""The books as journals: bean-check and hledger accept them as they are, and refuse them when an amount was changed."""

import os
import random
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest

from core.ledger import books
from core.ledger.events import postings_of
from core.ledger.journal import TREASURY, credit, debit
from core.ledger.ledger import Ledger
from core.ledger.money import format_amount
from core.streams.accounts import ChangeAccount, OpenLedgerAccount
from core.streams.treasury import PostAdjustment
from gateways.postgres.event_store import PostgresEventStore
from projections.audit.plain_text import WHOLE, Account, Period, journal
from projections.audit.plain_text_forms import FORMS, account_name
from tests.support.checkpoints import Desk
from tests.support.history import ACTOR, ALICE, BOB, HOT_WALLET, append_history, confirm, execute, fund, transfer
from tests.support.patience import HANG_S
from tests.support.postgres import Database
from tests.support.treasury import treasury_batches

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
HLEDGER = shutil.which("hledger")
START = datetime(2026, 1, 1, tzinfo=UTC)
CODES = ("a-b", "a_b", "a.b:c", "User-Liability")
REASON = 'said "a\\b"; a: b, [2020-01-01]\n2026-01-01 * and more'
WISHES = {
    "everything": (None, WHOLE),
    "a client": (ALICE, WHOLE),
    "the treasury": (TREASURY, WHOLE),
    "a period": (None, Period(date(2026, 1, 3), date(2026, 1, 4))),
    "a client's period": (ALICE, Period(date(2026, 1, 3), date(2026, 1, 4))),
    "from a day on": (TREASURY, Period(date(2026, 1, 2), None)),
    "up to a day": (BOB, Period(None, date(2026, 1, 2))),
    "a day before everything": (None, Period(date(2025, 1, 1), date(2025, 1, 1))),
    "a day that is to come": (None, Period(date(2027, 1, 1), None)),
}
"""Of which book, of which days."""


class SlowClock:
    """Four hours a batch, and every fifth batch is dated six hours back."""

    def __init__(self) -> None:
        self._batches = 0

    def __call__(self) -> datetime:
        self._batches += 1
        return START + timedelta(hours=4 * self._batches - (6 if self._batches % 5 == 0 else 0))


@pytest.fixture
def conn(database: Database, store: PostgresEventStore, tmp_path: Path) -> Iterator[psycopg.Connection]:
    """A reader of a history of five days under three checkpoints, with codes and words that a journal must not trip over."""
    ledger, desk = Ledger(store, SlowClock()), Desk(database, tmp_path / "archive")
    append_history(ledger)
    desk.sign_now()
    lines = (debit(TREASURY, books.COLD_WALLET, 7, "USDT"), credit(TREASURY, books.SUSPENSE, 7, "USDT"))
    execute(ledger, *(OpenLedgerAccount(ALICE, code, code, "liability", ACTOR) for code in CODES))
    execute(ledger, PostAdjustment("strange words", REASON, lines, ACTOR))
    for batch in treasury_batches():
        execute(ledger, *batch)
    desk.sign_now()
    by_contract = transfer("gift", HOT_WALLET, 5, log_index=-1, wallet="hot")
    execute(ledger, fund(BOB, 3, "a little"), confirm(by_contract))
    desk.sign_now()
    execute(ledger, fund(ALICE, 3, "behind the last checkpoint"))
    with psycopg.connect(database.reader_url) as opened:
        yield opened
    desk.login.close()


def written(conn: psycopg.Connection, form: str, wish: str = "everything") -> str:
    return b"".join(journal(conn, FORMS[form](), *WISHES[wish])).decode()


def refusal(form: str, text: str, folder: Path) -> str:
    """What bean-check or hledger says against it; nothing where it is right."""
    path = folder / f"journal.{form}"
    path.write_text(text, encoding="utf-8")
    if form == "beancount":
        command = [str(BEAN_CHECK), "--no-cache", str(path)]
    elif HLEDGER is not None:
        command = [HLEDGER, "-f", str(path), "check", "--strict", "ordereddates"]
    else:
        pytest.skip("hledger is not installed (apt-get install hledger): its journals are not checked here")
    environment = os.environ | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert (done.returncode != 0) == bool(done.stderr), done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_every_journal_is_accepted(conn: psycopg.Connection, form: str, tmp_path: Path) -> None:
    """Of all books or of one, of all days or of some; and the same history gives the same bytes again."""
    for wish in WISHES:
        text = written(conn, form, wish)
        assert refusal(form, text, tmp_path) == "", wish
        assert written(conn, form, wish) == text


@pytest.mark.parametrize("form", FORMS)
def test_a_changed_amount_is_refused(conn: psycopg.Connection, form: str, tmp_path: Path) -> None:
    """By the smallest unit, in a line, in both lines of an entry, or in what is asserted."""
    text = written(conn, form)
    amount = re.compile(r"(?<=[.]\d{5})\d(?=(?: ~ 0)? (?:USDT|TRX)$)", re.MULTILINE)
    places = [found.start() for found in amount.finditer(text)]
    assert len(places) > 100
    for place in random.Random(form).sample(places, 12):
        changed = text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]
        assert refusal(form, changed, tmp_path), changed[place - 200 : place + 20]
    assert text.count("3.000000 USDT\n") > 1
    consistent = text.replace("  3.000000 USDT\n", "  3.000001 USDT\n").replace(
        "  -3.000000 USDT\n", "  -3.000001 USDT\n"
    )
    assert consistent != text
    assert refusal(form, consistent, tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_transaction_is_refused(conn: psycopg.Connection, form: str, tmp_path: Path) -> None:
    """Also the last one, which no checkpoint covers yet."""
    text = written(conn, form)
    blocks = text.split("\n\n")
    moved = [place for place, block in enumerate(blocks) if "position" in block and "actor" in block]
    for place in (moved[0], moved[len(moved) // 2], moved[-1]):
        assert refusal(form, "\n\n".join(blocks[:place] + blocks[place + 1 :]), tmp_path), blocks[place]


@pytest.mark.parametrize("form", FORMS)
def test_the_lines_are_the_histories(conn: psycopg.Connection, store: PostgresEventStore, form: str) -> None:
    """Every posting of every event stands there once, exact to the last decimal, and no other."""
    kinds = {(TREASURY, code): kind for code, (kind, _) in books.TREASURY_CHART.items()}
    for book in (ALICE, BOB):
        kinds |= {(book, code): kind for code, (kind, _) in books.CLIENT_CHART.items()}
    kinds |= {(ALICE, "end-user-7"): "liability"}
    expected: dict[int, list[str]] = defaultdict(list)
    for recorded in store.read(0, 1_000):
        for line in postings_of(recorded.event):
            beside = line.book != TREASURY
            name = account_name(
                Account(line.book, line.account, kinds[line.book, line.account], is_beside_others=beside)
            )
            sign = "" if line.side == "debit" else "-"
            expected[recorded.position].append(
                f"{name}  {sign}{format_amount(line.amount_minor, line.currency)} {line.currency}"
            )
    told: dict[int, list[str]] = defaultdict(list)
    for block in written(conn, form).split("\n\n"):
        if found := re.search(r"position: ?(\d+)", block):
            told[int(found[1])] += re.findall(r"^    ([A-Z]\S+:\S+  \S+ \w+)$", block, re.MULTILINE)
    assert told == expected


@pytest.mark.parametrize("form", FORMS)
def test_every_checkpoint_is_named(conn: psycopg.Connection, form: str) -> None:
    """Its number, its size and its root stand beside what it covers; a period opens with what was held before."""
    text = written(conn, form)
    assert sorted(set(re.findall(r"checkpoint\W+(\d)", text))) == ["1", "2", "3"]
    for size, root in conn.execute("SELECT size, encode(root, 'base64') FROM checkpoints"):
        assert re.search(rf"size: ?{size}\n", text)
        assert root in text
    conn.rollback()
    assert "opening balances" not in text
    assert "2026-01-02 * " in (period := written(conn, form, "a period"))
    assert period.count("opening balances") == 3  # Alice's, Bob's and the treasury's
    assert not re.search(r"^2026-01-0[256]", period.split("opening balances")[-1].replace("2026-01-05 balance", ""))


def test_a_client_s_journal_shows_nobody_else(conn: psycopg.Connection) -> None:
    """Neither another client's book nor the treasury's (I12)."""
    for form in FORMS:
        text = written(conn, form, "a client")
        assert ALICE in text
        assert "Treasury" not in text
        assert f"Client-{BOB}" not in text


@pytest.mark.fast
def test_two_accounts_never_have_one_name() -> None:
    """Whatever codes a client chooses."""
    codes = [*CODES, "a-b:c", "a.b-c", "User_Liability", "Code-a-b", "Id-a", "a--b", "a_-b"]
    names = {account_name(Account(book, code, "liability")) for book in (ALICE, BOB) for code in codes}
    assert len(names) == 2 * len(set(codes))
    part = re.compile(r"(?:Liabilities)(?::[A-Z0-9][A-Za-z0-9-]*)+")
    assert all(part.fullmatch(name) for name in names)


def test_free_text_stays_text(conn: psycopg.Connection) -> None:
    """A reason with a comma, a colon or a date in brackets is one tag's value in hledger, and a string in beancount."""
    text = written(conn, "hledger")
    tagged = [line for line in text.splitlines() if line.lstrip().startswith("; reason:")]
    assert '    ; reason:said "a\\b"%3B a%3A b%2C %5B2020-01-01%5D 2026-01-01 * and more' in tagged
    for line in tagged:
        assert not re.search("[,:\\[\\]]", line.partition("reason:")[2])
        assert unquote(line.partition("reason:")[2])
    assert '  reason: "said \\"a\\\\b\\"; a: b, [2020-01-01] 2026-01-01 * and more"' in written(conn, "beancount")


@pytest.mark.parametrize("form", FORMS)
def test_a_balance_sheet_of_all_books_counts_coins_once(conn: psycopg.Connection, form: str) -> None:
    """Each client's book has one root, under which it adds up to nothing; assets and liabilities are the treasury's."""
    held: dict[tuple[str, str], int] = defaultdict(int)
    for name, amount, currency in re.findall(
        r"^    ([A-Z]\S+)  (-?\d+\.\d{6}) (\w+)$", written(conn, form), re.MULTILINE
    ):
        root = name.split(":")[0] if not name.startswith("Equity:Client-") else ":".join(name.split(":")[:2])
        held[root, currency] += int(amount.replace(".", ""))
    assert {root for root, _ in held} >= {"Assets", "Liabilities", f"Equity:Client-{ALICE}", f"Equity:Client-{BOB}"}
    assert all(amount == 0 for (root, _), amount in held.items() if root.startswith("Equity:Client-"))
    treasury: dict[tuple[str, str], int] = defaultdict(int)
    for name, amount, currency in re.findall(
        r"^    ([A-Z]\S+)  (-?\d+\.\d{6}) (\w+)$", written(conn, form, "the treasury"), re.MULTILINE
    ):
        treasury[name.split(":")[0], currency] += int(amount.replace(".", ""))
    for currency in ("USDT", "TRX"):
        assert held["Assets", currency] == treasury["Assets", currency] != 0


@pytest.mark.parametrize("form", FORMS)
def test_accounts_carry_the_companys_name(conn: psycopg.Connection, store: PostgresEventStore, form: str) -> None:
    """Beside the id, in a client's own journal and in that of all books; a change of name is noted with its day."""
    for wish in ("everything", "a client"):
        text = written(conn, form, wish)
        assert re.search(rf"book: ?\"?{ALICE}\"?(, name:|\n  name: \")Alice", text)
    execute(Ledger(store, SlowClock()), ChangeAccount(ALICE, ACTOR, name="Ali, b: c"))
    text = written(conn, form, "a client")
    assert re.search(rf"; \d{{4}}-\d\d-\d\d: the account {ALICE} is called Ali, b: c\n", text)
