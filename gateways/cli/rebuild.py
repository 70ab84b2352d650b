"""`counterfoil rebuild`: wish for rebuilds, work on them in as many processes as there are cores, and show how far they are."""

import multiprocessing
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final
from uuid import UUID

import psycopg
from cyclopts import Parameter
from psycopg import Connection, sql
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from gateways.cli.acts import at_terminal, note_command
from gateways.cli.console import Data, console, progress, settings_with
from gateways.postgres.connections import conninfo_of
from gateways.postgres.database import Database
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.migrate import check
from gateways.postgres.roles import OWNER, PROJECTOR, READER
from gateways.processes.rebuild import connect, shares, work
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import visiting
from projections.engine.view import View
from projections.rebuild import rebuilds
from projections.rebuild.rebuilds import RebuildRow, Wish
from projections.rebuild.scratch import fill
from projections.views import VIEWS

LOOK_EVERY_S: Final = 0.2
TELL_EVERY_PERCENT: Final = 10
_SCHEMA: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,50}")
_fork = multiprocessing.get_context("fork")


def rebuild_views(settings: Settings, names: Sequence[str], console: Console, *, workers: int, hold: bool) -> bool:
    """Rebuild the named views, or all; go on with those that were interrupted -> whether all are done or held."""
    views = [view.name for view in _views(names)]
    with _projector(settings) as (database, conn):
        begun = rebuilds.request(conn, views, _who(), hold=hold)
        for name in set(views) - set(begun):
            rebuilds.wish(conn, name, "go")
        login = database.role_urls[PROJECTOR]
        note_command(settings, "projection.rebuild", database, views=views, hold=hold)
        crew = [_fork.Process(target=work, args=(login, group), daemon=True) for group in shares(views, workers)]
        for worker in crew:
            worker.start()
        rows = _watch(conn, views, crew, console)
    for row in rows.values():
        console.print(told(row))
    return all(row.state == "done" or (row.state == "verified" and row.hold) for row in rows.values())


def steer(settings: Settings, view: str, wish: Wish, console: Console) -> None:
    """Pause, resume or cancel a rebuild. Raises UserError where none goes on."""
    _views([view])
    with _projector(settings) as (database, conn):
        if not rebuilds.wish(conn, view, wish):
            raise UserError(f"no rebuild of {view} goes on: `counterfoil rebuild {view}` begins one")
        note_command(settings, f"projection.{wish}", database, view=view)
    said = {"pause": "paused", "go": "goes on", "cancel": "is cancelled"}[wish]
    console.print(f"{view}: the rebuild {said}" + ("" if wish == "pause" else "; the process `rebuild` does the work"))


def roll_back(settings: Settings, view: str, console: Console) -> None:
    """Let the version that served before serve again, now. Raises UserError where there is none."""
    _views([view])
    with _projector(settings) as (database, conn):
        if not rebuilds.roll_back(conn, view, _who()):
            raise UserError(
                f"there is no version of {view} to go back to, or a rebuild of it goes on: cancel that first"
            )
        note_command(settings, "projection.rollback", database, view=view)
        work(database.role_urls[PROJECTOR], [view])
        row = rebuilds.load(conn, [view])[view]
    if row.state != "rolled back":
        raise UserError(f"{view} could not be rolled back: {row.error or row.state}")
    console.print(f"{view}: the version that served before serves again, and the projector brings it up")


def scratch(
    settings: Settings, names: Sequence[str], into: str, to_position: int | None, account: str | None, console: Console
) -> None:
    """Fill the views' tables in a new schema, as they were at a position, or for one account."""
    views = _views(names)
    if not _SCHEMA.fullmatch(into) or into in ("public", "building", "retired", "passing", "information_schema"):
        raise UserError(f"{into!r} can be no new schema: write small letters, digits and underscores")
    if account is not None:
        try:
            account = str(UUID(account))
        except ValueError as error:
            raise UserError(f"{account!r} is no account's id") from error
    with visiting(settings) as database, psycopg.connect(conninfo_of(database.owner_url), autocommit=True) as conn:
        check(database.url(READER))
        login = datastore(database.role_urls[READER])
        store = PostgresEventStore(login)
        head = store.head()
        upto = head if to_position is None else to_position
        if not 0 < upto <= head:
            raise UserError(f"the history has the positions 1 to {head}")
        name, owner = sql.Identifier(into), sql.Identifier(OWNER)
        try:
            conn.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(name, owner))
        except psycopg.errors.DuplicateSchema:
            raise UserError(f"the schema {into} is there already: choose another name, or drop it") from None
        conn.execute(sql.SQL("SET ROLE {}").format(owner))
        conn.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(name, sql.Identifier(READER)))
        with progress(console) as bar:
            task = bar.add_task("folding", total=upto)
            rows = fill(
                conn, into, views, store, upto, account, lambda at, of: bar.update(task, completed=at, total=of)
            )
        login.close()
        note_command(
            settings, "projection.scratch", database, schema=into, views=[view.name for view in views], upto=upto
        )
    of = f" of account {account}" if account else ""
    for table, count in rows.items():
        console.print(f"{into}.{table}: {count} rows{of} at position {upto}")


def told(row: RebuildRow) -> str:
    """A finished rebuild as a sentence."""
    if row.state in ("failed", "cancelled"):
        return f"{row.view}: {row.state}{f', {row.error}' if row.error else ''}; what served serves on"
    tables: Mapping[str, Any] = (row.found or {}).get("tables", {})
    differing = {
        name: ", ".join(f"{found[kind]} {kind}" for kind in ("extra", "missing", "changed") if found[kind])
        for name, found in tables.items()
        if found["extra"] or found["missing"] or found["changed"]
    }
    verdict = "the same rows as before" if tables else "there was nothing at its position to compare with"
    if differing:
        verdict = "; ".join(f"{name}: {kinds}" for name, kinds in differing.items())
    state = {"done": "serves", "verified": "waits for `--resume`"}.get(row.state, row.state)
    return f"{row.view}: {sum(found['rows'] for found in tables.values())} rows at {row.position}, {state}; {verdict}"


def _watch(conn: Connection[Any], views: Sequence[str], crew: Sequence[Any], console: Console) -> dict[str, RebuildRow]:
    """Until nothing is left to do: bars on a terminal, a line a state and every tenth elsewhere."""
    last: dict[str, tuple[str, int]] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} % {task.fields[said]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {view: bars.add_task(view, total=100, said="") for view in views}
        while True:
            at_work = any(worker.is_alive() for worker in crew)
            rows = rebuilds.load(conn, views)
            for view, row in rows.items():
                bars.update(tasks[view], completed=row.percent, said=f"{row.state} {_rate(row)}")
                step = row.state, row.percent // TELL_EVERY_PERCENT
                if not console.is_terminal and last.get(view) != step:
                    console.print(f"{view}: {row.state}, {row.percent} % {_rate(row)}")
                last[view] = step
            if not at_work:
                break
            time.sleep(LOOK_EVERY_S)
    if any(row.unfinished and row.wish == "go" and not row.hold for row in rows.values()):
        raise UserError("a worker ended before its work did: run the same command again to go on from there")
    return rows


def _rate(row: RebuildRow) -> str:
    if row.state != "building" or row.left_s is None:
        return ""
    return f"{row.events_per_second:,.0f} events/s, {row.left_s:,.0f} s left"


def _views(names: Sequence[str]) -> list[View]:
    unknown = [name for name in names if name not in VIEWS]
    if unknown:
        raise UserError(f"there is no view {', '.join(unknown)}: choose from {', '.join(VIEWS)}")
    return [VIEWS[name] for name in names or VIEWS]


@contextmanager
def _projector(settings: Settings) -> Iterator[tuple[Database, Connection[Any]]]:
    with visiting(settings) as database:
        check(database.url(PROJECTOR))
        with connect(database.role_urls[PROJECTOR]) as conn:
            yield database, conn


def _who() -> str:
    return at_terminal()


def cores() -> int:
    """How many workers there may be at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def command(
    *views: str,
    workers: Annotated[int | None, Parameter(help="Processes at work, as many as there are cores")] = None,
    hold: Annotated[bool, Parameter(help="Wait, once verified, for --resume before the swap")] = False,
    pause: Annotated[str | None, Parameter(help="Let the rebuild of this view rest")] = None,
    resume: Annotated[str | None, Parameter(help="Let it go on, or let a held one serve")] = None,
    cancel: Annotated[str | None, Parameter(help="End the rebuild of this view; what serves, serves on")] = None,
    rollback: Annotated[
        str | None, Parameter(help="Let the version of this view that served before serve again")
    ] = None,
    into: Annotated[str | None, Parameter(help="Fill a new schema instead, for somebody to look at")] = None,
    to_position: Annotated[int | None, Parameter(help="With --into: as the views were there")] = None,
    account: Annotated[str | None, Parameter(help="With --into: what they have of one account")] = None,
    data: Data = None,
) -> None:
    """Rebuild views from events, all or those named, beside the ones that serve; verify them and swap them in."""
    settings = settings_with(data=data)
    if rollback is not None:
        roll_back(settings, rollback, console)
    elif pause is not None:
        steer(settings, pause, "pause", console)
    elif resume is not None:
        steer(settings, resume, "go", console)
    elif cancel is not None:
        steer(settings, cancel, "cancel", console)
    elif into is not None:
        scratch(settings, views, into, to_position, account, console)
    elif to_position is not None or account is not None:
        raise UserError("--to-position and --account need --into SCHEMA: what serves is never cut short")
    else:
        done = rebuild_views(settings, views, console, workers=workers or cores(), hold=hold)
        sys.exit(0 if done else 1)
