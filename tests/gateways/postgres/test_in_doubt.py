"""Commits in doubt (I15): what was acknowledged is in the history once, what was answered Unavailable never is."""

import contextlib
import os
import random
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from core.ledger.events import Recorded
from core.ledger.ledger import Accepted, Decided, Ledger, Loaded, Past
from core.ledger.refusals import Refusal
from core.ports.unavailable import Unavailable
from core.streams.payouts import PayoutRequested
from core.streams.treasury import RegisterWallet, SystemWalletRegistered
from gateways.postgres import event_store as adapter
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.migrate import ROLES, migrate
from gateways.postgres.server import EmbeddedPostgres
from tests.gateways.histories import everything, guard_rows, replayed_guard, verified_head
from tests.support.history import (
    ALICE,
    HOT_WALLET,
    TickingClock,
    execute,
    fund,
    order,
    register,
    request_payout,
    wallet,
)
from tests.support.patience import HANG_S, until
from tests.support.postgres import Database

WRITERS = 4


class Writer(threading.Thread):
    """Requests payouts, each once and never again, and keeps a log of its own of what it was told."""

    def __init__(self, url: str, name: str, stop: threading.Event) -> None:
        super().__init__(name=name)
        self._url = url
        self._stop_asked = stop
        self.acknowledged: set[str] = set()
        self.unavailable: set[str] = set()
        self.surprises: list[object] = []

    def run(self) -> None:
        store = PostgresEventStore(datastore(self._url))
        ledger = Ledger(store, TickingClock())
        number = 0
        while not self._stop_asked.is_set():
            orders = [order(ALICE, f"{self.name}/{number + offset}", 1) for offset in range(random.randint(1, 5))]
            number += len(orders)
            names = {wished.payout_id for wished in orders}
            try:
                outcomes = ledger.execute([request_payout(wished) for wished in orders])
            except Unavailable:
                self.unavailable |= names
            except Exception as surprise:
                self.surprises.append(surprise)
            else:
                self.surprises += [outcome for outcome in outcomes if not isinstance(outcome, Accepted)]
                self.acknowledged |= names
        store.close()


@pytest.fixture(scope="module")
def victim() -> Iterator[EmbeddedPostgres]:
    """A server of this module's own, to be killed."""
    with tempfile.TemporaryDirectory(prefix="cf-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")
        migrate(server.url, dict.fromkeys(ROLES, "of-a-test-only"))
        try:
            yield server
        finally:
            server.stop()


def test_what_was_acknowledged_survives_killed_backends_and_a_killed_server(victim: EmbeddedPostgres) -> None:
    """Under four writers, whose backends and whose server are killed, every answer that a writer got is the truth."""
    url = make_conninfo(victim.url, user="counterfoil_writer", password="of-a-test-only")
    store = PostgresEventStore(datastore(url))
    execute(Ledger(store, TickingClock()), register(ALICE, "Alice"))
    execute(Ledger(store, TickingClock()), fund(ALICE, 10**12, "opening"))
    stop = threading.Event()
    writers = [Writer(url, f"writer-{number}", stop) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(40):
            wait_for_progress(writers, 5)
            kill_a_backend(victim.url)
        for _ in range(2):
            wait_for_progress(writers, 50)
            kill_server(victim)
            victim.ensure_running()
        wait_for_progress(writers, 50)
    finally:
        stop.set()
        for writer in writers:
            writer.join(HANG_S)
    assert not any(writer.is_alive() for writer in writers)
    assert [surprise for writer in writers for surprise in writer.surprises] == []

    store.close()
    store = PostgresEventStore(datastore(url))
    found = [item.event.order.payout_id for item in everything(store) if isinstance(item.event, PayoutRequested)]
    acknowledged = set().union(*(writer.acknowledged for writer in writers))
    unavailable = set().union(*(writer.unavailable for writer in writers))
    assert len(found) == len(set(found))
    assert set(found) == acknowledged
    assert unavailable
    assert verified_head(victim.url) == store.head()
    assert guard_rows(victim.url) == replayed_guard(everything(store))
    store.close()


def wait_for_progress(writers: list[Writer], commands: int) -> None:
    """Until every writer has been told of so many more commands that they are durable."""
    goals = [(writer, len(writer.acknowledged) + commands) for writer in writers]

    def progressed() -> bool:
        assert all(writer.is_alive() for writer in writers)
        return all(len(writer.acknowledged) >= goal for writer, goal in goals)

    until(progressed, "all writers come back, which")


def kill_a_backend(url: str) -> None:
    """Terminate one writer's backend, wherever it is: waiting for the lock, inserting, committing."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'counterfoil_writer' AND state <> 'idle' ORDER BY random() LIMIT 1"
        )


def kill_server(server: EmbeddedPostgres) -> None:
    """SIGKILL to the postmaster and every process of it, as when the machine loses power."""
    postmaster = psutil.Process(server.pid)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            until(lambda: process.status() == psutil.STATUS_ZOMBIE)  # noqa: B023  # a signal is on its way for a moment


class Scissors:
    """A socket in front of Postgres that cuts a connection at its next COMMIT: before it, after it, or at its answer."""

    def __init__(self, folder: Path, target: str) -> None:
        self.moment = ""
        self.cuts = 0
        self.folder = folder
        self._target = target
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            for source, sink, watch in ((client, server, self._asked), (server, client, self._answered)):
                threading.Thread(target=self._pump, args=(source, sink, watch), daemon=True).start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, forward: Callable[[socket.socket, bytes], bool]
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65_536):
                if not forward(sink, chunk):
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _asked(self, server: socket.socket, chunk: bytes) -> bool:
        commits = b"COMMIT\x00" in chunk
        if commits and self.moment == "before":
            return self._cut()
        server.sendall(chunk)
        return self._cut() if commits and self.moment == "after" else True

    def _answered(self, client: socket.socket, chunk: bytes) -> bool:
        if b"COMMIT\x00" in chunk and self.moment == "answer":
            return self._cut()
        client.sendall(chunk)
        return True

    def _cut(self) -> bool:
        self.moment = ""
        self.cuts += 1
        return False

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def scissors(postgres: EmbeddedPostgres) -> Iterator[Scissors]:
    with tempfile.TemporaryDirectory(prefix="cf-") as folder, psycopg.connect(postgres.url) as conn:
        opened = Scissors(Path(folder), f"{conn.info.host}/.s.PGSQL.{conn.info.port}")
        yield opened
        opened.close()


@pytest.fixture
def cut_store(scissors: Scissors, database: Database) -> Iterator[PostgresEventStore]:
    """A store whose connections go through the scissors."""
    url = make_conninfo(database.writer_url, host=str(scissors.folder), port=5432)
    opened = PostgresEventStore(datastore(url))
    yield opened
    opened.close()


def wallets(store: PostgresEventStore) -> int:
    return sum(isinstance(item.event, SystemWalletRegistered) for item in everything(store))


def test_a_commit_whose_answer_is_lost_is_acknowledged(scissors: Scissors, cut_store: PostgresEventStore) -> None:
    """A connection that breaks between the COMMIT and its answer costs the caller nothing."""
    scissors.moment = "answer"
    [outcome] = Ledger(cut_store, TickingClock()).execute([wallet("hot", HOT_WALLET)])
    assert isinstance(outcome, Accepted)
    assert scissors.cuts == 1
    assert wallets(cut_store) == 1


def test_a_connection_lost_before_the_commit_leaves_nothing(scissors: Scissors, cut_store: PostgresEventStore) -> None:
    """A connection that breaks before the COMMIT leaves reads Unavailable, and nothing was written."""
    scissors.moment = "before"
    with pytest.raises(Unavailable):
        Ledger(cut_store, TickingClock()).execute([wallet("hot", HOT_WALLET)])
    assert scissors.cuts == 1
    assert wallets(cut_store) == 0
    assert isinstance(Ledger(cut_store, TickingClock()).execute([wallet("hot", HOT_WALLET)])[0], Accepted)


def slow_commits(owner_url: str) -> None:
    """A deferred trigger runs within COMMIT: from now on every append commits half a second after it was told to."""
    with psycopg.connect(owner_url) as conn:
        conn.execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END'"
        )
        conn.execute(
            "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON seals DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION dawdle()"
        )


def test_a_commit_that_still_runs_is_waited_for(
    scissors: Scissors, cut_store: PostgresEventStore, database: Database
) -> None:
    """A batch whose connection broke while the server was still committing it is found, however long that takes."""
    slow_commits(database.owner_url)
    scissors.moment = "after"
    [outcome] = Ledger(cut_store, TickingClock()).execute([wallet("hot", HOT_WALLET)])
    assert isinstance(outcome, Accepted)
    assert scissors.cuts == 1
    assert wallets(cut_store) == 1


def test_without_the_append_lock_a_running_commit_would_be_denied(
    scissors: Scissors, cut_store: PostgresEventStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: a look for the seal that does not take the lock says absent, and is wrong."""
    slow_commits(database.owner_url)
    monkeypatch.setattr(adapter, "_LOCK", "SELECT 1")
    scissors.moment = "after"
    with pytest.raises(Unavailable):
        Ledger(cut_store, TickingClock()).execute([wallet("hot", HOT_WALLET)])
    until(lambda: wallets(cut_store) == 1, "that the denied batch appears")


def test_a_writer_that_froze_lets_go_of_the_lock(
    store: PostgresEventStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that stops between its reads and its COMMIT is thrown out by the server, and reads Unavailable."""
    with psycopg.connect(database.owner_url) as conn:
        if conn.info.server_version < 170_000:
            pytest.skip("transaction_timeout came with PostgreSQL 17")
    monkeypatch.setattr(adapter, "_PATIENCE", b"100ms")

    def freeze(loaded: Loaded) -> Decided:
        held = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"
        with psycopg.connect(database.owner_url, autocommit=True) as conn:
            until(lambda: conn.execute(held).fetchone() is None, "that the lock is let go of")
        event = RegisterWallet("hot", HOT_WALLET.base58, None, "operator:test").decide(Past(loaded), datetime.now(UTC))
        assert not isinstance(event, Refusal)
        return Decided([Recorded(1, "wallet-hot", 1, event[0].event)], {}, [])

    with pytest.raises(Unavailable):
        store.append(uuid4(), ["wallet-hot"], [], freeze)
    assert wallets(store) == 0
