"""Statements: what an account held, and every line of its book, in a period. The same period gives the same bytes, for ever.

A period runs from one time up to, and without, another. It is final once something happened after it: from then on nothing
can come into it (projections/audit/as_of.py), and it may be signed.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from psycopg import Connection

from core.ledger.money import format_amount
from core.proofs.notes import NoteKey, NoteRefused, NoteSigner, opened_by, signed
from projections.audit.as_of import BALANCES, BEFORE, UNTILED, UNTILED_EVENTS_MAX
from projections.named import rows, structs

Format = Literal["json", "csv"]

_NEEDED: Final = ("accounts", "balances", "journal")
_BOOKMARKS: Final = "SELECT min(notification_id) FROM projection_tracking WHERE application_name = ANY(%s)"
_LINES: Final = """
SELECT p.created_at AS at, e.id AS entry, e.event_type, e.external_ref, p.code AS ledger_account, p.currency, p.side,
       p.amount_minor,
       CASE WHEN l.type IN ('asset', 'expense') THEN p.balance_minor ELSE -p.balance_minor END AS balance_minor
  FROM journal_entries AS e JOIN postings AS p ON p.journal_entry_id = e.id
  JOIN ledger_accounts AS l ON l.id = p.ledger_account_id
 WHERE e.account_id = %(account_id)s AND e."position" > %(after)s AND e."position" <= %(upto)s
 ORDER BY e."position", p.line LIMIT %(limit)s
"""
_SIGNATURE: Final = "# "


class ViewsBehind(Exception):
    """The views have not come to the end of the period yet: try again in a moment."""


class TooManyLines(Exception):
    """The period holds more lines than are given at once: ask for a shorter one."""


class Held(msgspec.Struct, frozen=True):
    """A ledger account over the period, in its normal direction."""

    ledger_account: str
    type: str
    currency: str
    opening_minor: int
    closing_minor: int


class Line(msgspec.Struct, frozen=True):
    """One line, and what its ledger account held after it."""

    at: datetime
    entry: UUID
    event_type: str
    external_ref: str | None
    ledger_account: str
    currency: str
    side: str
    amount_minor: int
    balance_minor: int


class Statement(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A book in a period, `from` included and `until` not."""

    account_id: UUID
    from_: datetime
    until: datetime
    final: bool
    balances: list[Held]
    lines: list[Line]


def statement(
    conn: Connection[Any], account_id: UUID, from_: datetime, until: datetime, *, lines_max: int | None = None
) -> Statement:
    """Of one snapshot: the connection must be in a transaction that sees one. Raises ViewsBehind, TooManyLines."""
    after, _ = position_before(conn, from_)
    upto, final = position_before(conn, until)
    [(reached,)] = conn.execute(_BOOKMARKS, (list(_NEEDED),)).fetchall()
    if reached < upto:
        raise ViewsBehind(f"the views stand at {reached}, the period ends at {upto}")
    opening = {(row.code, row.currency): row.amount_minor for row in _held(conn, account_id, after)}
    balances = [
        Held(row.code, row.type, row.currency, opening.get((row.code, row.currency), 0), row.amount_minor)
        for row in _held(conn, account_id, upto)
    ]
    limit = None if lines_max is None else lines_max + 1
    asked = {"account_id": account_id, "after": after, "upto": upto, "limit": limit}
    lines = structs(conn, Line, _LINES, asked).fetchall()
    if lines_max is not None and len(lines) > lines_max:
        raise TooManyLines(f"the period has more than {lines_max} lines: ask for a shorter one")
    lines = [msgspec.structs.replace(line, at=line.at.astimezone(UTC)) for line in lines]
    return Statement(account_id, from_.astimezone(UTC), until.astimezone(UTC), final, balances, lines)


def position_before(conn: Connection[Any], at: datetime) -> tuple[int, bool]:
    """-> (the last position of what happened before the time, whether anything happened since). Raises ViewsBehind."""
    for (position,) in conn.execute(BEFORE, {"at": at, "untiled": UNTILED_EVENTS_MAX}):
        return int(position), True
    [sizes] = rows(conn, UNTILED)
    if sizes.head - sizes.tiled > UNTILED_EVENTS_MAX:
        raise ViewsBehind("the Merkle tree, which knows the times, is far behind the history")
    return int(sizes.head), False


def _held(conn: Connection[Any], account_id: UUID, cut: int) -> Iterable[Any]:
    return rows(conn, BALANCES, {"account_id": str(account_id), "cut": cut})


# Written and signed


def written(content: Statement, form: Format, signer: NoteSigner | None) -> bytes:
    """The file. A period that is not final is not signed: it may look otherwise tomorrow."""
    body = msgspec.json.encode(content) if form == "json" else _csv(content)
    note = None
    if signer is not None and content.final:
        note = signed(_claim(signer.key, content, form, body), signer.key, signer.sign)
    if form == "json":
        return b'{"statement":' + body + b',"signature":' + json.dumps(note, ensure_ascii=False).encode() + b"}\n"
    ending = note or "this period is not over: what is in it may change, and it is not signed\n"
    return body + b"".join(f"{_SIGNATURE}{line}\n".encode() for line in ending.splitlines())


def check(file: bytes, keys: Sequence[NoteKey]) -> str:
    """The text of the note that signs a statement's file. Raises NoteRefused."""
    if file.startswith(b'{"statement":'):
        body, _, rest = file.removeprefix(b'{"statement":').rpartition(b',"signature":')
        try:
            note, form = json.loads(rest.rstrip().removesuffix(b"}")), "json"
        except ValueError:
            raise NoteRefused("the file does not end as a statement does") from None
    else:
        lines = file.splitlines(keepends=True)
        mark = _SIGNATURE.encode()
        body, form = b"".join(line for line in lines if not line.startswith(mark)), "csv"
        note = b"".join(line.removeprefix(mark) for line in lines if line.startswith(mark)).decode()
    if not note or "\n\n" not in note:
        raise NoteRefused("the statement is not signed: its period was not over")
    text = opened_by(note, keys)
    if text.splitlines()[-1] != f"{form} sha256 {sha256(body).hexdigest()}":
        raise NoteRefused("the file is not the one that was signed")
    return text


def _claim(key: NoteKey, content: Statement, form: Format, body: bytes) -> str:
    period = f"from {_time(content.from_)} until {_time(content.until)}"
    return f"{key.name}\nstatement of {content.account_id}\n{period}\n{form} sha256 {sha256(body).hexdigest()}\n"


def _csv(content: Statement) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns = "kind,at,entry,event_type,external_ref,ledger_account,currency,debit,credit,balance"
    table.writerow(columns.split(","))
    for held in content.balances:
        opening = format_amount(held.opening_minor, held.currency)
        table.writerow(
            ["opening", _time(content.from_), "", "", "", held.ledger_account, held.currency, "", "", opening]
        )
    for line in content.lines:
        amount = format_amount(line.amount_minor, line.currency)
        sides = (amount, "") if line.side == "debit" else ("", amount)
        table.writerow(
            [
                "line",
                _time(line.at),
                line.entry,
                line.event_type,
                line.external_ref or "",
                line.ledger_account,
                line.currency,
                *sides,
                format_amount(line.balance_minor, line.currency),
            ]
        )
    for held in content.balances:
        closing = format_amount(held.closing_minor, held.currency)
        table.writerow(
            ["closing", _time(content.until), "", "", "", held.ledger_account, held.currency, "", "", closing]
        )
    return text.getvalue().encode()


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
