"""Stream signing: whether payouts may be signed, and if not, why.

    (SigningStopped -> SigningCauseEnded | SigningResumed)*

Several causes may hold at once; signing goes on when the last has ended. What the chain itself takes back (a pause, a
fee, a blacklisting) ends its own cause and no other. Everything else ends when a person has looked and says so.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, Self

import msgspec

from core.events import Event, New, event
from core.guard import GuardKey
from core.ledger import Past
from core.rejections import Rejection, SigningIsStopped

SIGNING: Final = "signing"

Cause = Literal[
    "token_paused",
    "token_fee_on",
    "token_deprecated",
    "hot_wallet_blacklisted",
    "hot_wallet_funds_destroyed",
    "wallet_permission_changed",
    "outgoing_unexplained",
    "dead_payout_mined",
]


@event("signing.stopped")
class SigningStopped(Event, frozen=True, kw_only=True):
    """Going on would lose money; `stream` holds the event that shows it."""

    cause: Cause
    stream: str


@event("signing.cause-ended")
class SigningCauseEnded(Event, frozen=True, kw_only=True):
    """The chain took back what had stopped signing; `stream` holds the event that shows it."""

    cause: Cause
    stream: str


@event("signing.resumed")
class SigningResumed(Event, frozen=True, kw_only=True):
    """An operator has looked: these causes are settled."""

    causes: tuple[Cause, ...]
    reason: str


class Signing(msgspec.Struct, frozen=True):
    """The causes that hold now, the oldest first."""

    causes: tuple[Cause, ...] = ()

    def evolve(self, happened: Event) -> Self:
        match happened:
            case SigningStopped():
                return msgspec.structs.replace(self, causes=(*self._without(happened.cause), happened.cause))
            case SigningCauseEnded():
                return msgspec.structs.replace(self, causes=self._without(happened.cause))
            case SigningResumed():
                return msgspec.structs.replace(self, causes=self._without(*happened.causes))
        return self

    def _without(self, *ended: Cause) -> tuple[Cause, ...]:
        return tuple(cause for cause in self.causes if cause not in ended)


def must_be_signing(past: Past) -> Rejection | None:
    """Why nothing may be prepared, signed or sent for the first time, or None."""
    causes = past.state(SIGNING, Signing()).causes
    return SigningIsStopped(causes=", ".join(causes)) if causes else None


def stop(past: Past, now: datetime, actor: str, cause: Cause, stream: str) -> list[New]:
    """Stop for this cause, unless it holds already."""
    if cause in past.state(SIGNING, Signing()).causes:
        return []
    return [New(SIGNING, SigningStopped(occurred_at=now, actor=actor, cause=cause, stream=stream))]


def end(past: Past, now: datetime, actor: str, cause: Cause, stream: str) -> list[New]:
    """End this cause, if it holds."""
    if cause not in past.state(SIGNING, Signing()).causes:
        return []
    return [New(SIGNING, SigningCauseEnded(occurred_at=now, actor=actor, cause=cause, stream=stream))]


class ResumeSigning(msgspec.Struct, frozen=True):
    """Settle the causes that the operator has seen. One that has come since then goes on holding."""

    causes: tuple[Cause, ...]
    reason: str
    actor: str

    def streams(self) -> list[str]:
        return [SIGNING]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Rejection:
        holding = past.state(SIGNING, Signing()).causes
        settled = tuple(cause for cause in holding if cause in self.causes)
        if not settled:
            return ()
        resumed = SigningResumed(occurred_at=now, actor=self.actor, causes=settled, reason=self.reason)
        return [New(SIGNING, resumed)]
