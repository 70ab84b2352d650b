"""`counterfoil alarms`: what was raised, and the secret that signs the operator's webhooks."""

from typing import Annotated

from cyclopts import App, Parameter, validators

from core.streams.accounts import OPERATOR
from gateways.cli.console import Data, Json, Output, Table, number, shown_time, text
from gateways.cli.installation import opened_database, settings_with
from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.alarms import last_alarms
from gateways.postgres.connections import Connections
from gateways.postgres.roles import API, READER
from gateways.settings import Settings
from gateways.user_error import NotReady
from gateways.webhooks.alarms import operator_secret
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import utc_now


def show_alarms(settings: Settings, limit: int, out: Output) -> None:
    """The last alarms and what became of their webhooks, or that there was none."""
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        login = Connections(platform.logins[READER])
        try:
            raised = [(each, platform.outbox.find(OPERATOR, each.event_id)) for each in last_alarms(login, limit)]
        finally:
            login.close()
    facts = [
        {
            "raised_at": each.raised_at,
            "last_raised_at": each.last_raised_at,
            "times": each.times,
            "process": each.process,
            "alarm": each.name,
            "sentence": each.sentence,
            "webhook": sent and {"id": each.event_id, "status": sent.status, "last_error": sent.last_error},
        }
        for each, sent in raised
    ]
    rows = [
        (
            shown_time(each.raised_at),
            each.times,
            each.process,
            each.name,
            each.sentence,
            f"{sent.status} {sent.last_error or ''}".strip() if sent else "none",
        )
        for each, sent in raised
    ]
    columns = ("since", number("times"), "process", "alarm", text("what happened"), text("webhook"))
    out.show({"data": facts}, Table(columns, rows) if rows else "no alarm was ever raised")


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


app = App(name="alarms", help="See what was raised, and the secret that signs the operator's webhooks")


@app.command(name="list")
def _list_alarms(
    *,
    limit: Annotated[int, Parameter(help="How many at most", validator=validators.Number(gte=1, lte=1000))] = 50,
    json: Json = False,
    data: Data = None,
) -> None:
    """The last alarms of all processes, the newest first, and whether their webhooks arrived."""
    show_alarms(settings_with(data=data), limit, Output(as_json=json))


@app.command(name="secret")
def _secret(*, data: Data = None) -> None:
    """Print the secret that signs what is sent to COUNTERFOIL_OPERATOR_WEBHOOK_URL."""
    print(alarm_secret(settings_with(data=data)))  # noqa: T201  the secret is the output
