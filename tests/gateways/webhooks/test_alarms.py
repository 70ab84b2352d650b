"""An alarm is a log line, a row that only counts up, a number in /metrics, and a signed webhook to the operator."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from core.ledger.ledger import Ledger
from core.ports.unavailable import Unavailable
from core.streams.accounts import OPERATOR
from core.streams.notices import Notice, RecordNotice
from gateways.cli.alarms import alarm_secret, show_alarms
from gateways.cli.console import Output
from gateways.embedded.secrets_file import load_or_create
from gateways.embedded.webhook_outbox import PostgresWebhookOutbox
from gateways.postgres.alarms import Alarms, RaisedAlarm, last_alarms
from gateways.postgres.bookmarks import PostgresBookmarks
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import LOGINS, OBSERVER, RECORDER, SIGNER, WEBHOOKS
from gateways.processes import run
from gateways.processes.process import Access, Deployment, Process
from gateways.processes.registry import PROCESSES
from gateways.steps import Step
from gateways.webhooks.alarms import BOOKMARK, AlarmFeed, operator_secret
from gateways.webhooks.deliveries import RETRIES, Deliverer
from gateways.webhooks.post import Poster
from gateways.webhooks.signatures import verify
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import Platform
from signers.outgoing.settlement import BrokenLog
from signers.transactions.signer import SignatureRefused
from tests.gateways.http.harness import platform_of, settings_of, world
from tests.support.history import ACTOR, TickingClock, execute
from tests.support.http_server import Answered, HttpServer, serving
from tests.support.postgres import Database

MASTER = b"m" * 32
Login = Callable[[str], Alarms]


@pytest.fixture
def login(database: Database) -> Iterator[Login]:
    """The alarm hook of a process that logs in as this role."""
    opened = []

    def made(role: str) -> Alarms:
        opened.append(Connections(database.role_urls[role], connections_max=4))
        return Alarms(opened[-1])

    yield made
    for connections in opened:
        connections.close()


@pytest.fixture
def reader(database: Database) -> Iterator[Connections]:
    connections = Connections(database.reader_url)
    yield connections
    connections.close()


def kept(reader: Connections) -> list[tuple[str, str, str, int]]:
    """The oldest first."""
    return [(each.name, each.sentence, each.process, each.times) for each in reversed(last_alarms(reader, 100))]


@pytest.mark.parametrize("role", LOGINS)
def test_every_process_raises_alarms_as_itself(
    login: Login, reader: Connections, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The row names the login that raised it, whatever the caller says, and the log has the same sentence."""
    login(role)("token_paused", "the token is paused")
    assert kept(reader) == [("token_paused", "the token is paused", role.removeprefix("counterfoil_"), 1)]
    assert "ALARM token_paused: the token is paused" in caplog.text


def test_a_database_of_the_operators_knows_the_process_too(
    database: Database, reader: Connections, tmp_path: Path
) -> None:
    """Where one login may become every role, the row names the role that the process took."""
    settings = settings_of(tmp_path, database_url=SecretStr(database.owner_url))
    with open_platform(settings, SIGNER) as platform:
        platform.alarm("token_paused", "paused")
    assert kept(reader) == [("token_paused", "paused", "signer", 1)]


@pytest.mark.parametrize("role", LOGINS)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM alarms",
        "UPDATE alarms SET times = 0",
        "TRUNCATE alarms",
        "INSERT INTO alarms (name, sentence, role) VALUES ('a', 'b', 'counterfoil_signer')",
        "UPDATE alarm_totals SET times = 0",
        "DELETE FROM alarm_totals",
        "ALTER FUNCTION raise_alarm(text, text) RENAME TO silence",
    ],
)
def test_no_process_can_take_an_alarm_back(database: Database, login: Login, role: str, statement: str) -> None:
    """What was raised stands, and nobody raises one under another's name (I14)."""
    login(SIGNER)("signature_refused", "the bytes are not what was recorded")
    with psycopg.connect(database.role_urls[role], autocommit=True) as conn, pytest.raises(psycopg.Error) as refused:
        conn.execute(statement)  # type: ignore[call-overload]
    assert isinstance(refused.value, psycopg.errors.InsufficientPrivilege)


def test_repeats_are_counted_not_multiplied(login: Login, reader: Connections) -> None:
    """The same alarm of the same process is one row while it is open, with its last sentence; what happened to another thing,
    or is only over when a person has looked, is another.
    """
    observer, signer = login(OBSERVER), login(SIGNER)
    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(lambda _: observer.begin("unlinked", "first", "first: block 7"), range(40)))
    observer.begin("unlinked", "first", "first: block 8")
    observer.begin("unlinked", "second", "second: block 7")
    signer.begin("unlinked", "first", "first: block 7")
    for sentence in ("transaction a", "transaction b", "transaction a"):
        signer("signature_refused", sentence)
    assert kept(reader) == [
        ("unlinked", "first: block 8", "observer", 41),
        ("unlinked", "second: block 7", "observer", 1),
        ("unlinked", "first: block 7", "signer", 1),
        ("signature_refused", "transaction a", "signer", 2),
        ("signature_refused", "transaction b", "signer", 1),
    ]
    assert reader.execute("SELECT name, times FROM alarm_totals ORDER BY name") == [
        ("signature_refused", 3),
        ("unlinked", 43),
    ]


def test_the_table_keeps_the_last_ten_thousand(database: Database, login: Login, reader: Connections) -> None:
    """Older rows that are over go, what is open stays, and so do the totals."""
    alarm = login(OBSERVER)
    alarm("signature_refused", "the oldest, and open")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO alarms (name, sentence, role, ended_at)"
            " SELECT 'x', n::text, 'x', now() FROM generate_series(1, 10000) n"
        )
    alarm("signature_refused", "the newest")
    assert reader.execute("SELECT count(*), min(id) FILTER (WHERE name = 'x') FROM alarms") == [(10_001, 3)]
    assert reader.execute("SELECT times FROM alarm_totals WHERE name = 'signature_refused'") == [(2,)]


@pytest.mark.parametrize("words", ["a\0b", "a\nALARM forged: b", "a\ud800b", "x" * 5_000])
def test_a_strangers_words_stay_one_line(
    login: Login, reader: Connections, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What a node's answer brought into the sentence breaks neither the log nor the row."""
    login(OBSERVER)("malformed_answer", words)
    [(_, sentence, _, _)] = kept(reader)
    assert sentence.isprintable()
    assert len(sentence) == min(len(words), 1_000)
    assert [record.message for record in caplog.records if "\n" in record.message] == []
    assert len(caplog.records) == 1


@pytest.mark.fast
def test_a_shut_database_leaves_the_log_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The alarming process does not fail and does not wait long: the log has the alarm, and that it stands there alone."""
    connections = Connections(make_conninfo(host=str(tmp_path), dbname="none"), connections_max=1, wait_s=0.1)
    with caplog.at_level(logging.ERROR, "gateways"):
        Alarms(connections)("token_paused", "the token is paused")
    connections.close()
    alone = [record.message for record in caplog.records if record.name.startswith("gateways.")]
    assert alone[0] == "ALARM token_paused: the token is paused"
    assert alone[1].startswith("the alarm token_paused is in the log only, not in the table: ")


def test_a_refusing_database_leaves_the_log_line(login: Login, reader: Connections) -> None:
    """Nor does an error of another kind reach the alarming process."""
    login(OBSERVER)("No Name At All", "what was this?")
    assert kept(reader) == []


@pytest.mark.parametrize(
    ("error", "alarms"),
    [
        (SignatureRefused("amount", "another"), ["signature_refused"]),
        (BrokenLog("two chains"), ["broken_log"]),
        (Unavailable("shut"), []),
    ],
)
def test_a_process_that_stops_by_a_defect_rings(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reader: Connections,
    error: Exception,
    alarms: list[str],
) -> None:
    """The alarm has the defect's name and says which process stopped; a shut door at its start is none."""

    def steps(_: Platform) -> list[Step]:
        raise error

    monkeypatch.setattr(run, "stop_on_signals", lambda stop: None)
    monkeypatch.setitem(PROCESSES, "payouts", Process("payouts", "", SIGNER, (), Access(), Deployment(), steps))
    platform = platform_of(database, settings_of(tmp_path), SIGNER)
    with pytest.raises(type(error)):
        run.run_with("payouts", platform)
    platform.close()
    assert [each.name for each in last_alarms(reader, 10)] == alarms
    assert all(each.sentence == f"payouts has stopped: {error}" for each in last_alarms(reader, 10))


class Post:
    """The webhook process's part that tells the operator, with its own login."""

    def __init__(self, database: Database, url: str) -> None:
        self.login = Connections(database.role_urls[WEBHOOKS])
        self.store = PostgresEventStore(datastore(database.role_urls[WEBHOOKS]))
        self.outbox = PostgresWebhookOutbox(self.login)
        self.bookmarks = PostgresBookmarks(self.login)
        self.feed = AlarmFeed(self.login, self.bookmarks, self.outbox, has_url=bool(url))
        self.deliverer = Deliverer(
            self.outbox,
            self.store,
            Ledger(self.store, TickingClock()),
            Poster(allow_loopback=True),
            master=MASTER,
            operator_url=url,
            clock=lambda: datetime.now(UTC),
            jitter=lambda: 0.5,
        )

    def deliver(self) -> None:
        while self.feed.step() or self.deliverer.step() or self.deliverer._running or self.deliverer._waiting:
            pass

    def close(self) -> None:
        self.deliverer.close()
        self.login.close()
        self.store.close()


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with serving(lambda asked: Answered(204)) as server:
        yield server


@pytest.fixture
def post(database: Database, server: HttpServer) -> Iterator[Post]:
    post = Post(database, f"{server.url}/alarms")
    yield post
    post.close()


def test_the_operator_is_told_once_and_signed(
    post: Post, server: HttpServer, login: Login, reader: Connections
) -> None:
    """Each alarm is one POST that the operator's secret verifies; repeats, and a feed that died, send nothing more."""
    for _ in range(3):
        login(RECORDER)("outgoing_unexplained", "a transfer that no payout explains. Signing has stopped.")
    login(OBSERVER)("lagging", "its head is 7")
    post.deliver()
    with post.login.transaction() as conn:
        conn.execute("UPDATE bookmarks SET position = 0 WHERE name = %s", (BOOKMARK,))
    post.deliver()
    raised: list[RaisedAlarm] = last_alarms(reader, 10)[::-1]
    assert len(server.asked) == 2
    for asked in server.asked:
        assert asked.path == "/alarms"
        verify(operator_secret(MASTER), asked.headers, asked.body, int(datetime.now(UTC).timestamp()))
    bodies = sorted((json.loads(asked.body) for asked in server.asked), key=lambda body: body["sequence"])
    assert [body["type"] for body in bodies] == ["operator.alarm"] * 2
    assert [set(body["data"]) for body in bodies] == [
        {"id", "name", "about", "sentence", "process", "state", "times", "raised_at"}
    ] * 2
    assert [(body["data"]["name"], body["data"]["process"]) for body in bodies] == [
        ("outgoing_unexplained", "recorder"),
        ("lagging", "observer"),
    ]
    assert bodies[0]["data"]["sentence"] == raised[0].sentence
    assert datetime.fromisoformat(bodies[0]["timestamp"]) == raised[0].raised_at


@pytest.mark.parametrize("status", [410, 500])
def test_an_operator_s_endpoint_that_refuses_is_asked_again(
    post: Post, server: HttpServer, login: Login, status: int
) -> None:
    """With the clients' retries; a 410 takes back no setting."""
    server.answer = lambda asked: Answered(status)
    login(OBSERVER)("lagging", "its head is 7")
    post.deliver()
    [delivery] = post.outbox.page(OPERATOR, None, None, 10)
    assert (delivery.status, delivery.attempts) == ("pending", 1)
    assert delivery.last_attempt_at is not None
    assert delivery.next_retry_at is not None
    assert delivery.next_retry_at - delivery.last_attempt_at >= RETRIES[0]


def test_without_a_url_nothing_is_kept_for_later(database: Database, server: HttpServer, login: Login) -> None:
    """Alarms are passed over until there is a URL; the first one behind it is told."""
    silent = Post(database, "")
    login(OBSERVER)("signature_refused", "before")
    silent.deliver()
    assert silent.outbox.page(OPERATOR, None, None, 10) == []
    silent.close()
    post = Post(database, server.url)
    login(OBSERVER)("signature_refused", "after")
    post.deliver()
    post.close()
    assert [json.loads(asked.body)["data"]["sentence"] for asked in server.asked] == ["after"]


def test_the_command_line_lists_alarms_and_shows_the_secret(
    database: Database, login: Login, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest first, whole, each with what became of its webhook; the secret is the one that signs them."""
    settings = settings_of(tmp_path, database_url=SecretStr(database.owner_url))
    show_alarms(settings, 10, Output())
    assert "no alarm was ever raised" in capsys.readouterr().out
    login(OBSERVER)("lagging", "its head is 7")
    login(SIGNER)("signature_refused", f"transaction {'ab' * 32}")
    post = Post(database, "http://127.0.0.1:1")
    post.feed.step()
    post.close()
    login(RECORDER)("token_paused", "paused")
    show_alarms(settings, 2, Output())
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [[line[1], *line[5:]] for line in lines] == [
        ["open", "1", "recorder", "token_paused", "paused", "none"],
        ["open", "1", "signer", "signature_refused", "transaction", "ab" * 32, "pending"],
    ]
    made = load_or_create(tmp_path / "secrets.json")  # as `counterfoil up` makes it
    assert alarm_secret(settings) == operator_secret(made.keys.webhook_master)


def test_metrics_tell_alarms_and_stopped_signing(database: Database, login: Login, tmp_path: Path) -> None:
    """Counted by name over all processes, and one gauge per cause that is 1 while the cause holds."""
    with world(database, tmp_path) as api:

        def told(name: str) -> dict[str, float]:
            found = re.findall(rf'^{name}{{\w+="(\w+)"}} (\S+)$', api.operator.get("/metrics").text, re.MULTILINE)
            return {label: float(value) for label, value in found}

        assert told("counterfoil_alarms_total") == {}
        assert set(told("counterfoil_signing_stopped").values()) == {0}
        for role in (OBSERVER, SIGNER):
            login(role)("lagging", "its head is 7")
        login(RECORDER)("token_paused", "paused")
        execute(api.recorder.ledger, RecordNotice(Notice("token_paused", "aa" * 32, 0, 7, "cd" * 32, 1), None, ACTOR))
        assert told("counterfoil_alarms_total") == {"lagging": 2, "token_paused": 1}
        stopped = told("counterfoil_signing_stopped")
        assert {cause for cause, holds in stopped.items() if holds} == {"token_paused"}
        assert "outgoing_unexplained" in stopped
