"""The tree grows by what is new, checkpoints are signed at an interval, and the archive has every one of them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.ledger.ledger import InvariantBroken, Ledger
from core.ledger.seals import canonical
from core.ports.unavailable import Unavailable
from core.proofs.checkpoints import ArchiveConflict, ArchivedCheckpoint, ReceiptNote
from core.proofs.merkle import check_consistency, check_inclusion, leaf_hash, nodes_of, root
from core.proofs.notes import opened
from core.proofs.receipts import check, entries_of, filled, proven
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import PostgresEventStore
from gateways.postgres.roles import CHECKPOINTER, READER
from projections.audit.history_tree import HistoryTree
from projections.stored_events import page_of_events
from tests.support.checkpoints import Desk, FixedSigner, HandClock
from tests.support.history import ALICE, USDT, append_events, append_history, execute, fund, register
from tests.support.postgres import Database


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(database, tmp_path / "archive")
    yield made
    made.login.close()


def leaves(database: Database) -> list[bytes]:
    with psycopg.connect(database.reader_url) as conn:
        return [leaf_hash(canonical(row)) for row in page_of_events(conn, 0, 100_000)]


def tiles(database: Database) -> list[Any]:
    with psycopg.connect(database.reader_url) as conn:
        return conn.execute("SELECT * FROM merkle_tiles ORDER BY level, index").fetchall()


def test_the_tree_is_the_histories(database: Database, ledger: Ledger, desk: Desk) -> None:
    """Grown event by event or all at once, it has the same tiles; roots and paths are those of the stored events."""
    append_events(ledger, 100)
    tree = HistoryTree(desk.login.transaction)
    while tree.grow(events_max=5):
        pass
    found, hashes = tiles(database), leaves(database)
    assert tree.size == len(hashes) == 100
    assert tree.root(100) == root(nodes_of(hashes), 100)
    leaf, path = tree.inclusion(28, 60)
    assert leaf == hashes[27]
    check_inclusion(leaf, 27, 60, path, tree.root(60))
    check_consistency(40, tree.root(40), 100, tree.root(100), tree.consistency_path(40, 100))
    owner = Connections(database.owner_url)
    HistoryTree(owner.transaction).forget()
    owner.close()
    assert (tree.size, tiles(database)) == (0, [])
    assert tree.grow() == 100
    assert tiles(database) == found


def test_a_tile_knows_the_latest_time_up_to_its_end(database: Database, store: PostgresEventStore, desk: Desk) -> None:
    """The time of a tile never falls below the one before it, whatever a clock did in between."""
    clock = HandClock()
    ledger = Ledger(store, clock)
    execute(ledger, register(ALICE, "Alice Ltd"))
    tree = HistoryTree(desk.login.transaction)
    for minutes in (5, -60, 10):
        clock.pass_by(60 * minutes)
        execute(ledger, *(fund(ALICE, USDT, f"{minutes} {number}") for number in range(200)))
        tree.grow(events_max=300)
    with psycopg.connect(database.reader_url) as conn:
        times = conn.execute("SELECT latest_at FROM merkle_tiles WHERE level = 0 ORDER BY index").fetchall()
    five_past = datetime(2026, 11, 26, 0, 5, tzinfo=UTC)
    assert times == [(five_past,)] * 3


def test_a_history_with_a_hole_stops_the_tree(database: Database, ledger: Ledger, desk: Desk) -> None:
    """An event that is missing is named; nothing is signed over what is left (I3)."""
    append_history(ledger)
    with psycopg.connect(database.owner_url) as conn:
        conn.execute("ALTER TABLE events DISABLE TRIGGER USER")
        conn.execute("DELETE FROM events WHERE notification_id = 28")
    with pytest.raises(InvariantBroken, match="position 28 is missing"):
        desk.run()
    assert desk.archived() == []


def test_checkpoints_come_at_the_interval(database: Database, ledger: Ledger, desk: Desk) -> None:
    """The first at once, the next when the interval is over and something happened, none for a quiet time."""
    assert not desk.checkpoints.step()
    append_events(ledger, 100)
    desk.run()
    assert [(each.number, each.size) for each in desk.archived()] == [(1, 100)]
    desk.clock.pass_by(3600)
    desk.run()
    assert len(desk.archived()) == 1
    desk.clock.pass_by(-3590)
    execute(ledger, fund(ALICE, USDT, "more"))
    desk.run()
    assert len(desk.archived()) == 1
    desk.clock.pass_by(50)
    desk.run()
    assert [(each.number, each.size) for each in desk.archived()] == [(1, 100), (2, 101)]
    hashes = leaves(database)
    assert [each.root for each in desk.archived()] == [root(nodes_of(hashes), size) for size in (100, 101)]


def test_a_backlog_is_covered_in_pieces(database: Database, ledger: Ledger, tmp_path: Path) -> None:
    """More new events than one checkpoint may cover are covered by several, without waiting for the interval."""
    append_events(ledger, 100)
    desk = Desk(database, tmp_path, events_max=40)
    desk.run()
    assert [each.size for each in desk.archived()] == [40, 80]
    desk.clock.pass_by(60)
    desk.run()
    assert [each.size for each in desk.archived()] == [40, 80, 100]
    desk.login.close()


def test_the_archive_alone_shows_that_the_history_only_grew(ledger: Ledger, desk: Desk) -> None:
    """From one archived checkpoint to the next there is a consistency proof, which needs no database."""
    append_history(ledger)
    for number in range(5):
        desk.run()
        desk.clock.pass_by(60)
        execute(ledger, *(fund(ALICE, USDT, f"{number} {n}") for n in range(number + 1)))
    kept = [ArchivedCheckpoint.decode(content) for _, content in desk.archive.contents()]
    signed = desk.archived()
    assert [each.number for each in kept] == [1, 2, 3, 4, 5]
    for before, after, archived in zip(signed, signed[1:], kept[1:], strict=False):
        check_consistency(before.size, before.root, after.size, after.root, archived.path())


def test_every_client_event_has_its_receipt(database: Database, ledger: Ledger, desk: Desk) -> None:
    """From what the database keeps of a checkpoint, each entry is proven under a root that the checkpoint names."""
    append_history(ledger)
    desk.run()
    [checkpoint] = desk.archived()
    with psycopg.connect(database.reader_url) as conn:
        [(blind, [note])] = conn.execute("SELECT blind, receipts FROM checkpoints").fetchall()
        [(number, part)] = conn.execute("SELECT number, leaves FROM receipt_trees").fetchall()
        rows = page_of_events(conn, 0, 1000)
    assert ReceiptNote.parse(opened(note, desk.signer.key)).root == checkpoint.receipt_roots[0]
    tree = filled([part[at : at + 32] for at in range(0, len(part), 32)], number, blind)
    entries = [entry for p, s, v, topic, state in rows for entry in entries_of(p, s, v, topic, json.loads(state))]
    assert len(entries) * 32 == len(part)
    for entry in entries:
        check(proven(entry, blind, tree, note, 1, entry.position), desk.signer.key)


def test_two_processes_sign_one_history(ledger: Ledger, desk: Desk) -> None:
    """When another process has signed meanwhile, what this one signed is shown to nobody."""
    append_history(ledger)
    other = desk.process()
    desk.checkpoints._tree.grow()
    signed: list[bytes] = []

    def sign_late(message: bytes) -> bytes:
        if not signed:
            signed.append(message)
            while other.step():
                pass
        return FixedSigner().sign(message)

    desk.checkpoints._signer.sign = sign_late  # type: ignore[method-assign]
    desk.run()
    assert [each.number for each in desk.archived()] == [1]
    assert signed


def test_an_archive_that_is_shut_gets_its_checkpoints_later(ledger: Ledger, desk: Desk, tmp_path: Path) -> None:
    """Signing goes on meanwhile; afterwards every checkpoint is there, once (I9)."""
    append_history(ledger)
    put = desk.archive.put

    def shut(number: int, content: bytes) -> None:
        raise Unavailable("no disk")

    desk.archive.put = shut  # type: ignore[method-assign]
    for number in range(3):
        with pytest.raises(Unavailable):
            desk.run()
        desk.clock.pass_by(60)
        execute(ledger, fund(ALICE, USDT, f"{number}"))
    desk.archive.put = put  # type: ignore[method-assign]
    desk.run()
    assert [each.number for each in desk.archived()] == [1, 2, 3, 4]


def test_a_second_history_is_not_archived(ledger: Ledger, desk: Desk) -> None:
    """A database that was restored from an older backup and went on differently stops at the archive's first contradiction."""
    append_history(ledger)
    desk.archive.put(1, b"what another history had")
    with pytest.raises(ArchiveConflict):
        desk.run()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE checkpoints SET size = 9", "DELETE FROM checkpoints", "INSERT INTO events VALUES ('s', 1, 't', '{}', 99)"],
)
@pytest.mark.parametrize("role", [CHECKPOINTER, READER])
def test_nobody_can_take_a_checkpoint_back(database: Database, role: str, statement: str) -> None:
    """What was signed stays, and who signs cannot write the history (I14)."""
    with psycopg.connect(database.role_urls[role]) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)  # type: ignore[call-overload]
