"""An alarm begins, is repeated on its own row, ends by itself or by quiet, and a person may take it."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from core.ports.alarm import AlarmBoard, Condition, LongRefusals
from core.streams.accounts import OPERATOR
from gateways.alarm_list import DEFECT, alarm_kinds
from gateways.cli.alarms import acknowledge_alarm, show_alarm, show_alarms
from gateways.cli.console import Output
from gateways.embedded.webhook_outbox import PostgresWebhookOutbox
from gateways.postgres.alarms import Alarms, RaisedAlarm, end_quiet, last_alarms
from gateways.postgres.bookmarks import PostgresBookmarks
from gateways.postgres.connections import Connections
from gateways.postgres.roles import API, LOGINS, OBSERVER, SIGNER, WEBHOOKS
from gateways.user_error import UserError
from gateways.webhooks.alarms import EVENT_TYPES, AlarmFeed
from tests.gateways.http.harness import settings_of
from tests.support.postgres import Database

Login = Callable[[str], Alarms]


class Seconds:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def login(database: Database, seconds: Seconds) -> Iterator[Login]:
    """The alarm hook of a process that logs in as this role."""
    opened = []

    def made(role: str) -> Alarms:
        opened.append(Connections(database.role_urls[role], connections_max=2))
        return Alarms(opened[-1], seconds)

    yield made
    for connections in opened:
        connections.close()


@pytest.fixture
def reader(database: Database) -> Iterator[Connections]:
    connections = Connections(database.reader_url)
    yield connections
    connections.close()


def states(reader: Connections) -> list[tuple[str, str, str]]:
    """(name, about, state), the oldest first."""
    return [(each.name, each.about, each.state) for each in reversed(last_alarms(reader, 100))]


def only(reader: Connections) -> RaisedAlarm:
    [found] = last_alarms(reader, 10)
    return found


def test_what_lasts_begins_once_and_ends_when_it_is_missing(
    login: Login, reader: Connections, caplog: pytest.LogCaptureFixture
) -> None:
    """A look that finds the same is no new alarm, one that no longer finds it ends it, and the next is another alarm."""
    alarm = login(SIGNER)
    assert isinstance(alarm, AlarmBoard)
    differs = Condition(alarm, "wallet_differs")
    differs.stand({"hot": "the ledger has 1, the chain 2", "gas": "the ledger has 3, the chain 4"})
    differs.stand({"hot": "the ledger has 1, the chain 2", "gas": "the ledger has 3, the chain 4"})
    differs.stand({"gas": "the ledger has 3, the chain 4"})
    differs.stand({"gas": "the ledger has 3, the chain 4", "hot": "the ledger has 1, the chain 5"})
    assert states(reader) == [
        ("wallet_differs", "hot", "over"),
        ("wallet_differs", "gas", "open"),
        ("wallet_differs", "hot", "open"),
    ] or sorted(states(reader)) == sorted(
        [("wallet_differs", "hot", "over"), ("wallet_differs", "gas", "open"), ("wallet_differs", "hot", "open")]
    )
    assert caplog.text.count("ALARM wallet_differs") == 3
    assert caplog.text.count("alarm over: wallet_differs (hot)") == 1


def test_what_a_process_began_another_of_its_kind_ends(login: Login, reader: Connections) -> None:
    """After a restart nobody remembers: the first look that finds nothing ends what stands, and no other login's."""
    Condition(login(SIGNER), "clock_wrong", within="a").stand({"a": "20 s ahead"})
    Condition(login(OBSERVER), "clock_wrong", within="a").stand({"a": "20 s behind"})
    Condition(login(SIGNER), "clock_wrong", within="b").stand({})
    assert {state for _, _, state in states(reader)} == {"open"}
    Condition(login(SIGNER), "clock_wrong", within="a").stand({})
    assert [(each.process, each.state) for each in last_alarms(reader, 9)] == [("observer", "open"), ("signer", "over")]
    Condition(login(OBSERVER), "clock_wrong").end("a")
    assert {each.state for each in last_alarms(reader, 9)} == {"over"}


def test_what_stands_is_written_again_now_and_then_and_no_more_often(
    login: Login, reader: Connections, seconds: Seconds
) -> None:
    """A sentence that changes at every look is written once a minute: its row has the last one, and one beginning."""
    moving = Condition(login(API), "not_moving")
    for second in range(0, 130, 5):
        seconds.now = float(second)
        moving.stand({"the relay": f"the relay has not moved for {second} s"})
    found = only(reader)
    assert (found.sentence, found.times) == ("the relay has not moved for 120 s", 1)


def test_quiet_ends_what_nobody_repeats(database: Database, login: Login, reader: Connections) -> None:
    """An hour without a repetition, a day where who would have ended it is gone; never what a person has to look at."""
    observer = login(OBSERVER)
    observer.begin("unlinked", "a", "block 7 does not follow")
    observer.begin("node_silent", "a", "it does not answer")
    observer("signature_refused", "the bytes differ")
    webhooks = Connections(database.role_urls[WEBHOOKS])

    def after(passed: timedelta) -> list[str]:
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute("UPDATE alarms SET last_raised_at = now() - %s", (passed,))
        end_quiet(webhooks)
        return [each.name for each in reversed(last_alarms(reader, 9)) if each.state == "over"]

    assert after(timedelta(minutes=59)) == []
    assert after(timedelta(minutes=61)) == ["unlinked"]
    assert after(timedelta(hours=25)) == ["unlinked", "node_silent"]
    webhooks.close()


@pytest.mark.parametrize("role", LOGINS)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alarms SET ended_at = now()",
        "DELETE FROM alarm_changes",
        "SELECT acknowledge_alarm(1, 'nobody', '', true)",
        "SELECT end_quiet_alarms()",
        "SELECT note_alarm_change(1, 'ended')",
    ],
)
def test_no_process_ends_what_a_person_has_to_look_at(
    database: Database, login: Login, reader: Connections, role: str, statement: str
) -> None:
    """Not its own, nor another's: the operator's command, by the API's login, takes an alarm, and says who (I14)."""
    login(SIGNER)("signature_refused", "the bytes are not what was recorded")
    login(role).end("signature_refused", "")
    Condition(login(role), "signature_refused").stand({})
    may = {"acknowledge_alarm": API, "end_quiet_alarms": WEBHOOKS}
    if role in (allowed for word, allowed in may.items() if word in statement):
        return
    with psycopg.connect(database.role_urls[role], autocommit=True) as conn, pytest.raises(psycopg.Error) as refused:
        conn.execute(statement)  # type: ignore[call-overload]
    assert isinstance(refused.value, psycopg.errors.InsufficientPrivilege)
    assert only(reader).state == "open"


def test_what_the_database_did_not_take_is_written_once_it_answers(
    database: Database, tmp_path: Path, reader: Connections, caplog: pytest.LogCaptureFixture
) -> None:
    """It rings in the log and the metric at once, and in the table with the time at which it began."""
    url = make_conninfo(host=str(tmp_path), dbname="none")
    logins = [url]
    connections = Connections(lambda: logins[0], connections_max=1, wait_s=0.1)
    alarm = Alarms(connections)
    alarm("signature_refused", "the bytes differ")
    down = Condition(alarm, "database_down", within="host")
    down.stand({"host": "no answer for 30 s"})
    down.stand({"host": "no answer for 35 s"})
    assert alarm.unsaid == ["database_down", "signature_refused"]
    assert [record.message for record in caplog.records if record.message.startswith("ALARM")] == [
        "ALARM signature_refused: the bytes differ",
        "ALARM database_down: no answer for 30 s",
    ]
    logins[0] = database.role_urls[API]
    down.stand({})
    assert alarm.unsaid == []
    assert sorted(states(reader)) == [("database_down", "host", "over"), ("signature_refused", "", "open")]
    assert all(each.raised_at <= each.last_raised_at for each in last_alarms(reader, 9))
    connections.close()


@pytest.mark.fast
def test_a_refusal_that_lasts_for_ten_minutes_rings_with_its_last_words() -> None:
    """Not one that ends before, nor one that is tried again after a long while."""
    rung: list[str] = []
    refusals = LongRefusals(lambda name, sentence: rung.append(f"{name}: {sentence}"))
    for minute in range(12):
        refusals.refused("a", f"refusal {minute}", minute * 60_000)
    refusals.refused("b", "first", 0)
    refusals.over("b")
    refusals.refused("b", "second", 700_000)
    refusals.refused("c", "first", 0)
    refusals.refused("c", "hours later", 8_000_000)
    assert rung == ["refused_for_long: for 10 minutes: refusal 10"]


class Told:
    """The operator's outbox, filled by the webhook process' login."""

    def __init__(self, database: Database) -> None:
        self.login = Connections(database.role_urls[WEBHOOKS])
        self.outbox = PostgresWebhookOutbox(self.login)
        self.feed = AlarmFeed(self.login, PostgresBookmarks(self.login), self.outbox, has_url=True)

    def bodies(self) -> list[dict[str, Any]]:
        while self.feed.step():
            pass
        found = [json.loads(each.payload) for each in self.outbox.page(OPERATOR, None, None, 100)]
        return sorted(found, key=lambda body: body["sequence"])


@pytest.fixture
def told(database: Database) -> Iterator[Told]:
    told = Told(database)
    yield told
    told.login.close()


def test_each_turn_of_an_alarm_s_life_is_a_webhook(
    database: Database, login: Login, told: Told, tmp_path: Path
) -> None:
    """Raised, taken by whom and with which words, over; a repetition is none."""
    settings = settings_of(tmp_path, database_url=SecretStr(database.owner_url))
    silent = Condition(login(OBSERVER), "node_silent")
    silent.begin("a", "a: it does not answer")
    silent.begin("a", "a: it does not answer")
    acknowledge_alarm(
        settings, told.bodies()[0]["data"]["id"], "its disk is replaced", Output(as_json=True), over=False
    )
    silent.end("a")
    bodies = told.bodies()
    assert [body["type"] for body in bodies] == [EVENT_TYPES[each] for each in ("raised", "acknowledged", "ended")]
    assert [body["data"]["state"] for body in bodies] == ["open", "acknowledged", "over"]
    assert bodies[1]["data"]["note"] == "its disk is replaced"
    assert bodies[1]["data"]["acknowledged_by"].startswith("operator:")
    assert bodies[2]["data"]["ended_by"] == "counterfoil_observer"
    assert len({body["sequence"] for body in bodies}) == 3


def test_an_older_program_beside_this_one_rings_and_reads_the_same_rows(
    database: Database, reader: Connections, told: Told
) -> None:
    """What it raises is told once, and its bookmark and this program's are one (I22)."""
    old = Connections(database.role_urls[SIGNER])
    old.execute("SELECT raise_alarm('token_paused', 'the token is paused')")
    assert [body["data"]["sentence"] for body in told.bodies()] == ["the token is paused"]
    assert only(reader).ends == "quiet"
    [bookmark] = reader.execute("SELECT position FROM bookmarks WHERE name = 'alarms'")
    assert bookmark.position == only(reader).id
    old.close()


def test_a_person_takes_an_alarm_at_the_command_line(
    database: Database, login: Login, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What happened is over with that, what lasts is taken and ends by itself; what is over, or is none, is refused."""
    settings = settings_of(tmp_path, database_url=SecretStr(database.owner_url))
    show_alarms(settings, 10, Output(), every=False)
    assert "no alarm is open" in capsys.readouterr().out
    signer = login(SIGNER)
    signer("signature_refused", "the bytes differ")
    Condition(signer, "key_unavailable").begin("T", "the key of T cannot sign")
    show_alarms(settings, 10, Output(as_json=True), every=False)
    key, refused = json.loads(capsys.readouterr().out)["data"]
    acknowledge_alarm(settings, refused["id"], "it was a test", Output(), over=False)
    assert "it is over" in capsys.readouterr().out
    acknowledge_alarm(settings, key["id"], "", Output(), over=False)
    assert "it lasts until its cause is over" in capsys.readouterr().out
    with pytest.raises(UserError, match="nothing to take"):
        acknowledge_alarm(settings, refused["id"], "", Output(), over=False)
    with pytest.raises(UserError, match="there is no alarm 99"):
        show_alarm(settings, 99, Output())
    show_alarm(settings, key["id"], Output())
    shown = capsys.readouterr().out
    assert re.search(r"state +acknowledged: it ends by itself", shown)
    assert "/docs/operate#key_unavailable" in shown
    acknowledge_alarm(settings, key["id"], "", Output(), over=True)
    assert "it is over" in capsys.readouterr().out
    show_alarms(settings, 10, Output(), every=False)
    assert "no alarm is open" in capsys.readouterr().out
    signer("signature_refused", "the bytes differ")
    show_alarms(settings, 10, Output(as_json=True), every=False)
    assert [each["times"] for each in json.loads(capsys.readouterr().out)["data"]] == [1]


@pytest.mark.fast
def test_an_end_is_no_alarm_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What counts beginnings in the log by their word does not count an end."""
    from gateways.telemetry.alarm_log import log_end

    with caplog.at_level(logging.WARNING):
        log_end("node_silent", "a")
    assert caplog.messages == ["alarm over: node_silent (a)"]
    assert "ALARM" not in caplog.text
    assert DEFECT in alarm_kinds()
