"""Rows that nobody can read, put into the history past the program, and the operator who looks at them."""

import json
import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from core.ledger.history import SetAside
from core.streams.set_aside import EventSettled, SettleEvent
from tests.simulation.durable import Store

ACTOR: Final = "operator:simulation"
_TIME: Final = "2026-09-03T00:00:00Z"
_TOPICS: Final = ("adjustment.posted/1", "payout.requested/2", "deposit.confirmed/1", "account.suspended/1")


def unreadable(draw: random.Random, account_id: str) -> tuple[str, bytes]:
    """A topic that there is, and a state that no event of it has; it names the account."""
    known = {"occurred_at": _TIME, "actor": "somebody", "account_id": account_id}
    unbalanced = [
        {"book": account_id, "account": "User_Liability", "side": "credit", "amount_minor": 5, "currency": "USDT"}
    ]
    state = draw.choice(
        (
            b"{",
            b"[]",
            json.dumps(known | {"postings": unbalanced}).encode(),
            json.dumps(known | {"occurred_at": "2026-09-03T00:00:00"}).encode(),
            json.dumps(known | {"order": None, "transfer": 7, "postings": "none", "reason": 5}).encode(),
            json.dumps(known | {"actor": "a\0b"}).encode(),
        )
    )
    return draw.choice(_TOPICS[:-1] if state.startswith(b"{") and b"postings" in state else _TOPICS), state


class Waiting(NamedTuple):
    """What was set aside and not settled, and the accounts that it names."""

    position: int
    stream: str
    accounts: Sequence[str]


def waiting(store: Store) -> list[Waiting]:
    settled = {(it.stream, it.event.position) for it in store.events if isinstance(it.event, EventSettled)}
    return [
        Waiting(it.position, it.stream, it.event.accounts)
        for it in store.events
        if isinstance(it.event, SetAside) and (it.stream, it.position) not in settled
    ]


def settlements(store: Store) -> list[SettleEvent]:
    """An operator has looked at everything."""
    return [
        SettleEvent(it.position, it.stream, tuple(it.accounts), "nobody knows who wrote it", ACTOR)
        for it in waiting(store)
    ]
