"""`counterfoil nodes`: each Tron node's head, what it calls solid and what its blocks show, how far back it reaches, faults."""

import time
from collections.abc import Iterable
from typing import Final

import msgspec

from core.ports.chain import Node
from core.ports.unavailable import Unavailable
from core.tron.chain import BlockRef
from gateways.cli.console import Data, Json, Output, Table, counted, number
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.alarms import last_alarms
from gateways.postgres.connections import Connections
from gateways.postgres.roles import OBSERVER, READER
from gateways.processes.observe import producers
from gateways.settings import Settings
from gateways.tron.reach import behind, lacks_blocks, lowest_block
from gateways.tron.roster import LAG_S_MAX
from gateways.wiring.opened import check_chain, open_platform
from gateways.wiring.platform import Platform
from scanners.blocks import check as check_block
from scanners.branch import Seen
from scanners.observer import SOLID
from scanners.producers import Producers
from scanners.waiting import ONE_NODE

READ_MAX: Final = 60
"""Blocks that are read below a head to count what is solid: two rounds of 27 producers and more."""
ALARMS: Final = 200


class Look(msgspec.Struct, kw_only=True):
    """One node now. Heights are None where it did not say; `lowest` is the first block that it has."""

    name: str
    head: int | None = None
    lag_s: int | None = None
    solid: int | None = None
    counted: int | None = None
    lowest: int | None = None
    used: bool = False
    faults: list[str] = []
    problem: str = ""


def show_nodes(settings: Settings, out: Output) -> bool:
    """-> whether a node is there that can be used."""
    with opened_database(settings) as database, open_platform(settings, OBSERVER, database) as platform:
        check_chain(platform)
        login = Connections(platform.logins[READER])
        try:
            raised = [(each.name, each.times, each.sentence) for each in last_alarms(login, ALARMS)]
        finally:
            login.close()
        known = producers(platform)
        read, lag_s_max = platform.cursors.load(SOLID), settings.lag_s_max or LAG_S_MAX
        needed = None if read is None else read.number + 1
        looks = [
            _look(name, node, known, lag_s_max=lag_s_max, needed=needed) for name, node in platform.node.members.items()
        ]
        for look in looks:
            of_it = [(name, times) for name, times, sentence in raised if sentence.startswith(f"{look.name}:")]
            look.faults = [f"{name} {times}x" for name, times in of_it]
        first = next((look for look in looks if not look.problem), None)
        if first is not None:
            first.used = True
        notes = [*_about(settings), *_progress(platform)]
    rows = [
        (
            "*" if it.used else "",
            it.name,
            it.head,
            "" if it.lag_s is None else f"{it.lag_s} s",
            it.solid,
            it.counted,
            it.lowest,
        )
        for it in looks
    ]
    columns = ("", "node", number("head"), number("lag"), number("solid"), number("counted"), number("from"))
    said = [f"{it.name}: {sentence}" for it in looks for sentence in (it.problem, ", ".join(it.faults)) if sentence]
    facts = {"nodes": [msgspec.to_builtins(it) for it in looks], "notes": notes}
    out.show(facts, Table(columns, rows), "\n".join(["", *said, *notes]))
    return first is not None


def _about(settings: Settings) -> Iterable[str]:
    if settings.is_lone:
        yield (
            "One node, not trusted: transfers that other contracts make wait for a second one, or for"
            " COUNTERFOIL_TRON_NODE_TRUSTED=true if it is your own."
        )
    elif len(settings.nodes) == 1:
        yield "One node, and its word is trusted: nothing that its receipts say is checked against another."


def _progress(platform: Platform) -> Iterable[str]:
    solid, waiting = platform.cursors.load(SOLID), platform.cursors.load(ONE_NODE)
    if solid is not None:
        yield f"The scanner has confirmed block {solid.number}."
    if waiting is not None and waiting.number:
        yield f"{counted(waiting.number, 'solid block')} with transfers that only one node shows: not credited (one_node)."


def _look(name: str, node: Node, known: Producers, *, lag_s_max: int, needed: int | None) -> Look:
    """`needed` is the block that the scanner reads next."""
    look = Look(name=name)
    try:
        head = node.head()
        look.head, look.lag_s = head.number, max(0, round(time.time() - head.timestamp_ms / 1000))
        look.solid = node.solid().number
        look.counted = _counted(node, head, known)
        look.lowest = lowest_block(node, look.solid)
    except Unavailable as error:
        look.problem = str(error)
        return look
    if look.lag_s > lag_s_max:
        look.problem = f"it {behind(look.lag_s, head.number, None)}"
    elif needed is not None and look.lowest > needed:
        look.problem = f"it {lacks_blocks(look.lowest, needed)}"
    elif look.counted is not None and look.solid > look.counted + 1:
        look.problem = f"it calls block {look.solid} solid, and its blocks show {look.counted}"
    return look


def _counted(node: Node, head: BlockRef, known: Producers) -> int | None:
    """What the signatures below this head show; None where so few blocks do not say."""
    linked: list[Seen] = []
    above = None
    for height in range(head.number, max(0, head.number - READ_MAX), -1):
        block = node.block(height)
        if block is None:
            return None
        check_block(block)
        known.check(block)
        if above is not None and above.parent_id != block.ref.block_id:
            return None  # it changed to another branch meanwhile
        above = block.ref
        linked.insert(0, Seen(height, block.ref.block_id, (), block.witness))
        if shown := known.solid(linked):
            return shown
    return None


def command(*, json: Json = False, data: Data = None) -> bool:
    """Each node: its head and lag, what it calls solid and what its blocks show, its first block; exit 1 if none is well."""
    return show_nodes(settings_with(data=data), Output(as_json=json))
