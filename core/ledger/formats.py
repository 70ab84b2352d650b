"""Stream formats: from which position on which format level may be written (core/ledger/events.py).

    FormatRaised*

Until an upgrade is finished the new program writes what the old one reads. `counterfoil upgrade finish` appends one event, and
behind it stands whatever the new program has to say: an older one stops reading there, decides nothing, and waits (I22).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Self

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.history import Raising
from core.ledger.ledger import Past

FORMATS: Final = "formats"


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("format.raised", by="writer")
class FormatRaised(Raising, frozen=True, kw_only=True):
    """Events of this format level may follow. `program` is the version that raised it, for people."""

    program: str


# State


class Formats(msgspec.Struct, frozen=True):
    """The newest level that was raised to; 0 while none was."""

    level: int = 0

    def evolve(self, happened: Event) -> Self:
        if isinstance(happened, FormatRaised):
            return msgspec.structs.replace(self, level=max(self.level, happened.level))
        return self


# Decisions


class RaiseFormat(msgspec.Struct, frozen=True):
    """Let events of a format level be written from now on. There is no way back but a restored backup."""

    level: int
    program: str
    actor: str

    def streams(self) -> list[str]:
        return [FORMATS]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        if past.state(FORMATS, Formats()).level >= self.level:
            return ()
        return [New(FORMATS, FormatRaised(occurred_at=now, actor=self.actor, level=self.level, program=self.program))]
