"""`counterfoil restore`: take up a backup on a new machine. Nothing signs until what the backup lacks is settled."""

import shutil
from pathlib import Path
from typing import Annotated, Any, Final

import psycopg
from cyclopts import App, Parameter, validators
from pydantic import SecretStr

from core.ledger.ledger import state_of
from core.ports.high_water import Mark, MarkCopied
from core.ports.unavailable import Unavailable
from core.proofs.backups import Manifest
from core.proofs.checkpoints import ArchivedCheckpoint, Checkpoint
from core.streams.restores import RestoreStore
from core.streams.store import STORE, Store
from gateways.cli.acts import at_terminal, must_have_reason, note_command
from gateways.cli.console import Data, Json, Output
from gateways.cli.installation import opened_database, settings_with
from gateways.cli.recovery import settle
from gateways.cli.recovery.backup import ARCHIVE, KEY_FILES, KEYS, KEYSTORE, check
from gateways.cli.recovery.writer import changed, writer
from gateways.embedded.checkpoint_archive import FolderArchive
from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.connections import Connections, conninfo_of, with_options
from gateways.postgres.copies.load import load
from gateways.postgres.copies.tables import CopiedTable
from gateways.postgres.database import Database
from gateways.postgres.event_store import PostgresEventStore
from gateways.postgres.migrate import migrate, migrations
from gateways.postgres.roles import OBSERVER, OWNER, PROJECTOR
from gateways.private_file import write_private
from gateways.processes.project import steps as projecting
from gateways.processes.up import alone
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.fences import open_high_water
from gateways.wiring.keys import open_given_indexes, open_keystore
from gateways.wiring.opened import open_platform, visiting
from signers.addresses import DERIVED
from signers.keys.derivation import DEPOSIT_ROOT, deposit_path
from signers.keys.keystore import Keystore, KeystoreUnusable

BEYOND: Final = 10_000
"""Addresses that are derived behind the backup's and its pool, and never given out: some of them may have been."""
_BURN: Final = "UPDATE addresses SET state = 'taken' WHERE state = 'ready'"
_HIGHEST: Final = "SELECT max(substr(key_id, %s)::bigint) FROM addresses WHERE starts_with(key_id, %s)"
_ADD: Final = (
    "INSERT INTO addresses (evm, base58, wallet, key_id, state) SELECT evm, base58, 'payin', key_id, 'taken'"
    " FROM unnest(%s::bytea[], %s::text[], %s::text[]) AS made (evm, base58, key_id) ON CONFLICT DO NOTHING"
)
_SOLID: Final = "SELECT last_block_number FROM chain_cursors WHERE id = 'solid'"


def restore(settings: Settings, folder: Path, reason: str, seen: int | None, key: str | None, out: Output) -> None:
    """A backup into an empty folder and an empty database. Raises UserError before anything is written."""
    reason = must_have_reason(reason, "the history is taken from a copy")
    if settings.mode == "aws":
        raise UserError(
            "on AWS the database is restored by RDS; then `counterfoil restore declare` says so to the program"
        )
    if settings.data.exists() and any(settings.data.iterdir()):
        raise UserError(
            f"{settings.data} is not empty: a backup is restored into a folder of its own, nothing is overwritten"
        )
    manifest, wrong = check(folder, key)
    if wrong:
        raise UserError(f"{folder} is not restored: {'; '.join(wrong[:3])}")
    if manifest.migration not in {migration.name for migration in migrations()}:
        raise UserError(f"the backup was made by {manifest.program}, which is newer: restore it with that version")
    _must_be_archive_of(settings, manifest.position)
    settings = _with_passphrase(settings, folder / KEYS)
    with alone(settings.data):
        _put_files(settings, folder)
        with visiting(settings, load_or_create(settings.data / "secrets.json")) as database:
            migrate(conninfo_of(database.owner_url), database.passwords())
            tables = {part.table: part for part in manifest.parts if part.table}
            with psycopg.connect(conninfo_of(database.owner_url), autocommit=True) as conn:
                copied = [CopiedTable(part.table, part.columns) for part in manifest.parts if part.table]
                load(conn, copied, {name: folder / part.name for name, part in tables.items()})
            burnt = _burn_addresses(settings, database)
            facts = declare_in(settings, database, reason, seen, manifest)
            with open_platform(settings, PROJECTOR, database) as platform:
                [project] = projecting(platform)
                while project():
                    pass
            note_command(settings, "store.restored", database, reason=reason, position=manifest.position)
    out.show(
        {**facts, "burnt_addresses": burnt},
        f"restored to {settings.data}: the history up to position {manifest.position}; nothing is signed. Start it with"
        f" `counterfoil up --data {settings.data}`, then see `counterfoil restore settle --data {settings.data}`",
    )


def declare(settings: Settings, reason: str, seen: int | None, out: Output) -> None:
    """Say of the database that is there that it was taken from a copy, by whatever means."""
    reason = must_have_reason(reason, "the history was taken from a copy")
    with opened_database(settings) as database:
        facts = declare_in(settings, database, reason, seen, None)
        if settings.mode == "embedded":
            facts["burnt_addresses"] = _burn_addresses(_with_passphrase(settings, settings.data), database)
        note_command(settings, "store.restored", database, reason=reason, position=facts["position"])
    archive = ""
    if facts["seen_position"] and settings.mode == "embedded" and _archived(settings) > facts["position"]:
        archive = (
            f"; {settings.checkpoint_archive_path} has checkpoints of what is lost: keep it as evidence, and name a new"
            " folder with COUNTERFOIL_CHECKPOINT_ARCHIVE"
        )
    said = f"signing is stopped until what the copy lacks is settled: `counterfoil restore settle` lists it{archive}"
    out.show(facts, said)


def declare_in(
    settings: Settings, database: Database, reason: str, seen: int | None, manifest: Manifest | None
) -> dict[str, Any]:
    """The event StoreRestored, and with it the stop. `seen`: the last position that is known elsewhere to have been."""
    with psycopg.connect(conninfo_of(database.owner_url)) as conn:
        solid = conn.execute(_SOLID).fetchone()
    with writer(database) as its:
        position = its.store.head()
        known = [position, seen or 0, _archived(settings)]
        command = RestoreStore(
            from_position=position,
            seen_position=max(known) if max(known) > position else None,
            solid_block=manifest.solid_block if manifest else (solid[0] if solid else 0),
            head_ms=_head_ms(settings, database),
            reason=reason,
            actor=at_terminal(),
        )
        fresh = changed(its.do(command))
        _move_mark(settings, its.store)
    return {
        "position": position,
        "seen_position": command.seen_position,
        "solid_block": command.solid_block,
        "declared": fresh,
    }


def _move_mark(settings: Settings, store: PostgresEventStore) -> None:
    """The high-water mark is of this history now: whoever still signs with another one and the same mark is fenced off."""
    known = state_of(store, STORE, Store())
    head = store.last_seal()
    if known.store_id is None or head is None:
        return  # the first signer names it, and makes the mark
    high_water = open_high_water(settings)
    before: Mark | None
    try:
        before = high_water.load()
    except MarkCopied:
        before = None
    high_water.move(before, Mark(known.store_id, head.position, head.hash))


def _must_be_archive_of(settings: Settings, position: int) -> None:
    """Raises UserError where the archive knows of a longer history: its next checkpoints could not grow from there."""
    newest = _archived(settings)
    if newest > position:
        raise UserError(
            f"the archive {settings.checkpoint_archive_path} has a checkpoint over {newest} events, the backup ends at"
            f" {position}: keep it as evidence, name a new folder with COUNTERFOIL_CHECKPOINT_ARCHIVE, and give --seen {newest}"
        )


def _put_files(settings: Settings, folder: Path) -> None:
    """Keys and checkpoints to where the settings say they are; what is there already stays."""
    for name, path in [(KEYSTORE, settings.keystore_path), *((name, settings.data / name) for name in KEY_FILES)]:
        kept = folder / KEYS / name
        if kept.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, kept.read_bytes())
    if (folder / ARCHIVE).exists():
        shutil.copytree(folder / ARCHIVE, settings.checkpoint_archive_path, dirs_exist_ok=True)


def _with_passphrase(settings: Settings, folder: Path) -> Settings:
    """With the passphrase that opens the keystore in the folder: the operator's own, or on the devnet the one made with it.

    Raises KeystoreUnusable: nothing is restored whose keys stay shut.
    """
    path = folder / KEYSTORE if (folder / KEYSTORE).exists() else settings.keystore_path
    try:
        Keystore.open(path, settings.passphrase())
    except KeystoreUnusable:
        if settings.network != "devnet" or not (folder / "secrets.json").exists():
            raise
        kept = load_or_create(folder / "secrets.json").keystore_passphrase
        Keystore.open(path, kept)
        return settings.model_copy(
            update={"keystore_passphrase": SecretStr(kept), "keystore_passphrase_file": Path("")}
        )
    return settings


def _archived(settings: Settings) -> int:
    """The size of the newest checkpoint in the archive: the history was at least as long."""
    newest = 0
    if settings.mode == "embedded":
        for _, content in FolderArchive(settings.checkpoint_archive_path).contents():
            note = ArchivedCheckpoint.decode(content).checkpoint
            newest = max(newest, Checkpoint.parse(note.rpartition("\n\n")[0] + "\n").size)
    return newest


def _head_ms(settings: Settings, database: Database) -> int:
    """The chain's time now, until after which the other store may have signed; 0 where no node is known or answers."""
    if not settings.tron_node_url:
        return 0
    with open_platform(settings, OBSERVER, database) as platform:
        try:
            return platform.node.head().timestamp_ms
        except Unavailable:
            return 0


def _burn_addresses(settings: Settings, database: Database) -> int:
    """None that may have been given out is given out again, and coins that reach one are seen (Suspense) -> how many."""
    prefix = f"{DERIVED}{DEPOSIT_ROOT}/"
    url = conninfo_of(database.owner_url)
    connections = Connections(url, connections_max=1, options=with_options(url, f"-c role={OWNER}"))
    try:
        connections.execute(_BURN)
        [(highest,)] = connections.execute(_HIGHEST, (len(prefix) + 1, prefix))
        first = 0 if highest is None else int(highest) + 1
        keys = open_keystore(settings)
        made = []
        kept = open_given_indexes(settings).load(DERIVED)
        for index in range(first, max(kept, first + settings.address_pool + BEYOND)):
            key_id = DERIVED + deposit_path(index)
            made.append((key_id, keys.key(key_id).address))
        columns = [address.evm for _, address in made], [address.base58 for _, address in made], [it for it, _ in made]
        connections.execute(_ADD, columns)
    finally:
        connections.close()
    return len(made)


app = App(name="restore", help="Take up a backup, and settle what it lacks.")
Seen = Annotated[
    int | None,
    Parameter(
        help="The last position that is known to have been, from a webhook or a receipt",
        validator=validators.Number(gte=1),
    ),
]
Reason = Annotated[str, Parameter(help="What happened; kept for ever")]


@app.default
def _restore(
    *,
    from_: Annotated[Path, Parameter(name="--from", help="The backup")],
    data: Annotated[Path, Parameter(help="A folder that does not exist yet: the restored installation's")],
    reason: Reason,
    seen: Seen = None,
    key: Annotated[
        str | None, Parameter(help="The checkpoints' verifier key: then the backup's signature is checked")
    ] = None,
    json: Json = False,
) -> None:
    """Load history and keys, rebuild guard and views, burn addresses that may have been given out, and stop signing."""
    restore(settings_with(data=data), from_, reason, seen, key, Output(as_json=json))


@app.command(name="declare")
def _declare(*, reason: Reason, seen: Seen = None, json: Json = False, data: Data = None) -> None:
    """Say that this database was taken from a copy by other means: a disk's snapshot, RDS' point in time. Stops signing."""
    declare(settings_with(data=data), reason, seen, Output(as_json=json))


app.command(settle.app)
