"""What changed between two positions: told from the events of the range, equal to the balances at both ends."""

from collections import defaultdict
from collections.abc import Iterator

import psycopg
import pytest

from core.ledger import books
from core.ledger.events import Recorded, postings_of
from core.ledger.journal import TREASURY, signed
from core.ledger.ledger import Ledger
from gateways.postgres.event_store import PostgresEventStore
from projections.audit.difference import Difference, RangeRefused, ViewsBehind, difference
from projections.audit.export import snapshot
from projections.engine.tracking import ViewTracking
from tests.support.history import ALICE, BOB, USDT, execute, fund
from tests.support.postgres import Database
from tests.support.treasury import append_treasury
from tests.support.views import project


@pytest.fixture
def records(ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking) -> list[Recorded]:
    """A history that has every kind of event, and the views at its end."""
    append_treasury(ledger)
    project(store, tracking)
    return list(store.read(0, 1_000))


@pytest.fixture
def conn(database: Database, records: list[Recorded]) -> Iterator[psycopg.Connection]:
    assert records
    with psycopg.connect(database.reader_url) as opened:
        yield opened


def asked(conn: psycopg.Connection, after: int, upto: int, account_id: str | None = None) -> list[Difference]:
    with snapshot(conn):
        return difference(conn, after, upto, account_id=account_id)


Held = dict[tuple[str, str, str], int]


def held_at(records: list[Recorded], position: int) -> Held:
    """(book, code, currency) -> what the account holds in its normal direction, by adding every line up."""
    charts = {**books.TREASURY_CHART, **books.CLIENT_CHART}
    held: Held = defaultdict(int)
    for recorded in records[:position]:
        for line in postings_of(recorded.event):
            kind = charts[line.account][0] if line.account in charts else "liability"
            held[line.book, line.account, line.currency] += signed(line, kind)
    return held


def test_before_and_after_are_the_balances_at_both_ends(conn: psycopg.Connection, records: list[Recorded]) -> None:
    """Of every range; and what is not told did not move."""
    head = len(records)
    for after in range(0, head + 1, 7):
        for upto in sorted({after, after + 1, after + 20, head} & set(range(after, head + 1))):
            found = asked(conn, after, upto)
            before, behind = held_at(records, after), held_at(records, upto)
            told = {(each.account_id, each.ledger_account, each.currency): each for each in found}
            assert len(told) == len(found)
            for key, each in told.items():
                assert (each.before_minor, each.after_minor) == (before.get(key, 0), behind[key]), key
                assert each.change_minor == each.after_minor - each.before_minor
            assert all(before[key] == behind[key] for key in before if key not in told)


def test_the_events_of_a_change_are_those_that_made_it(conn: psycopg.Connection, records: list[Recorded]) -> None:
    """Each is named with its position, its stream and its share; together they are the change."""
    found = asked(conn, 20, len(records))
    for each in found:
        assert sum(event.change_minor for event in each.events) == each.change_minor
        positions = [event.position for event in each.events]
        assert positions == sorted(set(positions))
        for event in each.events:
            recorded = records[event.position - 1]
            assert event.event == f"{recorded.stream}/{recorded.version}"
            assert event.occurred_at == recorded.event.occurred_at
    moved = {recorded.position for recorded in records[20:] if postings_of(recorded.event)}
    assert {event.position for each in found for event in each.events} == moved


def test_one_book_alone(conn: psycopg.Connection, records: list[Recorded]) -> None:
    """A client's or the treasury's: what everything has of it."""
    everything = asked(conn, 0, len(records))
    for account_id in (ALICE, BOB, TREASURY):
        own = asked(conn, 0, len(records), account_id)
        assert own == [each for each in everything if each.account_id == account_id]
        assert own


def test_a_range_that_is_none_is_refused(
    conn: psycopg.Connection, records: list[Recorded], ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """As is one that the views have not come to, and one of too many events."""
    head = len(records)
    for after, upto in ((-1, 5), (5, 4), (0, head + 1)):
        with pytest.raises(RangeRefused, match="the range must begin"):
            asked(conn, after, upto)
    with pytest.raises(RangeRefused, match="more than 9 events"), snapshot(conn):
        difference(conn, 0, 10, events_max=9)
    position = execute(ledger, fund(ALICE, USDT, "later"))
    with pytest.raises(ViewsBehind):
        asked(conn, head, position)
    project(store, tracking)
    assert {each.change_minor for each in asked(conn, head, position)} == {USDT}
