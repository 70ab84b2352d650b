"""Stream period-{day}: that a period is over although nothing has happened since.

    PeriodEnded*

A statement is final once something happened behind its period (projections/audit/as_of.py): on a quiet installation this is it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past

ENDED_EVERY: Final = timedelta(minutes=1)
"""Who asks again and again for statements up to this moment adds no more than this to the history."""
ACTOR: Final = "system:statements"


def period_stream(until: datetime) -> str:
    return f"period-{until.astimezone(UTC):%Y-%m-%d}"


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("period.ended", by="api")
class PeriodEnded(Event, frozen=True, kw_only=True):
    """Somebody asked for a statement up to `until`, and nothing had happened since."""

    until: datetime


# Decisions


class EndPeriod(msgspec.Struct, frozen=True):
    """Let something happen behind the period, so that nothing can come into it any more."""

    until: datetime
    actor: str = ACTOR

    def streams(self) -> list[str]:
        return [period_stream(self.until)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        stream = period_stream(self.until)
        history = past.history(stream)
        if now < self.until or (history and now - history[-1].event.occurred_at < ENDED_EVERY):
            return ()
        return [New(stream, PeriodEnded(occurred_at=now, actor=self.actor, until=self.until))]
