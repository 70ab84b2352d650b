"""`counterfoil scan`: read solid blocks again and report what they hold."""

from typing import Annotated, Final

from cyclopts import Parameter, validators

from gateways.cli.acts import note_command
from gateways.cli.console import Data, Json, Output, counted, progress
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.roles import OBSERVER
from gateways.processes.observe import observer
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError
from gateways.wiring.opened import check_chain, open_platform
from gateways.wiring.platform import Platform
from scanners.observer import SOLID

LAST_BLOCKS: Final = 1_200
"""An hour of the chain: what a scan without --from reads."""


def scan_again(settings: Settings, first: int | None, last: int | None, out: Output) -> None:
    """Observe solid blocks first..last again and report what they hold; the recorder ignores what it knows.

    Without `last` up to the solid height, without `first` the last blocks of those that were read before. Raises
    UserError, NotReady.
    """
    with (
        opened_database(settings) as database,
        open_platform(settings, OBSERVER, database) as platform,
        platform.node.pinned(),
        progress() as bar,
    ):
        check_chain(platform)
        first, last = _range(platform, first, last)
        task = bar.add_task("scanning", total=last - first + 1)
        blocks = transfers = 0
        for _, found in observer(platform).rescan(first, last):
            blocks, transfers = blocks + 1, transfers + found
            bar.update(task, completed=blocks)
        note_command(settings, "chain.scanned", database, first=first, last=last, transfers=transfers)
    out.show(
        {"from": first, "to": last, "blocks": blocks, "transfers": transfers},
        f"{counted(blocks, 'solid block')}, {first} to {last}: {counted(transfers, 'transfer')} to our addresses reported",
    )


def _range(platform: Platform, first: int | None, last: int | None) -> tuple[int, int]:
    solid, cursor = platform.node.solid().number, platform.cursors.load(SOLID)
    if last is not None and last > solid:
        raise NotReady(f"--to {last} is not solid yet: the last solid block is {solid}")
    last = solid if last is None else last
    if first is None:
        read = last if cursor is None else min(cursor.number, last)
        first = max(1, read - LAST_BLOCKS + 1)
    if last < first:
        raise UserError(f"--to {last} lies before --from {first}")
    return first, last


def command(
    *,
    from_: Annotated[
        int | None,
        Parameter(
            name="--from",
            help=f"The first block; default: {LAST_BLOCKS} blocks, an hour, before the last that was read",
            validator=validators.Number(gte=0),
        ),
    ] = None,
    to: Annotated[
        int | None, Parameter(help="The last block; default: the last solid one", validator=validators.Number(gte=0))
    ] = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Read solid blocks again and report what they hold; always safe: what is known already is not booked twice."""
    scan_again(settings_with(data=data), from_, to, Output(as_json=json))
