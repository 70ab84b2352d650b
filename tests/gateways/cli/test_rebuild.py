"""`counterfoil rebuild`: every view from its events, in processes of its own, told line by line; and looks into the past."""

import io
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from core.ledger import books
from core.ledger.journal import ledger_account_id
from core.ledger.ledger import Ledger
from gateways.cli import rebuild as command
from gateways.cli.console import Output
from gateways.cli.desk.schemas import drop, show_schemas
from gateways.postgres.event_store import PostgresEventStore
from gateways.settings import Settings
from gateways.user_error import UserError
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from tests.support.history import ALICE, BOB, USDT, append_history, execute, fund
from tests.support.postgres import Database
from tests.support.rebuilding import BY, connect, differing, rows, wish
from tests.support.views import live_rows, project

ALL = list(VIEWS.values())


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, database_url=SecretStr(database.owner_url))


@pytest.fixture
def console() -> Output:
    """Both streams in one, as a terminal has them."""
    both = io.StringIO()
    return Output(stream=both, notes=both)


@pytest.fixture
def head(ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking) -> int:
    last = append_history(ledger)
    project(store, tracking)
    return last


def said(console: Output) -> str:
    assert isinstance(console._stream, io.StringIO)
    return console._stream.getvalue()


def test_all_views_by_two_workers(
    head: int, settings: Settings, console: Output, database: Database, tracking: ViewTracking
) -> None:
    """Every view is rebuilt and serves; each state is a line, and each view's verdict a sentence."""
    before = live_rows(tracking)
    assert command.rebuild_views(settings, [], console, workers=2, hold=False)
    found = rows(database, ALL)
    assert {row.state for row in found.values()} == {"done"}
    assert all(row.requested_by.startswith("operator:") for row in found.values())
    assert live_rows(tracking) == before
    lines = said(console).splitlines()
    for view in VIEWS:
        assert any(line.startswith(f"{view}: done") for line in lines)
        assert any(line.startswith(f"{view}: ") and "serves; the same rows as before" in line for line in lines)


def test_a_difference_is_told_and_held(
    head: int, settings: Settings, console: Output, database: Database, tracking: ViewTracking
) -> None:
    """With --hold the operator reads what would change, and then lets it serve."""
    with connect(database) as conn:
        conn.execute("UPDATE balances SET amount_minor = 1 WHERE code = 'Suspense'")
    assert command.rebuild_views(settings, ["balances"], console, workers=1, hold=True)
    assert "waits for `--resume`; balances: 1 changed" in said(console)
    assert rows(database, ALL)["balances"].state == "verified"
    command.steer(settings, "balances", "go", console)
    assert command.rebuild_views(settings, ["balances"], console, workers=1, hold=False)
    row = rows(database, ALL)["balances"]
    assert (row.state, differing(row)["balances"]["changed"]) == ("done", 1)
    command.roll_back(settings, "balances", console)
    assert "the version that served before serves again" in said(console)
    with connect(database) as conn:
        assert conn.execute("SELECT amount_minor FROM balances WHERE code = 'Suspense'").fetchone() == (1,)


def test_an_interrupted_rebuild_is_gone_on_with(
    head: int, settings: Settings, console: Output, database: Database
) -> None:
    """The same command again takes up what was paused."""
    wish(database, [VIEWS["payouts"]])
    command.steer(settings, "payouts", "pause", console)
    assert rows(database, ALL)["payouts"].wish == "pause"
    assert command.rebuild_views(settings, ["payouts"], console, workers=1, hold=False)
    row = rows(database, ALL)["payouts"]
    assert (row.state, row.requested_by) == ("done", BY)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda s, c: command.rebuild_views(s, ["nothing"], c, workers=1, hold=False), "there is no view nothing"),
        (lambda s, c: command.steer(s, "balances", "pause", c), "no rebuild of balances goes on"),
        (lambda s, c: command.roll_back(s, "balances", c), "there is no version of balances to go back to"),
        (lambda s, c: command.scratch(s, [], "public", None, None, c), "can be no new schema"),
        (lambda s, c: command.scratch(s, [], "x; drop", None, None, c), "can be no new schema"),
        (lambda s, c: command.scratch(s, [], "look", 10**9, None, c), "the history has the positions 1 to"),
        (lambda s, c: command.scratch(s, [], "look", None, "bob", c), "is no account's id"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(head: int, settings: Settings, console: Output, call, sentence) -> None:  # type: ignore[no-untyped-def]
    """Every refusal says what is wrong."""
    with pytest.raises(UserError, match=sentence):
        call(settings, console)


def test_the_views_as_they_were(
    ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, settings: Settings, console: Output, head: int
) -> None:
    """A schema holds every view at an earlier position, byte for byte, with its indexes; what serves stays as it is."""
    then = live_rows(tracking)
    for number in range(5):
        execute(ledger, fund(ALICE, USDT, f"later {number}"))
    project(store, tracking)
    now = live_rows(tracking)
    command.scratch(settings, [], "look", head, None, console)
    assert f"look.balances: {len(then['balances'])} rows at position {head}" in said(console)
    with psycopg.connect(settings.database_url.get_secret_value()) as conn:
        conn.execute("SET search_path = look")
        assert {
            table.name: sorted(row[0] for row in conn.execute(f"SELECT t::text FROM {table} t"))
            for view in ALL
            for table in view.tables
        } == then
        indexes = conn.execute("SELECT schemaname, count(*) FROM pg_indexes GROUP BY 1").fetchall()
    assert dict(indexes)["look"] > 20
    assert live_rows(tracking) == now
    with pytest.raises(UserError, match="is there already"):
        command.scratch(settings, [], "look", head, None, console)
    show_schemas(settings, console)
    assert f"look {head}" in " ".join(said(console).split())
    drop(settings, "look", console)
    for name in ("look", "public", "retired"):
        with pytest.raises(UserError, match="is no schema that"):
            drop(settings, name, console)
    assert live_rows(tracking) == now


def test_one_accounts_rows(
    head: int, settings: Settings, console: Output, database: Database, tracking: ViewTracking
) -> None:
    """For one account the schema holds exactly its own rows, as the serving views have them (I12)."""
    command.scratch(settings, [], "alice", None, ALICE, console)
    own = {
        "accounts": f"id = '{ALICE}'",
        "ledger_accounts": f"account_id = '{ALICE}'",
        "balances": f"account_id = '{ALICE}'",
        "observed_transactions": f"account_id = '{ALICE}'",
        "journal_entries": f"account_id = '{ALICE}'",
        "postings": f"journal_entry_id IN (SELECT id FROM public.journal_entries WHERE account_id = '{ALICE}')",
        "client_events": f"account_id = '{ALICE}'",
        "payout_requests": f"account_id = '{ALICE}'",
        "payin_addresses": f"account_id = '{ALICE}'",
    }
    with psycopg.connect(database.owner_url) as conn:
        for table, condition in own.items():
            mine = conn.execute(f"SELECT t::text FROM alice.{table} t ORDER BY 1").fetchall()
            serving = conn.execute(f"SELECT t::text FROM public.{table} t WHERE {condition} ORDER BY 1").fetchall()
            assert mine == serving != [], table
        bobs = ledger_account_id(BOB, books.USER_LIABILITY)
        left = conn.execute(
            "SELECT count(*) FROM alice.running_balances WHERE ledger_account_id = %s", (bobs,)
        ).fetchone()
    assert left == (0,)
