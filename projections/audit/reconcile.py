"""Reconcile: is everything that was computed what the events say, and is the ledger what the chain says?

One snapshot of the database, one reading of the history. Memory grows with the number of ledger accounts, not of
events. Views may be behind; each is compared at its own bookmark.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg import Connection, IsolationLevel
from psycopg.rows import class_row

from core.ledger.books import CLIENT_ASSET, CUSTODY_CONTROL
from core.ledger.events import Recorded
from core.ledger.guard import guard_deltas
from core.ledger.history import SetAside, Settling, recorded
from core.ledger.journal import TREASURY_ACCOUNT_ID
from core.ledger.money import format_amount
from core.ledger.seals import BrokenSeal, Seal, Sealed, verify
from projections.audit.on_chain import Booked, Difference, Explain, OnChain, sentence
from projections.audit.proposals import proposal_for
from projections.engine.batch import Folds
from projections.engine.set_aside import Unfoldable
from projections.named import rows
from projections.stored_events import all_events
from projections.views.balances import BALANCES, BalanceRow, BalancesView

Key = tuple[UUID, str]
"""(ledger account id, currency)"""

Progress = Callable[[int, int], None]
DIFFERENCES_MAX: Final = 100
"""So many are shown of one check; the last line says how many more there are."""
_FETCH: Final = 5_000

_SEALS: Final = (
    "SELECT first_position AS first, last_position AS last, previous_hash AS previous, hash"
    " FROM seals ORDER BY last_position"
)
_SIGNED: Final = "CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END"
_POSTED: Final = (
    f"SELECT ledger_account_id, currency, sum({_SIGNED})::bigint AS total_minor FROM postings GROUP BY 1, 2"
)
_BALANCES: Final = "SELECT ledger_account_id, currency, amount_minor, pending_minor FROM balances"
_LEFT_OUT: Final = (
    "SELECT position, topic, stream, string_agg(concat_ws(': ', nullif(view, ''), reason), '; ' ORDER BY view) AS reason"
    " FROM set_aside_events GROUP BY position, topic, stream"
)
_GUARD: Final = "SELECT ledger_account_id, currency, balance_minor FROM guard"


def _amount(minor: str) -> str:
    """An expression in minor units as people write the amount: both currencies have six decimals."""
    return f"to_char(({minor}) / 1000000.0, 'FM9999999999990.000000')"


_FORBIDDEN: Final[Mapping[str, str]] = {
    "every book's debits equal its credits, per currency": f"""
        SELECT format('book %%s is off by %%s %%s', e.account_id, {_amount(f"sum({_SIGNED})")}, p.currency)
          FROM postings p JOIN journal_entries e ON e.id = p.journal_entry_id
         GROUP BY e.account_id, p.currency HAVING sum({_SIGNED}) <> 0""",
    "every journal entry's debits equal its credits": f"""
        SELECT format('entry %%s is off by %%s %%s', journal_entry_id, {_amount(f"sum({_SIGNED})")}, currency)
          FROM postings GROUP BY journal_entry_id, currency HAVING sum({_SIGNED}) <> 0""",
    "every line's running balance is the sum of the lines up to it": f"""
        SELECT format('%%s at position %%s is %%s %%s, and its lines make %%s %%s', code, "position",
                      {_amount("balance_minor")}, currency, {_amount("total")}, currency)
          FROM (SELECT code, currency, "position", balance_minor,
                       sum({_SIGNED}) OVER (PARTITION BY ledger_account_id, currency ORDER BY "position", line) AS total
                  FROM postings) AS lines
         WHERE balance_minor <> total ORDER BY "position" """,
    "no client liability is negative": f"""
        SELECT format('%%s of account %%s is %%s %%s', code, account_id, {_amount("amount_minor")}, currency)
          FROM balances WHERE type = 'liability' AND amount_minor < 0 AND account_id <> %(treasury)s
        UNION ALL SELECT format('guard %%s is %%s %%s', ledger_account_id, {_amount("balance_minor")}, currency)
          FROM guard WHERE balance_minor < 0""",
    "what clients may claim is what the treasury holds for them": f"""
        SELECT format('clients claim %%s %%s, Custody_Control holds %%s %%s', {_amount("coalesce(sum(claimed), 0)")},
                      currency, {_amount("coalesce(sum(held), 0)")}, currency)
          FROM (SELECT currency, CASE WHEN code = %(claim)s AND account_id <> %(treasury)s THEN amount_minor END AS claimed,
                       CASE WHEN code = %(custody)s AND account_id = %(treasury)s THEN amount_minor END AS held
                  FROM balances) AS sides
         GROUP BY currency HAVING coalesce(sum(claimed), 0) <> coalesce(sum(held), 0)""",
    "no deposit is credited twice": """
        SELECT format('%%s was confirmed %%s times', originator_id, count(*))
          FROM events WHERE starts_with(topic, 'deposit.confirmed/') GROUP BY originator_id HAVING count(*) > 1""",
}
"""What must hold -> a query whose every row is a violation."""

_REFERENCES: Final = (
    ("ledger_accounts", "accounts", "account_id", "accounts", "accounts"),
    ("journal_entries", "journal", "account_id", "accounts", "accounts"),
    ("postings", "journal", "ledger_account_id", "ledger_accounts", "accounts"),
    ("payin_addresses", "payins", "ledger_account_id", "ledger_accounts", "accounts"),
    ("payin_requests", "payins", "ledger_account_id", "ledger_accounts", "accounts"),
    ("payout_requests", "payouts", "from_ledger_account_id", "ledger_accounts", "accounts"),
    ("observed_transactions", "deposits", "ledger_account_id", "ledger_accounts", "accounts"),
    ("observed_transactions", "deposits", "address_id", "payin_addresses", "payins"),
    ("observed_transactions", "deposits", "journal_entry_id", "journal_entries", "journal"),
    ("client_events", "notifications", "account_id", "accounts", "accounts"),
)
"""(table, its view, column, table it refers to by id, that one's view)"""


class Check(msgspec.Struct, frozen=True):
    """One thing that must hold; every difference is a sentence. `note` says what could not be compared.

    `empty`: there was nothing to compare, so that nothing is said to hold.
    """

    name: str
    differences: tuple[str, ...] = ()
    note: str = ""
    empty: bool = False

    @property
    def ok(self) -> bool:
        return not self.differences


class Reconciliation(msgspec.Struct, frozen=True):
    """All checks, the position they were made at, and how far each view was."""

    position: int
    bookmarks: dict[str, int]
    checks: tuple[Check, ...]
    beside_chain: tuple[Difference, ...] = ()
    """What the check "ledger = chain" found, for whoever proposes an entry."""

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def reconcile(
    conn: Connection[Any],
    on_chain: Sequence[OnChain] | None = None,
    progress: Progress | None = None,
    explain: Explain | None = None,
) -> Reconciliation:
    """Compare everything. `conn` needs SELECT on events, seals, guard and the views; it must be outside a transaction.

    `on_chain` has all our addresses as the chain had them before this look at the history.
    """
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    conn.read_only = True
    try:
        with conn.transaction():
            return _reconcile(conn, on_chain, progress, explain)
    finally:
        conn.isolation_level = None
        conn.read_only = None


def _reconcile(
    conn: Connection[Any], on_chain: Sequence[OnChain] | None, progress: Progress | None, explain: Explain | None
) -> Reconciliation:
    found = rows(conn, "SELECT application_name AS view, notification_id AS position FROM projection_tracking")
    bookmarks = {row.view: row.position for row in found}
    booked = None if on_chain is None else Booked(on_chain)
    replay = _Replay(conn, {"balances": bookmarks["balances"], "journal": bookmarks["journal"]}, progress, booked)
    checks = [replay.verify_seals(), _set_aside(conn, replay), *_forbidden(conn), _compare_guard(conn, replay)]
    checks += [
        _compare_balances(conn, replay, bookmarks["balances"]),
        _compare_postings(conn, replay, bookmarks["journal"]),
        _references(conn, bookmarks),
    ]
    differences = tuple(booked.differences()) if booked is not None else ()
    if booked is not None:
        said = [f"{sentence(each, explain)}; to explain it: {proposal_for(each).sentence}" for each in differences]
        checks.append(limited("ledger = chain", said))
    return Reconciliation(replay.position, bookmarks, tuple(checks), differences)


class _Replay:
    """The history folded in memory: balances and guard at its end, and balances as they were at the bookmarks."""

    def __init__(
        self, conn: Connection[Any], bookmarks: Mapping[str, int], progress: Progress | None, booked: Booked | None
    ) -> None:
        self._conn = conn
        self._booked = booked
        self._bookmarks = bookmarks
        self._progress = progress
        [(self._head,)] = conn.execute("SELECT coalesce(max(notification_id), 0) FROM events")
        self._folds = Folds.of([BalancesView()])
        self._balances = self._folds.rows(BALANCES)
        self.position = 0
        self.guard: dict[Key, int] = {}
        self.set_aside: dict[int, str] = {}
        """What cannot be read, or not be folded into balances, by position."""
        self.settled: set[int] = set()
        self.at: dict[str, dict[Key, tuple[int, int]]] = {name: {} for name, upto in bookmarks.items() if upto == 0}

    def verify_seals(self) -> Check:
        """Read everything once: seals are verified, and what they cover is folded on the way."""
        name = "positions are contiguous, every event is sealed, and the seals chain"
        events = self._folded()
        try:
            with self._conn.cursor("seals", row_factory=class_row(Seal)) as seals:
                seals.itersize = _FETCH
                seals.execute(_SEALS)
                verify(events, seals)
            return Check(name)
        except BrokenSeal as error:
            for _ in events:
                pass
            return Check(name, (str(error),))

    def _folded(self) -> Iterator[Sealed]:
        for stored in all_events(self._conn):
            position, stream, version, topic, state = stored
            self._apply(recorded(position, stream, version, topic, state))
            yield stored

    def _apply(self, record: Recorded) -> None:
        position, event = record.position, record.event
        if isinstance(event, SetAside):
            self.set_aside[position] = f"{event.topic} in {record.stream} cannot be read: {event.reason}"
        elif isinstance(event, Settling):
            self.settled.add(event.position)
        try:
            self._folds.apply([record])
        except Unfoldable as error:
            self.set_aside[position] = f"{record.stream}: {error}"
        if self._booked is not None:
            self._booked.apply(record.event)
        for change in guard_deltas(record.event):
            key = change.key.ledger_account_id, change.key.currency
            if change.opens:
                self.guard[key] = 0
            elif key in self.guard:
                self.guard[key] += change.delta_minor
        self.position = position
        for view, bookmark in self._bookmarks.items():
            if position == bookmark:
                self.at[view] = self.balances()
        if self._progress is not None and (position % _FETCH == 0 or position == self._head):
            self._progress(position, self._head)

    def balances(self) -> dict[Key, tuple[int, int]]:
        """(amount, pending) by ledger account and currency, now."""
        return {
            (UUID(bytes=account), currency): (row.amount_minor, row.pending_minor)
            for (account, currency), row in self._balances.items()
            if row is not None
        }

    def name_of(self, key: Key) -> str:
        row = self._row(key)
        return f"{row.code} {key[1]} of account {row.account_id}" if row else f"{key[0]} {key[1]}"

    def debits(self, key: Key, amount_minor: int) -> int:
        """A balance in its normal direction as debits minus credits."""
        row = self._row(key)
        assert row is not None, f"{key} has a balance and no row"
        return amount_minor if row.type in ("asset", "expense") else -amount_minor

    def _row(self, key: Key) -> BalanceRow | None:
        account, currency = key
        return self._balances[account.bytes, currency]


def _set_aside(conn: Connection[Any], replay: _Replay) -> Check:
    """Every event can be read and folded; one that cannot is named, and differs until an operator has settled it."""
    found = replay.set_aside | {
        row.position: f"{row.topic} in {row.stream}: {row.reason}" for row in rows(conn, _LEFT_OUT)
    }
    lasting = [f"position {at}: {said}" for at, said in sorted(found.items()) if at not in replay.settled]
    settled = sorted(replay.settled & found.keys())
    note = f"settled by an operator, and left out: positions {', '.join(map(str, settled))}" if settled else ""
    return limited("every event can be read and is in every view", lasting, note)


def _forbidden(conn: Connection[Any]) -> Iterator[Check]:
    parameters = {"treasury": TREASURY_ACCOUNT_ID, "claim": CLIENT_ASSET, "custody": CUSTODY_CONTROL}
    for name, query in _FORBIDDEN.items():
        yield limited(name, [difference for (difference,) in conn.execute(query, parameters)])


def _compare_guard(conn: Connection[Any], replay: _Replay) -> Check:
    kept = {(row.ledger_account_id, row.currency): row.balance_minor for row in rows(conn, _GUARD)}
    return _compared("the guard is what the events say", replay, replay.position, replay.guard, kept)


def _compare_balances(conn: Connection[Any], replay: _Replay, position: int) -> Check:
    kept = {
        (row.ledger_account_id, row.currency): [row.amount_minor, row.pending_minor] for row in rows(conn, _BALANCES)
    }
    said = {key: list(amounts) for key, amounts in replay.at.get("balances", {}).items()}
    return _compared("balances and pending are what the events say", replay, position, said, kept)


def _compare_postings(conn: Connection[Any], replay: _Replay, position: int) -> Check:
    said = {key: replay.debits(key, amount) for key, (amount, _) in replay.at.get("journal", {}).items()}
    kept = {(row.ledger_account_id, row.currency): row.total_minor for row in rows(conn, _POSTED)}
    return _compared(
        "postings add up to what the events say",
        replay,
        position,
        {key: total for key, total in said.items() if total or key in kept},
        kept,
    )


def _compared(name: str, replay: _Replay, position: int, said: Mapping[Key, Any], kept: Mapping[Key, Any]) -> Check:
    """What the events say at a position, and what the table that stands there says."""
    keys = sorted({key for key in {*said, *kept} if said.get(key) != kept.get(key)}, key=str)
    return limited(
        name,
        [
            f"{replay.name_of(key)} at position {position}: the events say {_said(said.get(key), key[1])}, the table"
            f" {_said(kept.get(key), key[1])}"
            for key in keys
        ],
    )


def _said(minor: Any, currency: str) -> str:
    """An amount, or several, as people write them; nothing where there is no row."""
    if minor is None:
        return "nothing"
    amounts = minor if isinstance(minor, list) else [minor]
    return " and ".join(f"{format_amount(amount, currency)} {currency}" for amount in amounts)


def _references(conn: Connection[Any], bookmarks: Mapping[str, int]) -> Check:
    """What no foreign key can hold, because each view is rebuilt on its own. A row is compared once both views know it."""
    differences: list[str] = []
    waiting = []
    for table, view, column, parent, parents_view in _REFERENCES:
        if column == "journal_entry_id" and bookmarks[parents_view] < bookmarks[view]:
            waiting.append(f"{table}.{column}")  # it is set by a later event than the one that `position` names
            continue
        query = (
            f'SELECT c.id, c."{column}" AS missing FROM {table} c WHERE c."{column}" IS NOT NULL AND c."position" <= %s'
            f' AND NOT EXISTS (SELECT FROM {parent} p WHERE p.id = c."{column}") ORDER BY 1'
        )
        differences += [
            f"{table} {row.id}: its {column} {row.missing} is not in {parent}"
            for row in rows(conn, query, (bookmarks[parents_view],))
        ]
    note = f"not compared, because a view is behind: {', '.join(waiting)}" if waiting else ""
    return limited("what one view says of another is there", differences, note)


def limited(name: str, differences: Sequence[str], note: str = "", *, empty: bool = False) -> Check:
    shown = list(differences[:DIFFERENCES_MAX])
    if len(differences) > DIFFERENCES_MAX:
        shown.append(f"and {len(differences) - DIFFERENCES_MAX} more")
    return Check(name, tuple(shown), note, empty)
