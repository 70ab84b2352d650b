"""What tests ask of a whole history: all of it, its guard, its seals."""

from collections.abc import Iterable

import psycopg

from core.ledger.events import Recorded
from core.ledger.guard import GuardKey, guard_deltas
from core.ledger.ledger import EventStore
from core.ledger.seals import Seal, verify


def everything(store: EventStore) -> list[Recorded]:
    """All events, read in pages as a follower reads them."""
    found: list[Recorded] = []
    while page := store.read(found[-1].position if found else 0, 1_000):
        found += page
    return found


def replayed_guard(history: Iterable[Recorded]) -> dict[GuardKey, int]:
    """The guard that follows from the events alone (I4)."""
    guard: dict[GuardKey, int] = {}
    for recorded in history:
        for change in guard_deltas(recorded.event):
            if change.opens:
                guard[change.key] = 0
            elif change.key in guard:
                guard[change.key] += change.delta_minor
    return guard


def guard_rows(url: str) -> dict[GuardKey, int]:
    """The guard as the database has it."""
    with psycopg.connect(url) as conn:
        rows = conn.execute("SELECT ledger_account_id, currency, balance_minor FROM guard").fetchall()
    return {GuardKey(account, currency): balance for account, currency, balance in rows}


def verified_head(url: str) -> int:
    """The head of the database's history. Raises BrokenSeal unless positions are contiguous and sealed once (I3)."""
    with psycopg.connect(url) as conn:
        return verify_all(conn)


def verify_all(conn: psycopg.Connection) -> int:
    """The same, within the connection's transaction."""
    events = conn.execute(
        "SELECT notification_id, originator_id, originator_version, topic, convert_to(state, 'UTF8')"
        " FROM events ORDER BY notification_id"
    ).fetchall()
    seals = conn.execute(
        "SELECT first_position, last_position, previous_hash, hash FROM seals ORDER BY first_position"
    ).fetchall()
    return verify(events, (Seal(*row) for row in seals))
