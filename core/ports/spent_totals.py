"""The port `SpentTotals`: what was signed for each wallet of late, kept with the keys and not with the history (I17)."""

from typing import Final, Protocol

import msgspec

SLOT_S: Final = 300
"""What was signed is added up by slots of five minutes: a slot counts until all of it is out of the window."""


class Spent(msgspec.Struct, frozen=True):
    """`slots`: a slot's beginning in seconds since 1970 -> minor units; `counted`: the txids that are in them, and of which the
    history may not say yet that they were signed. `version` is one more at each write.
    """

    version: int = 0
    slots: dict[int, int] = {}
    counted: tuple[str, ...] = ()


class SpentMoved(Exception):
    """Another signer was first: look again."""


class SpentTotals(Protocol):
    """One record a wallet, for all who sign with its key. Every method may raise Unavailable."""

    def load(self, wallet: str) -> Spent:
        """What is kept; `Spent()` where nothing is."""

    def save(self, wallet: str, spent: Spent) -> None:
        """Write it, durably, if what is kept has the version before. Raises SpentMoved."""
