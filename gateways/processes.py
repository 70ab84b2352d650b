"""Every process there is: its name, what it does, which settings it needs, and the steps or the server it runs.

This list serves `counterfoil run`, `counterfoil up` and the documentation; nothing else names processes.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from core.ports import Cursor
from gateways.loop import Clockwork, Doorbell, Rest, Step, run, stop_on_signals
from gateways.migrate import check
from gateways.platform import DEPOSIT_EVENTS, PAYOUT_REQUESTS, Platform, open_platform
from gateways.postgres import EVENTS_CHANNEL
from gateways.settings import GENESIS_IDS, Settings
from gateways.tron_node import WrongNetwork, check_network
from gateways.user_error import UserError

log = logging.getLogger(__name__)

GENESIS: Final = "genesis"
_DATABASE: Final = ("DATABASE_URL",)
_NODE: Final = ("NETWORK", "TRON_NODE_URL", "USDT_CONTRACT")
_KEYS: Final = ("KEYSTORE", "KEYSTORE_PASSPHRASE")


@dataclass(frozen=True)
class Process:
    """A process: `steps` gives what its loop calls; the API serves instead."""

    name: str
    summary: str
    needs: tuple[str, ...]
    steps: Callable[[Platform], Sequence[Step]] | None = None
    follows_events: bool = False
    """Woken by new events; the others rest for a while when they had nothing to do."""
    idle_s: float = 0.25


def _relay(platform: Platform) -> Sequence[Step]:
    from gateways.relay import Relay
    from projections import VIEWS

    projectors = {view: platform.queues[f"project-{view}"] for view in VIEWS}
    return [Relay(platform.store, platform.bookmarks, projectors, platform.queues[PAYOUT_REQUESTS]).step]


def _observe(platform: Platform) -> Sequence[Step]:
    from scanners.observer import Observer

    check_chain(platform)
    return [observer(platform, Observer).step]


def observer(platform: Platform, kind: type) -> "object":
    """The observer of this platform, for its process and for `counterfoil scan`."""
    settings = platform.settings
    return kind(
        platform.node,
        platform.queues[DEPOSIT_EVENTS],
        platform.cursors,
        platform.pool,
        usdt=settings.usdt.evm,
        key=platform.secrets.deposit_fact_key,
        announce_min_minor=settings.payin_min_minor,
    )


def _record(platform: Platform) -> Sequence[Step]:
    from scanners.recorder import Recorder

    recorder = Recorder(
        platform.queues[DEPOSIT_EVENTS],
        platform.ledger,
        platform.store,
        key=platform.secrets.deposit_fact_key,
        alarm=alarm,
    )
    return [recorder.step]


def _project(platform: Platform) -> Sequence[Step]:
    from projections import VIEWS
    from projections.projector import Projector

    return [
        Projector(view, platform.store, platform.queues[f"project-{name}"], platform.projector_url).step
        for name, view in VIEWS.items()
    ]


def alarm(name: str, sentence: str) -> None:
    """Something that a person must look at: an error line that names it, for the log's alarms to count."""
    log.error("ALARM %s: %s", name, sentence)


def check_chain(platform: Platform) -> None:
    """Raises WrongNetwork unless the node's block 0 is the configured network's, and the one this database began with."""
    expected = GENESIS_IDS.get(platform.settings.network)
    check_network(platform.node, expected)
    found = platform.node.genesis_id()
    pinned = platform.cursors.load(GENESIS)
    if pinned is None:
        platform.cursors.save(GENESIS, Cursor(0, found))
    elif pinned.block_id != found:
        raise WrongNetwork(
            f"the node's chain begins with {found}, this database was made with a chain that begins with"
            f" {pinned.block_id}: point COUNTERFOIL_TRON_NODE_URL at that chain, or use a database of its own"
        )


PROCESSES: Final[dict[str, Process]] = {}


def run_process(name: str, settings: Settings) -> None:
    """One process in the foreground until SIGTERM. Raises UserError for a name that is none."""
    if name not in PROCESSES:
        raise UserError(f"there is no process {name!r}: choose one of {', '.join(PROCESSES)}")
    with open_platform(settings) as platform:
        check(platform.owner_url)
        run_with(name, platform)


def run_with(name: str, platform: Platform) -> None:
    """Run a process on an open platform until it is told to stop."""
    process = PROCESSES[name]
    if process.steps is None:
        from gateways.http.app import serve

        serve(platform)
        return
    stop = threading.Event()
    stop_on_signals(stop)
    rest: Rest = Clockwork(stop)
    if process.follows_events:
        rest = Doorbell(platform.reader_url, [EVENTS_CHANNEL], stop)
    run(process.steps(platform), rest, stop, idle_s=process.idle_s)
