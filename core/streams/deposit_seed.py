"""Stream seed: deposit addresses are derived from another seed from now on; the keys of those that are out stay.

(SeedRotationAsked -> SeedRotated)*
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Self

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past
from core.ledger.refusals import Refusal, SeedRotationUnderWay

SEED: Final = "seed"


@event("seed.rotation-asked", by="api", level=2)
class SeedRotationAsked(Event, frozen=True, kw_only=True):
    """An operator wants the next deposit addresses from a seed that nobody has seen yet."""


@event("seed.rotated", by="signer", level=2)
class SeedRotated(Event, frozen=True, kw_only=True):
    """The next addresses are derived from the n-th seed: their key ids begin with `prefix`."""

    number: int
    prefix: str


class DepositSeed(msgspec.Struct, frozen=True):
    """Which seed new addresses come from. The first has no event."""

    asked: bool = False
    rotated: SeedRotated | None = None

    def evolve(self, happened: Event) -> Self:
        match happened:
            case SeedRotationAsked():
                return msgspec.structs.replace(self, asked=True)
            case SeedRotated():
                return msgspec.structs.replace(self, asked=False, rotated=happened)
        return self

    @property
    def next_number(self) -> int:
        return 2 if self.rotated is None else self.rotated.number + 1


FIRST_SEED: Final = DepositSeed()


class AskSeedRotation(msgspec.Struct, frozen=True):
    """Ask for another seed. Refused while one is asked for."""

    actor: str

    def streams(self) -> list[str]:
        return [SEED]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        if past.state(SEED, FIRST_SEED).asked:
            return SeedRotationUnderWay()
        return [New(SEED, SeedRotationAsked(occurred_at=now, actor=self.actor))]


class RotateSeed(msgspec.Struct, frozen=True):
    """The new seed is there: use it from now on. Nothing where nobody asked for it, or it is in use."""

    number: int
    prefix: str
    actor: str

    def streams(self) -> list[str]:
        return [SEED]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        known = past.state(SEED, FIRST_SEED)
        if not known.asked or self.number != known.next_number:
            return ()
        rotated = SeedRotated(occurred_at=now, actor=self.actor, number=self.number, prefix=self.prefix)
        return [New(SEED, rotated)]
