"""Appending what a step decided, and what became of it."""

import logging
from collections.abc import Callable, Sequence

from core.ledger.ledger import Accepted, Command, Failed, Ledger, Overdrawn, Refused
from core.ledger.refusals import NotSwitchedOn, StreamStopped
from core.ports.unavailable import Unavailable

log = logging.getLogger(__name__)


def append(
    ledger: Ledger, commands: Sequence[Command], overdrawn: Callable[[Command, Overdrawn], None] | None = None
) -> int:
    """-> how many commands changed something. Raises what a defective command raised, after its neighbours were appended.

    `overdrawn` is told instead of what would overdraw: it waits alone.

    A refusal is no error here: the wish came true or was overtaken by another worker's doing, and the next step looks again.
    But what a stopped stream or an unfinished upgrade refuses is waited for: raises Unavailable.
    """
    outcomes = ledger.execute(commands)
    waits: Unavailable | None = None
    for command, outcome in zip(commands, outcomes, strict=True):
        match outcome:
            case Accepted(events=events):
                for recorded in events:
                    log.info("%s: %s at %d", recorded.stream, type(recorded.event).__name__, recorded.position)
            case Refused(refusal=StreamStopped() | NotSwitchedOn() as refusal):
                waits = Unavailable(refusal.detail)
            case Refused(refusal=refusal):
                log.info("already done by another worker: %s", refusal.detail)
            case Failed(error=Overdrawn() as error) if overdrawn is not None:
                overdrawn(command, error)
            case Failed(error=error):
                raise error
    if waits is not None:
        raise waits
    return sum(isinstance(outcome, Accepted) for outcome in outcomes)
