"""Commands of the treasury: sweeps, and the system wallets. Each is thin."""

from typing import Annotated, Literal

from cyclopts import App, Parameter

from gateways.upkeep import Data, console, settings_with

sweeps = App(name="sweeps", help="See what a sweep would cost, begin one now, let an address be swept again")
wallets = App(name="wallets", help="The system wallets, and the address of cold storage")


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
