"""`counterfoil scan`: read solid blocks again and report what they hold; let one pass; show and pin who signs them."""

from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter, validators

from core.ledger.ledger import Failed, Ledger
from core.ports.unavailable import Unavailable
from core.streams.accepted_blocks import AcceptBlock
from core.tron.address import Address
from gateways.cli.acts import at_terminal, must_have_reason, note_command
from gateways.cli.console import Data, Json, Output, counted, progress
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.roles import API, OBSERVER
from gateways.processes.observe import observer, producers
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError
from gateways.wiring.opened import check_chain, open_platform
from gateways.wiring.platform import Platform
from scanners.blocks import NotWhole, check
from scanners.observer import SOLID
from scanners.pinned_producers import PINNED, PinnedProducers
from scanners.producers import Producers

LAST_BLOCKS: Final = 1_200
"""An hour of the chain: what a scan without --from reads."""

if TYPE_CHECKING:
    from core.ports.chain import Node


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
    solid = solid if cursor is None else min(solid, cursor.number)
    if last is not None and last > solid:
        raise NotReady(f"--to {last} is not solid yet, or not read: the last solid block here is {solid}")
    last = solid if last is None else last
    if first is None:
        read = last if cursor is None else min(cursor.number, last)
        first = max(1, read - LAST_BLOCKS + 1)
    if last < first:
        raise UserError(f"--to {last} lies before --from {first}")
    return first, last


def accept_block(settings: Settings, number: int, reason: str, out: Output) -> None:
    """Record that this block may pass. The operator at this machine is the actor."""
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        with open_platform(settings, OBSERVER, database) as looking, looking.node.pinned():
            check_chain(looking)
            block_id, count = acceptable(looking.node, producers(looking), number)
        accept(platform.ledger, number, block_id, reason, at_terminal())
        note_command(settings, "chain.block-accepted", database, number=number, block_id=block_id, reason=reason)
    out.show(
        {"number": number, "block_id": block_id, "transactions": count},
        f"block {number} ({block_id}, {counted(count, 'transaction')}) is accepted: the scanner takes it at its next look,"
        " and none but this one at its height",
    )


def show_producers(settings: Settings, pin: bool, out: Output) -> None:
    """Who may sign blocks here; with `pin` as the node states it now. The operator at this machine answers for it."""
    with opened_database(settings) as database, open_platform(settings, OBSERVER, database) as platform:
        check_chain(platform)
        network = PinnedProducers(platform.node, platform.cursors, platform.alarm)
        with platform.node.pinned():
            if pin:
                network.pin()
            source = network if pin or settings.is_lone else platform.node
            active = sorted(Address(it.address).base58 for it in source.producers() if it.active)
        if pin:
            note_command(settings, "chain.producers-pinned", database, producers=len(active))
    held = "pinned" if pin or settings.is_lone else "stated by the nodes, not pinned"
    out.show(
        {"producers": active, "pinned": pin or settings.is_lone},
        "\n".join([f"{counted(len(active), 'producer')}, {held}:", *active]),
    )


def pin_at_first(settings: Settings, out: Output) -> None:
    """Pin the producers that the only node states, where none are pinned yet and it answers."""
    with opened_database(settings) as database, open_platform(settings, OBSERVER, database) as platform:
        if platform.cursors.load(PINNED) is not None:
            return
        try:
            check_chain(platform)
            pinned = PinnedProducers(platform.node, platform.cursors, platform.alarm).pin()
        except Unavailable as error:
            out.note(
                f"no producers are pinned yet, run `counterfoil scan producers --pin` when a node answers: {error}"
            )
            return
    out.note(f"pinned {counted(len(pinned.active), 'producer')}: compare them by `counterfoil scan producers`")


def acceptable(node: "Node", producers: Producers, number: int) -> tuple[str, int]:
    """-> the solid block's id, and how many transactions it has.

    Raises UserError for a block that needs no acceptance or that the node does not have, NodeFault for one whose header,
    producer or txids are false: nobody can accept that.
    """
    block = node.solid_block(number)
    if block is None or block.ref.number != number:
        raise UserError(f"the node has no solid block {number}")
    try:
        check(block)
    except NotWhole:
        producers.check(block)
        return block.ref.block_id, len(block.transactions)
    raise UserError(f"block {number} proves its transactions itself: there is nothing to accept")


def accept(ledger: Ledger, number: int, block_id: str, reason: str, actor: str) -> None:
    """Record the acceptance. Raises UserError without a reason."""
    reason = must_have_reason(reason, "the block may pass")
    [outcome] = ledger.execute([AcceptBlock(number=number, block_id=block_id, reason=reason, actor=actor)])
    if isinstance(outcome, Failed):
        raise outcome.error


app = App(
    name="scan", help="Read solid blocks again and report what they hold, or let one pass that no node shows whole."
)


@app.default
def _scan(
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


@app.command(name="accept-block")
def _accept_block(
    number: Annotated[int, Parameter(name="BLOCK", help="The block's number", validator=validators.Number(gte=1))],
    /,
    *,
    reason: Annotated[str, Parameter(help="Why the block may pass; kept for ever")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Let the scanner take a block whose transactions do not add up to its txTrieRoot in any node's JSON."""
    accept_block(settings_with(data=data), number, reason, Output(as_json=json))


@app.command(name="producers")
def _producers(
    *,
    pin: Annotated[
        bool, Parameter(negative="", help="Pin what the node states now; compare it with an explorer's list")
    ] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Show who may sign blocks here; with one node that is not trusted, the set that was pinned."""
    show_producers(settings_with(data=data), pin, Output(as_json=json))
