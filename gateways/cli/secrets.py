"""`counterfoil secrets`: on AWS, values for Terraform's empty secrets, and their replacement."""

from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from gateways.cli.acts import note_command
from gateways.cli.console import console, settings_with
from gateways.settings import Settings

app = App(name="secrets", help="On AWS: give Terraform's empty secrets their values, and replace them")


@app.command(name="make")
def _make() -> None:
    """Give every secret a value that has none. No value is shown, and none is overwritten."""
    make_secrets(settings_with(), console)


@app.command(name="rotate")
def _rotate(name: Annotated[str, Parameter(name="SECRET")]) -> None:
    """Put a new value in the place of one that is in use: webhooks, deposit-facts, deposit-seed or database.

    Processes take it up without a restart.
    """
    rotate_secret(settings_with(), name, console)


def make_secrets(settings: Settings, console: Console) -> None:
    """Values for the secrets that have none; says which they were."""
    from gateways.aws.secret_values import make

    made = make(settings)
    if made:
        note_command(settings, "secret.made", secrets=list(made))
    console.print("\n".join(f"made {name}" for name in made) or "every secret has a value")


def rotate_secret(settings: Settings, name: str, console: Console) -> None:
    """A new value in the place of one that is in use; the audit log says who did it, never what it is (I13)."""
    from gateways.aws.secret_values import rotate

    replaced = rotate(settings, name)
    note_command(settings, "secret.rotated", secrets=list(replaced))
    console.print("\n".join(f"replaced {each}" for each in replaced))
