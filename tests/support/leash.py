"""The signer's leash over a store in memory: unlimited where nothing else is said, as on a devnet."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from core.ports.alarm import Alarm
from core.ports.spent_totals import SpentTotals
from signers.leash.approvers import Approvers
from signers.leash.leash import Leash
from signers.leash.limits import SignerLimits
from tests.support.history import TickingClock
from tests.support.memory import MemorySealedHistory, MemorySpentTotals


def leash(
    store: Any,
    alarm: Alarm,
    limits: SignerLimits = SignerLimits(),  # noqa: B008 (frozen)
    approvers: Approvers = Approvers(),  # noqa: B008 (frozen)
    totals: SpentTotals | None = None,
    clock: Callable[[], datetime] | None = None,
    made: type[Leash] = Leash,
) -> Leash:
    kept = MemorySpentTotals() if totals is None else totals
    return made(MemorySealedHistory(store), kept, limits, approvers, clock or TickingClock(), alarm=alarm)
