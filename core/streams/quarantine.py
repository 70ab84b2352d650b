"""Stream quarantine-{address}: a deposit address that cannot be swept is set aside, so that nothing is burned trying again.

    (AddressQuarantined -> AddressReleased)*

Its coins stay booked where they are and its deposits are credited as ever.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past
from core.ledger.refusals import NotFound, Refusal

Reason = Literal["blacklisted", "reverts"]
"""The token does not let its coins go; or its transfer reverts although nothing says why."""


def quarantine_stream(address: str) -> str:
    return f"quarantine-{address}"


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("address.quarantined", by="signer")
class AddressQuarantined(Event, frozen=True, kw_only=True):
    """Not swept from now on; `detail` says what was seen."""

    address: str
    reason: Reason
    detail: str


@event("address.released", by="signer")
class AddressReleased(Event, frozen=True, kw_only=True):
    """Swept again like any other."""

    address: str
    reason: str


# State


class Quarantine(msgspec.Struct, frozen=True):
    """Why an address is set aside now, if it is."""

    held: AddressQuarantined | None = None

    def evolve(self, happened: Event) -> Self:
        return msgspec.structs.replace(self, held=happened if isinstance(happened, AddressQuarantined) else None)


# Decisions


class QuarantineAddress(msgspec.Struct, frozen=True):
    """Set an address aside. One that is set aside stays so, for its first reason."""

    address: str
    reason: Reason
    detail: str
    actor: str

    def streams(self) -> list[str]:
        return [quarantine_stream(self.address)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        stream = quarantine_stream(self.address)
        if past.state(stream, Quarantine()).held is not None:
            return ()
        held = AddressQuarantined(
            occurred_at=now, actor=self.actor, address=self.address, reason=self.reason, detail=self.detail
        )
        return [New(stream, held)]


class ReleaseAddress(msgspec.Struct, frozen=True):
    """Sweep an address again: the token has cleared it, or an operator has looked."""

    address: str
    reason: str
    actor: str

    def streams(self) -> list[str]:
        return [quarantine_stream(self.address)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        stream = quarantine_stream(self.address)
        if past.state(stream, Quarantine()).held is None:
            return () if past.history(stream) else NotFound(noun="address in quarantine")
        released = AddressReleased(occurred_at=now, actor=self.actor, address=self.address, reason=self.reason)
        return [New(stream, released)]
