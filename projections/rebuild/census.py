"""Census: which events the history holds, by type and version, and whether this program can read every one of them."""

from typing import Any, Final, NamedTuple

from psycopg import Connection

from core.ledger.events import read_as
from projections.named import rows

_COUNT: Final = """
SELECT topic, count(*) AS events, min(notification_id) AS first, max(notification_id) AS last
  FROM events GROUP BY topic ORDER BY topic COLLATE "C"
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
    return [
        Counted(topic=row.topic, events=row.events, first=row.first, last=row.last, read_as=read_as(row.topic))
        for row in rows(conn, _COUNT)
    ]
