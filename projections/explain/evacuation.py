"""How far an evacuation has come: what is left where it was, what lies in cold storage by it, and what could not be moved."""

from datetime import datetime
from typing import Final, LiteralString, NamedTuple

from core.ledger.journal import TREASURY_ACCOUNT_ID
from core.ledger.ledger import EventStore, state_of
from core.streams.evacuation import EVACUATION, EvacuationBegun
from core.streams.signing import SIGNING, Signing

PROGRESS: Final[LiteralString] = """
SELECT (SELECT coalesce(sum(amount_minor), 0)::bigint FROM balances
         WHERE account_id = %(treasury)s::uuid AND currency = 'USDT'
           AND code IN ('Hot_Wallet_Asset', 'Payin_Wallets_Asset')) AS left_minor,
       coalesce(sum(amount_minor) FILTER (WHERE state = 'confirmed'), 0)::bigint AS done_minor,
       coalesce(sum(amount_minor) FILTER (WHERE state IN ('given', 'prepared', 'signed', 'broadcast')), 0)::bigint
           AS under_way_minor,
       count(*) FILTER (WHERE state = 'failed') AS failed
  FROM instructions
 WHERE "position" > %(position)s AND to_address = %(cold_address)s AND currency = 'USDT'
"""
"""One row, of the transfers to this cold wallet that were instructed behind this position."""


class Begun(NamedTuple):
    """The last evacuation: where its event stands, and whether it is under way."""

    position: int
    at: datetime
    reason: str
    cold_address: str
    under_way: bool

    @property
    def asked(self) -> dict[str, object]:
        """What PROGRESS is asked with."""
        return {"treasury": TREASURY_ACCOUNT_ID, "position": self.position, "cold_address": self.cold_address}


def last_begun(store: EventStore) -> Begun | None:
    """The last evacuation, None where there was none."""
    signing = state_of(store, SIGNING, Signing())
    for recorded in reversed(store.histories([EVACUATION]).get(EVACUATION, ())):
        begun = recorded.event
        if isinstance(begun, EvacuationBegun):
            under_way = "evacuation" in signing.causes
            return Begun(recorded.position, begun.occurred_at, begun.reason, begun.cold_address, under_way)
    return None
