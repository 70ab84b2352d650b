"""`counterfoil backup` and `restore`: a copy holds, or what is wrong with it is named; and it goes into an empty place only."""

import shutil
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from core.ledger.ledger import Ledger
from core.proofs.backups import MANIFEST, Manifest, unescaped
from core.streams.restores import BackupTaken
from gateways.cli.console import Output
from gateways.cli.recovery.backup import check, check_history, take
from gateways.cli.recovery.restore import restore
from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.copies.tables import LEFT_OUT, copied_tables
from gateways.postgres.event_store import PostgresEventStore
from gateways.postgres.server import EmbeddedPostgres
from gateways.settings import Settings, load
from gateways.user_error import UserError
from gateways.wiring.notes import open_signer
from projections.audit.reconcile import reconcile
from signers.keys.keystore import DEPOSIT_SEED, GAS, HOT, Keystore, KeystoreUnusable
from tests.support.history import append_history
from tests.support.postgres import Database, fresh_database

SEED = bytes(range(64))


class Made(NamedTuple):
    """An installation with the canonical history, and a backup of it."""

    settings: Settings
    folder: Path
    key: str


@pytest.fixture
def made(database: Database, ledger: Ledger, store: PostgresEventStore, tmp_path: Path) -> Made:
    append_history(ledger)
    settings = load({}, database_url=database.owner_url, data=tmp_path / "first")
    kept = load_or_create(settings.data / "secrets.json")
    Keystore.create(
        settings.keystore_path, kept.keystore_passphrase, {HOT: SEED[:32], GAS: SEED[1:33], DEPOSIT_SEED: SEED}
    )
    key = str(open_signer(settings, "checkpoints").key)
    take(settings, tmp_path / "backup", Output(as_json=True))
    return Made(settings, tmp_path / "backup", key)


def test_a_backup_holds_and_is_noted(made: Made, store: PostgresEventStore) -> None:
    """Its files are whole, its events sealed, the key has signed it; and the history says that it was taken."""
    manifest, wrong = check(made.folder, made.key)
    assert wrong == []
    taken = [it.event for it in store.read(manifest.position, 10) if isinstance(it.event, BackupTaken)]
    assert [it.position for it in taken] == [manifest.position]


@pytest.mark.parametrize("name", ["tables/events.copy", "tables/addresses.copy", "keys/keystore.json"])
def test_a_changed_file_is_named(made: Made, name: str) -> None:
    """One byte is enough; so is a file that is gone, or one more."""
    path = made.folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    assert check(made.folder, made.key)[1] == [f"{name} is not what was backed up"]
    path.unlink()
    assert check(made.folder, made.key)[1] == [f"{name} is missing"]
    (made.folder / "tables" / "strange.copy").write_bytes(b"")
    assert "tables/strange.copy is no part of the backup" in check(made.folder, made.key)[1]


def test_a_changed_manifest_is_signed_by_nobody(made: Made) -> None:
    """Who changes the manifest to fit a changed file has no key for it."""
    path = made.folder / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"solid_block": ', b'"solid_block": 1'))
    assert any("of another backup.json" in it for it in check(made.folder, made.key)[1])


def test_an_event_that_is_not_sealed_is_found(made: Made) -> None:
    """Even where every digest fits: the seals are computed anew."""
    manifest = Manifest.decode((made.folder / MANIFEST).read_bytes())
    events = made.folder / "tables" / "events.copy"
    events.write_bytes(events.read_bytes().replace(b"Alice", b"Alike", 1))
    assert check_history(made.folder, manifest) != []


def test_a_restored_backup_is_the_history_with_its_guard_and_views(
    made: Made, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Events, seals, guard and views are as reconcile wants them; it says that it was restored, and nothing is signed."""
    with fresh_database(postgres) as empty:
        again = load({}, database_url=empty.owner_url, data=tmp_path / "second")
        restore(again, made.folder, "the machine burnt down", None, made.key, Output(as_json=True))
        with psycopg.connect(empty.reader_url, autocommit=True) as conn:
            assert [it.name for it in reconcile(conn).checks if not it.ok] == []
            topics = [
                topic for (topic,) in conn.execute("SELECT topic FROM events ORDER BY notification_id DESC LIMIT 2")
            ]
            assert topics == ["signing.stopped/2", "store.restored/1"]
            ready = "SELECT count(*) FILTER (WHERE state = 'ready'), count(*) FROM addresses WHERE wallet = 'payin'"
            assert conn.execute(ready).fetchone() == (0, 10_000 + again.address_pool)
        with pytest.raises(UserError, match="not empty"):
            restore(again, made.folder, "again", None, None, Output(as_json=True))


def test_a_damaged_backup_is_not_restored(made: Made, tmp_path: Path) -> None:
    """Nothing is written where it would go."""
    shutil.rmtree(made.folder / "keys")
    again = load({}, database_url=made.settings.database_url.get_secret_value(), data=tmp_path / "second")
    with pytest.raises(UserError, match="is missing"):
        restore(again, made.folder, "the machine burnt down", None, None, Output(as_json=True))
    assert not again.data.exists()


def test_keys_that_stay_shut_are_not_restored(made: Made, tmp_path: Path) -> None:
    """Away from the devnet the passphrase is the operator's own: without it nothing is written."""
    url = made.settings.database_url.get_secret_value()
    again = load(
        {},
        database_url=url,
        data=tmp_path / "second",
        network="nile",
        keystore_passphrase="wrong",
        tron_node_url="http://node",
    )
    with pytest.raises(KeystoreUnusable):
        restore(again, made.folder, "the machine burnt down", None, None, Output(as_json=True))
    assert not again.data.exists()


def test_a_history_is_never_written_over(made: Made, tmp_path: Path) -> None:
    """A database that holds one takes no other."""
    again = load({}, database_url=made.settings.database_url.get_secret_value(), data=tmp_path / "second")
    with pytest.raises(UserError, match="holds a history already"):
        restore(again, made.folder, "the machine burnt down", None, None, Output(as_json=True))


def test_what_is_left_out_exists(database: Database) -> None:
    """No name stands there for a table that is gone; and nothing that is copied is a view's."""
    with psycopg.connect(database.owner_url) as conn:
        named = {name for (name,) in conn.execute("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')")}
        views = {name for (name,) in conn.execute("SELECT table_name FROM view_tables")}
        copied = {table.name for table in copied_tables(conn)}
    assert named >= LEFT_OUT
    assert copied & (views | LEFT_OUT) == set()
    assert copied >= {"events", "seals", "addresses", "api_keys", "chain_cursors", "outstanding_reports", "checkpoints"}


@pytest.mark.parametrize(
    ("field", "stored"), [(b"a\\nb", b"a\nb"), (b"\\\\x00", b"\\x00"), (b"\\t\\\\", b"\t\\"), (b"a", b"a")]
)
def test_copys_escapes_are_read_back(field: bytes, stored: bytes) -> None:
    """As Postgres wrote them."""
    assert unescaped(field) == stored
