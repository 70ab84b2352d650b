"""Stream store: which store this is, and whether anything outside it has seen a later one of the same name.

    StoreNamed (StoreIsOlder -> PositionTold* -> StoreProven)*

A copy has the name of what it was copied from. What tells them apart is the high-water mark, which lies with the signers'
keys (core/ports/high_water.py): a store that does not hold the append which the mark names is older than what signed with
these keys, or another. It signs nothing (I16). StoreIsOlder stops signing in the same append (core/streams/signing.py).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, Self

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past

STORE: Final = "store"

Doubt = Literal["behind", "differs", "another_store", "archive_ahead", "archive_differs", "copied", "mark_lost"]
"""Why a store is not taken for the newest of its name: it ends before the mark; it has another append there; the mark is of
another store; the archive has a checkpoint that it lacks, or another one; the mark was copied with its folder, so that another
installation may go on with the original; the mark is gone and no archive says how far the store was."""


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("store.named", by="signer")
class StoreNamed(Event, frozen=True, kw_only=True):
    """The store's own name, a UUID: the same in every copy of it. The first signer that starts gives it."""

    store_id: str


@event("store.is-older", by="signer")
class StoreIsOlder(Event, frozen=True, kw_only=True):
    """A signer has refused this store: `head` is its last position, `seen` the one that was seen elsewhere, 0 if unknown."""

    head: int
    seen: int
    doubt: Doubt
    sentence: str


@event("store.position-told", by="api")
class PositionTold(Event, frozen=True, kw_only=True):
    """An operator vouches that nothing went on after this position anywhere: it counts where no mark is left to say so."""

    position: int
    reason: str


@event("store.proven", by="signer")
class StoreProven(Event, frozen=True, kw_only=True):
    """A signer found the mark to be of this store, here: after a doubt, or before it opened the pool of addresses."""

    position: int


# State


class Store(msgspec.Struct, frozen=True):
    """Its name, what is held against it now, and up to where an operator has vouched for it since."""

    store_id: str | None = None
    older: StoreIsOlder | None = None
    told: int | None = None

    def evolve(self, happened: Event) -> Self:
        match happened:
            case StoreNamed():
                return msgspec.structs.replace(self, store_id=self.store_id or happened.store_id)
            case StoreIsOlder():
                return msgspec.structs.replace(self, older=happened, told=None)
            case PositionTold():
                return msgspec.structs.replace(self, told=happened.position)
            case StoreProven():
                return msgspec.structs.replace(self, older=None, told=None)
        return self


# Decisions


class NameStore(msgspec.Struct, frozen=True):
    """Give the store its name, unless it has one."""

    store_id: str
    actor: str

    def streams(self) -> list[str]:
        return [STORE]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        if past.state(STORE, Store()).store_id is not None:
            return ()
        return [New(STORE, StoreNamed(occurred_at=now, actor=self.actor, store_id=self.store_id))]


class TellPosition(msgspec.Struct, frozen=True):
    """Vouch for the store as it is up to a position, where a signer doubts it."""

    position: int
    reason: str
    actor: str

    def streams(self) -> list[str]:
        return [STORE]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        store = past.state(STORE, Store())
        if store.older is None or store.told == self.position:
            return ()
        told = PositionTold(occurred_at=now, actor=self.actor, position=self.position, reason=self.reason)
        return [New(STORE, told)]


class ProveStore(msgspec.Struct, frozen=True):
    """Note that the mark is this store's again. Signing goes on once a person has resumed it."""

    position: int
    actor: str

    def streams(self) -> list[str]:
        return [STORE]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        if past.state(STORE, Store()).older is None:
            return ()
        return [New(STORE, StoreProven(occurred_at=now, actor=self.actor, position=self.position))]


class ClaimStore(msgspec.Struct, frozen=True):
    """Note that the mark is this store's. No copy has this append: from here on the mark tells them apart."""

    position: int
    actor: str

    def streams(self) -> list[str]:
        return [STORE]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:  # noqa: ARG002 (every command's)
        return [New(STORE, StoreProven(occurred_at=now, actor=self.actor, position=self.position))]
