"""How a row of the history is read: as the event it is, or set aside because nothing can be made of it.

What is set aside follows from the row alone, so that every reader leaves out the same, be it live or of a rebuild (I4). It
keeps its position and its seal, moves nothing, and is in no state: its stream stops until an operator has settled it
(core/streams/set_aside.py), and everything else goes on (I19).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from core.ledger.events import (
    CLASSES,
    Event,
    NewerFormat,
    Recorded,
    UnknownTopic,
    decode,
    newest_level,
    postings_of,
    read_as,
)
from core.ledger.journal import Unbalanced, check_balanced
from core.ledger.money import LINE_MAX

REASON_MAX: Final = 300
_ACCOUNT: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UNTIMED: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ESCAPED_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_NAMED_DEPTH_MAX: Final = 4


class Beside(Event, frozen=True, kw_only=True):
    """What stands beside its stream's story: no state and no view folds it."""


class SetAside(Beside, frozen=True, kw_only=True):
    """Stands for a row that cannot be read: why, and the accounts that it names. It is never written."""

    topic: str
    reason: str
    accounts: tuple[str, ...] = ()


class Settling(Beside, frozen=True, kw_only=True):
    """An operator has looked at what was set aside at a position of this stream: the stream goes on without it."""

    position: int


class Raising(Event, frozen=True, kw_only=True):
    """From here on the history may hold everything of a format level: who does not read that one reads no further."""

    level: int


def recorded(position: int, stream: str, version: int, topic: str, state: bytes | str) -> Recorded:
    """A row as it is read. Raises NewerFormat: what a newer version wrote is waited for, not set aside (I22)."""
    try:
        event = read(stream, topic, state)
    except UnknownTopic as error:
        raise NewerFormat(position, topic) from error
    if isinstance(event, Raising):
        _must_be_read(position, topic, event)
    return Recorded(position, stream, version, event)


def must_be_known(position: int, topic: str, state: bytes | str) -> type[Event]:
    """The kind of event that a row is, for who does not decode it. Raises NewerFormat as `recorded` does."""
    known = read_as(topic)
    if known is None:
        raise NewerFormat(position, topic)
    kind = CLASSES[known]
    if issubclass(kind, Raising):
        recorded(position, "", 0, topic, state)
    return kind


def _must_be_read(position: int, topic: str, raising: Raising) -> None:
    if raising.level > newest_level():
        raise NewerFormat(position, f"{topic}, format level {raising.level}")


def readable(
    rows: Iterable[tuple[int, str, int, str, bytes | str]], newer_from: Callable[[], int | None]
) -> list[Recorded]:
    """Rows in the order of their positions, as far as this program reads them. Raises NewerFormat where not even the first is.

    `newer_from` tells from which position on the history has a format level beyond this program's, None: from none. It is
    asked only where a row cannot be read: behind that position it is a newer program's, before it nobody's, and set aside.
    """
    found: list[Recorded] = []
    for stored in rows:
        try:
            record = recorded(*stored)
            if isinstance(record.event, SetAside):
                beyond = newer_from()
                if beyond is not None and record.position >= beyond:
                    raise NewerFormat(record.position, record.event.topic)
        except NewerFormat:
            if not found:
                raise
            break
        found.append(record)
    return found


def read(stream: str, topic: str, state: bytes | str) -> Event:
    """The row's event, in today's form, or SetAside. Raises UnknownTopic."""
    try:
        event = decode(topic, state)
    except UnknownTopic:
        raise
    except Exception as error:  # whatever a stranger's bytes, or an upcast of them, come to
        return _set_aside(stream, topic, state, f"{type(error).__name__}: {error}")
    wrong = _wrong_with(event, state)
    return event if wrong is None else _set_aside(stream, topic, state, wrong)


def stopped(history: Sequence[Recorded]) -> bool:
    """Whether a stream holds what was set aside and not settled: nothing is decided on it, nothing added to it."""
    waiting: set[int] = set()
    for record in history:
        event = record.event
        if isinstance(event, SetAside):
            waiting.add(record.position)
        elif isinstance(event, Settling):
            waiting.discard(event.position)
    return bool(waiting)


def accounts_in(stream: str, fields: Any) -> tuple[str, ...]:
    """The ids of the accounts that an event names, in its stream's name, its fields or its postings."""
    named = {stream.removeprefix("account-"), *_named(fields, _NAMED_DEPTH_MAX)}
    return tuple(sorted(name for name in named if _ACCOUNT.fullmatch(name)))


def _wrong_with(event: Event, state: bytes | str) -> str | None:
    """Why no reader may take it although it is one of ours by its form."""
    if event.occurred_at.tzinfo is None:
        return "its time has no zone"
    postings = postings_of(event)
    if postings:
        try:
            check_balanced(postings)
        except Unbalanced as error:
            return str(error)
        if any(line.amount_minor > LINE_MAX for line in postings):
            return f"it posts more than {LINE_MAX} minor units in one line"
    nul = "u0000" in state if isinstance(state, str) else b"u0000" in state
    if nul and _ESCAPED_NUL.search(state if isinstance(state, str) else state.decode("utf-8", "replace")):
        return "it holds the character U+0000"
    return None


def _set_aside(stream: str, topic: str, state: bytes | str, reason: str) -> SetAside:
    try:
        fields = msgspec.json.decode(state)
    except Exception:  # no JSON at all: the stream's name is all there is
        fields = None
    said = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in reason)[:REASON_MAX]
    return SetAside(
        occurred_at=_time_in(fields),
        actor=_text_in(fields, "actor"),
        topic=topic,
        reason=said,
        accounts=accounts_in(stream, fields),
    )


def _time_in(fields: Any) -> datetime:
    try:
        at = msgspec.convert(fields["occurred_at"], datetime)
    except Exception:  # it says no time, or none that a calendar has
        return _UNTIMED
    return at if at.tzinfo is not None else _UNTIMED


def _text_in(fields: Any, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, str) else ""


def _named(fields: Any, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(fields, dict):
        for name, value in fields.items():
            if isinstance(value, str):
                if name == "book" or name.endswith("account_id"):
                    yield value
            else:
                yield from _named(value, depth - 1)
    elif isinstance(fields, list | tuple):
        for value in fields:
            yield from _named(value, depth - 1)
