"""Alarms: what a person must look at. Each is a log line, a durable row, a number in /metrics, and a webhook to the operator.

The webhook goes to COUNTERFOIL_OPERATOR_WEBHOOK_URL as a client's would: the same retries, the same refusals of addresses,
signed with the secret of the account "operator", which `counterfoil alarms secret` shows.
"""

import logging
import re
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
import psycopg

from core.journal import derived_id
from core.ports import Bookmarks, Delivery, Unavailable, WebhookOutbox
from gateways.embedded.connections import Connections
from gateways.webhook_signatures import webhook_secret

log = logging.getLogger(__name__)

OPERATOR: Final = "operator"
"""The account under which the operator is told. No client's: theirs are UUIDs."""
SECRET_GENERATION: Final = 1
EVENT_TYPE: Final = "operator.alarm"
BOOKMARK: Final = "alarms"
ALARMS_PER_STEP_MAX: Final = 100

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


def log_alarm(name: str, sentence: str) -> None:
    """An error line that names what happened, for the log's alarms to count."""
    log.error("ALARM %s: %s", name, one_line(sentence))


def one_line(sentence: str) -> str:
    """What a stranger's words may hold is not taken along: no line break into the log, no NUL into the database."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in sentence)


def alarm_name(error: Exception) -> str:
    """The error's class as the name of an alarm: SignatureRefused -> signature_refused."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()


class Alarms:
    """The hook `Alarm` of a process: the log, then the table. It never raises."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def __call__(self, name: str, sentence: str) -> None:
        log_alarm(name, sentence)
        try:
            self._connections.execute(_RAISE, (name, one_line(sentence)))
        # On purpose the one error that goes no further: who raises an alarm has worse to do than to fail at telling it,
        # and the log has it already.
        except (Unavailable, psycopg.Error) as error:
            log.error("the alarm %s stands in the log alone: %s", name, error)


class AlarmFeed:
    """Puts new alarms into the outbox; while the operator has no URL they are passed over, as a client's events are."""

    def __init__(self, alarms: Connections, bookmarks: Bookmarks, outbox: WebhookOutbox, *, has_url: bool) -> None:
        self._alarms = alarms
        self._bookmarks = bookmarks
        self._outbox = outbox
        self._has_url = has_url

    def step(self) -> bool:
        """Up to ALARMS_PER_STEP_MAX alarms. The bookmark moves when the outbox has them (I9). Raises Unavailable."""
        rows = self._alarms.execute(_AFTER, (self._bookmarks.load(BOOKMARK), ALARMS_PER_STEP_MAX))
        if not rows:
            return False
        if self._has_url:
            self._outbox.put([_delivery(_alarm(row)) for row in rows])
        self._bookmarks.save(BOOKMARK, rows[-1][0])
        return True


def last_alarms(connections: Connections, limit: int) -> list[RaisedAlarm]:
    """The newest first. Raises Unavailable."""
    return [_alarm(row) for row in connections.execute(_LAST, (limit,))]


def operator_secret(master: bytes) -> str:
    """What signs the operator's webhooks."""
    return webhook_secret(master, OPERATOR, SECRET_GENERATION)


def _alarm(row: tuple[Any, ...]) -> RaisedAlarm:
    alarm_id, name, sentence, role, times, raised_at, last_raised_at = row
    process = role.removeprefix("counterfoil_")
    since, last = raised_at.astimezone(UTC), last_raised_at.astimezone(UTC)
    return RaisedAlarm(alarm_id, name, sentence, process, times, since, last)


def _delivery(alarm: RaisedAlarm) -> Delivery:
    """No order between alarms: one that cannot be delivered holds none up."""
    data = {
        "name": alarm.name,
        "sentence": alarm.sentence,
        "process": alarm.process,
        "raised_at": alarm.raised_at,
    }
    body = {"type": EVENT_TYPE, "timestamp": alarm.raised_at, "sequence": alarm.id, "data": data}
    return Delivery(
        account_id=OPERATOR,
        event_id=alarm.event_id,
        event_type=EVENT_TYPE,
        subject=f"alarm-{alarm.id}",
        sequence=alarm.id,
        payload=msgspec.json.encode(body),
        status="pending",
        attempts=0,
        created_at=alarm.raised_at,
        next_retry_at=alarm.raised_at,
    )
