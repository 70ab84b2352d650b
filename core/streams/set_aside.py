"""Any stream: what was set aside in it is settled. Stream freeze-{account}: payouts of an account that such an event names.

    any stream:  ... EventSettled*
    freeze-{account}:  (PayoutsFrozen | PayoutsUnfrozen)*

An event that cannot be read, or that a view cannot fold, changes nothing. But what it may have meant is not known: until an
operator has looked, its account pays nothing out. What it lacks is posted as an adjustment; the event itself stays left out.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Final, Self

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.history import Settling
from core.ledger.ledger import Past
from core.ledger.refusals import PayoutsFrozen, Refusal


def freeze_stream(account_id: str) -> str:
    return f"freeze-{account_id}"


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("event.settled", by="api")
class EventSettled(Settling, frozen=True, kw_only=True):
    """An operator has looked at the event at `position`, and says what was done about it."""

    reason: str


@event("account.payouts-frozen", by="recorder", shown=())
class AccountPayoutsFrozen(Event, frozen=True, kw_only=True):
    """An event that names the account was set aside: at this position, in this stream."""

    account_id: str
    position: int
    stream: str


@event("account.payouts-unfrozen", by="api", shown=())
class AccountPayoutsUnfrozen(Event, frozen=True, kw_only=True):
    """What was set aside at this position is settled."""

    account_id: str
    position: int


# State


class Freeze(msgspec.Struct, frozen=True):
    """The positions of what was set aside and names the account: those that wait for an operator, and those settled."""

    waiting: frozenset[int] = frozenset()
    settled: frozenset[int] = frozenset()

    def evolve(self, happened: Event) -> Self:
        match happened:
            case AccountPayoutsFrozen():
                return msgspec.structs.replace(self, waiting=self.waiting | {happened.position})
            case AccountPayoutsUnfrozen():
                position = {happened.position}
                return msgspec.structs.replace(self, waiting=self.waiting - position, settled=self.settled | position)
        return self


_FREE: Final = Freeze()


# Decisions


def must_not_be_frozen(past: Past, account_id: str) -> Refusal | None:
    """Why nothing may leave this account now, or None. The command names its freeze stream."""
    return PayoutsFrozen() if past.state(freeze_stream(account_id), _FREE).waiting else None


class FreezePayouts(msgspec.Struct, frozen=True):
    """Pay nothing out of the account until what was set aside at a position is settled. Done once for each position."""

    account_id: str
    position: int
    stream: str
    actor: str

    def streams(self) -> list[str]:
        return [freeze_stream(self.account_id)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        freeze = past.state(freeze_stream(self.account_id), _FREE)
        if self.position in freeze.waiting | freeze.settled:
            return ()
        frozen = AccountPayoutsFrozen(
            occurred_at=now, actor=self.actor, account_id=self.account_id, position=self.position, stream=self.stream
        )
        return [New(freeze_stream(self.account_id), frozen)]


class SettleEvent(msgspec.Struct, frozen=True):
    """Let the stream go on without the event at a position, and the accounts that it names pay out again."""

    position: int
    stream: str
    accounts: tuple[str, ...]
    reason: str
    actor: str
    settles: ClassVar[bool] = True

    def streams(self) -> list[str]:
        return [self.stream, *map(freeze_stream, self.accounts)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        news: list[New] = []
        known = (record.event for record in past.history(self.stream))
        if not any(isinstance(it, EventSettled) and it.position == self.position for it in known):
            settled = EventSettled(occurred_at=now, actor=self.actor, position=self.position, reason=self.reason)
            news.append(New(self.stream, settled))
        for account_id in self.accounts:
            # Also where the freeze is yet to come: it comes too late then, and changes nothing.
            if self.position not in past.state(freeze_stream(account_id), _FREE).settled:
                unfrozen = AccountPayoutsUnfrozen(
                    occurred_at=now, actor=self.actor, account_id=account_id, position=self.position
                )
                news.append(New(freeze_stream(account_id), unfrozen))
        return news
