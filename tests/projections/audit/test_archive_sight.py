"""A store beside the archive of its checkpoints: the newest, one that was rolled back, one that has gone on apart (I16)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.ledger.ledger import Ledger
from core.ports.high_water import Sight
from gateways.embedded.checkpoint_archive import FolderArchive
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import SIGNER
from gateways.postgres.server import EmbeddedPostgres
from projections.audit.archive_sight import EVERY, StoreBesideArchive
from tests.support.checkpoints import Desk
from tests.support.history import ALICE, BOB, TickingClock, execute, register
from tests.support.postgres import Database, fresh_database

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def look(database: Database, archive: FolderArchive) -> Sight:
    """As a signer's login sees it, which may read no more of a checkpoint than its note."""
    login = Connections(database.role_urls[SIGNER], connections_max=1)
    try:
        return StoreBesideArchive(login.transaction, archive, lambda: NOW).look()
    finally:
        login.close()


@pytest.fixture
def desk(database: Database, ledger: Ledger, tmp_path: Path) -> Iterator[Desk]:
    """Two checkpoints, in the store and in the archive."""
    made = Desk(database, tmp_path / "archive")
    for account_id in (ALICE, BOB):
        execute(ledger, register(account_id, account_id))
        made.sign_now()
    yield made
    made.login.close()


def test_the_newest_store_agrees_also_while_a_checkpoint_is_on_its_way(
    database: Database, ledger: Ledger, desk: Desk, tmp_path: Path
) -> None:
    """What the archive does not have yet says nothing; an empty archive has no checkpoint."""
    assert look(database, desk.archive) == Sight(True)
    assert look(database, FolderArchive(tmp_path / "empty")) == Sight(False)
    put, desk.archive.put = desk.archive.put, lambda number, content: None  # type: ignore[method-assign]
    execute(ledger, register("carol", "Carol"))
    desk.sign_now()
    assert look(database, desk.archive) == Sight(True)
    desk.archive.put = put  # type: ignore[method-assign]


def test_a_store_that_lacks_an_archived_checkpoint_is_older(
    desk: Desk, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """It was restored to before that; the position which the checkpoint covers is told."""
    with fresh_database(postgres) as old:
        seen = look(old, desk.archive)
    assert (seen.doubt, seen.seen) == ("archive_ahead", 4)
    assert "checkpoint 1" in seen.sentence


def test_a_store_that_went_on_apart_has_another_checkpoint(
    desk: Desk, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Under the same number, whatever else they share; what is no checkpoint at all is not this store's either."""
    with fresh_database(postgres) as twin:
        store = PostgresEventStore(datastore(twin.writer_url))
        its = Desk(twin, tmp_path / "its own")
        for account_id in (ALICE, "eve"):
            execute(Ledger(store, TickingClock()), register(account_id, account_id))
            its.sign_now()
        seen = look(twin, desk.archive)
        assert (seen.doubt, seen.seen) == ("archive_differs", 8)
        assert look(twin, its.archive) == Sight(True)
        path = tmp_path / "its own" / "0000" / "00000002.json"
        path.chmod(0o644)
        path.write_bytes(b"{}")
        assert (look(twin, its.archive).doubt, look(twin, its.archive).seen) == ("archive_differs", 0)
        its.login.close()
        store.close()


def test_a_look_counts_for_a_second(database: Database, desk: Desk) -> None:
    """Each asks the archive, and checkpoints come once a minute."""
    login, now = Connections(database.role_urls[SIGNER], connections_max=1), [NOW]
    beside = StoreBesideArchive(login.transaction, desk.archive, lambda: now[0])
    assert beside.look().doubt is None
    desk.archive.put(3, b"another's")
    now[0] = NOW + EVERY / 2
    assert beside.look().doubt is None
    now[0] = NOW + EVERY
    assert beside.look().doubt == "archive_ahead"
    login.close()
