"""How a row of the history is read: as the event it is, or set aside because nothing can be made of it.

What is set aside follows from the row alone, so that every reader leaves out the same, be it live or of a rebuild (I4). It
keeps its position and its seal, moves nothing, and is in no state: its stream stops until an operator has settled it
(core/streams/set_aside.py), and everything else goes on (I19).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from core.ledger.events import Event, Recorded, UnknownTopic, decode, postings_of
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


def recorded(position: int, stream: str, version: int, topic: str, state: bytes | str) -> Recorded:
    """A row as it is read. Raises UnknownTopic: what a newer version wrote is waited for, not set aside (I22)."""
    return Recorded(position, stream, version, read(stream, topic, state))


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
