"""How events are kept: a frozen Struct, a pinned versioned topic, JSON that a reader of psql understands.

Each stream's file declares its own events with `@event`, and with them who may append them and what their account sees; the
lists, the database's grants, receipts, client events and the documentation follow. `core.streams.all_events` declares them all.

Each is declared with the format level from which it is written. Programs of two versions run side by side while an upgrade
goes on, so what the older one cannot read is not written before `counterfoil upgrade finish` has raised the level (I22).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
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


class NewerFormat(UnknownTopic):
    """From this position on the history is a newer program's: who reads it stops there, and goes on once it is that program."""

    def __init__(self, position: int, kind: str) -> None:
        super().__init__(
            f"installed by a newer version: position {position}, kind {kind}; this program stops reading there, and goes on"
            " when it is that version"
        )
        self.position = position
        self.kind = kind


class NotYetWritten(Unavailable):
    """The event needs a format level that the history does not have yet."""


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
    level: int = 1
    """The format level from which it is written in this version; before, it is written in the one before, or not at all."""
    fields: Mapping[str, int] = MappingProxyType({})
    """Fields of a later level than the event itself: before, they are left out while they have their default."""

    @property
    def newest(self) -> int:
        """The level from which everything of it may be written."""
        return max(self.level, *self.fields.values()) if self.fields else self.level


class _Before(NamedTuple):
    """How an event is written for readers of before: under which topic, from its fields; and since which level."""

    topic: str
    change: "Upcaster"
    level: int


E = TypeVar("E", bound=type[Event])
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

CLASSES: Final[dict[str, type[Event]]] = {}
TOPICS: Final[dict[type[Event], str]] = {}
DECLARATIONS: Final[dict[type[Event], Declaration]] = {}
SHOWN: Final[dict[str, tuple[str, ...]]] = {}
"""Topic -> what a receipt shows, topics of before included. Only ever added to: past roots rest on it."""
_UPCASTERS: Final[dict[str, tuple[str, Upcaster]]] = {}
_BEFORE: Final[dict[str, _Before]] = {}
FIRST_RAISED: Final = 2
"""Level 1 is what was written before there were levels: programs of that time stop at the first that is raised."""
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
    level: int = 1,
    fields: Mapping[str, int] = MappingProxyType({}),
) -> Callable[[E], E]:
    """Pin the class to the topic "name/version", which stays when the class is renamed or moved. See `Declaration`."""

    def register(cls: E) -> E:
        topic = f"{name}/{version}"
        assert topic not in CLASSES, f"two events claim {topic}"
        CLASSES[topic] = cls
        TOPICS[cls] = topic
        appenders = (by,) if isinstance(by, str) else by
        DECLARATIONS[cls] = Declaration(topic, appenders, shown, client_event, level, fields)
        if shown is not None:
            SHOWN[topic] = shown
        _DECODERS[topic] = msgspec.json.Decoder(cls)
        return cls

    return register


def upcast(
    old_topic: str,
    new_topic: str,
    change: Upcaster,
    *,
    shown: tuple[str, ...] | None = None,
    back: Upcaster | None = None,
    level: int = 1,
) -> None:
    """Declare how the fields of an older version become those of the next, and what receipts showed of it.

    `back` is the way back: so the event is written, from the old version's `level` on, until the new one's is reached. Without
    it the event waits for that.
    """
    _UPCASTERS[old_topic] = (new_topic, change)
    if back is not None:
        _BEFORE[new_topic] = _Before(old_topic, back, level)
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


def newest_level() -> int:
    """The newest format level that this program reads and writes."""
    return max(FIRST_RAISED, *(declared.newest for declared in DECLARATIONS.values()))


def topics_written(cls: type[Event], level: int) -> Iterator[tuple[str, int]]:
    """(topic, level) of every version in which the event may be written from a format level on, the newest first."""
    declared = DECLARATIONS[cls]
    topic, since = declared.topic, declared.level
    yield topic, since
    while since > level and topic in _BEFORE:
        topic, _, since = _BEFORE[topic]
        yield topic, since


def is_written(item: Event, level: int | None) -> bool:
    """Whether the event may be written at a format level, be it in an older form; None: at the newest."""
    if level is None or DECLARATIONS[type(item)].newest <= level:
        return True
    try:
        encode(item, level)
    except NotYetWritten:
        return False
    return True


def encode(item: Event, level: int | None = None) -> tuple[str, bytes]:
    """-> (topic, JSON), in the form of a format level, of today's without one.

    Raises NotYetWritten where the level has no form for it, ValueError for U+0000, which Postgres' jsonb, and so the
    auditor's view, cannot read.
    """
    if level is not None and DECLARATIONS[type(item)].newest > level:
        topic, state = _encode_before(item, level)
    else:
        topic, state = TOPICS[type(item)], _ENCODER.encode(item)
    if b"u0000" in state and _ESCAPED_NUL.search(state):
        raise ValueError(f"{type(item).__name__} holds the character U+0000, which cannot be kept")
    return topic, state


def _encode_before(item: Event, level: int) -> tuple[str, bytes]:
    """As a program of that level reads it, provided that it says the same: it is read back and compared."""
    declared = DECLARATIONS[type(item)]
    fields: dict[str, Any] = msgspec.to_builtins(item)
    for name, since in declared.fields.items():
        if since > level:
            fields.pop(name)
    topic, since = declared.topic, declared.level
    while since > level and topic in _BEFORE:
        topic, change, since = _BEFORE[topic]
        fields = change(fields)
    if since <= level:
        state = _ENCODER.encode(fields)
        if decode(topic, state) == item:
            return topic, state
    raise NotYetWritten(
        f"{declared.topic} is written from format level {declared.newest} on, and the history has level {level}:"
        " `counterfoil upgrade finish` raises it"
    )


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
