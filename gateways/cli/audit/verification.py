"""`counterfoil audit verify`: is the history the one that was signed? In the database, or in an export by schema/verify.py.

Only what is signed, by a key that whoever asks brought along, is proven; what is not is said in the last line, and fails.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec
import psycopg

from core.proofs.checkpoints import shown
from core.proofs.notes import NoteKey
from gateways.cli.console import Output, progress
from gateways.cli.installation import opened_database
from gateways.cli.reconcile import checks_table, facts_of
from gateways.embedded.checkpoint_archive import FolderArchive
from gateways.postgres.roles import READER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.notes import open_archive
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import utc_now
from projections.audit.reconcile import reconcile
from projections.audit.verify import Verified, published_keys, verify

NOT_PROVEN: Final = "NOT PROVEN: "


class Asked(msgspec.Struct, frozen=True):
    """What whoever asks brings along: keys, archive, kept checkpoints, and how old an unsigned end may be in seconds."""

    keys: Sequence[str]
    archive: Path | None = None
    seen: Sequence[Path] = ()
    unsigned_tail_s: int | None = None


def verify_export(file: Path, asked: Asked, *, as_json: bool = False) -> int:
    """Let the stand-alone verifier look, in a process that has nothing of this one -> its exit code.

    Raises NoteRefused for a key that is none, and OSError for a file that cannot be read.
    """
    for key in asked.keys:
        NoteKey.parse(key)
    for path in (file, *asked.seen):
        path.open("rb").close()
    verifier = Path(str(resources.files("schema") / "verify.py"))
    arguments = [argument for key in asked.keys for argument in ("--key", key)]
    arguments += ["--archive", str(asked.archive)] if asked.archive else []
    arguments += [argument for path in asked.seen for argument in ("--seen", str(path))]
    arguments += [] if asked.unsigned_tail_s is None else ["--unsigned-tail", str(asked.unsigned_tail_s)]
    arguments += ["--json"] if as_json else []
    command = [sys.executable, "-I", str(verifier), "history", str(file), *arguments]
    return subprocess.run(command, check=False).returncode  # noqa: S603  our own file


def verify_database(settings: Settings, asked: Asked, out: Output) -> bool:
    """Print every check with its differences -> whether all hold and are signed. All but the chain, which reconcile asks."""
    trusted = [NoteKey.parse(key) for key in asked.keys]
    kept = [note for path in asked.seen for note in kept_notes(path)]
    with (
        opened_database(settings) as database,
        open_platform(settings, READER, database) as platform,
        psycopg.connect(platform.reader_url) as conn,
        progress() as bar,
    ):
        task = bar.add_task("replaying", total=None)
        replayed = reconcile(conn, None, lambda at, of: bar.update(task, completed=at, total=of))
        if not trusted:
            trusted = published_keys(conn)
            conn.rollback()
        task = bar.add_task("hashing", total=None)
        archive = FolderArchive(asked.archive) if asked.archive else open_archive(settings)
        looked_at = utc_now()
        found = verify(conn, trusted, archive.contents(), lambda at, of: bar.update(task, completed=at, total=of), kept)
    checks = [*replayed.checks, *found.checks]
    proven, verdict = judged(found, all(check.ok for check in checks), asked, looked_at)
    facts = {
        "holds": proven,
        "verdict": verdict,
        "position": found.head,
        "signed_to": found.signed_to,
        "signed_at": found.signed_at and shown(found.signed_at),
        "keys": [str(key) for key in trusted],
        "keys_are_the_databases_own": not asked.keys,
        "checks": facts_of(checks),
    }
    out.show(facts, checks_table(checks), "", f"{found.head} events; {verdict}")
    return proven


def judged(found: Verified, holds: bool, asked: Asked, looked_at: datetime) -> tuple[bool, str]:
    """Whether this proves the history, and the sentence that says so: what nobody signed is no success."""
    behind = f"positions {found.signed_to + 1} to {found.head} are signed by nobody"
    if not holds:
        return False, "something does not hold"
    if not found.head:
        return False, NOT_PROVEN + "there is no event, so there is nothing that could hold"
    if not asked.keys:
        return False, NOT_PROVEN + "the keys are the database's own; give --key as you had it by another way"
    if found.signed_at is None:
        return False, NOT_PROVEN + behind + "; `counterfoil run checkpoints` signs what is there"
    signed = f"signed up to position {found.signed_to}, at {shown(found.signed_at)}"
    if found.signed_to == found.head:
        return True, f"everything holds, and is {signed}"
    age_s = (looked_at - found.signed_at).total_seconds()
    if asked.unsigned_tail_s is None or not 0 <= age_s <= asked.unsigned_tail_s:
        return False, (
            f"{NOT_PROVEN}{behind}; what holds is {signed}, {age_s:,.0f} s ago. Ask again after the next checkpoint,"
            " or allow it with --unsigned-tail SECONDS"
        )
    return True, f"everything holds, and is {signed}; {behind}, {age_s:,.0f} s old at the most, as you allowed"


def kept_notes(path: Path) -> list[str]:
    """The checkpoints in a file: a note, an archived checkpoint, or what GET /v1/checkpoints answered. Raises UserError."""
    text = path.read_text(encoding="utf-8")
    try:
        content = json.loads(text)
    except ValueError:
        return [text]
    several = content["data"] if isinstance(content, dict) and "data" in content else [content]
    found = [each.get("note") or each.get("checkpoint") for each in several if isinstance(each, dict)]
    notes = [note for note in found if isinstance(note, str)]
    if not notes or len(notes) < len(several):
        raise UserError(f"{path} holds no checkpoint: keep what GET /v1/checkpoints answers, or a file of the archive")
    return notes
