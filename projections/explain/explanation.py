"""Why something is where it is: its story told from its events, what holds it now, and what comes next.

The story is the history's. What holds it now is asked of the same snapshot: how far the chain was read, whether signing
is stopped, what the hot wallet has in the books. Sentences are for the reader; `code`, `about` and `data` are for programs.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
from psycopg import Connection

from core.ledger.events import TOPICS, Recorded
from core.ledger.history import recorded
from core.ledger.money import format_amount
from core.streams.signing import SIGNING, Signing
from projections.named import rows
from projections.stored_events import events_of

_CURSORS: Final = "SELECT id, last_block_number FROM chain_cursors WHERE id IN ('head', 'solid')"


class NoSuchThing(Exception):
    """The history has nothing of that name; the sentence says what was looked for."""


class Description(NamedTuple):
    """A sentence and what it rests on."""

    sentence: str
    data: Mapping[str, Any] = MappingProxyType({})


class Step(msgspec.Struct, frozen=True):
    """One event of the story."""

    position: int
    occurred_at: datetime
    topic: str
    actor: str
    sentence: str
    data: dict[str, Any]


class Now(msgspec.Struct, frozen=True):
    """Why it is where it is: a code, a sentence, what the sentence rests on; and what comes next."""

    code: str
    sentence: str
    then: str
    about: dict[str, Any] = {}


class Explanation(msgspec.Struct, frozen=True):
    """The whole: which stream it is told from, the state it is in, its story, why it is there, what comes next."""

    stream: str
    account_id: str
    state: str
    story: list[Step]
    now: Now


class Chain(NamedTuple):
    """How far the chain was read: the last block at the head and the last solid one; None before the first."""

    head: int | None
    solid: int | None


def history_of(conn: Connection[Any], stream: str) -> list[Recorded]:
    """The stream's events, in today's form."""
    return [
        recorded(position, name, version, topic, state)
        for position, name, version, topic, state in events_of(conn, stream)
    ]


def chain_of(conn: Connection[Any]) -> Chain:
    read = {row.id: row.last_block_number for row in rows(conn, _CURSORS)}
    return Chain(read.get("head"), read.get("solid"))


def stopped_by(conn: Connection[Any]) -> tuple[str, ...]:
    """The causes that stop signing now."""
    signing = Signing()
    for record in history_of(conn, SIGNING):
        signing = signing.evolve(record.event)
    return signing.causes


def step(recorded: Recorded, of: Description) -> Step:
    happened = recorded.event
    return Step(
        recorded.position, happened.occurred_at, TOPICS[type(happened)], happened.actor, of.sentence, dict(of.data)
    )


def amount(minor: int, currency: str) -> str:
    return f"{format_amount(minor, currency)} {currency}"


def chain_time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def of(count: int, noun: str) -> str:
    """1 block, 2 blocks."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: Sequence[str]) -> str:
    return ", ".join(names)
