"""A ledger that may append everything: for commands that hold the database owner's login, and no process (I14)."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from psycopg.conninfo import make_conninfo

from core.ledger.ledger import Accepted, Command, Failed, Ledger, Outcome, Refused
from gateways.postgres.connections import conninfo_of, with_options
from gateways.postgres.database import Database
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import WRITER
from gateways.user_error import UserError
from gateways.wiring.platform import utc_now


class Writer(NamedTuple):
    """The history, and who appends to it."""

    store: PostgresEventStore
    ledger: Ledger

    def do(self, command: Command) -> Outcome:
        """Raises UserError where it is refused."""
        [outcome] = self.ledger.execute([command])
        if isinstance(outcome, Refused):
            raise UserError(outcome.refusal.detail)
        if isinstance(outcome, Failed):
            raise outcome.error
        return outcome


@contextlib.contextmanager
def writer(database: Database) -> Iterator[Writer]:
    """Logged in as the owner, acting as the role that may append everything."""
    url = conninfo_of(database.owner_url)
    store = PostgresEventStore(datastore(make_conninfo(url, options=with_options(url, f"-c role={WRITER}"))))
    try:
        yield Writer(store, Ledger(store, utc_now))
    finally:
        store.close()


def changed(outcome: Outcome) -> bool:
    return isinstance(outcome, Accepted)
