"""Stream store: that the history was copied, and that it was once taken from such a copy.

    BackupTaken*     StoreRestored*

A restored history lacks what happened after its copy was made. So the append that says so stops signing, and signing goes on
only when the chain shows what was lost, and a person has said whose it was (core/streams/lost_outgoing.py).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past
from core.ledger.refusals import Refusal
from core.streams.signing import SIGNING, Signing, SigningStopped
from core.streams.store import STORE

# Events: stored as they are for ever, so a change is a new version and an upcast


@event("store.backup-taken", by="writer")
class BackupTaken(Event, frozen=True, kw_only=True):
    """Everything up to this position was copied. `sha256` is that of the copy's backup.json, `to` where it was put."""

    position: int
    sha256: str
    to: str


@event("store.restored", by="writer")
class StoreRestored(Event, frozen=True, kw_only=True):
    """The history ended at `from_position` when it was taken from a copy; what came after is lost.

    `seen_position` is the latest that is known elsewhere to have been. `solid_block` is the last one whose transfers the
    copy knows, `head_ms` the chain time then: until after it the other store may have signed.
    """

    from_position: int
    seen_position: int | None
    solid_block: int
    head_ms: int
    reason: str


# State


class Restored(msgspec.Struct, frozen=True):
    """The last restore, if there was one, and the last backup."""

    restored: StoreRestored | None = None
    backup: BackupTaken | None = None

    def evolve(self, happened: Event) -> Self:
        match happened:
            case StoreRestored():
                return msgspec.structs.replace(self, restored=happened)
            case BackupTaken():
                return msgspec.structs.replace(self, backup=happened)
        return self


def unsettled(past: Past) -> StoreRestored | None:
    """The restore that is not settled, if there is one; `past` has STORE and SIGNING."""
    if "restored" not in past.state(SIGNING, Signing()).causes:
        return None
    return past.state(STORE, Restored()).restored


# Decisions


class RecordBackup(msgspec.Struct, frozen=True):
    """Note that a backup was made; the same one is noted once."""

    position: int
    sha256: str
    to: str
    actor: str

    def streams(self) -> list[str]:
        return [STORE]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        known = past.state(STORE, Restored()).backup
        if known is not None and known.sha256 == self.sha256:
            return ()
        taken = BackupTaken(occurred_at=now, actor=self.actor, position=self.position, sha256=self.sha256, to=self.to)
        return [New(STORE, taken)]


class RestoreStore(msgspec.Struct, frozen=True):
    """Note that the history was taken from a copy, and stop signing. Repeated while it is not settled, it changes nothing."""

    from_position: int
    seen_position: int | None
    solid_block: int
    head_ms: int
    reason: str
    actor: str

    def streams(self) -> list[str]:
        return [STORE, SIGNING]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        if unsettled(past) is not None:
            return ()
        restored = StoreRestored(
            occurred_at=now,
            actor=self.actor,
            from_position=self.from_position,
            seen_position=self.seen_position,
            solid_block=self.solid_block,
            head_ms=self.head_ms,
            reason=self.reason,
        )
        stopped = SigningStopped(occurred_at=now, actor=self.actor, cause="restored", stream=STORE, moment=None)
        return [New(STORE, restored), New(SIGNING, stopped)]
