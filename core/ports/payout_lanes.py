"""What the signer knows of the lanes at the hot wallet, for those who ask no node: which are short, and what is set aside."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class LaneNumbers(msgspec.Struct, frozen=True):
    """One account's lane, in minor units: what its head lacks, and what is set aside for its payouts."""

    account_id: str
    short_minor: int
    earmarked_minor: int


class LaneBoard(Protocol):
    """The lanes that lack something or have something set aside, as the signer saw them last."""

    def put(self, lanes: Sequence[LaneNumbers]) -> None:
        """These stand now, and no other. Raises Unavailable."""
