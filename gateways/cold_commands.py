"""`counterfoil cold ...`: coins from cold storage to the hot wallet, signed where no network is. Each command is thin."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from gateways.upkeep import Data, console, settings_with

cold = App(name="cold", help="Coins from cold storage to the hot wallet, signed on a machine without network")


@cold.command
def prepare(
    amount: Annotated[str, Parameter(name="AMOUNT", help="USDT, as 2500.00")],
    *,
    output: Annotated[Path, Parameter(help="The bundle to write")] = Path("cold-bundle.json"),
    hours: Annotated[int, Parameter(help="How long signing may take", validator=Number(gte=1, lte=24))] = 24,
    data: Data = None,
) -> None:
    """Fix the transaction, record it, and write a bundle for the machine that has the key."""
    from gateways.cold import prepare as prepare_bundle

    prepare_bundle(settings_with(data=data), amount, output, hours, console)


@cold.command
def sign(
    bundle: Annotated[Path, Parameter(name="BUNDLE")],
    *,
    keystore: Annotated[Path, Parameter(help="Cold storage's keystore, as keygen has made it")],
    fingerprint: Annotated[str | None, Parameter(help="As whoever prepared it said it; asked for without it")] = None,
) -> None:
    """Check every byte of a bundle against what it says, and sign it. Needs no network, no database and no node."""
    from gateways.cold_signing import sign as sign_bundle

    sign_bundle(settings_with(), bundle, keystore, fingerprint, console)


@cold.command
def submit(bundle: Annotated[Path, Parameter(name="BUNDLE", help="The signed one")], *, data: Data = None) -> None:
    """Hold a signed bundle to what was recorded, and give its transaction to the network."""
    from gateways.cold import submit as submit_bundle

    submit_bundle(settings_with(data=data), bundle, console)


@cold.command(name="list")
def list_transfers(*, data: Data = None) -> None:
    """Every transfer from cold storage, and what became of it."""
    from gateways.cold import show

    show(settings_with(data=data), console)


@cold.command
def keygen(*, keystore: Annotated[Path, Parameter(help="The keystore to write")]) -> None:
    """Make cold storage's key, on the machine that keeps it, and print the address to register."""
    from gateways.cold_signing import keygen as make_key

    make_key(keystore, settings_with(), console)
