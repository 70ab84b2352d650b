"""`counterfoil addresses`: deposit addresses from another seed."""

from cyclopts import App

from core.ledger.ledger import Failed, Refused, state_of
from core.streams.deposit_seed import FIRST_SEED, SEED, AskSeedRotation
from gateways.cli.acts import at_terminal, note_command
from gateways.cli.console import Data, Json, Output
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.roles import API
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform

app = App(name="addresses", help="Deposit addresses: take another seed for those that are to come")


@app.command(name="rotate-seed")
def _rotate_seed(*, json: Json = False, data: Data = None) -> None:
    """Derive the next deposit addresses from another seed; those that are out keep their keys."""
    rotate_seed(settings_with(data=data), Output(as_json=json))


def rotate_seed(settings: Settings, out: Output) -> None:
    """Ask for it. On one machine the process addresses makes it; on AWS it is made and wrapped here. Raises UserError."""
    if settings.payin_keys == "kms":
        raise UserError("each deposit address has a key of its own in KMS: there is no seed to rotate")
    with opened_database(settings) as database:
        with open_platform(settings, API, database) as platform:
            number = state_of(platform.store, SEED, FIRST_SEED).next_number
            [outcome] = platform.ledger.execute([AskSeedRotation(at_terminal())])
        if isinstance(outcome, Refused) and settings.mode != "aws":
            raise UserError(outcome.refusal.detail)
        if isinstance(outcome, Failed):
            raise outcome.error
        if settings.mode == "aws":  # asked for before: what a death in between left out is done now
            from gateways.aws.secret_values import add_seed

            add_seed(settings, number)
        note_command(settings, "deposit-seed.rotate", database, number=number)
    then = (
        "start the processes addresses and sweeps anew, one after the other: they read seeds when they start"
        if settings.mode == "aws"
        else "the process addresses makes it; then back up the keystore, of which every older copy lacks it"
    )
    out.show({"number": number, "state": "asked"}, f"asked for deposit seed {number}", then)
