"""How an audit is accepted: what is injected into a copy of the database or of its export is found, and named by position.

Each injury is made with every right there is, and looked for three times: by `audit verify` in the database, by the
stand-alone verifier in that database's export, and by it in an export of the sound database that was changed itself.
"""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from core.ledger.ledger import Ledger
from gateways.cli.audit.verification import Asked, verify_database
from gateways.cli.console import Output
from gateways.postgres.event_store import PostgresEventStore
from gateways.settings import Settings, load
from projections.engine.tracking import ViewTracking
from tests.support.checkpoints import Desk
from tests.support.exports import HEAD, Verdict, exported, signed_history, verdict
from tests.support.postgres import Database

Lines = list[bytes]
TAIL_MAX_S = 10**10
"""The desk's clock is turned by hand, so that its checkpoints are of another day than the command's."""


class Injury(NamedTuple):
    """What is done to the database and to an export; the position that must be named."""

    statements: tuple[str, ...]
    change: Callable[[Lines], Lines]
    position: int


def place(lines: Lines, position: int) -> int:
    return next(at for at, line in enumerate(lines) if line.startswith(b'{"kind":"event","position":%d,' % position))


def changed(lines: Lines) -> Lines:
    at = place(lines, 140)
    return [*lines[:at], lines[at].replace(b"opening", b"Opening"), *lines[at + 1 :]]


def reordered(lines: Lines) -> Lines:
    one, other = place(lines, 140), place(lines, 141)
    first, second = (line.partition(b',"stream"') for line in (lines[one], lines[other]))
    lines[one], lines[other] = b"".join((first[0], *second[1:])), b"".join((second[0], *first[1:]))
    return lines


def truncated(lines: Lines) -> Lines:
    """As somebody would who knows the format: the end line fits what is left."""
    kept = [line for line in lines[: place(lines, 301)] if not line.startswith(b'{"kind":"balance"')]
    counts = {f"{kind}s": sum(line.startswith(b'{"kind":"%s"' % kind.encode()) for line in kept) for kind in KINDS}
    return [*kept, json.dumps({"kind": "end", "head": 300, **counts}, separators=(",", ":")).encode() + b"\n"]


def forged(lines: Lines) -> Lines:
    return [
        line.replace(b'"amount_minor":', b'"amount_minor":9') if b'"account":"Custody_Control"' in line else line
        for line in lines
    ]


KINDS = ("event", "seal", "checkpoint")
INJURIES = {
    "a changed byte": Injury(
        ("UPDATE events SET state = replace(state, 'opening', 'Opening') WHERE notification_id = 140",), changed, 140
    ),
    "a removed event": Injury(
        ("DELETE FROM events WHERE notification_id = 140",),
        lambda lines: [line for line in lines if not line.startswith(b'{"kind":"event","position":140,')],
        140,
    ),
    "a truncated tail": Injury(("DELETE FROM events WHERE notification_id > 300",), truncated, 300),
    "a reordered pair": Injury(
        (
            "UPDATE events SET notification_id = 1000 WHERE notification_id = 140",
            "UPDATE events SET notification_id = 140 WHERE notification_id = 141",
            "UPDATE events SET notification_id = 141 WHERE notification_id = 1000",
        ),
        reordered,
        140,
    ),
    "a forged balance": Injury(
        ("UPDATE balances SET amount_minor = amount_minor + 5 WHERE code = 'Custody_Control'",), forged, HEAD
    ),
}


@pytest.fixture
def desk(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, tmp_path: Path
) -> Iterator[Desk]:
    """A history of 320 events under three checkpoints."""
    with signed_history(database, ledger, store, tracking, tmp_path) as made:
        yield made


def injure(database: Database, statements: tuple[str, ...]) -> None:
    """As a superuser to whom no trigger applies."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("ALTER TABLE events DISABLE TRIGGER USER")
        for statement in statements:
            assert conn.execute(statement).rowcount > 0


def of_the_database(database: Database, desk: Desk, folder: Path, asked: Asked | None = None) -> tuple[bool, str]:
    """What `counterfoil audit verify` says -> (whether everything holds and is signed, what was printed)."""
    settings: Settings = load({}, database_url=database.owner_url, data=folder)
    printed = io.StringIO()
    asked = asked or Asked([str(desk.signer.key)], desk.archive.folder, (), TAIL_MAX_S)
    return verify_database(settings, asked, Output(stream=printed)), printed.getvalue()


def named(found: Verdict) -> set[int]:
    return {position for wrong in found.wrong.values() for position, _ in wrong}


def test_what_nobody_touched_holds(database: Database, desk: Desk, tmp_path: Path) -> None:
    """In the database and in its export."""
    assert of_the_database(database, desk, tmp_path)[0]
    assert verdict(exported(database), tmp_path, desk).exit_code == 0


def test_what_nobody_signed_is_no_success(database: Database, desk: Desk, tmp_path: Path) -> None:
    """The last line says what is not signed, or that nobody known has signed, and the command fails; a checkpoint ends it."""
    archive, keys = desk.archive.folder, [str(desk.signer.key)]
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("INSERT INTO note_keys (purpose, key, since) VALUES ('checkpoints', %s, now())", keys)
    for asked, said in (
        (Asked(keys, archive), "NOT PROVEN: positions 311 to 320 are signed by nobody; what holds is signed up to"),
        (Asked(keys, archive, (), 60), "NOT PROVEN: positions 311 to 320 are signed by nobody"),
        (Asked((), archive, (), TAIL_MAX_S), "NOT PROVEN: the keys are the database's own"),
    ):
        proven, text = of_the_database(database, desk, tmp_path, asked)
        assert not proven
        assert said in text.splitlines()[-1]
        assert "everything holds" not in text
    desk.sign_now()
    proven, text = of_the_database(database, desk, tmp_path, Asked(keys, archive))
    assert proven
    assert "everything holds, and is signed up to position 320" in text.splitlines()[-1]


def test_a_checkpoint_that_was_kept_is_held_against_the_database(
    database: Database, desk: Desk, tmp_path: Path
) -> None:
    """One of this history covers it; one that it does not reach, or that nobody signed, is named."""
    desk.sign_now()
    *_, (_, last) = desk.archive.contents()
    kept = tmp_path / "kept.json"
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("ALTER TABLE checkpoints DISABLE TRIGGER USER")
        conn.execute("ALTER TABLE receipt_trees DISABLE TRIGGER USER")
        conn.execute("DELETE FROM receipt_trees WHERE checkpoint = 4")
        conn.execute("DELETE FROM checkpoints WHERE number = 4")
    for path in desk.archive.folder.rglob("*4.json"):
        path.unlink()
    kept.write_bytes(last)
    asked = Asked([str(desk.signer.key)], desk.archive.folder, (kept,))
    proven, text = of_the_database(database, desk, tmp_path, asked)
    assert proven, text
    kept.write_text(kept.read_text(encoding="utf-8").replace("number 4", "number 5"), encoding="utf-8")
    proven, text = of_the_database(database, desk, tmp_path, asked)
    assert not proven
    assert "does not fit the text" in text or "signature" in text, text


@pytest.mark.parametrize("name", INJURIES)
def test_each_injury_is_named_by_position(database: Database, desk: Desk, tmp_path: Path, name: str) -> None:
    """By the program in the database, by the stand-alone verifier in its export, and in an export that was changed."""
    injury = INJURIES[name]
    in_export = verdict(injury.change(exported(database)), tmp_path, desk)
    assert in_export.exit_code == 1
    assert injury.position in named(in_export), in_export
    injure(database, injury.statements)
    holds, text = of_the_database(database, desk, tmp_path)
    assert not holds
    assert f"position {injury.position}" in text or f"ends at {injury.position}" in text, text
    by_itself = verdict(exported(database), tmp_path, desk)
    assert by_itself.exit_code == 1
    assert injury.position in named(by_itself), by_itself
