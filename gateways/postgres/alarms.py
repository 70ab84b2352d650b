"""Alarms as rows that no process can take back: raised, repeated, over, taken by a person.

The one door by which anything rings. Each is a log line when it begins and another when it ends; what the database does not
take is kept and written once it answers.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import psycopg

from core.ledger.journal import derived_id
from core.ports.unavailable import Unavailable
from core.streams.accounts import OPERATOR
from gateways.alarm_list import kind_of
from gateways.postgres.connections import Connections
from gateways.telemetry.alarm_log import log_alarm, log_end, one_line

log = logging.getLogger(__name__)

REFRESH_S: Final = 300.0
"""So often what stands is said again, so that its row has when it was last seen."""
WORDS_S: Final = 60.0
"""So often a sentence that changes at every look is written."""
FORGET_S: Final = 600.0
"""After so long it is looked up again that nothing stands: another process may have seen it begin."""
UNSAID_MAX: Final = 100
ABOUT_MAX: Final = 200

_RAISE: Final = "SELECT raise_alarm(%s, %s, %s, %s, %s)"
_STAND: Final = "SELECT subject, change FROM stand_alarms(%s, %s::text[], %s::text[], %s::timestamptz[], %s)"
_END: Final = "SELECT end_alarm(%s, %s) AS ended"
_END_QUIET: Final = "SELECT end_quiet_alarms() AS ended"
_ACKNOWLEDGE: Final = "SELECT acknowledge_alarm(%s, %s, %s, %s) AS known"
_COLUMNS: Final = (
    "alarms.id, name, about, sentence, role, times, ends, raised_at, last_raised_at, ended_at, ended_by, acknowledged_at,"
    " acknowledged_by, note"
)
_LAST: Final = f"SELECT {_COLUMNS} FROM alarms WHERE ended_at IS NULL OR NOT %s ORDER BY id DESC LIMIT %s"
_ONE: Final = f"SELECT {_COLUMNS} FROM alarms WHERE id = %s"
_CHANGES: Final = (
    f"SELECT alarm_changes.id AS change_id, change, at, {_COLUMNS} FROM alarm_changes JOIN alarms ON alarms.id = alarm_id"
    " WHERE alarm_changes.id > %s ORDER BY alarm_changes.id LIMIT %s"
)


class RaisedAlarm(NamedTuple):
    """An alarm as it is now, raised `times` times since `raised_at`. `process` is known from its login (I14)."""

    id: int
    name: str
    about: str
    """Of which thing, where there may be several."""
    sentence: str
    """The last one that was said."""
    process: str
    times: int
    ends: str
    raised_at: datetime
    last_raised_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None

    @property
    def state(self) -> str:
        """open, acknowledged (a person has taken it, and it lasts) or over."""
        if self.ended_at is not None:
            return "over"
        return "open" if self.acknowledged_at is None else "acknowledged"

    @property
    def event_id(self) -> str:
        """Names the webhook that told of its beginning."""
        return str(derived_id("alarm", OPERATOR, f"{self.id} {self.raised_at.isoformat()}"))


class AlarmChange(NamedTuple):
    """Something that happened to an alarm: raised, ended, acknowledged. `id` grows in commit order."""

    id: int
    change: str
    at: datetime
    alarm: RaisedAlarm


class _Unsaid(NamedTuple):
    """What the database has not taken."""

    sentence: str
    at: datetime


class _Stood(NamedTuple):
    now: Mapping[str, str]
    written_at: float


class Alarms:
    """The hook of a process, an `AlarmBoard`: the log, then the table. It never raises, and any thread may call it."""

    def __init__(self, connections: Connections, clock: Callable[[], float] = time.monotonic) -> None:
        self._connections = connections
        self._clock = clock
        self._lock = threading.Lock()
        self._begun: dict[tuple[str, str], float] = {}
        """What this process said that lasts, and when it was written last."""
        self._ended: dict[tuple[str, str], float] = {}
        """What was over when it was looked up last."""
        self._stood: dict[tuple[str, str], _Stood] = {}
        self._unsaid: dict[tuple[str, str], _Unsaid] = {}

    def __call__(self, name: str, sentence: str) -> None:
        self._raise(name, "", sentence)

    def begin(self, name: str, about: str, sentence: str) -> None:
        about = one_line(about)[:ABOUT_MAX]
        if kind_of(name).ends == "itself":
            key = (name, about)
            with self._lock:
                since, now = self._begun.get(key), self._clock()
                if since is not None and now - since < REFRESH_S:
                    return
                self._begun[key] = now
                self._ended.pop(key, None)
            self._raise(name, about, sentence, is_new=since is None)
        else:
            self._raise(name, about, sentence)

    def end(self, name: str, about: str) -> None:
        key = (name, one_line(about)[:ABOUT_MAX])
        with self._lock:
            now = self._clock()
            if now - self._ended.get(key, -FORGET_S) < FORGET_S:
                return
            self._begun.pop(key, None)
            self._ended = {each: at for each, at in self._ended.items() if now - at < FORGET_S} | {key: now}
        if self._write_unsaid() and (rows := self._write(_END, key)) is not None:
            if rows and rows[0].ended:
                log_end(*key)
        else:
            with self._lock:
                self._ended.pop(key, None)

    def stand(self, name: str, now: Mapping[str, str], within: str = "") -> None:
        now = {one_line(about)[:ABOUT_MAX]: one_line(sentence) for about, sentence in now.items()}
        with self._lock:
            before, at = self._stood.get((name, within)), self._clock()
            known = before.now if before is not None else {}
            if before is not None and at - before.written_at < _pause_s(before.now, now):
                return
            self._stood[name, within] = _Stood(now, at)
        for about in sorted(now.keys() - known.keys()):
            if (name, about) not in self._unsaid:
                log_alarm(name, now[about])
        began = [None] * len(now)
        rows = None
        if self._write_unsaid():  # what began and ended while the database was shut has been, too
            rows = self._write(_STAND, (name, [*now], [*now.values()], began, within))
        with self._lock:
            if rows is None:
                self._stood[name, within] = _Stood(now, at - FORGET_S)  # written at the next look
                for about, sentence in now.items():
                    self._keep(name, about, sentence)
                return
        for row in rows:
            if row.change == "ended":
                log_end(name, row.subject)

    @property
    def unsaid(self) -> list[str]:
        """The names of what the database has not taken, for /metrics."""
        with self._lock:
            return sorted({name for name, _ in self._unsaid})

    def _raise(self, name: str, about: str, sentence: str, *, is_new: bool = True) -> None:
        if is_new:
            log_alarm(name, sentence)
        words = (name, one_line(sentence), about, kind_of(name).ends, None)
        if not self._write_unsaid() or self._write(_RAISE, words) is None:
            with self._lock:
                self._keep(name, about, one_line(sentence))

    def _keep(self, name: str, about: str, sentence: str) -> None:
        kept = self._unsaid.get((name, about))
        if kept is not None or len(self._unsaid) < UNSAID_MAX:
            self._unsaid[name, about] = _Unsaid(sentence, kept.at if kept is not None else datetime.now(UTC))

    def _write_unsaid(self) -> bool:
        """What an outage kept from the table, with the time at which it began -> whether all of it stands there now."""
        with self._lock:
            waiting = dict(self._unsaid)
        for (name, about), it in waiting.items():
            if self._write(_RAISE, (name, it.sentence, about, kind_of(name).ends, it.at)) is None:
                return False
            with self._lock:
                self._unsaid.pop((name, about), None)
        return True

    def _write(self, statement: str, params: tuple[Any, ...]) -> list[Any] | None:
        """None where the database did not take it."""
        try:
            return self._connections.execute(statement, params)
        # On purpose the one error that goes no further: who raises an alarm has worse to do than to fail at recording it,
        # and the log has it already.
        except Unavailable as error:
            log.error("the alarm %s is in the log only, not in the table: %s", params[0], error)
            return None
        except psycopg.Error as error:
            log.error("the alarm %s is in the log only, not in the table: %s", params[0], error)
            return []  # it would be refused again


def _pause_s(before: Mapping[str, str], now: Mapping[str, str]) -> float:
    """How long this need not be written again."""
    if before.keys() != now.keys():
        return 0.0
    if not now:
        return FORGET_S
    return REFRESH_S if before == now else WORDS_S


def last_alarms(connections: Connections, limit: int, *, is_open: bool = False) -> list[RaisedAlarm]:
    """The newest first; `is_open`: those that are not over. Raises Unavailable."""
    return [_alarm(row) for row in connections.execute(_LAST, (is_open, limit))]


def alarm_of(connections: Connections, alarm_id: int) -> RaisedAlarm | None:
    """One, by its id. Raises Unavailable."""
    return next((_alarm(row) for row in connections.execute(_ONE, (alarm_id,))), None)


def changes_after(connections: Connections, change_id: int, limit: int) -> list[AlarmChange]:
    """The next ones in order. Raises Unavailable."""
    found = connections.execute(_CHANGES, (change_id, limit))
    return [AlarmChange(row.change_id, row.change, row.at.astimezone(UTC), _alarm(row)) for row in found]


def acknowledge(connections: Connections, alarm_id: int, who: str, note: str, *, over: bool) -> bool:
    """A person has taken it; `over`: nobody else will say that it is over -> whether that changed anything."""
    [row] = connections.execute(_ACKNOWLEDGE, (alarm_id, who, note, over))
    return bool(row.known)


def end_quiet(connections: Connections) -> int:
    """End what nobody has repeated for long -> how many. Raises Unavailable."""
    [row] = connections.execute(_END_QUIET)
    return int(row.ended)


def _alarm(row: Any) -> RaisedAlarm:
    return RaisedAlarm(
        id=row.id,
        name=row.name,
        about=row.about,
        sentence=row.sentence,
        process=row.role.removeprefix("counterfoil_"),
        times=row.times,
        ends=row.ends,
        raised_at=row.raised_at.astimezone(UTC),
        last_raised_at=row.last_raised_at.astimezone(UTC),
        ended_at=row.ended_at and row.ended_at.astimezone(UTC),
        ended_by=row.ended_by,
        acknowledged_at=row.acknowledged_at and row.acknowledged_at.astimezone(UTC),
        acknowledged_by=row.acknowledged_by,
        note=row.note,
    )
