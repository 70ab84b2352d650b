"""How events are kept: a frozen Struct, a pinned versioned topic, JSON that a reader of psql understands.

Each stream's file declares its own events with `@event`, and with them who may append them and what their account sees; the
lists, the database's grants, receipts, client events and the documentation follow. `core.streams.all_events` declares them all.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from core.ledger.journal import Posting
from core.ports.unavailable import Unavailable


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What happened, when (UTC), and who caused it: "api-key:<id>", "operator:<id>" or "system:<process>"."""

    occurred_at: datetime
    actor: str


class New(msgspec.Struct, frozen=True, gc=False):
    """An event on its way into its stream."""

    stream: str
    event: Event


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event in the history: its position among all events and its version within its stream, both from 1."""

    position: int
    stream: str
    version: int
    event: Event


class UnknownTopic(Unavailable):
    """The history holds a kind of event that this program does not know: it waits for the version that does (I22)."""


Appender = Literal["api", "recorder", "signer", "webhooks", "writer"]
"""Who appends: each process does it as one of these, and the database refuses it the events of the others (I14).

As "writer" no process does, only commands that hold the database owner's login.
"""


class Declaration(NamedTuple):
    """What is declared of an event beside its fields."""

    topic: str
    by: tuple[Appender, ...]
    shown: tuple[str, ...] | None
    """The fields that the client whose act it was is shown in its receipt; None: only the lines in its own book, if any."""
    client_event: str | None
    """The type under which its account is sent it, by GET /v1/events and as a webhook; None: it is not."""


E = TypeVar("E", bound=type[Event])
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

CLASSES: Final[dict[str, type[Event]]] = {}
TOPICS: Final[dict[type[Event], str]] = {}
DECLARATIONS: Final[dict[type[Event], Declaration]] = {}
SHOWN: Final[dict[str, tuple[str, ...]]] = {}
"""Topic -> what a receipt shows, topics of before included. Only ever added to: past roots rest on it."""
_UPCASTERS: Final[dict[str, tuple[str, Upcaster]]] = {}
_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {}
_ENCODER: Final = msgspec.json.Encoder()
_ESCAPED_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def event(
    name: str,
    version: int = 1,
    *,
    by: Appender | tuple[Appender, ...],
    shown: tuple[str, ...] | None = None,
    client_event: str | None = None,
) -> Callable[[E], E]:
    """Pin the class to the topic "name/version", which stays when the class is renamed or moved. See `Declaration`."""

    def register(cls: E) -> E:
        topic = f"{name}/{version}"
        assert topic not in CLASSES, f"two events claim {topic}"
        CLASSES[topic] = cls
        TOPICS[cls] = topic
        DECLARATIONS[cls] = Declaration(topic, (by,) if isinstance(by, str) else by, shown, client_event)
        if shown is not None:
            SHOWN[topic] = shown
        _DECODERS[topic] = msgspec.json.Decoder(cls)
        return cls

    return register


def upcast(old_topic: str, new_topic: str, change: Upcaster, *, shown: tuple[str, ...] | None = None) -> None:
    """Declare how the fields of an older version become those of the next, and what receipts showed of it."""
    _UPCASTERS[old_topic] = (new_topic, change)
    if shown is not None:
        SHOWN[old_topic] = shown


def read_as(topic: str) -> str | None:
    """The topic under which this program reads what is stored under that one; None when it cannot."""
    while topic in _UPCASTERS:
        topic = _UPCASTERS[topic][0]
    return topic if topic in CLASSES else None


def old_topics() -> frozenset[str]:
    """Topics of before, under which nothing is written any more."""
    return frozenset(_UPCASTERS)


def encode(item: Event) -> tuple[str, bytes]:
    """-> (topic, JSON). Raises ValueError for U+0000, which Postgres' jsonb, and so the auditor's view, cannot read."""
    state = _ENCODER.encode(item)
    if b"u0000" in state and _ESCAPED_NUL.search(state):
        raise ValueError(f"{type(item).__name__} holds the character U+0000, which cannot be kept")
    return TOPICS[type(item)], state


def decode(topic: str, state: bytes | str) -> Event:
    """(topic, JSON) -> the event in today's form. Raises UnknownTopic."""
    decoder = _DECODERS.get(topic)
    if decoder is not None:
        return decoder.decode(state)  # type: ignore[no-any-return]
    if topic not in _UPCASTERS:
        raise UnknownTopic(f"the event store holds {topic!r}, which this version cannot read: install a newer one")
    fields = msgspec.json.decode(state)
    while topic in _UPCASTERS:
        topic, change = _UPCASTERS[topic]
        fields = change(fields)
    return msgspec.convert(fields, CLASSES[topic])


def postings_of(item: Event) -> tuple[Posting, ...]:
    """The entry an event carries, or nothing when no money moves."""
    return getattr(item, "postings", ())
