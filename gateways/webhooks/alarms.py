"""Alarms as webhooks to the operator: the same retries and the same refusals of addresses as a client's.

They go to COUNTERFOIL_OPERATOR_WEBHOOK_URL, signed with the secret of the account "operator", which `counterfoil alarms
secret` shows."""

from typing import Final

import msgspec

from core.ports.bookmarks import Bookmarks
from core.ports.clients import Delivery, WebhookOutbox
from core.streams.accounts import OPERATOR
from gateways.postgres.alarms import RaisedAlarm, alarms_after
from gateways.postgres.connections import Connections
from gateways.webhooks.signatures import webhook_secret

SECRET_GENERATION: Final = 1
EVENT_TYPE: Final = "operator.alarm"
BOOKMARK: Final = "alarms"
ALARMS_PER_STEP_MAX: Final = 100


class AlarmFeed:
    """Puts new alarms into the outbox; while the operator has no URL they are passed over, as a client's events are."""

    def __init__(self, alarms: Connections, bookmarks: Bookmarks, outbox: WebhookOutbox, *, has_url: bool) -> None:
        self._alarms = alarms
        self._bookmarks = bookmarks
        self._outbox = outbox
        self._has_url = has_url

    def step(self) -> bool:
        """Up to ALARMS_PER_STEP_MAX alarms. The bookmark moves when the outbox has them (I9). Raises Unavailable."""
        raised = alarms_after(self._alarms, self._bookmarks.load(BOOKMARK), ALARMS_PER_STEP_MAX)
        if not raised:
            return False
        if self._has_url:
            self._outbox.put([_delivery(alarm) for alarm in raised])
        self._bookmarks.save(BOOKMARK, raised[-1].id)
        return True


def operator_secret(master: bytes) -> str:
    """What signs the operator's webhooks."""
    return webhook_secret(master, OPERATOR, SECRET_GENERATION)


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
