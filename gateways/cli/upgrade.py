"""`counterfoil upgrade`: what a new version brings, who runs in which, and the step after which there is no way back (I22)."""

from datetime import timedelta
from typing import Any, Final, NamedTuple

import psycopg
from cyclopts import App
from psycopg import Connection

from core.ledger.events import DECLARATIONS, newest_level
from core.ledger.formats import RaiseFormat
from gateways import VERSION
from gateways.cli.acts import at_terminal, note_command
from gateways.cli.console import Data, Json, Output, Table, number, text
from gateways.cli.installation import opened_database, settings_with
from gateways.cli.recovery.writer import changed, writer
from gateways.postgres.boards.process_board import OLDER_SEEN, STALE, Seen, Silent, level_of, levels, seen, silent
from gateways.postgres.connections import conninfo_of
from gateways.postgres.migrate import applied, migrations, write_grants
from gateways.settings import Settings
from gateways.user_error import NotReady
from gateways.wiring.opened import visiting
from projections.named import rows

_SIZES: Final = "SELECT relname AS name, greatest(reltuples, 0)::bigint AS tuples FROM pg_class WHERE relname = ANY(%s)"
ROWS_A_SECOND: Final = 500_000
"""About what a small server rewrites or indexes of these tables: a guess on the safe side, from tests/bench."""
_HOLDS_UP: Final = ("ALTER TABLE", "CREATE INDEX", "CREATE UNIQUE INDEX", "CREATE TRIGGER", "UPDATE", "DROP")


class Standing(NamedTuple):
    """How far an upgrade is: the history's level, this program's, who was seen, and why it cannot be finished yet."""

    level: int
    newest: int
    processes: list[Seen]
    unknown: list[Silent]

    @property
    def holds_up(self) -> list[str]:
        """A sentence for each thing that keeps `finish` from raising the level; empty where nothing does."""
        older = [each for each in self.processes if each.format_level < self.newest]
        return [
            f"{each.process} {each.version} on {each.instance} reads up to format level {each.format_level}, and was seen"
            f" {_ago(each.ago)} ago"
            for each in older
        ] + [
            f"a program of before there were format levels is connected as {each.role} from {each.place}"
            f" ({each.connections} connections)"
            for each in self.unknown
        ]


def standing_of(conn: Connection[Any], within: timedelta = OLDER_SEEN) -> Standing:
    return Standing(level_of(conn), newest_level(), seen(conn, within), silent(conn))


def status(*, json: Json = False, data: Data = None) -> None:
    """Processes by version, the format level of the history, and what keeps the upgrade from being finished."""
    settings, out = settings_with(data=data), Output(as_json=json)
    with opened_database(settings) as database, psycopg.connect(conninfo_of(database.owner_url)) as conn:
        standing, raised = standing_of(conn), levels(conn)
    table = Table(
        ("process", "version", number("migration"), number("reads"), "seen", text("instance"), text("stands")),
        [
            (
                each.process,
                each.version,
                f"{each.migration:04d}",
                each.format_level,
                f"{_ago(each.ago)} ago",
                each.instance,
                each.waits_for,
            )
            for each in standing.processes
        ],
    )
    facts = {
        "format_level": standing.level,
        "newest_format_level": standing.newest,
        "raised_at": {str(level): position for level, position in raised.items()},
        "holds_up": standing.holds_up,
        "data": [
            {**each._asdict(), "seen_at": each.seen_at.isoformat(), "ago": int(each.ago.total_seconds())}
            for each in standing.processes
        ],
    }
    out.show(facts, table if standing.processes else "no process was seen within the hour", _said(standing))


def _said(standing: Standing) -> str:
    if standing.level >= standing.newest:
        return f"the history has format level {standing.level}, the newest of this program: nothing is to be finished"
    said = f"the history has format level {standing.level}, and this program brings {standing.newest}"
    if not standing.holds_up:
        return f"{said}: `counterfoil upgrade finish` raises it, and then there is no way back"
    return "\n".join(
        [f"{said}; until it is finished the older version can come back. It waits for:", *standing.holds_up]
    )


def plan(*, json: Json = False, data: Data = None) -> None:
    """What `migrate` will apply, what it locks, about how long that takes here, and which programs can run beside it."""
    settings, out = settings_with(data=data), Output(as_json=json)
    with visiting(settings) as database, psycopg.connect(conninfo_of(database.owner_url)) as conn:
        known = applied(conn)
        missing = [each for each in migrations() if each.version not in known]
        touched = {each.name: _touched(conn, each.text) for each in missing}
        level = level_of(conn) if 164 in known else 1
    table_rows, facts = [], []
    for each in missing:
        found = touched[each.name]
        seconds = sum(found.values()) / ROWS_A_SECOND
        beside = (
            f"programs that have {each.compatible_from:04d}" if each.compatible_from < each.version else "none older"
        )
        locks = ", ".join(f"{name} ({tuples} rows)" for name, tuples in found.items()) or "nothing that is there"
        took = "under a second" if seconds < 1 else f"up to about {seconds:.0f} s"
        table_rows.append((each.name, locks, took, beside))
        facts.append(
            {
                "migration": each.name,
                "locks": found,
                "seconds": round(seconds, 1),
                "compatible_from": each.compatible_from,
            }
        )
    brought = sorted(
        declared.topic if declared.level > level else f"{declared.topic} (more fields)"
        for declared in DECLARATIONS.values()
        if declared.newest > level
    )
    said = [
        f"to be applied: {len(missing)}" if missing else "no migration is to be applied",
        f"format level {level} now, {newest_level()} in this version ({VERSION})"
        + (f"; only after `counterfoil upgrade finish` is written: {', '.join(brought)}" if brought else ""),
        "order: counterfoil migrate; one process of each kind; the rest; counterfoil upgrade finish",
    ]
    table = Table((text("migration"), text("holds up"), "takes", text("can run beside")), table_rows)
    shown = [table] if missing else []
    facts_of = {"data": facts, "format_level": level, "newest_format_level": newest_level(), "brought": brought}
    out.show(facts_of, *shown, "\n".join(said))


def _touched(conn: Connection[Any], script: str) -> dict[str, int]:
    """Tables that are there and that the script changes or locks -> about how many rows they have."""
    words: set[str] = set()
    for statement in script.split(";"):
        body = " ".join(line for line in statement.splitlines() if not line.lstrip().startswith("--")).strip()
        if body.startswith(_HOLDS_UP):
            words |= set(body.replace("(", " ").replace(",", " ").split())
    return {row.name: row.tuples for row in rows(conn, _SIZES, (sorted(words),))}


def finish(*, json: Json = False, data: Data = None) -> None:
    """Let what only this version reads be written: one event, after which older programs stop and wait. Done once.

    Refused while an older process was seen within the hour, so that no machine that is started again stands before it.
    """
    settings, out = settings_with(data=data), Output(as_json=json)
    raised = finish_upgrade(settings)
    level = newest_level()
    said = (
        f"the history has format level {level} from now on: an older program that is started stops reading, and says so"
        if raised
        else f"the history has format level {level} already"
    )
    out.show({"format_level": level, "raised": raised}, said)


def finish_upgrade(settings: Settings) -> bool:
    """-> whether the level was raised now. Raises NotReady with what holds it up."""
    with opened_database(settings) as database:
        with psycopg.connect(conninfo_of(database.owner_url)) as conn:
            standing = standing_of(conn)
        if standing.level >= standing.newest:
            return False
        if standing.holds_up:
            raise NotReady(
                f"the upgrade is not finished: {'; '.join(standing.holds_up)}. Bring the new version there, and try again"
                " an hour after the last of them was seen"
            )
        with writer(database) as its:
            command = RaiseFormat(level=standing.newest, program=VERSION, actor=at_terminal())
            raised = changed(its.do(command))
        with psycopg.connect(conninfo_of(database.owner_url), autocommit=True) as conn:
            write_grants(conn)
        note_command(settings, "upgrade.finished", database, format_level=standing.newest)
        return raised


def _ago(ago: timedelta) -> str:
    seconds = int(ago.total_seconds())
    return f"{seconds} s" if ago < STALE else f"{seconds // 60} min"


app = App(name="upgrade", help="Bring in a new version beside the old one, with a way back until it is given up.")
app.command(plan)
app.command(status)
app.command(finish)
