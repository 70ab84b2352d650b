"""What the operator sees of stopped signing, and how he lets it go on: `counterfoil signing status` and `resume`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from core.events import Recorded
from core.ledger import Accepted, EventStore, Failed, Ledger
from core.notices import Noticed
from core.signing import SIGNING, Cause, ResumeSigning, Signing, SigningStopped
from gateways.user_error import UserError

REASON_CHARACTERS_MAX: Final = 500


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


def resume(ledger: Ledger, store: EventStore, reason: str, actor: str) -> Sequence[Cause]:
    """Settle every cause that holds at this look -> which ones. Raises UserError without a reason or without a cause."""
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise UserError(
            f"say why signing may go on, in at most {REASON_CHARACTERS_MAX} characters: it is kept for ever"
        )
    causes = tuple(each.cause for each in holding(store))
    if not causes:
        raise UserError("signing is not stopped")
    [outcome] = ledger.execute([ResumeSigning(causes=causes, reason=reason.strip(), actor=actor)])
    if isinstance(outcome, Failed):
        raise outcome.error
    return causes if isinstance(outcome, Accepted) else ()


def _sentence(histories: dict[str, list[Recorded]], stream: str) -> str:
    shown = histories[stream][0].event
    return shown.sentence if isinstance(shown, Noticed) else ""
