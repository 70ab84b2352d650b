"""What a newer version wrote is a wait, not a death: whoever reads stops before it, says so, and goes on once it is that.

The newer version is this program, told that it read one level more; the older one is this program as it is.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

import gateways.postgres.event_store as event_store
from core.ledger import history
from core.ledger.events import NewerFormat, newest_level
from core.ledger.formats import RaiseFormat
from core.ledger.ledger import Ledger
from core.ports.queues import Message
from gateways.postgres.boards.process_board import seen
from gateways.postgres.bookmarks import PostgresBookmarks
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.migrate import migrations
from gateways.postgres.roles import PROJECTOR, READER, RELAY, SIGNER, WRITER
from gateways.postgres.segments import FullSegments
from gateways.processes.heartbeat import ALARM, Heartbeat
from gateways.processes.loop import TimedWait, run
from gateways.processes.relay import BOOKMARK, Relay
from gateways.processes.waits import Waits
from gateways.telemetry.life_signs import LifeSign, look_after
from projections.audit.export import export
from projections.engine.projector import Projector
from projections.engine.tracking import ViewTracking
from projections.rebuild.census import census
from projections.sealed_history import PostgresSealedHistory
from projections.views import VIEWS
from signers.leash.leash import KINDS
from signers.leash.reading import SealedReading
from tests.gateways.poison import insert
from tests.support.checkpoints import Desk
from tests.support.history import TickingClock, append_history, register
from tests.support.memory import MemoryQueue
from tests.support.postgres import Database

SOMEBODY = "018f0000-0000-7000-8000-000000000001"


class Upgraded:
    """A history that a newer version has written on: from `newer` on it is that version's."""

    def __init__(self, database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = database
        self.head = append_history(ledger)
        self.newer = self.head + 1
        self._patch = monkeypatch
        self._store = PostgresEventStore(datastore(database.role_urls[WRITER]))
        with monkeypatch.context() as patched:
            self._read_more(patched)
            writer = Ledger(self._store, TickingClock())
            writer.execute([RaiseFormat(level=newest_level() + 1, program="9.0.0", actor="operator:a")])
            writer.execute([register(SOMEBODY, "Behind it")])
        self.last = self._store.head()

    def install(self) -> None:
        """The program is the newer version from now on."""
        self._read_more(self._patch)

    def close(self) -> None:
        self._store.close()

    @staticmethod
    def _read_more(patch: pytest.MonkeyPatch) -> None:
        more = newest_level() + 1
        for module in (history, event_store):
            patch.setattr(module, "newest_level", lambda: more)


@pytest.fixture
def upgraded(database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upgraded]:
    made = Upgraded(database, ledger, monkeypatch)
    yield made
    made.close()


Reader = tuple[Callable[[], object], Callable[[], int]]
"""Its step, and how far it has come."""


def relay(upgraded: Upgraded, _: Path) -> Reader:
    login = datastore(upgraded.database.role_urls[RELAY])
    bookmarks = PostgresBookmarks(Connections(upgraded.database.role_urls[RELAY]))
    step = Relay(PostgresEventStore(login), bookmarks, MemoryQueue(), MemoryQueue(), FullSegments(login)).step
    return step, lambda: bookmarks.load(BOOKMARK)


def project(upgraded: Upgraded, _: Path) -> Reader:
    login = datastore(upgraded.database.role_urls[PROJECTOR])
    tracking = ViewTracking(login)
    step = Projector([*VIEWS.values()], PostgresEventStore(login), tracking).step
    return step, lambda: min(tracking.bookmarks().values())


def signer(upgraded: Upgraded, _: Path) -> Reader:
    login = Connections(upgraded.database.role_urls[SIGNER])
    reading = SealedReading(PostgresSealedHistory(login.transaction), KINDS, lambda: None)
    return reading.read_on, lambda: reading.position


def checkpoints(upgraded: Upgraded, folder: Path) -> Reader:
    desk = Desk(upgraded.database, folder / "archive")
    return desk.checkpoints.step, lambda: desk.archived()[-1].size if desk.archived() else 0


def often(step: Callable[[], object]) -> None:
    for _ in range(200):
        step()


READERS = (relay, project, signer, checkpoints)


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_stops_before_what_a_newer_version_wrote_and_goes_on_as_that(
    upgraded: Upgraded, reader: Callable[[Upgraded, Path], Reader], tmp_path: Path
) -> None:
    """Everything before it is done, nothing behind it; at each try it says where it stands; then it comes to the end."""
    step, place = reader(upgraded, tmp_path)
    sentence = f"installed by a newer version: position {upgraded.newer}, kind format.raised/1"
    for _ in range(3):
        with pytest.raises(NewerFormat, match=sentence):
            often(step)
        assert place() <= upgraded.head
    if reader is not signer:  # which reads whole pages, up to the last append before it
        assert place() == upgraded.head
    upgraded.install()
    often(step)
    assert place() == upgraded.last or reader is checkpoints  # whose next one is due later


def test_a_segment_that_holds_what_is_newer_is_applied_up_to_there(upgraded: Upgraded) -> None:
    """A relay of the newer version sends whole segments: the older projector takes what it reads of them, and waits."""
    login = datastore(upgraded.database.role_urls[PROJECTOR])
    queue = MemoryQueue()
    segments = FullSegments(datastore(upgraded.database.role_urls[RELAY])).between(0, upgraded.last)
    queue.send([Message(each.encode(), "segments", f"{each.first}") for each in segments])
    tracking = ViewTracking(login)
    view = VIEWS["balances"]
    projector = Projector([view], PostgresEventStore(login), tracking, queue)
    with pytest.raises(NewerFormat):
        often(projector.step)
    assert tracking.bookmarks()[view.name] == upgraded.head


def test_a_process_that_waits_so_goes_on_rings_at_once_and_is_alive(tmp_path: Path) -> None:
    """No minute passes first: the alarm, the sign of life and the row say where it stands; nobody need start it again."""
    stop, rang = threading.Event(), list[str]()
    waits = Waits("relay", lambda name, said: rang.append(name))
    heartbeat = Heartbeat("relay", "", lambda name, said: rang.append(f"{name}: {said}"))
    sign, tries = LifeSign(tmp_path, "relay"), iter(range(100))
    said: list[list[str]] = []

    def step() -> bool:
        if next(tries) < 3:
            raise NewerFormat(7, "account.dreamt/1")
        stop.set()
        return False

    def on_round() -> None:
        sign.renew(waits.sentence())
        heartbeat.note(waits.newer())
        said.append(look_after(tmp_path))
        assert look_after(tmp_path, waiting=False) == []

    run([step], TimedWait(stop), stop, on_round=on_round, waits=waits)
    on_round()
    stands = "relay stands: installed by a newer version: position 7, kind account.dreamt/1"
    assert [each[:1] and each[0].startswith(stands) for each in said] == [[], True, True, True, []]
    [once] = rang
    assert once.startswith(f"{ALARM}: {stands}")


def test_each_process_says_its_version_and_what_it_reads(database: Database) -> None:
    """On its own login, in one row that it renews; and before what of a newer version it stands."""
    heartbeat = Heartbeat("relay", database.role_urls[RELAY], lambda *_: None)
    heartbeat.beat()
    heartbeat.note("installed by a newer version: position 7, kind x")
    heartbeat.beat()
    with psycopg.connect(database.role_urls[READER]) as conn:
        [row] = seen(conn)
    assert (row.process, row.format_level, row.migration) == ("relay", newest_level(), migrations()[-1].version)
    assert row.waits_for.endswith("position 7, kind x")
    assert row.ago < timedelta(minutes=1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE processes SET waits_for = 'x' WHERE process = 'record' RETURNING 1",
        "DELETE FROM processes WHERE process = 'record' RETURNING 1",
        "DELETE FROM processes WHERE process = 'relay' RETURNING 1",
    ],
)
def test_no_login_says_anything_for_another(database: Database, statement: Any) -> None:
    """Nor takes back, within a day, that it was seen itself."""
    for name in ("relay", "record"):
        role = RELAY if name == "relay" else "counterfoil_recorder"
        Heartbeat(name, database.role_urls[role], lambda *_: None).beat()
    with psycopg.connect(database.role_urls[RELAY], autocommit=True) as conn:
        assert conn.execute(statement).fetchall() == []


def test_an_api_that_the_level_has_outgrown_rings_by_itself(upgraded: Upgraded) -> None:
    """Who reads no feed sees it at the next beat, and once is enough."""
    rang: list[str] = []
    heartbeat = Heartbeat("api", upgraded.database.role_urls[RELAY], lambda name, _: rang.append(name))
    heartbeat.beat()
    heartbeat.beat()
    assert rang == [ALARM]
    assert heartbeat.stands.startswith("installed by a newer version: the history has format level")


def test_no_export_is_made_of_what_a_newer_version_wrote(upgraded: Upgraded) -> None:
    """What of it is left out, and what clients see of it, an older program cannot say: the auditor takes the newer one's."""
    refused = pytest.raises(NewerFormat, match=f"position {upgraded.newer}")
    with psycopg.connect(upgraded.database.role_urls[READER], autocommit=True) as conn, refused:
        next(export(conn, datetime(2026, 12, 1, tzinfo=UTC)))


def test_a_row_that_nobody_can_read_is_still_nobody_s_wait(database: Database, ledger: Ledger) -> None:
    """A poison row of before the level stops its stream alone: no newer version is meant, and every view goes on."""
    append_history(ledger)
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        position = insert(conn, "account-x", "account.renamed/1", '"surprise":1')
        assert all(each.read_as for each in census(conn))
    login = datastore(database.role_urls[PROJECTOR])
    tracking = ViewTracking(login)
    projector = Projector([VIEWS["balances"]], PostgresEventStore(login), tracking)
    while projector.step():
        pass
    assert tracking.bookmarks()["balances"] == position
