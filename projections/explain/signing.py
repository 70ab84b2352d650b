"""Why signing is stopped: every cause that holds, since when, and the event that shows it."""

from datetime import datetime
from typing import NamedTuple

from core.ledger.events import Recorded
from core.ledger.ledger import EventStore
from core.streams.notices import Noticed
from core.streams.signing import SIGNING, Cause, Signing, SigningStopped
from core.streams.store import STORE, StoreIsOlder


class Holding(NamedTuple):
    """A cause that holds signing back: since when, the stream of the event that shows it, and what that event means."""

    cause: Cause
    since: datetime
    stream: str
    sentence: str


def holding(store: EventStore) -> list[Holding]:
    """Every cause that holds now, the oldest first; none means that payouts are signed."""
    state, stops = Signing(), {}
    for recorded in store.histories([SIGNING]).get(SIGNING, ()):
        state = state.evolve(recorded.event)
        if isinstance(recorded.event, SigningStopped):
            stops[recorded.event.cause] = recorded.event
    shown = store.histories([stops[cause].stream for cause in state.causes])
    return [
        Holding(cause, stops[cause].occurred_at, stops[cause].stream, _sentence(shown, stops[cause].stream))
        for cause in state.causes
    ]


def _sentence(histories: dict[str, list[Recorded]], stream: str) -> str:
    history = histories.get(stream, [])
    if stream == STORE:
        return next((it.event.sentence for it in reversed(history) if isinstance(it.event, StoreIsOlder)), "")
    shown = history[0].event if history else None
    return shown.sentence if isinstance(shown, Noticed) else ""
