"""A view as it was at a position, or what it has of one account: filled beside the serving one, for somebody to look at."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from psycopg import Connection, sql

from core.ledger.events import Event, Recorded, postings_of
from core.ledger.ledger import EventStore
from core.streams.accounts import AccountRegistered, LedgerAccountOpened
from projections.engine.batch import Folds, load_with, read_ahead, write
from projections.engine.projector import check_contiguous
from projections.engine.tables import Table
from projections.engine.view import View
from projections.rebuild.rebuild import ROWS_KEPT_MAX, SEGMENT_EVENTS_MAX

_MAKE: Final = "SELECT make_view_tables(%s, %s)"
_FINISH: Final = "SELECT finish_view_table(%s, %s)"


def fill(
    conn: Connection[Any],
    schema: str,
    views: Sequence[View],
    store: EventStore,
    upto: int,
    account_id: str | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, int]:
    """Make the views' tables in the schema, from the events up to a position -> rows by table.

    With an account, from the events that concern it, and with its own rows only. `conn` is the owner's, autocommit.
    """
    for view in views:
        conn.execute(_MAKE, (view.name, schema))
    conn.execute(sql.SQL("SET search_path = {}, public").format(sql.Identifier(schema)))
    conn.execute("SET synchronous_commit = off")
    folds, after = Folds.of(views), 0
    own: set[UUID] = set()
    while after < upto:
        records = store.read(after, min(SEGMENT_EVENTS_MAX, upto - after))
        check_contiguous(after, records)
        after = records[-1].position
        if account_id is not None:
            own |= set(_opened(records, account_id))
            records = [record for record in records if _matters(record.event, account_id)]
        if records:
            with conn.transaction(), conn.cursor() as cursor:
                if not folds.complete:
                    read_ahead(cursor, folds, records)
                folds.apply(records)
                write(cursor, folds.take(), copy_rows_min=1)
            folds.forget(ROWS_KEPT_MAX, load_with(conn.cursor()))
        progress(after, upto)
    tables = [table for view in views for table in view.tables]
    if account_id is not None:
        for table in reversed(tables):
            _keep(conn, table, UUID(account_id), list(own))
    for table in tables:
        conn.execute(_FINISH, (table.name, schema))
    return {table.name: _count(conn, table) for table in tables}


def _matters(event: Event, account_id: str) -> bool:
    """Whether it speaks of the account, or opens another that such an event may post to."""
    return isinstance(event, AccountRegistered | LedgerAccountOpened) or account_id in concerned(event)


def concerned(event: Event) -> set[str]:
    """The accounts that an event speaks of: whose it is, whose books it posts to."""
    order = getattr(event, "order", None)
    named = (
        getattr(event, "account_id", None),
        getattr(event, "to_account_id", None),
        getattr(order, "account_id", None),
    )
    return {name for name in named if name} | {posting.book for posting in postings_of(event)}


def _opened(records: Sequence[Recorded], account_id: str) -> Iterator[UUID]:
    for record in records:
        if isinstance(record.event, LedgerAccountOpened) and record.event.account_id == account_id:
            yield UUID(record.event.ledger_account_id)


def _keep(conn: Connection[Any], table: Table[Any], account_id: UUID, ledger_accounts: list[UUID]) -> None:
    """Remove the rows of other accounts, which are those of half a history."""
    columns = {column.name for column in table.columns}
    if table.name == "accounts":
        conn.execute("DELETE FROM accounts WHERE id <> %s", (account_id,))
    elif "account_id" in columns:
        conn.execute(f"DELETE FROM {table} WHERE account_id <> %s", (account_id,))
    elif "ledger_account_id" in columns:
        conn.execute(f"DELETE FROM {table} WHERE ledger_account_id <> ALL (%s)", (ledger_accounts,))


def _count(conn: Connection[Any], table: Table[Any]) -> int:
    [(count,)] = conn.execute(f"SELECT count(*) FROM {table}")
    return int(count)
