"""What of the hot wallet's coins is set aside for payouts that it was too poor for: so a large one cannot starve.

A payout that has waited for coins for EARMARK_AFTER_MS gets what comes into the hot wallet from then on, by sweep or
refill, until it is covered; the oldest first. Only coins that have come are set aside: small payouts never wait for coins
that were never there. It is folded from the history alone, by the chain's time, so a restart sets the same aside.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from core.ledger.events import Event
from core.ledger.journal import TREASURY
from core.streams.deposits import DepositConfirmed

EARMARK_AFTER_MS: Final = 300_000


class Earmark(msgspec.Struct):
    """One payout's claim on what comes in. `from_ms`: chain time from which on it counts."""

    amount_minor: int
    from_ms: int
    minor: int = 0
    """What was set aside."""
    in_flight: bool = False
    """Bytes of it may be mined: its coins count as in flight."""


class Earmarks:
    """By the payout's stream, in the order in which they began to wait."""

    def __init__(self) -> None:
        self._claims: dict[str, Earmark] = {}
        self._last_ms = 0
        """The chain time of the last coins that came."""

    def __bool__(self) -> bool:
        return bool(self._claims)

    def __contains__(self, key: str) -> bool:
        return key in self._claims

    @property
    def set_aside(self) -> Mapping[str, int]:
        """Minor units by payout, in order; none for one whose bytes are on their way."""
        return {key: claim.minor for key, claim in self._claims.items() if claim.minor and not claim.in_flight}

    def claim(self, key: str, amount_minor: int, since_ms: int) -> None:
        """A payout has waited for coins since then (chain time)."""
        self._claims.setdefault(key, Earmark(amount_minor, since_ms + EARMARK_AFTER_MS))

    def arrived(self, minor: int, at_ms: int) -> None:
        """Coins came into the hot wallet, in a block of that time."""
        self._last_ms = max(self._last_ms, at_ms)
        for claim in self._claims.values():
            if claim.from_ms <= at_ms and not claim.in_flight:
                taken = min(minor, claim.amount_minor - claim.minor)
                claim.minor += taken
                minor -= taken

    def tried(self, key: str, *, in_flight: bool) -> None:
        """Bytes of it may be mined from now on, or no longer."""
        if key in self._claims:
            self._claims[key].in_flight = in_flight

    def ended(self, key: str, *, paid: bool) -> None:
        """It is over; what was set aside and not paid is the next one's."""
        claim = self._claims.pop(key, None)
        if claim is not None and not paid:
            self.arrived(claim.minor, self._last_ms)


def inflow(happened: Event) -> tuple[int, int] | None:
    """(minor units, the block's time) of USDT that came into the hot wallet; None of anything else."""
    if type(happened) is not DepositConfirmed or happened.account_id != TREASURY:
        return None
    fact = happened.transfer
    return (fact.amount_minor, fact.block_timestamp_ms) if (fact.wallet, fact.currency) == ("hot", "USDT") else None
