"""Rows that nobody can read, written past the program by the database's owner: sealed as the program would have sealed them."""

from typing import Any
from uuid import uuid4

import psycopg

from core.ledger.seals import GENESIS, seal_hash

AT = '"occurred_at":"2026-11-22T13:00:00Z","actor":"api-key:stranger"'


def insert(conn: psycopg.Connection[Any], stream: str, topic: str, fields: str, *, sealed: bool = True) -> int:
    """A row with these fields behind a time and an actor, in a transaction of its own -> its position."""
    state = f"{{{AT}{',' if fields else ''}{fields}}}"
    with conn.transaction():
        conn.execute("SET LOCAL ROLE counterfoil_writer")  # whom no list of topics binds
        conn.execute("SELECT take_append_lock()")
        last = conn.execute("SELECT last_position, hash FROM seals ORDER BY last_position DESC LIMIT 1").fetchone()
        head, previous = (int(last[0]), bytes(last[1])) if last else (0, GENESIS)
        found = conn.execute("SELECT count(*) FROM events WHERE originator_id = %s", (stream,)).fetchone()
        version, position = int(found[0] if found else 0) + 1, head + 1
        conn.execute(
            "INSERT INTO events (originator_id, originator_version, topic, state, notification_id)"
            " VALUES (%s, %s, %s, %s, %s)",
            (stream, version, topic, state, position),
        )
        if sealed:
            hashed = seal_hash(previous, [(position, stream, version, topic, state.encode())])
            conn.execute(
                "INSERT INTO seals VALUES (%s, %s, %s, %s, %s)", (uuid4(), position, position, previous, hashed)
            )
            conn.execute("NOTIFY counterfoil_events")
    return position
