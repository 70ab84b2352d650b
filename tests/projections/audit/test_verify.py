"""Verify: an untouched history is the one that was signed; whoever touches it is found, and the position is named."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.ledger.ledger import Ledger
from core.ledger.seals import GENESIS, seal_hash
from core.proofs.checkpoints import ArchivedCheckpoint, check_archive
from core.proofs.merkle import ProofRefused
from core.proofs.notes import NoteKey
from gateways.postgres.event_store import PostgresEventStore
from projections.audit.reconcile import Check, reconcile
from projections.audit.verify import ARCHIVE, SIGNED, TREE, verify
from projections.engine.tracking import ViewTracking
from projections.stored_events import page_of_events
from tests.support.checkpoints import Desk
from tests.support.exports import signed_history
from tests.support.postgres import Database

SEALS = "positions are contiguous, every event is sealed, and the seals chain"
Sql = Callable[[psycopg.Connection], object]


@pytest.fixture
def desk(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, tmp_path: Path
) -> Iterator[Desk]:
    """A history of 320 events under three checkpoints: at 120, 220 and 310; the last ten are not covered yet."""
    with signed_history(database, ledger, store, tracking, tmp_path) as made:
        yield made


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    """A superuser to whom no trigger and no foreign key applies."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        for table in ("events", "seals", "checkpoints"):
            conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield conn


def look(database: Database, desk: Desk) -> dict[str, Check]:
    """What does not hold."""
    with psycopg.connect(database.reader_url) as conn:
        checks = [*reconcile(conn).checks, *verify(conn, [desk.signer.key], desk.archive.contents()).checks]
    return {check.name: check for check in checks if not check.ok}


def reseal(conn: psycopg.Connection) -> None:
    """What a forger with every right would do: seal anew what he has written, in one batch."""
    rows = page_of_events(conn, 0, 10_000)
    conn.execute("DELETE FROM seals")
    conn.execute(
        "INSERT INTO seals VALUES (%s, 1, %s, %s, %s)", (uuid4(), len(rows), GENESIS, seal_hash(GENESIS, rows))
    )


def test_an_untouched_history_verifies(database: Database, desk: Desk) -> None:
    """Nothing differs, and what no checkpoint covers yet is told."""
    assert [checkpoint.size for checkpoint in desk.archived()] == [120, 220, 310]
    assert look(database, desk) == {}
    with psycopg.connect(database.reader_url) as conn:
        found = verify(conn, [desk.signer.key], desk.archive.contents())
    checks = {check.name: check for check in found.checks}
    assert checks[SIGNED].note == "positions 311 to 320 wait for the next checkpoint"
    assert (found.signed_to, found.head) == (310, 320)


CHANGED = "UPDATE events SET state = replace(state, 'opening balance', 'opening bAlance') WHERE notification_id = 140"
SWAPPED = (
    "UPDATE events SET notification_id = 1000 WHERE notification_id = 140",
    "UPDATE events SET notification_id = 140 WHERE notification_id = 141",
    "UPDATE events SET notification_id = 141 WHERE notification_id = 1000",
)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ([CHANGED], {TREE: "the event at position 140 is not", SEALS: "between positions 121 and 220"}),
        (
            ["DELETE FROM events WHERE notification_id = 140"],
            {TREE: "the event at position 140 is missing", SEALS: "the event at position 140 is missing"},
        ),
        (SWAPPED, {TREE: "the event at position 140 is not", SEALS: "between positions 121 and 220"}),
        (
            ["DELETE FROM events WHERE notification_id > 300"],
            {
                TREE: "the tree holds 20 events behind position 300",
                SIGNED: "checkpoint 3 signs 310 events, and the history ends at 300",
                SEALS: "the history ends before position 301, and is sealed up to 310",
            },
        ),
        (
            ["UPDATE guard SET balance_minor = balance_minor + 5 WHERE balance_minor > 1000000000"],
            {"the guard is what the events say": "User_Liability USDT"},
        ),
        (
            ["UPDATE postings SET balance_minor = balance_minor + 5 WHERE position = 140 AND code = 'User_Liability'"],
            {"every line's running balance is the sum of the lines up to it": "User_Liability at position 140"},
        ),
        (
            ["UPDATE events SET notification_id = 9000000 WHERE notification_id = 320"],
            {TREE: "positions 320 to 8999999 are missing"},
        ),
        (
            ["UPDATE merkle_tiles SET hashes = set_byte(hashes, 33, 0) WHERE level = 0 AND index = 0"],
            {TREE: "the event at position 2 is not the one that the tree holds"},
        ),
        (
            ["UPDATE merkle_tiles SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) WHERE level = 1"],
            {TREE: "tile 0 of level 1 is not what the tiles below it make"},
        ),
        (["UPDATE checkpoints SET size = 219 WHERE number = 2"], {SIGNED: "checkpoint 2 at position 219"}),
        (["DELETE FROM checkpoints WHERE number = 2"], {SIGNED: "checkpoint 2 is missing"}),
        (
            ["UPDATE checkpoints SET note = replace(note, 'number 2', 'number 3') WHERE number = 2"],
            {SIGNED: "checkpoint 2 at position 220: the signature"},
        ),
        (
            ["UPDATE checkpoints SET blind = sha256('x') WHERE number = 2"],
            {SIGNED: "checkpoint 2 at position 220: its receipts are not those of its events"},
        ),
        (
            ["UPDATE receipt_trees SET leaves = set_byte(leaves, 5, 0) WHERE checkpoint = 1"],
            {SIGNED: "checkpoint 1 at position 120: the receipt trees that are kept"},
        ),
    ],
)
def test_what_was_touched_is_named(
    database: Database, desk: Desk, owner: psycopg.Connection, damage: list[str], told: dict[str, str]
) -> None:
    """Each kind of damage fails the checks that are about it, and a sentence names the position."""
    for statement in damage:
        assert owner.execute(statement).rowcount > 0  # type: ignore[call-overload]
    found = look(database, desk)
    for name, part in told.items():
        assert name in found, found
        assert any(part in sentence for sentence in found[name].differences), found[name]


def test_a_history_that_was_sealed_anew_is_found_by_the_tree(
    database: Database, desk: Desk, owner: psycopg.Connection
) -> None:
    """Who changes an event and forges every seal behind it has made an honest-looking chain: the tree names the position."""
    owner.execute(CHANGED)  # type: ignore[call-overload]
    reseal(owner)
    found = look(database, desk)
    assert SEALS not in found
    assert found[TREE].differences == ("the event at position 140 is not the one that the tree holds",)
    assert "checkpoint 2 at position 220: what was signed is not the history up to there" in found[SIGNED].differences


def test_a_forged_tree_does_not_fit_what_was_signed(
    database: Database, desk: Desk, owner: psycopg.Connection, ledger: Ledger
) -> None:
    """Who also makes the tree anew is left with signatures that he cannot make: the first checkpoint behind it tells."""
    owner.execute(CHANGED)  # type: ignore[call-overload]
    reseal(owner)
    owner.execute("DELETE FROM merkle_tiles")
    owner.execute("UPDATE merkle_tree SET size = 0")
    while desk.checkpoints._tree.grow():
        pass
    found = look(database, desk)
    assert set(found) == {SIGNED}
    assert [sentence[:29] for sentence in found[SIGNED].differences][:1] == ["checkpoint 2 at position 220:"]


def test_a_truncated_database_does_not_fit_the_archive(
    database: Database, desk: Desk, owner: psycopg.Connection
) -> None:
    """Who removes the end of everything, seals, tree and checkpoints too, cannot remove what is outside."""
    for statement in (
        "DELETE FROM events WHERE notification_id > 120",
        "DELETE FROM seals WHERE last_position > 120",
        "DELETE FROM receipt_trees WHERE checkpoint > 1",
        "DELETE FROM checkpoints WHERE number > 1",
        "DELETE FROM merkle_tiles",
        "UPDATE merkle_tree SET size = 0",
    ):
        owner.execute(statement)  # type: ignore[call-overload]
    desk.checkpoints._tree.grow()
    found = look(database, desk)
    assert {TREE, SIGNED, SEALS} & set(found) == set()
    assert (
        "checkpoint 2 over 220 events, which this database has not; its history ends at 120"
        in found[ARCHIVE].differences[0]
    )


def test_a_key_of_another_is_no_signature(database: Database, desk: Desk) -> None:
    """An auditor who has the right key by hand is not taken in by checkpoints that somebody else signed."""
    other = NoteKey("counterfoil/test", Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    with psycopg.connect(database.reader_url) as conn:
        checks = {check.name: check for check in verify(conn, [other], desk.archive.contents()).checks}
    assert not checks[SIGNED].ok
    assert not checks[ARCHIVE].ok


@pytest.mark.parametrize(
    ("forge", "told"),
    [
        (lambda kept: kept.pop(1), "no checkpoint 2"),
        (lambda kept: kept.reverse(), "no checkpoint 1"),
        (lambda kept: kept.__setitem__(1, (2, kept[2][1])), "checkpoint 2 of the archive: it is another one's file"),
        (lambda kept: kept.__setitem__(1, (2, b"{}")), "checkpoint 2 of the archive"),
        (
            lambda kept: kept.__setitem__(
                1,
                (
                    2,
                    kept[1][1].replace(ArchivedCheckpoint.decode(kept[1][1]).consistency[0].encode(), b"A" * 43 + b"="),
                ),
            ),
            "checkpoint 2 of the archive: the path",
        ),
    ],
)
def test_an_archive_that_was_touched_is_named(
    desk: Desk, forge: Callable[[list[tuple[int, bytes]]], object], told: str
) -> None:
    """A file that is missing, exchanged or changed is named by its checkpoint, without any database."""
    kept = list(desk.archive.contents())
    assert [found.size for found, _ in check_archive(kept, [desk.signer.key])] == [120, 220, 310]
    forge(kept)
    with pytest.raises(ProofRefused, match=told):
        list(check_archive(kept, [desk.signer.key]))
