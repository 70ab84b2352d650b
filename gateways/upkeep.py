"""Commands of upkeep: what waits in queues and what was set aside, and the values of AWS' secrets. Each is thin.

What every command shares stands here, too, since __main__ imports this file and not the other way round.
"""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console

from gateways import settings as settings_module

Data = Annotated[Path | None, Parameter(help="Folder of the embedded database, keystore and chain")]

queue = App(name="queue", help="See what waits and what was set aside, and send it again")
secrets = App(name="secrets", help="On AWS: give Terraform's empty secrets their values, and replace them")
console = Console(highlight=False)


def settings_with(**overrides: Any) -> settings_module.Settings:
    """The environment's settings, and what the command line says instead; None is what it does not say."""
    given = {name: value for name, value in overrides.items() if value is not None}
    return settings_module.load(**given)


@queue.command(name="list")
def list_queues(*, data: Data = None) -> None:
    """Every queue: how many messages wait, since when, and how many were set aside."""
    from gateways.dead_letters import show_queues

    show_queues(settings_with(data=data), console)


@queue.command
def dead(name: Annotated[str, Parameter(name="QUEUE")], *, limit: int = 20, data: Data = None) -> None:
    """A queue's dead letters, the oldest first: why each was set aside, and what it says."""
    from gateways.dead_letters import show_dead

    show_dead(settings_with(data=data), name, limit, console)


@queue.command
def redrive(name: Annotated[str, Parameter(name="QUEUE")], *ids: str, data: Data = None) -> None:
    """Send dead letters again, those with these ids or all of them."""
    from gateways.dead_letters import redrive as send_again

    send_again(settings_with(data=data), name, ids, console)


@secrets.command
def make() -> None:
    """Give every secret a value that has none. No value is shown, and none is overwritten."""
    from gateways.operations import make_secrets

    make_secrets(settings_with(), console)


@secrets.command
def rotate(name: Annotated[str, Parameter(name="SECRET")]) -> None:
    """Put a new value in the place of one that is in use: webhooks, deposit-facts, deposit-seed or database.

    Processes take it up without a restart.
    """
    from gateways.operations import rotate_secret

    rotate_secret(settings_with(), name, console)
