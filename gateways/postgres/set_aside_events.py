"""What the views set aside, as a table; and the step that freezes the payouts of the accounts that it names."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from psycopg import Connection

from core.ledger.ledger import Failed, Ledger
from core.streams.set_aside import FreezePayouts
from projections.named import structs

Transaction = Callable[[], AbstractContextManager[Connection[Any]]]

ACTOR: Final = "system:recorder"
FREEZES_MAX: Final = 500
"""Of one append."""

_LAST: Final = """
SELECT "position", stream, version, topic, min(reason) AS reason, array_agg(view ORDER BY view) AS views,
       (SELECT array_agg(DISTINCT account) FROM set_aside_events s, unnest(s.accounts) AS account
         WHERE s."position" = e."position") AS accounts,
       min(found_at) AS found_at, min(settled_at) AS settled_at, min(settled_by) AS settled_by,
       min(settled_reason) AS settled_reason
  FROM set_aside_events e WHERE %s OR settled_at IS NULL
 GROUP BY "position", stream, version, topic ORDER BY "position" LIMIT %s
"""


class SetAsideEvent(NamedTuple):
    """An event that is left out: by every view where `views` is ("",), since nobody can read it, else by those views."""

    position: int
    stream: str
    version: int
    topic: str
    reason: str
    views: Sequence[str]
    accounts: Sequence[str] | None
    found_at: datetime
    settled_at: datetime | None
    settled_by: str | None
    settled_reason: str | None


def set_aside_events(transaction: Transaction, *, settled: bool, limit: int = 1_000) -> list[SetAsideEvent]:
    """Those that wait for an operator, oldest first; with `settled` the others, too. Raises Unavailable."""
    with transaction() as conn:
        return structs(conn, SetAsideEvent, _LAST, (settled, limit)).fetchall()


class Waiting(Protocol):
    """What was set aside and waits for an operator: where it stands, and the accounts that it names."""

    @property
    def position(self) -> int: ...

    @property
    def stream(self) -> str: ...

    @property
    def accounts(self) -> Sequence[str] | None: ...


class Freezes:
    """Step: freezes the payouts of every account that something set aside names. Known freezes change nothing."""

    def __init__(self, waiting: Callable[[], Sequence[Waiting]], ledger: Ledger, *, look_every: int = 5) -> None:
        """A look at what is `waiting` every so many calls: the step shares a loop that has no pause of its own."""
        self._waiting = waiting
        self._ledger = ledger
        self._look_every = look_every
        self._calls = 0
        self._done: set[tuple[int, str]] = set()

    def step(self) -> bool:
        """False: what is frozen now brings no more work. Raises Unavailable."""
        self._calls += 1
        if self._calls % self._look_every:
            return False
        waiting = [
            FreezePayouts(account_id=account_id, position=each.position, stream=each.stream, actor=ACTOR)
            for each in self._waiting()
            for account_id in each.accounts or ()
        ]
        new = [freeze for freeze in waiting if (freeze.position, freeze.account_id) not in self._done][:FREEZES_MAX]
        if not new:
            return False
        for outcome in self._ledger.execute(new):
            if isinstance(outcome, Failed):
                raise outcome.error
        self._done |= {(freeze.position, freeze.account_id) for freeze in new}
        return False
