"""What changed between two positions: which ledger accounts moved, by how much, by which events.

The changes are computed from the events themselves. What an account held before them is the journal's
(projections/audit/as_of.py), so the views must have come to the end of the range.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, Final, LiteralString

import msgspec
from psycopg import Connection

from core.ledger.events import postings_of
from core.ledger.history import read
from core.ledger.journal import TREASURY, AccountType, Posting, ledger_account_id, signed
from projections.named import rows
from projections.stored_events import all_events
from projections.views.journal import described

_NEEDED: Final = ("journal", "balances")
_BOOKMARKS: Final = "SELECT min(notification_id) FROM projection_tracking WHERE application_name = ANY(%s)"
_HEAD: Final = "SELECT coalesce(max(notification_id), 0) FROM events"
_HELD: Final[LiteralString] = """
SELECT b.type, CASE WHEN b.type IN ('asset', 'expense') THEN 1 ELSE -1 END * coalesce(last.balance_minor, 0) AS before_minor
  FROM unnest(%(ids)s::uuid[], %(currencies)s::text[]) WITH ORDINALITY AS asked (id, currency, place)
  JOIN balances AS b ON b.ledger_account_id = asked.id AND b.currency = asked.currency
  LEFT JOIN LATERAL (SELECT p.balance_minor FROM postings AS p
                      WHERE p.ledger_account_id = asked.id AND p.currency = asked.currency AND p."position" <= %(cut)s
                      ORDER BY p."position" DESC, p.line DESC LIMIT 1) AS last ON true
 ORDER BY asked.place
"""
_ASKED_AT_ONCE: Final = 1_000


class ViewsBehind(Exception):
    """The views have not come to the end of the range yet: try again in a moment."""


class RangeRefused(Exception):
    """The range is none, or has more events than are looked at: the sentence says which."""


class Cause(msgspec.Struct, frozen=True):
    """An event that moved an account, and by how much in the account's normal direction."""

    position: int
    occurred_at: datetime
    event: str
    """Its stream and its version in it."""
    topic: str
    event_type: str
    reference: str | None
    change_minor: int


class Difference(msgspec.Struct, frozen=True):
    """A ledger account that events of the range moved, in its normal direction; back again is a change of 0."""

    account_id: str
    """The client's account, or "treasury"."""
    ledger_account_id: str
    ledger_account: str
    type: AccountType
    currency: str
    before_minor: int
    change_minor: int
    after_minor: int
    events: list[Cause]


def difference(
    conn: Connection[Any], after: int, upto: int, *, account_id: str | None = None, events_max: int | None = None
) -> list[Difference]:
    """By book, code and currency, of what happened behind the position `after`, up to `upto` and with it.

    The connection must be in a transaction that sees one snapshot. Raises RangeRefused, ViewsBehind.
    """
    [(head,)] = conn.execute(_HEAD).fetchall()
    if not 0 <= after <= upto <= head:
        raise RangeRefused(f"the range must begin at 0 or later and end, not before it begins, at {head} or earlier")
    if events_max is not None and upto - after > events_max:
        raise RangeRefused(f"the range has more than {events_max} events: ask for shorter ones")
    [(reached,)] = conn.execute(_BOOKMARKS, (list(_NEEDED),)).fetchall()
    if (reached or 0) < upto:
        raise ViewsBehind(f"the views stand at {reached or 0}, the range ends at {upto}")
    causes: dict[tuple[str, str, str], list[tuple[Cause, list[Posting]]]] = {}
    for key, cause, lines in _causes(conn, after, upto):
        if account_id in (None, key[0]):
            causes.setdefault(key, []).append((cause, lines))
    keys = sorted(causes, key=lambda key: (key[0] != TREASURY, *key))
    starts = range(0, len(keys), _ASKED_AT_ONCE)
    held = (row for start in starts for row in _held(conn, keys[start : start + _ASKED_AT_ONCE], after))
    return [_difference(key, row.type, row.before_minor, causes[key]) for key, row in zip(keys, held, strict=True)]


def _causes(
    conn: Connection[Any], after: int, upto: int
) -> Iterator[tuple[tuple[str, str, str], Cause, list[Posting]]]:
    """((book, code, currency), the event, its lines there), in the order of the history."""
    for position, stream, version, topic, state in all_events(conn, after, upto):
        happened = read(stream, topic, state)
        lines = sorted(postings_of(happened), key=_key)
        for key, of_one in groupby(lines, _key):
            kind, reference, reason = described(happened)
            cause = Cause(position, happened.occurred_at, f"{stream}/{version}", reason, kind, reference, 0)
            yield key, cause, list(of_one)


def _key(posting: Posting) -> tuple[str, str, str]:
    return posting.book, posting.account, posting.currency


def _held(conn: Connection[Any], keys: list[tuple[str, str, str]], cut: int) -> list[Any]:
    """`type` of each account, and `before_minor` that it held in its normal direction, at a position."""
    ids = [ledger_account_id(book, code) for book, code, _ in keys]
    currencies = [currency for *_, currency in keys]
    return rows(conn, _HELD, {"ids": ids, "currencies": currencies, "cut": cut}).fetchall()


def _difference(
    key: tuple[str, str, str], kind: AccountType, before_minor: int, causes: list[tuple[Cause, list[Posting]]]
) -> Difference:
    book, code, currency = key
    events = [
        msgspec.structs.replace(cause, change_minor=sum(signed(line, kind) for line in lines))
        for cause, lines in causes
    ]
    change = sum(event.change_minor for event in events)
    name = str(ledger_account_id(book, code))
    return Difference(book, name, code, kind, currency, before_minor, change, before_minor + change, events)
