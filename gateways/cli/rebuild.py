"""`counterfoil rebuild`: wish for rebuilds, work on them in as many processes as there are cores, and show how far they are."""

import multiprocessing
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final
from uuid import UUID

import psycopg
from cyclopts import Parameter
from cyclopts.validators import Number
from psycopg import Connection, sql

from gateways.cli.acts import at_terminal, note_command
from gateways.cli.console import Data, Json, Output, progress
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.connections import conninfo_of
from gateways.postgres.database import Database
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import OWNER, PROJECTOR, READER
from gateways.processes.rebuild import connect, shares, work
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError
from projections.engine.view import View
from projections.rebuild import rebuilds
from projections.rebuild.rebuilds import RebuildRow, Wish
from projections.rebuild.scratch import fill
from projections.views import VIEWS

LOOK_EVERY_S: Final = 0.2
SAY_EVERY_PERCENT: Final = 10
_SCHEMA: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,50}")
_LEFT_OUT: Final = (
    "SELECT \"position\", topic, view, reason FROM set_aside_events WHERE view = '' OR view = ANY(%s) ORDER BY 1, 3"
)
_fork = multiprocessing.get_context("fork")


def rebuild_views(settings: Settings, names: Sequence[str], out: Output, *, workers: int, hold: bool) -> bool:
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
        rows = _watch(conn, views, crew, out)
        left_out = conn.execute(_LEFT_OUT, (views,)).fetchall()
    done = all(row.state == "done" or (row.state == "verified" and row.hold) for row in rows.values())
    named = [
        f"position {at}, {topic}, is left out of {view or 'every view'}: {why}" for at, topic, view, why in left_out
    ]
    facts = {"done": done, "data": [facts_of(row) for row in rows.values()], "left_out": named}
    out.show(facts, *(sentence_of(row) for row in rows.values()), *named)
    return done


def steer(settings: Settings, view: str, wish: Wish, out: Output) -> None:
    """Pause, resume or cancel a rebuild. Raises NotReady where none goes on."""
    _views([view])
    with _projector(settings) as (database, conn):
        if not rebuilds.wish(conn, view, wish):
            raise NotReady(f"no rebuild of {view} goes on: `counterfoil rebuild {view}` begins one")
        note_command(settings, f"projection.{wish}", database, view=view)
    said = {
        "pause": "is paused",
        "go": "goes on; the process `rebuild` does the work",
        "cancel": "is cancelled; the process `rebuild` clears up",
    }[wish]
    out.show({"view": view, "wish": wish}, f"{view}: the rebuild {said}")


def roll_back(settings: Settings, view: str, out: Output) -> None:
    """Let the version that served before serve again, now. Raises NotReady where there is none."""
    _views([view])
    with _projector(settings) as (database, conn):
        if not rebuilds.roll_back(conn, view, _who()):
            raise NotReady(
                f"there is no version of {view} to go back to, or a rebuild of it goes on: cancel that first"
            )
        note_command(settings, "projection.rollback", database, view=view)
        work(database.role_urls[PROJECTOR], [view])
        row = rebuilds.load(conn, [view])[view]
    if row.state != "rolled back":
        raise UserError(f"{view} could not be rolled back: {row.error or row.state}")
    said = f"{view}: the version that served before serves again, and the process `project` brings it up to date"
    out.show({"view": view, "state": row.state}, said)


SCRATCH: Final = "counterfoil: views for somebody to look at, as at position "
"""What the comment of a scratch schema begins with: nothing else is ever dropped by a command."""


def scratch(
    settings: Settings, names: Sequence[str], into: str, to_position: int | None, account: str | None, out: Output
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
    with (
        opened_database(settings) as database,
        psycopg.connect(conninfo_of(database.owner_url), autocommit=True) as conn,
    ):
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
        conn.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(name, sql.Literal(f"{SCRATCH}{upto}")))
        conn.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(name, sql.Identifier(READER)))
        with progress() as bar:
            task = bar.add_task("folding", total=upto)
            rows = fill(
                conn, into, views, store, upto, account, lambda at, of: bar.update(task, completed=at, total=of)
            )
        login.close()
        note_command(
            settings, "projection.scratch", database, schema=into, views=[view.name for view in views], upto=upto
        )
    of = f" of account {account}" if account else ""
    facts = [{"table": f"{into}.{table}", "rows": count} for table, count in rows.items()]
    said = (f"{into}.{table}: {count} rows{of} at position {upto}" for table, count in rows.items())
    out.show({"schema": into, "position": upto, "account_id": account, "data": facts}, *said)


def sentence_of(row: RebuildRow) -> str:
    """A finished rebuild as a sentence."""
    if row.state in ("failed", "cancelled"):
        return f"{row.view}: {row.state}{f', {row.error}' if row.error else ''}; what served serves on"
    tables, differing = _tables(row), _differing(row)
    verdict = "the same rows as before" if tables else "there was nothing at its position to compare with"
    if differing:
        verdict = "; ".join(
            f"{name}: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}"
            for name, kinds in differing.items()
        )
    state = {"done": "serves", "verified": "waits for `--resume`"}.get(row.state, row.state)
    return f"{row.view}: {_rows(row)} rows at {row.position}, {state}; {verdict}"


def facts_of(row: RebuildRow) -> dict[str, Any]:
    """The same for JSON."""
    return {
        "view": row.view,
        "state": row.state,
        "hold": row.hold,
        "position": row.position,
        "rows": _rows(row),
        "compared": bool(_tables(row)),
        "differences": _differing(row),
        "error": row.error,
        "requested_by": row.requested_by,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }


def _tables(row: RebuildRow) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (row.found or {}).get("tables", {})
    return found


def _rows(row: RebuildRow) -> int:
    return sum(found["rows"] for found in _tables(row).values())


def _differing(row: RebuildRow) -> dict[str, dict[str, int]]:
    """Table -> how many rows are extra, missing or changed, where any is."""
    found = {
        name: {kind: each[kind] for kind in ("extra", "missing", "changed") if each[kind]}
        for name, each in _tables(row).items()
    }
    return {name: kinds for name, kinds in found.items() if kinds}


def _watch(conn: Connection[Any], views: Sequence[str], crew: Sequence[Any], out: Output) -> dict[str, RebuildRow]:
    """Until nothing is left to do: bars on a terminal, a line a state and every tenth elsewhere; both on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    last: dict[str, tuple[str, int]] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} % {task.fields[said]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        tasks = {view: bars.add_task(view, total=100, said="") for view in views}
        while True:
            at_work = any(worker.is_alive() for worker in crew)
            rows = rebuilds.load(conn, views)
            for view, row in rows.items():
                bars.update(tasks[view], completed=row.percent, said=f"{row.state} {_rate(row)}")
                step = row.state, row.percent // SAY_EVERY_PERCENT
                if not console.is_terminal and last.get(view) != step:
                    out.note(f"{view}: {row.state}, {row.percent} % {_rate(row)}".rstrip())
                last[view] = step
            if not at_work:
                break
            time.sleep(LOOK_EVERY_S)
    if any(row.unfinished and row.wish == "go" and not row.hold for row in rows.values()):
        raise NotReady("a worker ended before its work did: run the same command again to go on from there")
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
    with opened_database(settings) as database, connect(database.role_urls[PROJECTOR]) as conn:
        yield database, conn


def _who() -> str:
    return at_terminal()


def cores() -> int:
    """How many workers there may be at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def command(
    *views: Annotated[str, Parameter(help="Which views; none: all of them")],
    workers: Annotated[
        int | None, Parameter(help="Processes at work; default: as many as there are cores", validator=Number(gte=1))
    ] = None,
    hold: Annotated[
        bool, Parameter(negative="", show_default=False, help="Once verified, wait for --resume before the swap")
    ] = False,
    pause: Annotated[str | None, Parameter(help="Let the rebuild of this view rest")] = None,
    resume: Annotated[str | None, Parameter(help="Let the rebuild of this view go on, or let a held one serve")] = None,
    cancel: Annotated[str | None, Parameter(help="End the rebuild of this view; what serves, serves on")] = None,
    rollback: Annotated[
        str | None, Parameter(help="Let the version of this view that served before serve again")
    ] = None,
    into: Annotated[
        str | None, Parameter(help="Fill a new schema of this name instead, for somebody to look at")
    ] = None,
    to_position: Annotated[int | None, Parameter(help="With --into: as the views were at this position")] = None,
    account: Annotated[str | None, Parameter(help="With --into: only what belongs to this account, by its id")] = None,
    json: Json = False,
    data: Data = None,
) -> bool:
    """Rebuild views from events, all or those named, beside the ones that serve; verify them and swap them in.

    Exit 1 when one failed or was cancelled.
    """
    settings, out = settings_with(data=data), Output(as_json=json)
    if rollback is not None:
        roll_back(settings, rollback, out)
    elif pause is not None:
        steer(settings, pause, "pause", out)
    elif resume is not None:
        steer(settings, resume, "go", out)
    elif cancel is not None:
        steer(settings, cancel, "cancel", out)
    elif into is not None:
        scratch(settings, views, into, to_position, account, out)
    elif to_position is not None or account is not None:
        raise UserError("--to-position and --account need --into SCHEMA: what serves is never cut short")
    else:
        return rebuild_views(settings, views, out, workers=workers or cores(), hold=hold)
    return True
