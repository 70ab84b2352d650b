"""Commands of the treasury: sweeps, stake, and the system wallets. Each is thin."""

from typing import Annotated, Final, Literal

from cyclopts import App, Parameter, validators

from core.chain import Resource
from gateways.upkeep import Data, console, settings_with

sweeps = App(name="sweeps", help="See what a sweep would cost, begin one now, let an address be swept again")
stake = App(
    name="stake", help="What the gas and the hot wallet have staked, how much they should, and how to change it"
)
wallets = App(name="wallets", help="The system wallets, and the address of cold storage")

Wallet = Annotated[Literal["gas", "hot"], Parameter(name="WALLET")]
Kind = Annotated[Literal["energy", "bandwidth"], Parameter(name="RESOURCE")]
Trx = Annotated[str, Parameter(name="TRX", help="A whole number")]
Days = Annotated[int, Parameter(help="How many days back to look", validator=validators.Number(gte=1, lte=365))]
_RESOURCES: Final[dict[str, Resource]] = {"energy": "ENERGY", "bandwidth": "BANDWIDTH"}


@sweeps.command
def plan(*, data: Data = None) -> None:
    """What would be swept now, by which means, and what it costs in TRX and USDT. Nothing is begun."""
    from gateways.sweeping import show_plan

    show_plan(settings_with(data=data), console)


@sweeps.command(name="run")
def run_now(*, data: Data = None) -> None:
    """Plan at once instead of waiting for the schedule; the process `sweeps` does it."""
    from gateways.sweeping import run_plan

    run_plan(settings_with(data=data), console)


@sweeps.command
def release(
    name: Annotated[str, Parameter(name="ADDRESS|ID", help="The deposit address, or the id of a sweep of it")],
    *,
    reason: Annotated[str, Parameter(help="Why it may be swept again; kept for ever")],
    data: Data = None,
) -> None:
    """Let a deposit address that was set aside be swept again."""
    from gateways.sweeping import release as release_address

    release_address(settings_with(data=data), name, reason, console)


@stake.command(name="status")
def stake_status(*, days: Days = 7, data: Data = None) -> None:
    """What is staked, lent, waiting and left, and how long the wallets' TRX last at the rate of the last days."""
    from gateways.staking import status

    status(settings_with(data=data), days, console)


@stake.command
def recommend(*, days: Days = 7, data: Data = None) -> None:
    """How much to stake for the volume of the last days, and what it saves against burning at today's prices."""
    from gateways.staking import recommend as show

    show(settings_with(data=data), days, console)


@stake.command
def freeze(wallet: Wallet, resource: Kind, trx: Trx, *, data: Data = None) -> None:
    """Stake TRX of a wallet for energy or bandwidth."""
    from gateways.staking import freeze as order

    order(settings_with(data=data), wallet, _RESOURCES[resource], trx, console)


@stake.command
def unfreeze(wallet: Wallet, resource: Kind, trx: Trx, *, data: Data = None) -> None:
    """Ask for stake back: it can be withdrawn 14 days later."""
    from gateways.staking import unfreeze as order

    order(settings_with(data=data), wallet, _RESOURCES[resource], trx, console)


@stake.command
def withdraw(wallet: Wallet, *, data: Data = None) -> None:
    """Take the stake that has waited its 14 days."""
    from gateways.staking import withdraw as order

    order(settings_with(data=data), wallet, console)


@wallets.command(name="list")
def list_wallets(*, data: Data = None) -> None:
    """Which address is the hot, the gas and the cold wallet."""
    from gateways.sweeping import show_wallets

    show_wallets(settings_with(data=data), console)


@wallets.command
def register(
    role: Annotated[Literal["cold"], Parameter(name="ROLE", help="cold: hot and gas come with their keys")],
    address: Annotated[str, Parameter(name="ADDRESS", help="A plain account whose key you keep elsewhere")],
    *,
    data: Data = None,
) -> None:
    """Name the address of cold storage: what the hot wallet need not hold goes there."""
    from gateways.sweeping import register_cold

    assert role == "cold"
    register_cold(settings_with(data=data), address, console)
