"""Alarms as webhooks to the operator: the same retries and the same refusals of addresses as a client's.

One tells that an alarm was raised, one that it is over, one that a person took it. They go to COUNTERFOIL_OPERATOR_WEBHOOK_URL,
signed with the secret of the account "operator", which `counterfoil alarms secret` shows."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from core.ledger.journal import derived_id
from core.ports.bookmarks import Bookmarks
from core.ports.clients import Delivery, WebhookOutbox
from core.streams.accounts import OPERATOR
from gateways.postgres.alarms import AlarmChange, changes_after, end_quiet
from gateways.postgres.connections import Connections
from gateways.webhooks.signatures import webhook_secret

SECRET_GENERATION: Final = 1
EVENT_TYPE: Final = "operator.alarm"
EVENT_TYPES: Final[Mapping[str, str]] = {
    "raised": EVENT_TYPE,
    "ended": "operator.alarm_ended",
    "acknowledged": "operator.alarm_acknowledged",
}
"""By what happened to the alarm."""
BOOKMARK: Final = "alarms"
ALARMS_PER_STEP_MAX: Final = 100
QUIET_LOOKS: Final = timedelta(minutes=1)


class AlarmFeed:
    """Puts what happens to alarms into the outbox; while the operator has no URL it is passed over."""

    def __init__(self, alarms: Connections, bookmarks: Bookmarks, outbox: WebhookOutbox, *, has_url: bool) -> None:
        self._alarms = alarms
        self._bookmarks = bookmarks
        self._outbox = outbox
        self._has_url = has_url

    def step(self) -> bool:
        """Up to ALARMS_PER_STEP_MAX changes. The bookmark moves when the outbox has them (I9). Raises Unavailable."""
        changes = changes_after(self._alarms, self._bookmarks.load(BOOKMARK), ALARMS_PER_STEP_MAX)
        if not changes:
            return False
        if self._has_url:
            self._outbox.put([_delivery(change) for change in changes])
        self._bookmarks.save(BOOKMARK, changes[-1].id)
        return True


class QuietAlarms:
    """Ends what nobody has repeated for an hour: a look every minute."""

    def __init__(self, login: Connections, clock: Callable[[], datetime]) -> None:
        self._login = login
        self._clock = clock
        self._next: datetime | None = None

    def step(self) -> bool:
        """Never busy. Raises Unavailable."""
        now = self._clock()
        if self._next is None or now >= self._next:
            end_quiet(self._login)
            self._next = now + QUIET_LOOKS
        return False


def operator_secret(master: bytes) -> str:
    """What signs the operator's webhooks."""
    return webhook_secret(master, OPERATOR, SECRET_GENERATION)


def _delivery(change: AlarmChange) -> Delivery:
    """No order between alarms: one that cannot be delivered holds none up. `sequence` says which word is the last."""
    alarm = change.alarm
    data = {
        "id": alarm.id,
        "name": alarm.name,
        "about": alarm.about,
        "sentence": alarm.sentence,
        "process": alarm.process,
        "state": {"raised": "open", "ended": "over"}.get(change.change, change.change),
        "times": alarm.times,
        "raised_at": alarm.raised_at,
    }
    if change.change == "ended":
        data |= {"ended_at": alarm.ended_at, "ended_by": alarm.ended_by}
    if change.change == "acknowledged":
        data |= {"acknowledged_at": alarm.acknowledged_at, "acknowledged_by": alarm.acknowledged_by, "note": alarm.note}
    event_type = EVENT_TYPES[change.change]
    raised = change.change == "raised"
    body = {"type": event_type, "timestamp": change.at, "sequence": change.id, "data": data}
    return Delivery(
        account_id=OPERATOR,
        event_id=alarm.event_id
        if raised
        else str(derived_id("alarm", OPERATOR, f"{change.id} {change.at.isoformat()}")),
        event_type=event_type,
        subject=f"alarm-{alarm.id}",
        sequence=change.id,
        payload=msgspec.json.encode(body),
        status="pending",
        attempts=0,
        created_at=change.at,
        next_retry_at=change.at,
    )
