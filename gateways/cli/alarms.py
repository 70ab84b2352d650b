"""`counterfoil alarms`: what is open, what it means, who takes it; and the secret that signs the operator's webhooks."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from cyclopts import App, Parameter, validators

from core.ports.clients import Delivery
from core.streams.accounts import OPERATOR
from gateways.alarm_list import Ends, kind_of
from gateways.cli.acts import at_terminal, note_command
from gateways.cli.console import Data, Json, Output, Table, number, pairs, shown_time, text
from gateways.cli.installation import opened_database, settings_with
from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.alarms import RaisedAlarm, acknowledge, alarm_of, last_alarms
from gateways.postgres.connections import Connections
from gateways.postgres.roles import API, READER
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError
from gateways.webhooks.alarms import operator_secret
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import Platform, utc_now

_ENDS: Final[Mapping[Ends, str]] = {
    "itself": "it ends by itself when its cause is over",
    "quiet": "it ends when it has not been repeated for an hour",
    "person": "it ends when somebody has taken it: counterfoil alarms ack",
}
AlarmId = Annotated[int, Parameter(help="The alarm's id, as `counterfoil alarms list` has it")]


def show_alarms(settings: Settings, limit: int, out: Output, *, every: bool = True) -> None:
    """The open alarms, or the last ones of all, and what became of their webhooks; or that there is none."""
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        login = Connections(platform.logins[READER])
        try:
            found = last_alarms(login, limit, is_open=not every)
            raised = [(each, platform.outbox.find(OPERATOR, each.event_id)) for each in found]
        finally:
            login.close()
    rows = [
        (
            each.id,
            each.state,
            shown_time(each.raised_at),
            each.times,
            each.process,
            each.name,
            each.sentence,
            f"{sent.status} {sent.last_error or ''}".strip() if sent else "none",
        )
        for each, sent in raised
    ]
    columns = (
        number("id"),
        "state",
        "since",
        number("times"),
        "process",
        "alarm",
        text("what happened"),
        text("webhook"),
    )
    none = (
        "no alarm was ever raised"
        if every
        else "no alarm is open; `counterfoil alarms list --all` has those that are over"
    )
    out.show({"data": [facts_of(each, sent) for each, sent in raised]}, Table(columns, rows) if rows else none)


def show_alarm(settings: Settings, alarm_id: int, out: Output) -> None:
    """One alarm: its life, what it means, and what to do. Raises UserError for an id that is none."""
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        found = _alarm(platform, alarm_id)
        sent = platform.outbox.find(OPERATOR, found.event_id)
    kind = kind_of(found.name)
    rows = [
        ("alarm", found.name),
        ("about", found.about),
        ("what happened", found.sentence),
        ("state", f"{found.state}: {_ENDS[kind.ends]}" if found.state != "over" else f"over, by {found.ended_by}"),
        ("severity", kind.severity),
        ("process", found.process),
        ("since", shown_time(found.raised_at)),
        ("last seen", f"{shown_time(found.last_raised_at)}, {found.times} times"),
        ("over since", shown_time(found.ended_at) if found.ended_at else ""),
        ("taken by", found.acknowledged_by or ""),
        ("note", found.note or ""),
        ("webhook", sent.status if sent else "none"),
        ("it means", kind.symptom),
        ("what to do", kind.remedy),
        ("command", kind.command),
        ("more", f"/docs/operate#{kind.name}"),
    ]
    said = pairs(row for row in rows if all(row))
    out.show(facts_of(found, sent) | {"remedy": kind.remedy, "command": kind.command}, said)


def acknowledge_alarm(settings: Settings, alarm_id: int, note: str, out: Output, *, over: bool) -> None:
    """Who sits here takes it. Raises UserError for an id that is none, and for what is over."""
    who = at_terminal()
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        before = _alarm(platform, alarm_id)
        if before.state == "over":
            since = shown_time(before.ended_at or before.last_raised_at)
            raise UserError(f"the alarm {alarm_id} is over since {since}: there is nothing to take")
        login = Connections(platform.logins[API], connections_max=1)
        try:
            acknowledge(login, alarm_id, who, note, over=over)
        finally:
            login.close()
        now = _alarm(platform, alarm_id)
        note_command(settings, "alarm.acknowledged", database, alarm_id=alarm_id, name=now.name, note=note, over=over)
    lasts = "it lasts until its cause is over" if now.state == "acknowledged" else "it is over"
    out.show(facts_of(now, None), f"{now.name} ({alarm_id}) is taken by {now.acknowledged_by}: {lasts}")


def _alarm(platform: Platform, alarm_id: int) -> RaisedAlarm:
    login = Connections(platform.logins[READER], connections_max=1)
    try:
        found = alarm_of(login, alarm_id)
    finally:
        login.close()
    if found is None:
        raise UserError(f"there is no alarm {alarm_id}: `counterfoil alarms list --all` has their ids")
    return found


def facts_of(each: RaisedAlarm, sent: Delivery | None) -> dict[str, Any]:
    """For --json."""
    kind = kind_of(each.name)
    return {
        "id": each.id,
        "state": each.state,
        "severity": kind.severity,
        "alarm": each.name,
        "about": each.about,
        "sentence": each.sentence,
        "process": each.process,
        "times": each.times,
        "raised_at": each.raised_at,
        "last_raised_at": each.last_raised_at,
        "ends": each.ends,
        "ended_at": each.ended_at,
        "ended_by": each.ended_by,
        "acknowledged_at": each.acknowledged_at,
        "acknowledged_by": each.acknowledged_by,
        "note": each.note,
        "webhook": sent and {"id": each.event_id, "status": sent.status, "last_error": sent.last_error},
    }


def alarm_secret(settings: Settings) -> str:
    """What signs the operator's webhooks, for the machine that receives them. Raises NotReady."""
    if settings.mode == "aws":
        from gateways.aws.secrets import AwsSecrets, SecretStore
        from gateways.aws.session import Aws

        return operator_secret(AwsSecrets(SecretStore(Aws(settings)), utc_now).webhook_master)
    path = settings.data / "secrets.json"
    if not path.exists():
        raise NotReady(f"there is no installation in {settings.data}: `counterfoil up` makes one, and its secrets")
    return operator_secret(load_or_create(path).keys.webhook_master)


app = App(name="alarms", help="See what is open and what to do, take an alarm; the secret of the operator's webhooks")


@app.command(name="list")
def _list_alarms(
    *,
    every: Annotated[bool, Parameter(name="--all", negative=(), help="Those that are over, too")] = False,
    limit: Annotated[int, Parameter(help="How many at most", validator=validators.Number(gte=1, lte=1000))] = 50,
    json: Json = False,
    data: Data = None,
) -> None:
    """The open alarms of all processes, the newest first, and whether their webhooks arrived."""
    show_alarms(settings_with(data=data), limit, Output(as_json=json), every=every)


@app.command(name="show")
def _show(alarm_id: AlarmId, /, *, json: Json = False, data: Data = None) -> None:
    """One alarm: since when and how often, what it means, what to do, and who has taken it."""
    show_alarm(settings_with(data=data), alarm_id, Output(as_json=json))


@app.command(name="ack")
def _ack(
    alarm_id: AlarmId,
    /,
    *,
    note: Annotated[str, Parameter(help="What you know or do about it, for the others")] = "",
    over: Annotated[bool, Parameter(negative=(), help="Nobody else will say so: it is over")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Take an alarm: nobody else is woken for it. What lasts ends by itself; what happened is over with that."""
    acknowledge_alarm(settings_with(data=data), alarm_id, note, Output(as_json=json), over=over)


@app.command(name="secret")
def _secret(*, data: Data = None) -> None:
    """Print the secret that signs what is sent to COUNTERFOIL_OPERATOR_WEBHOOK_URL."""
    print(alarm_secret(settings_with(data=data)))  # noqa: T201  the secret is the output
