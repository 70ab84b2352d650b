"""Who did what: acts at the command line and of processes, each once in the audit log."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from core.ledger.ledger import Ledger
from core.ports.clients import AuditEntry, AuditLog
from core.ports.unavailable import Unavailable
from core.ports.wallets import ReadyAddress
from core.streams.treasury import RegisterWallet
from gateways.cli import rebuild, service
from gateways.cli.acts import terminal_ip
from gateways.cli.audit.history import regrow_tree
from gateways.cli.console import Output
from gateways.cli.queue import redrive
from gateways.postgres.roles import API, LOGINS, SIGNER
from gateways.settings import Settings, load
from gateways.wiring.audited import ActLog, AuditedLedger, audited, run_noted
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import Platform
from tests.support.history import append_history
from tests.support.postgres import Database


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    return load({}, database_url=database.owner_url, data=tmp_path)


@pytest.fixture
def platform(settings: Settings) -> Iterator[Platform]:
    with open_platform(settings, SIGNER) as opened:
        yield opened


def entries(settings: Settings) -> list[AuditEntry]:
    """The oldest first."""
    with open_platform(settings, API) as platform:
        return [entry for _, entry in reversed(platform.audit.page(None, None, 100))]


COMMANDS: list[tuple[str, Callable[[Settings, Output], object]]] = [
    ("queue.redriven", lambda settings, out: redrive(settings, "deposit-events", (), out)),
    ("history-tree.regrown", regrow_tree),
    (
        "projection.rebuild",
        lambda settings, out: rebuild.rebuild_views(settings, ["wallets"], out, workers=1, hold=False),
    ),
    (
        "projection.scratch",
        lambda settings, out: rebuild.scratch(settings, ["wallets"], "a_look", None, None, out),
    ),
]


@pytest.mark.parametrize(("action", "command"), COMMANDS, ids=[action for action, _ in COMMANDS])
def test_an_operators_command_leaves_an_entry(
    action: str,
    command: Callable[[Settings, Output], object],
    settings: Settings,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With who it was, from where, and an id of its own."""
    append_history(ledger)
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.7 50000 10.0.0.1 22")
    command(settings, Output(stream=io.StringIO()))
    [entry] = [each for each in entries(settings) if each.action == action]
    assert entry.actor_type == "operator"
    assert entry.actor_id.startswith("operator:")
    assert entry.ip_address == "203.0.113.7"
    assert entry.request_id


def test_a_terminal_without_ssh_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else's address is claimed."""
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert terminal_ip() == "127.0.0.1"


def test_a_migration_that_changes_nothing_leaves_no_entry(settings: Settings) -> None:
    """The database of a test is up to date."""
    assert service.migrate_database(settings) == ([], {})
    assert entries(settings) == []


@pytest.mark.parametrize("role", LOGINS)
def test_every_process_may_note_its_run(role: str, settings: Settings) -> None:
    """Its start and its end, by the name of the process, whatever it logs in as."""
    if role == "counterfoil_reader":
        pytest.skip("no process logs in as the reader alone")
    with open_platform(settings, role) as platform, run_noted(platform, "some-process"):
        pass
    assert [(each.action, each.actor_id, each.actor_type) for each in entries(settings)] == [
        ("process.started", "system:some-process", "system"),
        ("process.ended", "system:some-process", "system"),
    ]


def test_the_end_of_a_run_tells_the_defect(platform: Platform, settings: Settings) -> None:
    """Its kind, and not what it says: that stands in the log."""
    with pytest.raises(ZeroDivisionError), run_noted(platform, "payouts"):
        _ = 1 // 0
    assert entries(settings)[-1].data["error"] == "ZeroDivisionError"


def test_what_a_process_decides_and_makes_is_noted(platform: Platform, settings: Settings) -> None:
    """An event of the signer's by its topic and position; new addresses by their number; nothing for a repetition."""
    acting = audited(platform, "addresses")
    wish = RegisterWallet(
        role="hot", address="TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7", key_id="keystore:hot", actor="system:addresses"
    )
    for _ in range(2):
        acting.ledger.execute([wish])
    acting.pool.add([ReadyAddress("TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7", "41" + "00" * 20, "seed/0")])
    wallet, addresses = entries(settings)
    assert (wallet.action, wallet.actor_id, wallet.data["position"]) == (
        "wallet.registered",
        "system:addresses",
        1,
    )
    assert (addresses.action, addresses.data["addresses"]) == ("deposit-addresses.made", 1)
    assert wallet.ip_address
    assert wallet.request_id != addresses.request_id


class ShutLog:
    """An audit log that can be shut."""

    def __init__(self) -> None:
        self.shut = True
        self.taken: list[AuditEntry] = []

    def add(self, entries: Sequence[AuditEntry]) -> None:
        if self.shut:
            raise Unavailable("the audit log is shut")
        self.taken += entries


@pytest.mark.fast
def test_entries_wait_while_the_log_is_shut() -> None:
    """What was done goes on; its entries go in before the next ones, in order, once."""
    log = ShutLog()
    acts = ActLog(cast("AuditLog", log), "sweeps", "10.0.0.1")
    acts.note([("operator", "one", {})])
    acts.note([("operator", "two", {})])
    log.shut = False
    acts.note([("operator", "three", {})])
    acts.note([("operator", "four", {})])
    assert [each.action for each in log.taken] == ["one", "two", "three", "four"]


@pytest.mark.fast
def test_an_entry_that_the_log_refuses_ends_nothing() -> None:
    """The act is done: its process goes on, and the other entries are kept."""

    class Picky(ShutLog):
        def add(self, entries: Sequence[AuditEntry]) -> None:
            if any(each.action == "two" for each in entries):
                raise ValueError("an item of more than 400 KB")
            super().add(entries)

    log = Picky()
    acts = ActLog(cast("AuditLog", log), "sweeps", "10.0.0.1")
    acts.note([("operator", "one", {}), ("operator", "two", {}), ("operator", "three", {})])
    log.shut = False
    acts.note([("operator", "four", {})])
    assert [each.action for each in log.taken] == ["one", "three", "four"]


@pytest.mark.fast
def test_a_refusal_is_no_act() -> None:
    """Only what was appended is noted."""

    class Nothing:
        def execute(self, commands: Sequence[Any]) -> list[Any]:
            return []

    log = ShutLog()
    AuditedLedger(cast("Ledger", Nothing()), ActLog(cast("AuditLog", log), "sweeps", "10.0.0.1")).execute([])
    assert log.taken == []
