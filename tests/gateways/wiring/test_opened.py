"""The platform on one machine: what may be lost when its server dies, and what not."""

import tempfile
from pathlib import Path

from core.ports.queues import Message
from core.ports.scanning import Cursor
from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.migrate import migrate
from gateways.postgres.roles import OBSERVER, RECORDER
from gateways.queues import DEPOSIT_EVENTS
from gateways.settings import load
from gateways.wiring.opened import open_database, open_platform
from tests.gateways.postgres.test_in_doubt import kill_server


def test_a_cursor_never_outlives_the_report_that_it_has_passed() -> None:
    """Queues do not wait for the disk, cursors do: where a server that was killed has the cursor, it has the report (I9)."""
    with tempfile.TemporaryDirectory(prefix="cf-") as folder:
        Path(folder).chmod(0o755)
        settings = load({}, data=Path(folder) / "data")
        kept = load_or_create(settings.data / "secrets.json")
        database = open_database(settings, kept)
        assert database.server is not None
        try:
            migrate(database.owner_url, kept.role_passwords)
            with open_platform(settings, OBSERVER, database) as platform:
                platform.queues[DEPOSIT_EVENTS].send([Message(body=b"{}", group="a", key="report")])
                platform.cursors.save("observe", Cursor(7, "07" * 32))
                kill_server(database.server)
            database.server.ensure_running()
            with open_platform(settings, RECORDER, database) as platform:
                cursor = platform.cursors.load("observe")
                assert cursor is not None
                assert [each.body for each in platform.queues[DEPOSIT_EVENTS].receive(10)] == [b"{}"]
        finally:
            database.server.stop()
