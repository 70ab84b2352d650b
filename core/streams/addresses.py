"""Stream address-{base58}: a deposit address is assigned, once and for ever. Stream payin-{id}: the request it serves.

    PayinRequested -> PayinDisabled          AddressAssigned

Disabling is a label: money that still arrives is booked all the same (FAILURES 12).
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal, Self
from uuid import UUID

import msgspec

from core.ledger.books import CLEARING
from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey, guard_key
from core.ledger.journal import derived_id
from core.ledger.ledger import Past
from core.ledger.refusals import AddressTaken, IdempotencyKeyReused, LedgerAccountNotFound, NotFound, Refusal
from core.streams.accounts import must_be_active


def address_stream(address: str) -> str:
    return f"address-{address}"


def payin_stream(payin_id: str) -> str:
    return f"payin-{payin_id}"


@lru_cache(maxsize=65_536)
def address_id(address: str) -> UUID:
    """The id under which clients see an address of theirs: it follows from the base58 text."""
    return derived_id("address", "", address)


# Events: stored as they are for ever, so a change is a new version and an upcast


@event(
    "payin.requested",
    by="api",
    shown=("address", "client_reference", "ledger_account", "payin_id"),
)
class PayinRequested(Event, frozen=True, kw_only=True):
    payin_id: str
    account_id: str
    address: str
    ledger_account: str
    client_reference: str | None


@event(
    "payin.disabled",
    by="api",
    shown=("address", "payin_id"),
)
class PayinDisabled(Event, frozen=True, kw_only=True):
    payin_id: str
    account_id: str
    address: str


@event(
    "address.assigned",
    by="api",
    shown=("address", "address_hex", "ledger_account", "payin_id"),
)
class AddressAssigned(Event, frozen=True, kw_only=True):
    """The address belongs to this account from now on; `key_id` says which key signs for it, never the key."""

    address: str
    address_hex: str
    account_id: str
    ledger_account: str
    payin_id: str
    key_id: str


# State


class DepositAddress(msgspec.Struct, frozen=True):
    """Whose address it is."""

    assigned: AddressAssigned | None = None

    def evolve(self, happened: Event) -> Self:
        if self.assigned is not None or not isinstance(happened, AddressAssigned):
            return self  # the first counts: whoever could append another would have its coins
        return msgspec.structs.replace(self, assigned=happened)


UNASSIGNED: Final = DepositAddress()


class Payin(msgspec.Struct, frozen=True):
    """What decisions know of a payin request."""

    state: Literal["absent", "active", "disabled"] = "absent"
    requested: PayinRequested | None = None

    def evolve(self, happened: Event) -> Self:
        match happened:
            case PayinRequested():
                return msgspec.structs.replace(self, state="active", requested=happened)
            case PayinDisabled():
                return msgspec.structs.replace(self, state="disabled")
        return self


# Decisions


class RequestPayin(msgspec.Struct, frozen=True):
    """Assign a ready address of the pool to a new payin. `payin_id` follows from account and idempotency key."""

    payin_id: str
    account_id: str
    address: str
    address_hex: str
    key_id: str
    ledger_account: str
    client_reference: str | None
    actor: str

    def streams(self) -> list[str]:
        return [payin_stream(self.payin_id), address_stream(self.address), f"account-{self.account_id}"]

    def guards(self) -> list[GuardKey]:
        return [guard_key(self.account_id, self.ledger_account)]

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        payin = past.state(payin_stream(self.payin_id), Payin())
        if payin.requested is not None:
            differing = [
                name
                for name in ("ledger_account", "client_reference")
                if getattr(payin.requested, name) != getattr(self, name)
            ]
            return IdempotencyKeyReused(fields=", ".join(differing)) if differing else ()
        refusal = must_be_active(past, self.account_id)
        if refusal:
            return refusal
        if past.balance(self.guards()[0]) is None or self.ledger_account == CLEARING:
            return LedgerAccountNotFound(ledger_account=self.ledger_account)
        if past.state(address_stream(self.address), UNASSIGNED).assigned is not None:
            return AddressTaken(address=self.address)
        requested = PayinRequested(
            occurred_at=now,
            actor=self.actor,
            payin_id=self.payin_id,
            account_id=self.account_id,
            address=self.address,
            ledger_account=self.ledger_account,
            client_reference=self.client_reference,
        )
        assigned = AddressAssigned(
            occurred_at=now,
            actor=self.actor,
            address=self.address,
            address_hex=self.address_hex,
            account_id=self.account_id,
            ledger_account=self.ledger_account,
            payin_id=self.payin_id,
            key_id=self.key_id,
        )
        return [New(payin_stream(self.payin_id), requested), New(address_stream(self.address), assigned)]


class DisablePayin(msgspec.Struct, frozen=True):
    """Label a payin as no longer wanted."""

    payin_id: str
    account_id: str
    actor: str

    def streams(self) -> list[str]:
        return [payin_stream(self.payin_id)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        payin = past.state(payin_stream(self.payin_id), Payin())
        if payin.requested is None or payin.requested.account_id != self.account_id:
            return NotFound(noun="payin")
        if payin.state == "disabled":
            return ()
        disabled = PayinDisabled(
            occurred_at=now,
            actor=self.actor,
            payin_id=self.payin_id,
            account_id=self.account_id,
            address=payin.requested.address,
        )
        return [New(payin_stream(self.payin_id), disabled)]
