"""The guard: balances of clients' liability accounts, kept beside the events so that no append can overdraw one (I5).

It is derived: folding every event's `guard_deltas` from the start gives exactly its rows (I4).
"""

from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from core.ledger.books import CLIENT_ASSET
from core.ledger.events import Event, postings_of
from core.ledger.journal import TREASURY, Side, ledger_account_id

LIABILITY_GROWS_BY: Final[Side] = "credit"


class GuardKey(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """A ledger account and a currency."""

    ledger_account_id: UUID
    currency: str


class GuardChange(NamedTuple):
    """A change of one guard row; `opens` makes the row, with balance 0."""

    key: GuardKey
    delta_minor: int
    opens: bool = False


@lru_cache(maxsize=65_536)
def guard_key(book: str, code: str, currency: str = "USDT") -> GuardKey:
    return GuardKey(ledger_account_id(book, code), currency)


def guard_deltas(event: Event) -> list[GuardChange]:
    """What an event does to the guard: opening a liability account makes rows, postings to a client's book move them.

    Postings to accounts without a row (assets, which may have any balance) are given too and change nothing.
    """
    opened = getattr(event, "opens_guard", None)
    changes = [] if opened is None else [GuardChange(key, 0, opens=True) for key in opened()]
    for posting in postings_of(event):
        book, account = posting.book, posting.account
        if book != TREASURY and account != CLIENT_ASSET:
            amount = posting.amount_minor
            delta_minor = amount if posting.side == LIABILITY_GROWS_BY else -amount
            changes.append(GuardChange(guard_key(book, account, posting.currency), delta_minor))
    return changes
