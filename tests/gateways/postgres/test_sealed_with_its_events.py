"""The seal is part of the append that it seals."""

import threading

import psycopg

from core.ledger.ledger import Ledger
from gateways.postgres.event_store import PostgresEventStore, datastore
from tests.support.history import ALICE, TickingClock, append_history, execute, fund
from tests.support.postgres import Database

_COVERED = (
    "SELECT count(*) FROM events AS event JOIN seals AS seal"
    " ON event.notification_id BETWEEN seal.first_position AND seal.last_position"
)
_BY_ITS_OWN_TRANSACTION = f"{_COVERED} AND event.xmin = seal.xmin"
_COUNTS = "SELECT (SELECT count(*) FROM events), (SELECT count(DISTINCT xmin::text) FROM events), count(*) FROM seals"


def test_every_event_is_sealed_by_the_transaction_that_wrote_it(database: Database, ledger: Ledger) -> None:
    """Four writers at once: no event is ever committed without its seal, none is sealed twice or by another's append."""
    append_history(ledger)

    def write(name: str) -> None:
        store = PostgresEventStore(datastore(database.writer_url))
        for number in range(10):
            execute(Ledger(store, TickingClock()), fund(ALICE, 1, f"{name} {number}"))
        store.close()

    threads = [threading.Thread(target=write, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with psycopg.connect(database.owner_url) as conn:
        row = conn.execute(_COUNTS).fetchone()
        assert row is not None
        events, transactions, seals = row
        assert events > transactions == seals > 40
        assert conn.execute(_COVERED).fetchone() == (events,)
        assert conn.execute(_BY_ITS_OWN_TRANSACTION).fetchone() == (events,)
