"""`counterfoil secrets`: on AWS, values for Terraform's empty secrets, and their replacement."""

from typing import Annotated

from cyclopts import App, Parameter

from gateways.cli.acts import note_command
from gateways.cli.console import Json, Output
from gateways.cli.installation import settings_with
from gateways.settings import Settings

app = App(name="secrets", help="On AWS: give Terraform's empty secrets their values, and replace them")


@app.command(name="make")
def _make(*, json: Json = False) -> None:
    """Give every secret a value that has none. No value is shown, and none is overwritten."""
    make_secrets(settings_with(), Output(as_json=json))


@app.command(name="rotate")
def _rotate(
    secret: Annotated[str, Parameter(help="webhooks, deposit-facts, deposit-seed or database")],
    /,
    *,
    json: Json = False,
) -> None:
    """Put a new value in the place of one that is in use. Processes take it up without a restart."""
    rotate_secret(settings_with(), secret, Output(as_json=json))


def make_secrets(settings: Settings, out: Output) -> None:
    """Values for the secrets that have none; says which they were."""
    from gateways.aws.secret_values import make

    made = list(make(settings))
    if made:
        note_command(settings, "secret.made", secrets=made)
    out.show({"made": made}, "\n".join(f"made {name}" for name in made) or "every secret has a value")


def rotate_secret(settings: Settings, name: str, out: Output) -> None:
    """A new value in the place of one that is in use; the audit log says who did it, never what it is (I13)."""
    from gateways.aws.secret_values import rotate

    replaced = list(rotate(settings, name))
    note_command(settings, "secret.rotated", secrets=replaced)
    out.show({"replaced": replaced}, "\n".join(f"replaced {each}" for each in replaced))
