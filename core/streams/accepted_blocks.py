"""Stream accepted-block-{number}: a block that no node can show whole, and that an operator lets pass.

    BlockAccepted*

The scanner takes this block and no other at its height; a later acceptance at the same height replaces the one before.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past


def accepted_stream(number: int) -> str:
    return f"accepted-block-{number}"


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("block.accepted", by="api")
class BlockAccepted(Event, frozen=True, kw_only=True):
    """A person has looked: the block's header holds, its transactions do not add up to its txTrieRoot, and it is right."""

    number: int
    block_id: str
    reason: str


# State


class Acceptance(msgspec.Struct, frozen=True):
    """The id of the block that may pass at this height; empty while none may."""

    block_id: str = ""

    def evolve(self, happened: Event) -> Self:
        return (
            msgspec.structs.replace(self, block_id=happened.block_id) if isinstance(happened, BlockAccepted) else self
        )


# Decisions


class AcceptBlock(msgspec.Struct, frozen=True):
    """Let the scanner take this block. One that is accepted stays so, for its first reason."""

    number: int
    block_id: str
    reason: str
    actor: str

    def streams(self) -> list[str]:
        return [accepted_stream(self.number)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New]:
        stream = accepted_stream(self.number)
        if past.state(stream, Acceptance()).block_id == self.block_id:
            return ()
        accepted = BlockAccepted(
            occurred_at=now, actor=self.actor, number=self.number, block_id=self.block_id, reason=self.reason
        )
        return [New(stream, accepted)]
