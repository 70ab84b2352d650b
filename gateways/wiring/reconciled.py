"""One reconcile of an installation: its books and its chain, compared at a solid block that both have reached, and kept."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import psycopg

from core.ports.unavailable import Unavailable
from gateways.postgres.connections import Connections, Login
from gateways.tron.roster import LAG_S_MAX
from gateways.wiring.ledger_beside_chain import explainer, look_at_chain, wait_for_ledger
from gateways.wiring.opened import check_chain
from gateways.wiring.platform import Platform
from projections.audit.on_chain import OnChain
from projections.audit.reconcile import Reconciliation, reconcile
from scanners.observer import SOLID

CHAIN_WAIT_S: Final = 15.0
"""So long it is looked again where ledger and chain differ, since payouts and sweeps are on their way between them."""
POLL_S: Final = 0.5
SOLID_S: Final = 60
"""A block is solid about a minute after it was made."""
_NOTE: Final = "SELECT note_reconciliation(%s, %s, %s, %s, %s, %s, %s, %s)"


class Reconciled(msgspec.Struct, frozen=True):
    """What was compared, at which solid block, and how old that was then; `notes` are sentences of what to know about it."""

    found: Reconciliation
    block: int | None
    age_s: int | None
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.found.ok

    @property
    def differences(self) -> list[str]:
        """Each with the check that it belongs to."""
        return [f"{check.name}: {said}" for check in self.found.checks for said in check.differences]


class ChainBehind(Unavailable):
    """The node has not come to the block that the history has read: nothing can be held against it yet."""


def reconciled(
    platform: Platform,
    conn: psycopg.Connection[Any],
    asking: Callable[[int, int], None] | None = None,
    replaying: Callable[[int, int], None] | None = None,
    wait_s: float = CHAIN_WAIT_S,
) -> Reconciled:
    """Compare everything; again, for some seconds, where ledger and chain differ: what is on its way is no difference for long.

    Raises WrongNetwork for a node of another network, ChainBehind, Unavailable.
    """
    check_chain(platform)
    deadline = time.monotonic() + wait_s
    while True:
        age_s = _solid_age_s(platform, deadline)
        on_chain = look_at_chain(platform, asking)
        reached = wait_for_ledger(platform, max((each.block_number for each in on_chain), default=0))
        found = reconcile(conn, on_chain, replaying, explainer(platform))
        if found.checks[-1].ok or time.monotonic() > deadline:
            return Reconciled(found, _height(on_chain), age_s, tuple(_notes(platform, age_s, reached=reached)))


def _solid_age_s(platform: Platform, deadline: float) -> int:
    """How old the node's solid block is. Raises ChainBehind for a node that lacks what the history has read already."""
    while True:
        solid, read = platform.node.solid(), platform.cursors.load(SOLID)
        if read is None or solid.number >= read.number:
            return max(0, round(platform.clock().timestamp() - solid.timestamp_ms / 1000))
        if time.monotonic() > deadline:
            raise ChainBehind(
                f"the node's solid block is {solid.number}, and the history has read {read.number} already: nothing is held"
                " against a chain that is behind. Ask another node (COUNTERFOIL_TRON_NODE_URL), or wait until it has caught up"
            )
        time.sleep(POLL_S)


def _height(on_chain: Sequence[OnChain]) -> int | None:
    return min((each.block_number for each in on_chain), default=None)


def _notes(platform: Platform, age_s: int, *, reached: bool) -> list[str]:
    lag_s_max = platform.settings.lag_s_max or LAG_S_MAX
    notes = []
    if age_s > lag_s_max + SOLID_S:
        notes.append(
            f"the node's newest solid block is {age_s} s old: it is behind the network, or a clock is wrong;"
            " what came since is in no comparison"
        )
    if not reached:
        notes.append("the process observe had not read up to the block that the chain was asked at")
    return notes


def keep(login: Login, began: datetime, by: str, it: Reconciled) -> None:
    """Into the table, which /metrics tells from. Raises Unavailable."""
    connections = Connections(login, connections_max=1)
    differences = msgspec.json.encode(it.differences).decode()
    said = " ".join(it.notes)
    try:
        connections.execute(_NOTE, (began, by, it.ok, it.found.position, it.block, it.age_s, said, differences))
    finally:
        connections.close()
