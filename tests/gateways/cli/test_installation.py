"""Which settings a command has beside a running installation, and which database it finds."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateways.cli import installation
from gateways.cli.installation import found_settings, opened_database
from gateways.postgres.migrate import SchemaMismatch
from gateways.processes.running import Running
from gateways.settings import load
from gateways.user_error import NotReady
from tests.support.postgres import Database

NODE = "http://127.0.0.1:18090"
RUNNING = {
    "mode": "embedded",
    "network": "nile",
    "tron_node_url": NODE,
    "tron_api_key": "of-that-node",
    "usdt_contract": "TF54tBijwo4kJRGEdABRwTFohFDeXHYgyg",
    "sweep_threshold": "70",
}


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation runs in every folder."""
    running = Running(1, "2026-11-22T13:00:00Z", "http://127.0.0.1:1", None, RUNNING)
    monkeypatch.setattr(installation, "find", lambda _: running)


def chosen(**given: Any) -> tuple[str, str, str, str]:
    settings, _ = found_settings(**given)
    return settings.network, settings.nodes[0].url, settings.tron_api_key.get_secret_value(), settings.sweep_threshold


@pytest.mark.fast
def test_what_is_not_said_is_as_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network, its nodes and their keys, and what the processes were told about sweeps."""
    assert chosen() == ("nile", NODE, "of-that-node", "70")
    assert found_settings()[1] == RUNNING.keys()


@pytest.mark.fast
def test_the_environment_and_the_command_line_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one; who names other nodes does not send them this one's key."""
    monkeypatch.setenv("COUNTERFOIL_SWEEP_THRESHOLD", "5")
    assert chosen() == ("nile", NODE, "of-that-node", "5")
    assert chosen(sweep_threshold="6") == ("nile", NODE, "of-that-node", "6")
    monkeypatch.setenv("COUNTERFOIL_TRON_NODE_URL", "http://127.0.0.1:7")
    assert chosen() == ("nile", "http://127.0.0.1:7", "", "5")


@pytest.mark.fast
def test_who_names_another_network_gets_no_node_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor its token; the same network by name is this one."""
    monkeypatch.setenv("COUNTERFOIL_NETWORK", "devnet")
    settings, found = found_settings()
    assert (settings.nodes[0].url, settings.usdt_contract, set(found)) == (
        "http://127.0.0.1:8090",
        "",
        {"mode", "sweep_threshold"},
    )
    monkeypatch.setenv("COUNTERFOIL_NETWORK", "nile")
    assert chosen()[:2] == ("nile", NODE)


@pytest.mark.fast
def test_who_names_another_platform_means_another_installation() -> None:
    """Nothing of this one holds there."""
    settings, found = found_settings(mode="aws", aws_region="eu-central-1")
    assert (settings.network, set(found)) == ("devnet", set())


@pytest.mark.fast
def test_no_database_is_made_by_looking(tmp_path: Path) -> None:
    """A folder without one is named, and stays as it is."""
    with pytest.raises(NotReady, match="there is no installation in"), opened_database(load({}, data=tmp_path)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_another_version_is_refused(database: Database, tmp_path: Path) -> None:
    """One that lacks migrations, and one that has more than this program knows."""
    settings = load({}, data=tmp_path, database_url=database.owner_url)
    with opened_database(settings) as opened:
        assert opened.owner_url == database.owner_url
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        last = conn.execute(
            "DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)"
        )
        assert last.rowcount == 1
        with pytest.raises(SchemaMismatch, match="run `counterfoil migrate`"), opened_database(settings):
            pass
        conn.execute("INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, '9999_later.sql', 'x')")
        with pytest.raises(SchemaMismatch, match="is newer than this program"), opened_database(settings):
            pass
