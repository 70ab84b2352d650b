"""Step: look once an hour at how old the newest backup is, and ring while it is too old."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from core.ports.alarm import Alarm, Condition
from projections.audit.history_tree import Transaction
from projections.named import rows

EVERY: Final = timedelta(hours=1)
_NEWEST: Final = (
    "SELECT (SELECT max(occurred_at) FROM history WHERE stream = 'store' AND topic = 'store.backup-taken/1') AS taken_at,"
    " (SELECT occurred_at FROM history WHERE position = 1) AS began_at"
)


class BackupAge:
    """`age_max`: zero for no alarm. A history that was never backed up is as old as its first event."""

    def __init__(
        self, transaction: Transaction, clock: Callable[[], datetime], age_max: timedelta, *, alarm: Alarm
    ) -> None:
        self._transaction = transaction
        self._clock = clock
        self._age_max = age_max
        self._age = Condition(alarm, "backup_old")
        self._next: datetime | None = None

    def step(self) -> bool:
        """Never busy. Raises Unavailable."""
        now = self._clock()
        if not self._age_max or (self._next is not None and now < self._next):
            return False
        with self._transaction() as conn:
            found = rows(conn, _NEWEST).fetchone()
        self._next = now + EVERY
        since = found and (found.taken_at or found.began_at)
        if since is not None and now - since > self._age_max:
            hours = (now - since) // timedelta(hours=1)
            never = "" if found and found.taken_at else "there never was one; "
            said = f"the newest backup is {hours} hours old: {never}`counterfoil backup --to DIR` makes one, on another disk"
            self._age.stand({"the newest backup": said})
        else:
            self._age.stand({})
        return False
