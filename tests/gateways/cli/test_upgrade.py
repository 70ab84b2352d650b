"""`counterfoil upgrade`: what a new version brings, who runs in which, and the step without a way back (I22)."""

import io
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from core.ledger.events import newest_level
from core.ledger.ledger import Ledger
from gateways.cli import upgrade
from gateways.cli.upgrade import finish_upgrade, standing_of
from gateways.postgres.migrate import Migration, migrations
from gateways.settings import Settings
from gateways.user_error import NotReady
from tests.support.history import append_history
from tests.support.postgres import Database


@pytest.fixture
def settings(database: Database, ledger: Ledger, tmp_path: Path) -> Settings:
    """An installation of the version before: it has a history, at the first format level."""
    append_history(ledger)
    execute(database, "UPDATE format_levels SET level = 1")
    return Settings(data=tmp_path, database_url=SecretStr(database.owner_url))


def execute(database: Database, statement: Any, values: tuple[Any, ...] = ()) -> list[Any]:
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        found = conn.execute(statement, values)
        return found.fetchall() if found.description else []


def seen(database: Database, level: int, minutes: int, process: str = "relay") -> None:
    """A process that was seen so long ago, and reads up to a level."""
    execute(
        database,
        "INSERT INTO processes (process, instance, version, migration, format_level, seen_at)"
        " VALUES (%s, 'here:1', '0.0.9', 150, %s, now() - make_interval(mins => %s))",
        (process, level, minutes),
    )


def test_it_is_one_event_done_once(database: Database, settings: Settings) -> None:
    """The level is raised by one event of the stream formats, under whose position it is noted; again changes nothing."""
    assert finish_upgrade(settings) is True
    assert finish_upgrade(settings) is False
    [(stream, topic, position, state)] = execute(
        database,
        "SELECT originator_id, topic, notification_id, state FROM events WHERE originator_id = 'formats'",
    )
    assert (stream, topic) == ("formats", "format.raised/1")
    assert json.loads(state)["level"] == newest_level()
    assert execute(database, "SELECT level, since FROM format_levels ORDER BY level") == [
        (1, 0),
        (newest_level(), position),
    ]
    assert execute(database, "SELECT action FROM audit_logs") == [("upgrade.finished",)]


def test_an_older_process_within_the_hour_holds_it_up(database: Database, settings: Settings) -> None:
    """Named with where it runs and when it was seen; an hour later, or with one of this version there, nothing holds it up."""
    seen(database, 1, 59)
    with pytest.raises(NotReady, match=r"relay 0\.0\.9 on here:1 reads up to format level 1, and was seen 59 min ago"):
        finish_upgrade(settings)
    execute(database, "UPDATE processes SET seen_at = now() - interval '61 minutes'")
    seen(database, newest_level(), 0, "project")
    assert finish_upgrade(settings) is True


def test_a_program_that_says_nothing_of_itself_holds_it_up(database: Database, settings: Settings) -> None:
    """One of before there were format levels is known by its login's connection, which has no name of ours."""
    with psycopg.connect(database.role_urls["counterfoil_relay"]) as conn:
        conn.execute("SELECT 1")
        with pytest.raises(NotReady, match="before there were format levels is connected as counterfoil_relay"):
            finish_upgrade(settings)
    with psycopg.connect(f"{database.role_urls['counterfoil_relay']} application_name=counterfoil/0.1.0") as conn:
        conn.execute("SELECT 1")
        with psycopg.connect(database.owner_url) as looking:
            assert standing_of(looking).holds_up == []


def said(command: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch, *, as_json: bool = False) -> str:
    """What a command prints for these settings."""
    out = io.StringIO()
    monkeypatch.setattr(upgrade, "settings_with", lambda **_: settings)
    monkeypatch.setattr("sys.stdout", out)
    command(json=as_json)
    return out.getvalue()


def test_the_status_shows_processes_by_version_and_what_holds_it_up(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was seen within the hour, with what it reads, and one sentence that says what is next."""
    seen(database, 1, 5)
    seen(database, newest_level(), 0, "project")
    shown = said(upgrade.status, settings, monkeypatch)
    assert [line.split()[:2] for line in shown.splitlines()[1:3]] == [["project", "0.0.9"], ["relay", "0.0.9"]]
    assert "until it is finished the older version can come back" in shown
    assert "relay 0.0.9 on here:1 reads up to format level 1" in shown
    facts = json.loads(said(upgrade.status, settings, monkeypatch, as_json=True))
    assert (facts["format_level"], facts["newest_format_level"], len(facts["holds_up"])) == (1, newest_level(), 1)
    execute(database, "DELETE FROM processes")
    assert "`counterfoil upgrade finish` raises it" in said(upgrade.status, settings, monkeypatch)


def test_the_plan_says_what_is_migrated_what_it_holds_up_and_who_can_run_beside(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By migration: the tables that are there with their rows, about how long that takes, and which programs go on."""
    text = "-- compatible_from: 0164\nALTER TABLE events ADD COLUMN note text;\nCREATE TABLE new_one (id int);\n"
    later = Migration(9001, "9001_later.sql", text)
    monkeypatch.setattr(upgrade, "migrations", lambda: [*migrations(), later])
    execute(database, "ANALYZE events")
    facts = json.loads(said(upgrade.plan, settings, monkeypatch, as_json=True))
    [planned] = facts["data"]
    assert planned == {
        "migration": "9001_later.sql",
        "locks": {"events": 80},
        "seconds": 0.0,
        "compatible_from": 164,
    }
    shown = said(upgrade.plan, settings, monkeypatch)
    assert "events (80 rows)" in shown
    assert "programs that have 0164" in shown
    assert f"format level 1 now, {newest_level()} in this version" in shown
    assert "counterfoil migrate; one process of each kind; the rest; counterfoil upgrade finish" in shown
