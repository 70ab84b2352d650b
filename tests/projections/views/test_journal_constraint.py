"""The database itself refuses an entry whose debits are not its credits (I1)."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from core.ledger.ledger import Ledger
from gateways.postgres.event_store import PostgresEventStore
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from tests.support.history import ALICE, append_history
from tests.support.postgres import Database
from tests.support.views import project

ENTRY = (
    "INSERT INTO journal_entries (id, account_id, event_type, topic, created_at, position)"
    " VALUES (%s, %s, 'adjustment', 'adjustment.posted/1', now(), 1000000)"
)
POSTING = (
    "INSERT INTO postings (id, journal_entry_id, ledger_account_id, code, currency, amount_minor, side, line, created_at,"
    " position, balance_minor) VALUES (%s, %s, %s, 'X', %s, %s, %s, 1, now(), 1000000, 0)"
)


@pytest.fixture
def conn(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking
) -> Iterator[psycopg.Connection]:
    """The projector's connection to a journal that holds the history."""
    append_history(ledger)
    project(store, tracking, [VIEWS["journal"]])
    with psycopg.connect(database.projector_url) as opened:
        yield opened


def _post(conn: psycopg.Connection, entry: UUID, currency: str, amount_minor: int, side: str) -> None:
    conn.execute(POSTING, (uuid4(), entry, uuid4(), currency, amount_minor, side))


@pytest.mark.parametrize(
    "lines",
    [
        [("USDT", 5, "debit")],
        [("USDT", 5, "debit"), ("USDT", 4, "credit")],
        [("USDT", 5, "debit"), ("TRX", 5, "credit")],
        [("USDT", 5, "debit"), ("USDT", 5, "credit"), ("TRX", 1, "credit")],
    ],
)
def test_unbalanced_entry_is_refused(conn: psycopg.Connection, lines: list[tuple[str, int, str]]) -> None:
    """An entry that does not balance in every currency cannot be committed."""
    entry = uuid4()
    conn.execute(ENTRY, (entry, ALICE))
    for line in lines:
        _post(conn, entry, *line)
    with pytest.raises(psycopg.errors.CheckViolation, match=f"journal entry {entry} is off by"):
        conn.commit()


def test_balanced_entry_line_by_line(conn: psycopg.Connection) -> None:
    """An entry may be unbalanced between statements: only the commit proves it."""
    entry = uuid4()
    conn.execute(ENTRY, (entry, ALICE))
    _post(conn, entry, "USDT", 7, "debit")
    _post(conn, entry, "USDT", 3, "credit")
    _post(conn, entry, "USDT", 4, "credit")
    conn.commit()
    assert conn.execute("SELECT count(*) FROM postings WHERE journal_entry_id = %s", (entry,)).fetchone() == (3,)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE postings SET amount_minor = amount_minor + 1 WHERE line = 1 AND position = 24",
        "UPDATE postings SET side = 'credit' WHERE line = 1 AND position = 24",
        "UPDATE postings SET currency = 'TRX' WHERE line = 1 AND position = 24",
        "DELETE FROM postings WHERE line = 1 AND position = 24",
        "UPDATE postings SET journal_entry_id = (SELECT id FROM journal_entries WHERE position = 27) WHERE line = 2"
        " AND position = 24",
    ],
)
def test_a_balanced_entry_stays_balanced(conn: psycopg.Connection, change: str) -> None:
    """No later statement can take an entry out of balance."""
    assert conn.execute(change).rowcount > 0
    with pytest.raises(psycopg.errors.CheckViolation, match="debits must equal credits"):
        conn.commit()


def test_nothing_is_left_to_prove(database: Database, conn: psycopg.Connection) -> None:
    """After a commit no entry waits for its proof."""
    conn.execute("UPDATE postings SET code = code WHERE position = 24")
    conn.commit()
    with psycopg.connect(database.owner_url) as owner:
        assert owner.execute("SELECT count(*) FROM unproven_entries").fetchone() == (0,)
