"""Defects of what may be signed at all: by which copy of the history, how much, for whom, and from which addresses.

Some show in too few seeds to be sought here, and each has a test of its own that misses its guard:

    the mark compared by its height, or written whatever stands there
        test_a_fence_that_lacks_a_guard_is_found
    what was signed counted by the history alone
        test_a_worker_that_begins_anew_counts_the_same
    what may be paid already is paid
        test_without_its_guard_what_may_be_paid_is_paid_or_taken_back
    two copies give addresses out at once
        test_a_keeper_that_lacks_a_guard_is_found
    each copy counts its own addresses
        test_copies_that_count_by_themselves_are_found
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from core.ledger.ledger import Past
from core.ledger.refusals import Refusal
from core.streams.attempts import _SigningCommand
from core.streams.lost_outgoing import LeftInLostHistory
from core.streams.payouts import PayoutOrder
from core.streams.signing import SIGNING, Signing
from core.tron.chain import BlockRef
from signers.address_door import Doorkeeper
from signers.caught_up import CaughtUp
from signers.leash.covered import Covered
from signers.leash.leash import Leash, Objection
from signers.outgoing.outgoing import Outgoing
from tests.signers.test_any_copies import LooksOnly, NeverLooks
from tests.simulation.mutants.mutant import Mutant


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


class Careless(Doorkeeper):
    """What a copy has ready is given out, whoever else has it."""

    def _has_claimed(self) -> bool:
        return True

    def _doubted_at(self) -> int:
        return 0


@contextmanager
def _paying_meanwhile() -> Iterator[None]:
    """An evacuation holds nothing back."""
    stopped = _SigningCommand._stopped

    def not_by_it(self: Any, past: Past) -> Refusal | None:
        return None if past.state(SIGNING, Signing()).causes == ("evacuation",) else stopped(self, past)

    with patch.object(Outgoing, "_may_go", lambda *_: True), patch.object(_SigningCommand, "_stopped", not_by_it):
        yield


SIGNING_MUTANTS: Final[dict[str, Mutant]] = {
    "an older copy signs": Mutant({"fence": NeverLooks}, seed=10),
    "the mark is looked at and not moved": Mutant({"fence": LooksOnly}),
    "signing begins before the chain is read": Mutant({"caught_up": SignsAtOnce}, seed=703),
    "a payout that nothing covers is paid": Mutant(
        patch=lambda: patch.object(Covered, "_wrong", lambda *_: None), seed=5
    ),
    "one payout may be of any amount": Mutant({"leash": AnyPayout}, seed=56),
    "what left in lost history paid nobody": Mutant(
        patch=lambda: patch.object(LeftInLostHistory, "was_payout", property(lambda _: False)), seed=5
    ),
    "what a copy has ready is given out": Mutant({"doorkeeper": Careless}, seed=55),
    "payouts go on in an evacuation": Mutant(patch=_paying_meanwhile, seed=57),
}
