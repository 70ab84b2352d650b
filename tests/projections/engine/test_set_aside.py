"""Rows that nobody can read and events that a view cannot fold, in a real database: what stops, what goes on, what is told."""

import json
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.ledger.ledger import Accepted, Ledger, Refused
from core.ledger.refusals import PayoutsFrozen, StreamStopped
from core.streams.payouts import PayoutRefused, payout_stream
from gateways.cli.set_aside import settle
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import PostgresEventStore
from gateways.postgres.roles import RECORDER
from gateways.postgres.set_aside_events import Freezes, SetAsideEvent, set_aside_events
from projections.audit.export import export
from projections.audit.reconcile import reconcile
from projections.engine.projector import Projector
from projections.engine.set_aside import Found
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from schema import verify
from tests.gateways.poison import insert
from tests.support.exports import MADE_AT
from tests.support.history import ALICE, BOB, USDT, append_history, execute, fund, order, request_payout
from tests.support.postgres import Database
from tests.support.rebuilding import rebuilt
from tests.support.views import live_rows


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        yield conn


def projected(store: PostgresEventStore, tracking: ViewTracking, **options: Any) -> list[Found]:
    """Bring every view to the head -> what was set aside."""
    found: list[Found] = []
    projector = Projector(list(VIEWS.values()), store, tracking, on_set_aside=found.append, **options)
    while projector.step():
        pass
    assert set(tracking.bookmarks().values()) == {store.head()}
    return found


def poison(owner: psycopg.Connection[Any]) -> dict[str, int]:
    """One that cannot be read, one that its view cannot fold, and one whose sums no column holds."""
    confirmed = json.dumps({"txid": "aa", "payout_id": "no-such", "account_id": ALICE})[1:-1]
    opened = json.dumps(
        {"account_id": BOB, "ledger_account_id": "no uuid", "code": "x", "name": "x", "type": "liability"}
    )[1:-1]
    return {
        "unreadable": insert(owner, payout_stream("junk"), "payout.requested/2", f'"order":{{"account_id":"{ALICE}"}}'),
        "unreadable again": insert(owner, payout_stream("other"), "payout.broadcast/1", confirmed),
        "unfoldable": insert(owner, "ledger-account-x", "ledger-account.opened/1", opened),
    }


def waiting(database: Database) -> list[SetAsideEvent]:
    login = Connections(database.reader_url, connections_max=1)
    try:
        return set_aside_events(login.transaction, settled=False)
    finally:
        login.close()


def test_a_poison_row_stops_its_stream_and_nothing_else(
    ledger: Ledger,
    store: PostgresEventStore,
    tracking: ViewTracking,
    database: Database,
    owner: psycopg.Connection[Any],
) -> None:
    """Views go on behind it, its account pays nothing out, others do, and once it is settled everything is as before."""
    append_history(ledger)
    execute(ledger, fund(ALICE, 50 * USDT, "a"), fund(BOB, 50 * USDT, "b"))
    at = poison(owner)
    rung = projected(store, tracking)
    assert {found.position for found in rung} == set(at.values())
    assert projected(store, tracking) == []  # rung once
    assert {each.position: set(each.accounts or ()) for each in waiting(database)}[at["unreadable"]] == {ALICE}

    login = Connections(database.role_urls[RECORDER], connections_max=1)
    freezes = Freezes(partial(set_aside_events, login.transaction, settled=False), ledger, look_every=1)
    assert not freezes.step()
    head = store.head()
    assert not freezes.step()
    assert store.head() == head

    [alices, bobs] = ledger.execute(
        [request_payout(order(ALICE, "frozen", USDT)), request_payout(order(BOB, "unfrozen?", USDT))]
    )
    assert isinstance(alices, Accepted)
    assert isinstance(alices.events[0].event, PayoutRefused)
    assert alices.events[0].event.code == PayoutsFrozen().code
    assert isinstance(bobs, Accepted)

    with psycopg.connect(database.reader_url) as conn:
        [check] = [check for check in reconcile(conn).checks if check.name.startswith("every event can be read")]
    assert all(any(f"position {position}:" in said for said in check.differences) for position in at.values())

    for each in waiting(database):
        assert settle(ledger, each, "looked at", "operator:test")
        assert not settle(ledger, each, "looked at", "operator:test")
    projected(store, tracking)
    assert waiting(database) == []
    [paid] = ledger.execute([request_payout(order(ALICE, "again", USDT))])
    assert isinstance(paid, Accepted)
    assert not isinstance(paid.events[0].event, PayoutRefused)
    with psycopg.connect(database.reader_url) as conn:
        [check] = [check for check in reconcile(conn).checks if check.name.startswith("every event can be read")]
    assert check.ok
    assert "left out" in check.note
    login.close()


def test_a_rebuilt_view_leaves_out_what_the_live_one_does(
    ledger: Ledger,
    store: PostgresEventStore,
    tracking: ViewTracking,
    database: Database,
    owner: psycopg.Connection[Any],
) -> None:
    """Live in batches of any size, and rebuilt: the same rows, without what cannot be read or folded (I4)."""
    append_history(ledger)
    poison(owner)
    execute(ledger, fund(ALICE, 50 * USDT, "a"))
    poison(owner)
    projected(store, tracking, batch_events_max=7)
    before = live_rows(tracking)
    rebuilt(database, store, list(VIEWS.values()))
    assert live_rows(tracking) == before


def test_what_stopped_a_stream_is_refused_by_name(ledger: Ledger, owner: psycopg.Connection[Any]) -> None:
    """A command on the stream is refused at once, before any projector has seen the row; other streams are not."""
    append_history(ledger)
    insert(owner, f"account-{ALICE}", "account.renamed/1", "")
    [alices] = ledger.execute([request_payout(order(ALICE, "x", USDT))])
    assert alices == Refused(StreamStopped(stream=f"account-{ALICE}"))
    execute(ledger, fund(BOB, USDT, "b"))


def test_the_stand_alone_verifier_names_what_is_set_aside(
    ledger: Ledger,
    store: PostgresEventStore,
    tracking: ViewTracking,
    database: Database,
    owner: psycopg.Connection[Any],
    tmp_path: Path,
) -> None:
    """An export with a poison row is not what holds, the row moves nothing there either, and a settled one is a note."""
    append_history(ledger)
    at = insert(owner, payout_stream("junk"), "payout.requested/2", "")
    projected(store, tracking)

    def books() -> verify.Findings:
        file = tmp_path / "export.ndjson"
        with psycopg.connect(database.reader_url) as conn:
            file.write_bytes(b"".join(export(conn, MADE_AT)))
        reader = verify.Books(Namespace())
        reader.read(file)
        found: verify.Findings = reader.findings
        return found

    found = books()
    assert {check for check, wrong in found.checks.items() if wrong} == {verify.READABLE}
    assert [position for position, _ in found.checks[verify.READABLE]] == [at]
    [each] = waiting(database)
    settle(ledger, each, "nothing was lost", "operator:test")
    projected(store, tracking)
    found = books()
    assert found.ok
    assert any("nothing was lost" in note and str(at) in note for note in found.notes)
