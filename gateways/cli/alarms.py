"""`counterfoil alarms`: what was raised, and the secret that signs the operator's webhooks."""

from cyclopts import App
from rich.console import Console
from rich.table import Table

from core.streams.accounts import OPERATOR
from gateways.cli.console import Data, console, settings_with
from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.alarms import last_alarms
from gateways.postgres.connections import Connections
from gateways.postgres.roles import API, READER
from gateways.settings import Settings
from gateways.webhooks.alarms import operator_secret
from gateways.wiring.opened import open_platform, visiting
from gateways.wiring.platform import utc_now


def show_alarms(settings: Settings, limit: int, console: Console) -> None:
    """The last alarms and what became of their webhooks, or that there was none."""
    with visiting(settings) as database, open_platform(settings, API, database) as platform:
        login = Connections(platform.logins[READER])
        try:
            raised = [(each, platform.outbox.find(OPERATOR, each.event_id)) for each in last_alarms(login, limit)]
        finally:
            login.close()
    table = Table("since", "times", "process", "alarm", box=None, pad_edge=False)
    table.add_column("what happened", overflow="fold")
    table.add_column("webhook", overflow="fold")
    for each, delivery in raised:
        since = f"{each.raised_at:%Y-%m-%d %H:%M:%S} UTC"
        told = f"{delivery.status} {delivery.last_error or ''}" if delivery else "none"
        table.add_row(since, str(each.times), each.process, each.name, each.sentence, told)
    console.print(table if raised else "no alarm was ever raised")


def alarm_secret(settings: Settings) -> str:
    """What signs the operator's webhooks, for the machine that receives them."""
    if settings.mode == "aws":
        from gateways.aws.secrets import AwsSecrets, SecretStore
        from gateways.aws.session import Aws

        return operator_secret(AwsSecrets(SecretStore(Aws(settings)), utc_now).webhook_master)
    return operator_secret(load_or_create(settings.data / "secrets.json").keys.webhook_master)


app = App(name="alarms", help="See what was raised, and the secret that signs the operator's webhooks")


@app.command(name="list")
def _list_alarms(*, limit: int = 50, data: Data = None) -> None:
    """The last alarms of all processes, the newest first, and whether their webhooks arrived."""
    show_alarms(settings_with(data=data), limit, console)


@app.command(name="secret")
def _secret(*, data: Data = None) -> None:
    """Print the secret that signs what is sent to COUNTERFOIL_OPERATOR_WEBHOOK_URL."""
    print(alarm_secret(settings_with(data=data)))  # noqa: T201  the secret is the output
