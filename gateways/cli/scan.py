"""`counterfoil scan`: observe a range of solid blocks again."""

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from gateways.cli.acts import note_command
from gateways.cli.console import Data, console, progress, settings_with
from gateways.postgres.roles import OBSERVER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform, visiting


def scan_again(settings: Settings, first: int, last: int, console: Console) -> None:
    """Observe solid blocks first..last again and report what they hold; the recorder ignores what it knows."""
    from gateways.processes.observe import observer
    from gateways.wiring.opened import check_chain

    if last < first:
        raise UserError(f"--to {last} lies before --from {first}")
    with (
        visiting(settings) as database,
        open_platform(settings, OBSERVER, database) as platform,
        progress(console) as bar,
    ):
        check_chain(platform)
        task = bar.add_task("scanning", total=last - first + 1)
        blocks = transfers = 0
        with platform.node.pinned():
            for _, found in observer(platform).rescan(first, last):
                blocks, transfers = blocks + 1, transfers + found
                bar.update(task, completed=blocks)
        note_command(settings, "chain.scanned", database, first=first, last=last, transfers=transfers)
    console.print(f"{blocks} solid blocks, {transfers} transfers to our addresses reported")


def command(
    *,
    from_: Annotated[int, Parameter(name="--from", help="First block")],
    to: Annotated[int, Parameter(help="Last block")],
    data: Data = None,
) -> None:
    """Observe a range of solid blocks again; always safe."""
    scan_again(settings_with(data=data), from_, to, console)
