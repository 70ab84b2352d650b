"""What every view must hold to. A view that is in VIEWS is in these tests by itself; each failure says what to do.

Its events must happen in one of HISTORIES: add yours to the one that fits, or a history of your own.
"""

import ast
import builtins
import importlib
import inspect
import itertools
import os
import random
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.ledger.events import TOPICS, Recorded
from core.ledger.ledger import Ledger
from core.ports.queues import Message
from core.streams.accounts import DisableWebhook
from gateways.postgres.event_store import PostgresEventStore
from projections.engine.batch import COPY_ROWS_MIN, Folds
from projections.engine.batch import project as apply
from projections.engine.projector import Projector
from projections.engine.segments import Segment
from projections.engine.tracking import ViewTracking
from projections.engine.view import View
from projections.views import VIEWS
from tests.support.history import ACTOR, ALICE, TickingClock, append_history, execute, register
from tests.support.memory import MemoryQueue, MemoryStore
from tests.support.postgres import Database
from tests.support.rebuilding import differing, rebuilt
from tests.support.restored import append_restored
from tests.support.treasury import append_rotated, append_treasury
from tests.support.views import live_rows, project, rows


def append_gone_webhook(ledger: Ledger) -> int:
    """A client whose endpoint says that it is gone."""
    url = "https://alice.example/hook"
    execute(ledger, register(ALICE, "Alice Ltd", url))
    return execute(ledger, DisableWebhook(ALICE, url, ACTOR))


HISTORIES: Final[Sequence[Callable[[Ledger], object]]] = (
    append_history,
    append_treasury,
    append_restored,
    append_gone_webhook,
    append_rotated,
)
_IMPURE: Final = {
    "now",
    "utcnow",
    "today",
    "time",
    "monotonic",
    "perf_counter",
    "random",
    "uuid1",
    "uuid4",
    "urandom",
    "open",
}
_OUTSIDE: Final = {
    "time",
    "random",
    "socket",
    "os",
    "pathlib",
    "io",
    "threading",
    "asyncio",
    "subprocess",
    "secrets",
    "psycopg",
}


def history(append: Callable[[Ledger], object]) -> list[Recorded]:
    store = MemoryStore()
    append(Ledger(store, TickingClock()))
    return store.events


def cut(records: Sequence[Recorded], cuts: set[float]) -> Iterator[Sequence[Recorded]]:
    """The records in batches that end at these parts of the whole."""
    ends = sorted({*(1 + int(part * (len(records) - 1)) for part in cuts), len(records)})
    for first, last in itertools.pairwise([0, *ends]):
        yield records[first:last]


class ViewLint:
    """Subclass it in a test module: pytest runs it for every view and every history."""

    @pytest.fixture(params=sorted(VIEWS))
    def view(self, request: pytest.FixtureRequest) -> View:
        return VIEWS[request.param]

    @pytest.fixture(params=HISTORIES, ids=lambda append: append.__name__)
    def append(self, request: pytest.FixtureRequest) -> Callable[[Ledger], object]:
        return request.param  # type: ignore[no-any-return]

    @pytest.fixture
    def projected(
        self,
        append: Callable[[Ledger], object],
        ledger: Ledger,
        store: PostgresEventStore,
        tracking: ViewTracking,
        view: View,
    ) -> View:
        """The view, with a whole history in it."""
        append(ledger)
        project(store, tracking, [view])
        return view

    @pytest.mark.fast
    def test_every_event_it_folds_happens_in_a_history(self, view: View) -> None:
        """What no history holds, no test folds."""
        happened = {type(record.event) for append in HISTORIES for record in history(append)}
        missing = sorted(TOPICS[kind] for kind in set(view.events) - happened)
        assert missing == [], f"let {', '.join(missing)} happen in one of tests/projections/lint.py's HISTORIES"

    @pytest.mark.fast
    def test_its_source_knows_no_clock_and_no_outside(self, view: View) -> None:
        """The view's file imports nothing that does I/O and calls nothing that tells the time or a random number."""
        tree = ast.parse(inspect.getsource(importlib.import_module(type(view).__module__)))
        found = []
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    found += [name.name for name in names if name.name.split(".")[0] in _OUTSIDE]
                case ast.ImportFrom(module=str(module)) if module.split(".")[0] in _OUTSIDE:
                    found.append(module)
                case ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called)) if called in _IMPURE:
                    found.append(f"{called}() in line {node.lineno}")
        assert found == [], f"a fold has its rows and its event, and nothing else: take {', '.join(found)} out"

    @pytest.mark.fast
    def test_it_folds_without_a_clock_or_a_door(
        self, view: View, append: Callable[[Ledger], object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In memory alone, with time, chance, files and sockets gone, it folds a whole history, twice to the same rows."""
        records = history(append)

        def forbidden(*_: object, **__: object) -> Any:
            raise AssertionError("a fold looked outside: rows and event are all it has")

        with monkeypatch.context() as patch:
            for module, name in (
                (time, "time"),
                (time, "monotonic"),
                (random, "random"),
                (uuid, "uuid4"),
                (os, "urandom"),
                (socket, "socket"),
                (builtins, "open"),
            ):
                patch.setattr(module, name, forbidden)
            found = []
            for _ in range(2):
                folds = Folds.of([view])
                folds.apply(records)
                found.append([(each.table.name, each.new, each.changed, each.gone) for each in folds.take()])
        assert found[0] == found[1]

    @settings(max_examples=8, suppress_health_check=list(HealthCheck))
    @given(cuts=st.sets(st.floats(0, 1), max_size=20), copy_rows_min=st.sampled_from([1, 2, COPY_ROWS_MIN]))
    def test_any_split(
        self,
        projected: View,
        store: PostgresEventStore,
        tracking: ViewTracking,
        cuts: set[float],
        copy_rows_min: int,
    ) -> None:
        """However the history is cut into batches, and however these are written, every table ends with the same bytes (I4)."""
        records, expected = store.read(0, 10_000), live_rows(tracking, [projected])
        with tracking.connection() as conn, conn.transaction(force_rollback=True), conn.cursor() as cursor:
            for table in reversed(projected.tables):
                cursor.execute(f"DELETE FROM {table}")
            for batch in cut(records, cuts):
                apply(cursor, [projected], batch, copy_rows_min=copy_rows_min)
            assert rows(conn, [projected]) == expected

    def test_live_is_rebuilt(
        self,
        projected: View,
        database: Database,
        store: PostgresEventStore,
        tracking: ViewTracking,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A rebuild that keeps next to nothing in memory finds every row as the projector left it, byte for byte (I4)."""
        monkeypatch.setattr(
            "projections.rebuild.rebuild.NEAR_EVENTS", 0
        )  # else all of so short a history is caught up with
        monkeypatch.setattr("projections.rebuild.rebuild.ROWS_KEPT_MAX", 4)
        before = live_rows(tracking, [projected])
        row = rebuilt(database, store, [projected], segment_events_max=7)[projected.name]
        assert (row.state, row.error, differing(row)) == ("done", None, {})
        assert live_rows(tracking, [projected]) == before

    def test_twice_changes_nothing(self, projected: View, store: PostgresEventStore, tracking: ViewTracking) -> None:
        """Every segment delivered again, by two projectors of which one just began, changes no row and no bookmark."""
        before, head = live_rows(tracking, [projected]), store.head()
        queue = MemoryQueue()
        segments = [Segment(first=first, last=min(first + 9, head)) for first in range(1, head + 1, 10)]
        for _ in range(2):
            for number, segment in enumerate(segments):
                queue.keys.clear()
                queue.send([Message(body=segment.encode(), group=f"g{number}", key=f"{number}")])
        for _ in range(2):
            projector = Projector([projected], store, tracking, queue)
            while projector.step() or queue.depth():
                pass
        assert live_rows(tracking, [projected]) == before
        assert tracking.bookmark(projected.name) == head

    def test_its_tables_are_what_it_says(self, view: View, database: Database) -> None:
        """Columns, types, what may be null and keys are those of the Structs; the projector may write, others may only read."""
        with psycopg.connect(database.owner_url) as conn:
            for table in view.tables:
                there = conn.execute(
                    "SELECT attname, atttypid::regtype::oid::int, attnotnull FROM pg_attribute"
                    " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                    (table.name,),
                ).fetchall()
                said = {(column.name, column.type.oid, not column.nullable) for column in table.columns}
                types = {(name, kind) for name, kind, _ in said}
                assert {(name, kind) for name, kind, _ in there} == types, (
                    f"{table}: the Struct's fields are its columns"
                )
                loose = {name for name, _, strict in there if not strict} - {
                    name for name, _, strict in said if not strict
                }
                assert loose <= _LOOSE.get(table.name, set()), f"{table}: {loose} may be null and the Struct says not"
                keys = conn.execute(
                    "SELECT array_agg(a.attname::text ORDER BY place) FROM pg_constraint AS c,"
                    " unnest(conkey) WITH ORDINALITY AS k (number, place) JOIN pg_attribute AS a ON a.attnum = number"
                    " WHERE conrelid = %s::regclass AND contype = 'p' AND attrelid = conrelid GROUP BY c.oid",
                    (table.name,),
                ).fetchall()
                assert keys == [(list(table.key),)], f"{table}: its primary key is what names a row"
                grants = conn.execute(
                    "SELECT grantee::regrole::text, array_agg(privilege_type::text ORDER BY privilege_type)"
                    "  FROM pg_class, aclexplode(relacl) WHERE oid = %s::regclass AND grantee <> relowner GROUP BY 1",
                    (table.name,),
                ).fetchall()
                writers = {role for role, held in grants if held != ["SELECT"]}
                assert writers == {"counterfoil_projector"}, (
                    f"{table}: GRANT SELECT, INSERT, UPDATE, DELETE to the projector"
                )
                assert dict(grants)["counterfoil_projector"] == ["DELETE", "INSERT", "SELECT", "UPDATE"]
            tables = [table.name for table in view.tables]
            dependent = conn.execute(
                "SELECT DISTINCT r.ev_class::regclass::text FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid"
                " WHERE d.refobjid = ANY(%s::regclass[]) AND d.classid = 'pg_rewrite'::regclass",
                (tables,),
            ).fetchall()
            assert dependent == [], "a SQL view would go on showing the old version after a swap: query the tables"
            references = conn.execute(
                "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint"
                " WHERE contype = 'f' AND conrelid = ANY(%s::regclass[])",
                (tables,),
            ).fetchall()
            grown = {table.name for table in view.tables if table.grows}
            for one, other in references:
                assert tables.index(other) < tables.index(one), f"{one} refers to {other}: list {other} first"
                assert other not in grown or one in grown, f"{other} only grows, so it is written behind {one}"
            known = conn.execute("SELECT table_name FROM view_tables WHERE view = %s ORDER BY place", (view.name,))
            assert [name for (name,) in known] == tables


_LOOSE: Final = {"payin_addresses": {"ledger_account_id"}, "payin_requests": {"ledger_account_id"}}
"""What the specification lets be null and no event leaves out."""
