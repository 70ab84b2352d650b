"""An installation whose newest backup is too old rings, once an hour."""

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
def test_an_old_backup_rings_once_an_hour(database: Database, ledger: Ledger, backed_up: bool) -> None:
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
        for hours, times in ((2, 1), (0, 1), (1, 2)):
            now[0] += timedelta(hours=hours)
            age.step()
            assert rung == ["backup_old"] * times
    finally:
        login.close()
