"""Rows that nobody can read, put into the history past the program; who freezes accounts for them, and who looks at them."""

import json
import random
from collections.abc import Iterator
from typing import Final

from core.ledger.events import Recorded
from core.ledger.history import SetAside
from core.ledger.ledger import Failed, Ledger
from core.streams.set_aside import FreezePayouts, SettleEvent
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


def waiting(store: Store) -> Iterator[tuple[Recorded, SetAside]]:
    """What is set aside and was not settled."""
    settled = {
        (record.stream, record.event.position)
        for record in store.events
        if type(record.event).__name__ == "EventSettled"
    }
    for record in store.events:
        if isinstance(record.event, SetAside) and (record.stream, record.position) not in settled:
            yield record, record.event


class Freezes:
    """What the process `record` does beside its work, on the history itself: no projector is in the simulation."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger

    def step(self) -> bool:
        freezes = [
            FreezePayouts(
                account_id=account_id, position=record.position, stream=record.stream, actor="system:recorder"
            )
            for record, found in waiting(self._store)
            for account_id in found.accounts
        ]
        for outcome in self._ledger.execute(freezes):
            if isinstance(outcome, Failed):
                raise outcome.error
        return False


def settlements(store: Store) -> list[SettleEvent]:
    """An operator has looked at everything."""
    return [
        SettleEvent(record.position, record.stream, found.accounts, "nobody knows who wrote it", ACTOR)
        for record, found in waiting(store)
    ]
