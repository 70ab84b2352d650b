"""A signer with limits: Alice has coins that came by deposit, a clock is set by hand, and two people may approve."""

from datetime import UTC, datetime, timedelta
from typing import Any

from core.ledger import books
from core.ledger.ledger import Outcome
from core.ports.spent_totals import Spent
from core.streams.payout.approvals import ApprovePayout, payout_digest
from core.streams.payouts import PayoutOrder
from gateways.embedded.note_keys import SeedSigner
from signers.leash.approvers import Approvers
from signers.leash.limits import SignerLimits
from tests.signers.outgoing.world import COINS, World
from tests.support.history import ALICE, ALICE_ADDRESS, confirm, execute, payin, transfer

ANN, BEN = SeedSigner("ann", bytes([1]) * 32), SeedSigner("ben", bytes([2]) * 32)
MALLORY = SeedSigner("ann", bytes([3]) * 32)
"""Who calls himself Ann."""
LIMITS = SignerLimits(payout_max=100 * COINS, hour_max=250 * COINS, day_max=400 * COINS)


class Hands:
    """A clock that stands still until it is set on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **spans: float) -> None:
        self.now += timedelta(**spans)


class Limited(World):
    """Alice's 1,000 USDT came on chain, beside as many from an adjustment of before."""

    def __init__(self, limits: SignerLimits = LIMITS, **wishes: Any) -> None:
        self.time = Hands()
        super().__init__(limits=limits, approvers=Approvers((ANN.key, BEN.key)), clock=self.time, **wishes)
        self.deposit("first", 1_000 * COINS)

    def deposit(self, name: str, minor: int) -> None:
        if name == "first":
            execute(self.ledger, payin(ALICE, ALICE_ADDRESS, name))
        execute(self.ledger, confirm(transfer(name, ALICE_ADDRESS, minor), ALICE, books.USER_LIABILITY))

    def approve(self, wished: PayoutOrder, by: SeedSigner, of: PayoutOrder | None = None) -> Outcome:
        """`of`: the order that is really signed."""
        digest = payout_digest(of or wished)
        approved = ApprovePayout(
            wished, "operator:1", approver=by.key.name, digest=digest.hex(), signature=by.sign(digest).hex()
        )
        [outcome] = self.ledger.execute([approved])
        return outcome

    @property
    def paid(self) -> list[int]:
        """In whole USDT."""
        return [minor // COINS for _, minor in self.node.transfers_from(self.worker._key.address)]

    @property
    def kept(self) -> Spent:
        return self.totals.load(self.worker._key.address.base58)
