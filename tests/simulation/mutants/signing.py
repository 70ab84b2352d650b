"""Defects of what may be signed at all: by which copy of the history, how much, for whom, and from which addresses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

import msgspec

from core.ledger.ledger import Past
from core.ledger.refusals import Refusal
from core.ports.spent_totals import Spent
from core.streams.attempts import _SigningCommand
from core.streams.lost_outgoing import LeftInLostHistory, Lost
from core.streams.payouts import PayoutOrder
from core.streams.signing import SIGNING, Signing
from core.tron.chain import BlockRef
from signers.address_door import Doorkeeper
from signers.addresses import Addresses
from signers.caught_up import CaughtUp
from signers.leash.covered import Covered
from signers.leash.leash import Leash, Objection
from signers.outgoing.outgoing import Outgoing
from tests.signers.test_any_copies import ByPosition, LooksOnly, NeverLooks, Overwrites
from tests.simulation.mutants.mutant import Mutant
from tests.support.high_water import MemoryGivenIndexes


class SignsAtOnce(CaughtUp):
    """FAILURES 52: a store that was away signs before it knows what happened meanwhile."""

    def look(self, _: BlockRef) -> bool:
        self.waits_for = ""
        return True


class AnyPayout(Leash):
    """No payout is too large."""

    def objection(self, order: PayoutOrder) -> Objection | None:
        found = super().objection(order)
        return None if found is not None and found.cause == "approval" else found


class CountsHistory(Leash):
    """What was signed is counted by the history alone, which an older copy lacks."""

    def _kept_of(self, wallet: str) -> Spent:
        return msgspec.structs.replace(super()._kept_of(wallet), slots={}, counted=())


class Careless(Doorkeeper):
    """What a copy has ready is given out, whoever else has it."""

    def _has_claimed(self) -> bool:
        return True

    def _doubted_at(self) -> int:
        return 0


class OpensAtOnce(Doorkeeper):
    """Two copies that run at once have an open door each."""

    def _has_claimed(self) -> bool:
        return True


@contextmanager
def _own_indexes() -> Iterator[None]:
    """Each copy counts its own."""
    with (
        patch.object(Addresses, "_kept", lambda _: 0),
        patch.object(MemoryGivenIndexes, "reserve", lambda _self, _prefix, least, _count: least),
    ):
        yield


@contextmanager
def _paying_meanwhile() -> Iterator[None]:
    """An evacuation holds nothing back."""
    stopped = _SigningCommand._stopped

    def not_by_it(self: Any, past: Past) -> Refusal | None:
        return None if past.state(SIGNING, Signing()).causes == ("evacuation",) else stopped(self, past)

    with patch.object(Outgoing, "_may_go", lambda *_: True), patch.object(_SigningCommand, "_stopped", not_by_it):
        yield


SIGNING_MUTANTS: Final[dict[str, Mutant]] = {
    "an older copy signs": Mutant({"fence": NeverLooks}, seed=37),
    "the mark is compared by its height": Mutant({"fence": ByPosition}),
    "the mark is looked at and not moved": Mutant({"fence": LooksOnly}, seed=37),
    "the mark is written whatever stands there": Mutant({"fence": Overwrites}),
    "signing begins before the chain is read": Mutant({"caught_up": SignsAtOnce}),
    "a payout that nothing covers is paid": Mutant(patch=lambda: patch.object(Covered, "_wrong", lambda *_: None)),
    "one payout may be of any amount": Mutant({"leash": AnyPayout}),
    "what was signed is counted by the history alone": Mutant({"leash": CountsHistory}),
    "what may be paid already is paid": Mutant(patch=lambda: patch.object(Lost, "holds", lambda *_: None)),
    "what left in lost history paid nobody": Mutant(
        patch=lambda: patch.object(LeftInLostHistory, "was_payout", property(lambda _: False))
    ),
    "what a copy has ready is given out": Mutant({"doorkeeper": Careless}),
    "two copies give addresses out at once": Mutant({"doorkeeper": OpensAtOnce}),
    "each copy counts its own addresses": Mutant(patch=_own_indexes),
    "payouts go on in an evacuation": Mutant(patch=_paying_meanwhile),
}
