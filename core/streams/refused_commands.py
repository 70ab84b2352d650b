"""Stream refusal-{id}: a command that was refused, who tried it, and why. It moves nothing and decides nothing later.

    CommandRefused
    RefusalsCounted

So that nobody can fill the store, an account's refusals are events up to KEPT_PER_HOUR an hour; those beyond are counted,
and the counts of an hour become one event an account, with the first append of a later hour or when the process ends. Each
process that writes counts for itself; of one that is killed, the counts of its last hour are lost.

A refused payout is an event of its own stream (core/streams/payouts.py), and the acts of processes are none: they look again.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.ledger import Command
from core.ledger.refusals import Refusal, code_of, data_of
from core.streams.accounts import OPERATOR

KEPT_PER_HOUR: Final = 20
"""Of an account's refusals, in each process that writes."""
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT_MAX: Final = 200
_ACTOR: Final = "system:ledger"
_SCALARS: Final = (str, int, bool, type(None))


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("command.refused", by="api")
class CommandRefused(Event, frozen=True, kw_only=True):
    """`wish` has the command's plain fields; `number` counts the account's refusals of the hour. Behind the last are counts."""

    account_id: str
    command: str
    stream: str
    wish: dict[str, Any]
    code: str
    data: dict[str, Any]
    number: int


class RefusalCount(msgspec.Struct, frozen=True):
    """So often was a command refused with a code."""

    command: str
    code: str
    times: int


@event("command.refusals-counted", by="api")
class RefusalsCounted(Event, frozen=True, kw_only=True):
    """What was refused of an account beyond those that are events, from one time up to, and without, another."""

    account_id: str
    since: datetime
    until: datetime
    counts: tuple[RefusalCount, ...]


_Key = tuple[str, str, str]
"""(account, command, code)."""


class RefusedCommands:
    """The port `RefusalLog` of one process. Used from the one thread that appends."""

    def __init__(self, kept_per_hour: int = KEPT_PER_HOUR) -> None:
        self.kept_per_hour = kept_per_hour
        self._hour = self._ends = _LONG_AGO
        self.kept: Counter[str] = Counter()
        self.beyond: Counter[_Key] = Counter()
        self.due: list[tuple[datetime, datetime, Counter[_Key]]] = []
        """Counts of hours that are over: no event yet."""

    def begin(self, now: datetime) -> "Noted":
        """Of one append, which may fail: it counts once `Noted.done` was called."""
        if now >= self._ends:
            self._count_until(self._ends)
            self._hour = now.replace(minute=0, second=0, microsecond=0)
            self._ends = self._hour + timedelta(hours=1)
            self.kept, self.beyond = Counter(), Counter()
        return Noted(self, now)

    def end(self, now: datetime) -> "Noted":
        """The same, of an hour that ends with the process."""
        noted = self.begin(now)
        self._count_until(now)
        return noted

    def _count_until(self, until: datetime) -> None:
        if self.beyond:
            self.due.append((self._hour, until, self.beyond))
            self.beyond = Counter()


class Noted:
    """The refusals of one append. Most have none, so it costs next to nothing to make."""

    __slots__ = ("_beyond", "_kept", "_now", "_of", "_written")

    def __init__(self, of: RefusedCommands, now: datetime) -> None:
        self._of = of
        self._now = now
        self._kept: dict[str, int] = {}
        self._beyond: dict[_Key, int] = {}
        self._written = 0

    def refused(self, command: Command, refusal: Refusal) -> list[New]:
        """The event of a refusal, or nothing where it is only counted or is a process's own."""
        actor = getattr(command, "actor", "")
        account_id = _account_of(command, actor)
        if account_id is None:
            return []
        name, number = code_of(type(command)), self._of.kept[account_id] + self._kept.get(account_id, 0) + 1
        if number > self._of.kept_per_hour:
            key = account_id, name, refusal.code
            self._beyond[key] = self._beyond.get(key, 0) + 1
            return []
        self._kept[account_id] = self._kept.get(account_id, 0) + 1
        refused = CommandRefused(
            occurred_at=self._now,
            actor=actor,
            account_id=account_id,
            command=name,
            stream=command.streams()[0],
            wish=_plain(command),
            code=refusal.code,
            data=_clean(data_of(refusal)),
            number=number,
        )
        return [New(_stream(), refused)]

    def counted(self) -> list[New]:
        """What hours that are over have counted."""
        if not self._of.due:
            return []
        self._written = len(self._of.due)
        return [
            New(_stream(), _counts(self._now, since, until, account_id, beyond))
            for since, until, beyond in self._of.due
            for account_id in dict.fromkeys(account_id for account_id, *_ in beyond)
        ]

    def done(self) -> None:
        """The append is durable."""
        if self._kept or self._beyond or self._written:
            self._of.kept.update(self._kept)
            self._of.beyond.update(self._beyond)
            del self._of.due[: self._written]


def _counts(now: datetime, since: datetime, until: datetime, account_id: str, beyond: Counter[_Key]) -> RefusalsCounted:
    counts = tuple(
        RefusalCount(command, code, times) for (of, command, code), times in sorted(beyond.items()) if of == account_id
    )
    return RefusalsCounted(
        occurred_at=now, actor=_ACTOR, account_id=account_id, since=since, until=until, counts=counts
    )


def _stream() -> str:
    return f"refusal-{uuid4()}"


def _account_of(command: Any, actor: str) -> str | None:
    """Whose refusal it is: the account of the key that tried it, or the operator; None is a process."""
    if actor.startswith("operator:"):
        return OPERATOR
    if not actor.startswith("api-key:"):
        return None
    account_id = getattr(command, "account_id", None) or getattr(getattr(command, "order", None), "account_id", None)
    return account_id if isinstance(account_id, str) else None


def _plain(command: Any) -> dict[str, Any]:
    """The command's plain fields and those of its order, without the actor, which the event names."""
    parts = [command, *([command.order] if isinstance(getattr(command, "order", None), msgspec.Struct) else [])]
    fields = {name: getattr(part, name) for part in parts for name in getattr(part, "__struct_fields__", ())}
    return _clean({name: value for name, value in fields.items() if name != "actor"})


def _clean(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values alone; text is short and such as the store can keep."""
    kept = {name: value for name, value in fields.items() if isinstance(value, _SCALARS)}
    return {name: _text(value) if isinstance(value, str) else value for name, value in kept.items()}


def _text(text: str) -> str:
    return text[:_TEXT_MAX].replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
