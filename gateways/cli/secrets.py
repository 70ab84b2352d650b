"""`counterfoil secrets`: the platform's own secrets replaced; on AWS, values for those that Terraform has made empty."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from gateways.cli.acts import note_command
from gateways.cli.console import Data, Json, Output
from gateways.cli.installation import opened_database, settings_with
from gateways.embedded.secrets_file import OVERLAPS
from gateways.embedded.secrets_file import rotate as rotate_key
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.platform import utc_now

app = App(name="secrets", help="Replace the platform's own secrets; on AWS, give Terraform's empty ones their values")
ON_ONE_MACHINE: Final = {"webhooks": "webhook_master", "deposit-facts": "deposit_fact_key", "api": "api_key_pepper"}


@app.command(name="make")
def _make(*, json: Json = False) -> None:
    """Give every secret a value that has none. No value is shown, and none is overwritten."""
    make_secrets(settings_with(), Output(as_json=json))


@app.command(name="rotate")
def _rotate(
    secret: Annotated[
        str, Parameter(help="webhooks, deposit-facts or api (the pepper of keys); on AWS also deposit-seed or database")
    ],
    /,
    *,
    json: Json = False,
    data: Data = None,
) -> None:
    """Put a new value in the place of one that is in use; the one before counts on for a while."""
    rotate_secret(settings_with(data=data), secret, Output(as_json=json))


def make_secrets(settings: Settings, out: Output) -> None:
    """Values for the secrets that have none; says which they were."""
    from gateways.aws.secret_values import make

    made = list(make(settings))
    if made:
        note_command(settings, "secret.made", secrets=made)
    out.show({"made": made}, "\n".join(f"made {name}" for name in made) or "every secret has a value")


def rotate_secret(settings: Settings, name: str, out: Output) -> None:
    """A new value in the place of one that is in use; the audit log says who did it, never what it is (I13)."""
    if settings.mode != "aws":
        rotate_here(settings, name, out)
        return
    from gateways.aws.secret_values import rotate

    replaced = list(rotate(settings, name))
    note_command(settings, "secret.rotated", secrets=replaced)
    out.show({"replaced": replaced}, "\n".join(f"replaced {each}" for each in replaced))


def rotate_here(settings: Settings, name: str, out: Output) -> None:
    """The same in DATA/secrets.json, which processes read when they start. Raises UserError."""
    key = ON_ONE_MACHINE.get(name)
    if key is None:
        raise UserError(f"{name} is not replaced like that on one machine: choose one of {', '.join(ON_ONE_MACHINE)}")
    with opened_database(settings) as database:
        rotate_key(settings.data / "secrets.json", key, utc_now())
        note_command(settings, "secret.rotated", database, secrets=[name])
    overlap = OVERLAPS[key]
    until = (
        "until you replace it once more"
        if overlap is None
        else f"for {overlap.days} days"
        if overlap.days > 1
        else "for 24 hours"
    )
    out.show(
        {"replaced": [name]},
        f"replaced {name}; the one before still counts {until}",
        "stop `counterfoil up` and start it: processes read it when they start",
    )
