"""`counterfoil backup`: a copy of the installation in one snapshot, signed, and a check of one on any machine."""

import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import psycopg
from cyclopts import App, Parameter
from psycopg import Connection

from core.ledger.seals import BrokenSeal, Seal, Sealed, canonical, verify
from core.proofs.backups import MANIFEST, NOTE, Manifest, Part, events_in, note_text, unescaped
from core.proofs.checkpoints import Checkpoint
from core.proofs.merkle import Frontier, leaf_hash
from core.proofs.notes import NoteKey, NoteRefused, opened, signed
from core.streams.restores import RecordBackup
from gateways import VERSION
from gateways.cli.acts import at_terminal, note_command
from gateways.cli.console import Data, Json, Output, progress
from gateways.cli.installation import opened_database, settings_with
from gateways.cli.recovery.writer import writer
from gateways.postgres.connections import conninfo_of
from gateways.postgres.copies.tables import copied_tables, copy_out
from gateways.postgres.migrate import migrations
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError
from gateways.wiring.notes import open_archive, open_signer
from gateways.wiring.platform import utc_now

TABLES: Final = "tables"
KEYS: Final = "keys"
ARCHIVE: Final = "archive"
KEYSTORE: Final = "keystore.json"
KEY_FILES: Final = ("secrets.json", "checkpoints.key", "statements.key")
"""Beside the keystore: what clients' keys, webhooks and notes are made with. Made by the first start, as the keystore is."""
_HEAD: Final = "SELECT last_position, hash FROM seals ORDER BY last_position DESC LIMIT 1"
_SOLID: Final = "SELECT last_block_number FROM chain_cursors WHERE id = 'solid'"
_NAME: Final = (
    "SELECT state::jsonb ->> 'store_id' FROM events WHERE originator_id = 'store' AND topic = 'store.named/1'"
)
_CHECKPOINT: Final = "SELECT number, note FROM checkpoints ORDER BY number DESC LIMIT 1"


def take(settings: Settings, to: Path, out: Output) -> None:
    """Write the whole backup beside `to`, and rename it there: half a backup never has its name."""
    if settings.mode == "aws":
        raise UserError("on AWS the backup is RDS' point in time: /docs/operate says how it is restored and declared")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UserError(f"{to} is not empty: name a folder that does not exist yet")
    partial = to.with_name(f".{to.name}.partial-{os.getpid()}")
    try:
        with opened_database(settings) as database:
            with psycopg.connect(conninfo_of(database.owner_url)) as conn:
                conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                conn.read_only = True
                manifest = _write(conn, settings, partial)
            digest = sha256((partial / MANIFEST).read_bytes()).hexdigest()
            if to.exists():
                to.rmdir()
            partial.rename(to)
            with writer(database) as its:
                its.do(RecordBackup(manifest.position, digest, str(to.resolve()), at_terminal()))
            note_command(settings, "backup.taken", database, to=str(to), position=manifest.position)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    size = sum(part.bytes for part in manifest.parts)
    out.show(
        {
            "to": str(to),
            "position": manifest.position,
            "solid_block": manifest.solid_block,
            "bytes": size,
            "sha256": digest,
        },
        f"backed up to {to}: the history up to position {manifest.position}, {size:,} bytes in {len(manifest.parts)} files."
        f" It opens what {settings.data} opens: keep it as safe, and elsewhere. `counterfoil backup verify {to}` checks it",
    )


def _write(conn: Connection[Any], settings: Settings, folder: Path) -> Manifest:
    head = conn.execute(_HEAD).fetchone()
    if head is None:
        raise NotReady("there is no history yet: nothing to back up")
    position, seal = head
    solid = conn.execute(_SOLID).fetchone()
    last = conn.execute(_CHECKPOINT).fetchone()
    folder.mkdir(parents=True, mode=0o700)
    parts = _write_tables(conn, folder)
    files = [(KEYSTORE, settings.keystore_path), *((name, settings.data / name) for name in KEY_FILES)]
    for name, path in files:
        if path.exists():
            parts.append(_write_part(folder, f"{KEYS}/{name}", iter([path.read_bytes()])))
    for number, content in open_archive(settings).contents():
        if last is not None and number <= last[0]:
            parts.append(_write_part(folder, f"{ARCHIVE}/{number // 10_000:04d}/{number:08d}.json", iter([content])))
    named = conn.execute(_NAME).fetchone()
    manifest = Manifest(
        store_id=named[0] if named else "",
        position=position,
        seal=seal.hex(),
        checkpoint=last[1] if last else "",
        solid_block=solid[0] if solid else 0,
        made_at=utc_now().isoformat(),
        program=VERSION,
        migration=migrations()[-1].name,
        parts=tuple(parts),
    )
    signer, content = open_signer(settings, "checkpoints"), manifest.encode()
    note = signed(note_text(signer.key.name, content), signer.key, signer.sign)
    _write_part(folder, MANIFEST, iter([content]))
    _write_part(folder, NOTE, iter([note.encode()]))
    return manifest


def _write_tables(conn: Connection[Any], folder: Path) -> list[Part]:
    parts = []
    tables = copied_tables(conn)
    with progress() as bar:
        for table in bar.track(tables, description="copying tables"):
            with conn.cursor() as cursor, cursor.copy(copy_out(table)) as copy:
                part = _write_part(folder, f"{TABLES}/{table.name}.copy", (bytes(chunk) for chunk in copy))
            parts.append(Part(part.name, part.sha256, part.bytes, table.name, table.columns))
    return parts


def _write_part(folder: Path, name: str, content: Iterator[bytes]) -> Part:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, size = sha256(), 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for chunk in content:
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        file.flush()
        os.fsync(file.fileno())
    return Part(name, digest.hexdigest(), size)


# Checking


def check(folder: Path, key: str | None) -> tuple[Manifest, list[str]]:
    """The manifest, and a sentence for each thing that does not hold. Without a key the signature is not believed.

    Raises UserError where there is no backup, NoteRefused for one of another format.
    """
    try:
        content, note = (folder / MANIFEST).read_bytes(), (folder / NOTE).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder} holds no backup: {error}") from error
    manifest = Manifest.decode(content)
    wrong = _check_parts(folder, manifest)
    try:
        if key is not None and opened(note, NoteKey.parse(key)) != note_text(NoteKey.parse(key).name, content):
            wrong.append(f"{NOTE} is signed, and of another {MANIFEST}")
        elif key is not None and manifest.checkpoint:
            opened(manifest.checkpoint, NoteKey.parse(key))
        elif sha256(content).hexdigest() not in note:
            wrong.append(f"{NOTE} is of another {MANIFEST}")
    except NoteRefused as error:
        wrong.append(f"{NOTE}: {error}")
    if not wrong:
        wrong += check_history(folder, manifest)
    return manifest, wrong


def _check_parts(folder: Path, manifest: Manifest) -> list[str]:
    wrong = []
    with progress() as bar:
        for part in bar.track(manifest.parts, description="checking files"):
            try:
                with (folder / part.name).open("rb") as file:
                    digest = _digest(file)
            except OSError:
                wrong.append(f"{part.name} is missing")
                continue
            if digest != part.sha256:
                wrong.append(f"{part.name} is not what was backed up")
    named = {MANIFEST, NOTE, *(part.name for part in manifest.parts)}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return wrong + [f"{name} is no part of the backup" for name in sorted(there - named)]


def _digest(file: BinaryIO) -> str:
    digest = sha256()
    for chunk in iter(lambda: file.read(1 << 20), b""):
        digest.update(chunk)
    return digest.hexdigest()


def check_history(folder: Path, manifest: Manifest) -> list[str]:
    """Positions without a gap, every event sealed, the last seal the manifest's, and what was signed is this history."""
    tables = {part.table: part for part in manifest.parts if part.table}
    checkpoint = _checkpoint_of(manifest)
    size = 0 if checkpoint is None else checkpoint.size
    frontier = Frontier()
    with (folder / tables["events"].name).open("rb") as events, (folder / tables["seals"].name).open("rb") as seals:
        stored = events_in(iter(events), tables["events"].columns)
        sealed, last = _seals(iter(seals), tables["seals"].columns), b""

        def hashed() -> Iterator[Sealed]:
            for record in stored:
                if record[0] <= size:
                    frontier.add(leaf_hash(canonical(record)))
                yield record

        def kept() -> Iterator[Seal]:
            nonlocal last
            for seal in sealed:
                last = seal.hash
                yield seal

        try:
            head = verify(hashed(), kept())
        except (BrokenSeal, ValueError) as error:
            return [str(error)]
    wrong = []
    if head != manifest.position or manifest.seal != last.hex():
        wrong.append(f"the history ends at {head}, {MANIFEST} says {manifest.position}, or with another seal")
    if checkpoint is not None and frontier.root() != checkpoint.root:
        wrong.append(f"checkpoint {checkpoint.number} is not of this history")
    return wrong


def _checkpoint_of(manifest: Manifest) -> Checkpoint | None:
    """What was signed last; who signed it is checked by who has the key (`counterfoil audit verify`)."""
    return Checkpoint.parse(manifest.checkpoint.rpartition("\n\n")[0] + "\n") if manifest.checkpoint else None


def _seals(lines: Iterator[bytes], columns: tuple[str, ...]) -> Iterator[Seal]:
    places = [columns.index(name) for name in ("first_position", "last_position", "previous_hash", "hash")]
    for line in lines:
        fields = line.rstrip(b"\n").split(b"\t")
        first, last, previous, hash_ = (unescaped(fields[place]) for place in places)
        yield Seal(int(first), int(last), _bytea(previous), _bytea(hash_))


def _bytea(field: bytes) -> bytes:
    return bytes.fromhex(field.decode().removeprefix("\\x"))


def show_check(folder: Path, key: str | None, out: Output) -> bool:
    """What the backup holds, or what does not hold of it; exit 1 then, and where nobody checked who signed it."""
    manifest, wrong = check(folder, key)
    facts = {
        "holds": not wrong and key is not None,
        "position": manifest.position,
        "made_at": manifest.made_at,
        "solid_block": manifest.solid_block,
        "wrong": wrong,
    }
    if wrong:
        said = "\n".join(wrong)
    else:
        said = (
            f"the history up to position {manifest.position}, made at {manifest.made_at} by {manifest.program}: every file is"
            " whole, every event is sealed"
        )
        said += (
            ", and the key has signed it"
            if key
            else "; who signed it is not known: give --key (`counterfoil audit keys`)"
        )
    out.show(facts, said)
    return not wrong and key is not None


app = App(name="backup", help="Copy the installation, and check a copy.")


@app.default
def _backup(
    *,
    to: Annotated[Path, Parameter(help="A folder that does not exist yet, on another disk")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Copy history, keys (the keystore stays encrypted), addresses and checkpoints in one snapshot, while everything runs.

    Views, queues and the guard are left out: they follow from the events.
    """
    take(settings_with(data=data), to, Output(as_json=json))


@app.command(name="verify")
def _verify(
    folder: Annotated[Path, Parameter(help="The backup")],
    /,
    *,
    key: Annotated[str | None, Parameter(help="The checkpoints' verifier key, from `counterfoil audit keys`")] = None,
    json: Json = False,
) -> bool:
    """Check a backup on any machine: no database is needed. Exit 1 where anything does not hold, or who signed is unknown."""
    return show_check(folder, key, Output(as_json=json))
