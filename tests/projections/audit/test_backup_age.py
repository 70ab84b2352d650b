"""An installation whose newest backup is too old rings, until there is a newer one."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from core.ledger.ledger import Ledger
from core.streams.restores import RecordBackup
from gateways.postgres.connections import Connections
from gateways.postgres.roles import CHECKPOINTER
from projections.audit.backup_age import BackupAge
from tests.support.history import ACTOR, ALICE, execute, register
from tests.support.postgres import Database


@pytest.mark.parametrize("backed_up", [False, True])
def test_an_old_backup_rings_until_there_is_a_newer_one(database: Database, ledger: Ledger, backed_up: bool) -> None:
    """Counted from the newest backup, or from the first event where there is none."""
    execute(ledger, register(ALICE, "Alice Ltd"))
    if backed_up:
        execute(ledger, RecordBackup(1, "ab" * 32, "/mnt/backups", ACTOR))
    with psycopg.connect(database.reader_url) as conn:
        [(since,)] = conn.execute("SELECT max(occurred_at) FROM history")
    now: list[datetime] = [since.astimezone(UTC) + timedelta(hours=25)]
    rung: list[str] = []
    login = Connections(database.role_urls[CHECKPOINTER], connections_max=1)
    try:
        age = BackupAge(login.transaction, lambda: now[0], timedelta(hours=26), alarm=lambda name, _: rung.append(name))
        assert age.step() is False
        assert rung == []
        for hours in (2, 0, 1):
            now[0] += timedelta(hours=hours)
            age.step()
            assert rung == ["backup_old"]
        execute(ledger, RecordBackup(2, "cd" * 32, "/mnt/backups", ACTOR))
        with psycopg.connect(database.reader_url) as conn:
            [(taken_at,)] = conn.execute("SELECT max(occurred_at) FROM history")
        for hours, times in ((1, 1), (27, 2)):
            now[0], age._next = taken_at.astimezone(UTC) + timedelta(hours=hours), None
            age.step()
            assert rung == ["backup_old"] * times
    finally:
        login.close()
