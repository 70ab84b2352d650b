"""Stream evacuation: everything goes to cold storage, and nothing is paid meanwhile.

    EvacuationBegun, once for each time, with SigningStopped(cause="evacuation") in the same append

It is under way as long as that cause holds (core/streams/signing.py): payouts stop, and what brings coins to the registered
cold address goes on, whatever else stops signing. `counterfoil signing resume` ends it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.ledger import Past
from core.ledger.refusals import NoColdWallet, Refusal
from core.streams.signing import SIGNING, Signing, SigningStopped
from core.streams.treasury import COLD_WALLET, Wallet

EVACUATION: Final = "evacuation"


@event("evacuation.begun", by="api")
class EvacuationBegun(Event, frozen=True, kw_only=True):
    """From now on every coin that can be moved goes to this address, which was registered as the cold wallet before."""

    reason: str
    cold_address: str

    @property
    def sentence(self) -> str:
        return f"everything goes to the cold wallet {self.cold_address}: {self.reason}"


class BeginEvacuation(msgspec.Struct, frozen=True):
    """Stop payouts, and bring everything to cold storage. Refused where there is none; nothing where it is under way."""

    reason: str
    actor: str

    def streams(self) -> list[str]:
        return [EVACUATION, SIGNING, COLD_WALLET]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        if is_under_way(past):
            return ()
        cold = past.state(COLD_WALLET, Wallet()).registered
        if cold is None:
            return NoColdWallet()
        begun = EvacuationBegun(occurred_at=now, actor=self.actor, reason=self.reason, cold_address=cold.address)
        stopped = SigningStopped(occurred_at=now, actor=self.actor, cause="evacuation", stream=EVACUATION, moment=None)
        return [New(EVACUATION, begun), New(SIGNING, stopped)]


def is_under_way(past: Past) -> bool:
    """Whether coins are being brought to cold storage now; `past` has the stream signing."""
    return "evacuation" in past.state(SIGNING, Signing()).causes
