"""Alarms as rows that no process can take back, counted by name."""

import logging
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import psycopg

from core.ledger.journal import derived_id
from core.ports.unavailable import Unavailable
from core.streams.accounts import OPERATOR
from gateways.postgres.connections import Connections
from gateways.telemetry.alarm_log import log_alarm, one_line

log = logging.getLogger(__name__)

_RAISE: Final = "SELECT raise_alarm(%s, %s)"
_COLUMNS: Final = "id, name, sentence, role, times, raised_at, last_raised_at"
_AFTER: Final = f"SELECT {_COLUMNS} FROM alarms WHERE id > %s ORDER BY id LIMIT %s"
_LAST: Final = f"SELECT {_COLUMNS} FROM alarms ORDER BY id DESC LIMIT %s"


class RaisedAlarm(NamedTuple):
    """An alarm as it was raised, `times` times from `raised_at` on. `process` is known from its login (I14)."""

    id: int
    name: str
    sentence: str
    process: str
    times: int
    raised_at: datetime
    last_raised_at: datetime

    @property
    def event_id(self) -> str:
        """Names its webhook."""
        return str(derived_id("alarm", OPERATOR, f"{self.id} {self.raised_at.isoformat()}"))


class Alarms:
    """The hook `Alarm` of a process: the log, then the table. It never raises."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def __call__(self, name: str, sentence: str) -> None:
        log_alarm(name, sentence)
        try:
            self._connections.execute(_RAISE, (name, one_line(sentence)))
        # On purpose the one error that goes no further: who raises an alarm has worse to do than to fail at recording it,
        # and the log has it already.
        except (Unavailable, psycopg.Error) as error:
            log.error("the alarm %s is in the log only, not in the table: %s", name, error)


def last_alarms(connections: Connections, limit: int) -> list[RaisedAlarm]:
    """The newest first. Raises Unavailable."""
    return [_alarm(row) for row in connections.execute(_LAST, (limit,))]


def alarms_after(connections: Connections, alarm_id: int, limit: int) -> list[RaisedAlarm]:
    """The next ones in order. Raises Unavailable."""
    return [_alarm(row) for row in connections.execute(_AFTER, (alarm_id, limit))]


def _alarm(row: Any) -> RaisedAlarm:
    return RaisedAlarm(
        id=row.id,
        name=row.name,
        sentence=row.sentence,
        process=row.role.removeprefix("counterfoil_"),
        times=row.times,
        raised_at=row.raised_at.astimezone(UTC),
        last_raised_at=row.last_raised_at.astimezone(UTC),
    )
