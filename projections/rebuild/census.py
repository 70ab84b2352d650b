"""Census: which events the history holds, by type and version, and whether this program can read every one of them."""

from typing import Any, Final, NamedTuple

from psycopg import Connection

from core.ledger.events import read_as

_COUNT: Final = """
SELECT topic, count(*), min(notification_id), max(notification_id) FROM events GROUP BY topic ORDER BY topic COLLATE "C"
"""


class Counted(NamedTuple):
    """The events of one topic. `read_as` is the topic they are lifted to; None: nothing here can read them."""

    topic: str
    events: int
    first: int
    last: int
    read_as: str | None


def census(conn: Connection[Any]) -> list[Counted]:
    """One line a topic. Reads the whole table once."""
    rows = conn.execute(_COUNT).fetchall()
    return [Counted(topic, events, first, last, read_as(topic)) for topic, events, first, last in rows]
