"""What waits for an object's webhooks: its pending events in order, of which the head alone is due."""

from typing import NamedTuple

import msgspec

from gateways.aws.dynamodb import Item


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A pending event of a subject, and when it is due once it is the head."""

    sequence: int
    event_id: str
    due_at: str


class Subject(NamedTuple):
    """The pending events of an object, in order. Version 0 is not there yet."""

    waiting: tuple[Waiting, ...] = ()
    version: int = 0

    @property
    def head(self) -> Waiting | None:
        return self.waiting[0] if self.waiting else None

    def with_event(self, event: Waiting) -> tuple[Waiting, ...]:
        return tuple(sorted({*self.without(event.event_id), event}, key=lambda each: each.sequence))

    def without(self, event_id: str) -> tuple[Waiting, ...]:
        return tuple(each for each in self.waiting if each.event_id != event_id)


def subject_of(item: Item) -> Subject:
    """As it stands in the table."""
    return Subject(tuple(msgspec.json.decode(item["waiting"], type=list[Waiting])), item["version"])
