"""What an idempotency key names: a stream whose first event is what the key is answered for ever, a refusal like a success."""

from collections.abc import Sequence
from typing import Any, Self

import msgspec

from core.ledger.events import Event
from core.ledger.refusals import IdempotencyKeyReused


class First(msgspec.Struct, frozen=True):
    """The first event of a stream, and nothing of those behind it."""

    happened: Event | None = None

    def evolve(self, happened: Event) -> Self:
        return self if self.happened is not None else msgspec.structs.replace(self, happened=happened)


def repeated(wish: Any, known: Event, fields: Sequence[str]) -> tuple[()] | IdempotencyKeyReused:
    """Nothing is to be done for a wish with the fields of what is known of its key; else which of them differ."""
    differing = [name.removesuffix("_minor") for name in fields if getattr(known, name) != getattr(wish, name)]
    return IdempotencyKeyReused(fields=", ".join(differing)) if differing else ()
