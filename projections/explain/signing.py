"""Why signing is stopped: every cause that holds, since when, and the event that shows it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from core.ledger.events import Recorded
from core.ledger.ledger import EventStore
from core.streams.evacuation import EVACUATION, EvacuationBegun
from core.streams.notices import Noticed
from core.streams.signing import SIGNING, Cause, Signing, SigningStopped
from core.streams.store import STORE, StoreIsOlder
from core.streams.wallet.permissions import PermissionsDiffer

BY_THE_SIGNER: Final[Mapping[Cause, str]] = {
    "payout_not_covered": "A payout was asked for that its account does not cover, by an event that the API does not decide."
    " It is never signed. Somebody has the API's login, or its host.",
    "history_not_sealed": "The history is not the one that was sealed. Nothing is signed until it is, whoever resumes.",
}
"""What the signer stops for by itself, and what that means."""


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
        Holding(cause, stops[cause].occurred_at, stops[cause].stream, _sentence(shown, stops[cause]))
        for cause in state.causes
    ]


def _sentence(histories: dict[str, list[Recorded]], stopped: SigningStopped) -> str:
    if stopped.cause in BY_THE_SIGNER:
        return BY_THE_SIGNER[stopped.cause]
    history = histories.get(stopped.stream, [])
    differing = next((it.event for it in reversed(history) if isinstance(it.event, PermissionsDiffer)), None)
    if differing is not None:
        return differing.sentence
    if stopped.stream in (STORE, EVACUATION):
        said = (it.event.sentence for it in reversed(history) if isinstance(it.event, StoreIsOlder | EvacuationBegun))
        return next(said, "")
    shown = history[0].event if history else None
    return shown.sentence if isinstance(shown, Noticed) else ""
