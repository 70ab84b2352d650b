"""Every process there is: its name, what it does, which settings it needs, and the steps or the server it runs.

This list serves `counterfoil run`, `counterfoil up` and the documentation; nothing else names processes.
"""

import importlib
import multiprocessing
import os
import secrets
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from core.ports import Unavailable
from core.tron import SUN_PER_TRX
from gateways.alarms import alarm_name
from gateways.aws.names import DEPOSIT_EVENTS, PAYOUT_REQUESTS
from gateways.batch import EVENTS_CHANNEL
from gateways.embedded.connections import conninfo_of
from gateways.keys import deposit_addresses, open_keys, register
from gateways.loop import Clockwork, Doorbell, Rest, Step, keep_loaded, run, run_side_by_side, stop_on_signals
from gateways.migrate import check
from gateways.platform import Platform, open_platform
from gateways.postgres import PostgresEventStore, datastore
from gateways.pulse import Pulse, folder_of
from gateways.roles import API, CHECKPOINTER, OBSERVER, PROJECTOR, READER, RECORDER, RELAY, SIGNER, WEBHOOKS
from gateways.settings import GENESIS_IDS, Settings
from gateways.telemetry.counted import counted
from gateways.telemetry.logs import configure
from gateways.telemetry.traced import traced
from gateways.telemetry.tracing import open_tracing
from gateways.trail import audited, rebuilds_noted, run_noted
from gateways.tron_node import check_network
from gateways.user_error import UserError

if TYPE_CHECKING:
    from scanners.observer import Observer

_DATABASE: Final = ("DATABASE_URL",)
_NODE: Final = ("NETWORK", "TRON_NODE_URL", "USDT_CONTRACT")
_KEYS: Final = ("KEYSTORE", "KEYSTORE_PASSPHRASE")


AT_QUEUE_IDLE_S: Final = 0.01
"""A step that has waited at its queue needs no rest."""


@dataclass(frozen=True)
class Process:
    """A process: `steps` gives what its loop calls; the API serves instead."""

    name: str
    summary: str
    role: str
    """Its database login, which bounds what it may write (I14)."""
    needs: tuple[str, ...]
    steps: Callable[[Platform], Sequence[Step]] | None = None
    follows_events: bool = False
    """Woken by new events; the others rest for a while when they had nothing to do."""
    idle_s: float = 0.25
    public_idle_s: float = 0.25
    """The rest where every look is a question to a public node, whose blocks come every 3 s."""
    waits_at_queues: bool = False
    """On AWS its steps wait for messages, each at its own queue, and are not woken otherwise."""


def _relay(platform: Platform) -> Sequence[Step]:
    from gateways.relay import Relay, Sends, SendsAtOnce
    from projections import VIEWS

    projectors: Sequence[Sends] = [platform.queues[f"project-{view}"] for view in VIEWS]
    if platform.settings.mode == "aws":  # where each call is a journey over the network
        projectors = [SendsAtOnce(projectors)]
    queues = projectors, platform.queues[PAYOUT_REQUESTS]
    return [Relay(platform.store, platform.bookmarks, *queues, platform.segments).step]


def _observe(platform: Platform) -> Sequence[Step]:
    check_chain(platform)
    return [platform.node.on_one(observer(platform).step)]


def observer(platform: Platform) -> "Observer":
    """The observer of this platform, for its process and for `counterfoil scan`."""
    from scanners.observer import Observer
    from scanners.producers import Producers

    settings = platform.settings
    return Observer(
        platform.node,
        platform.queues[DEPOSIT_EVENTS],
        platform.cursors,
        platform.pool,
        platform.solid_log,
        platform.outstanding,
        usdt=settings.usdt.evm,
        key=platform.secrets.deposit_fact_keys,
        announce_min_minor=settings.payin_min_minor,
        producers=Producers(platform.node),
        opinion=platform.node,
    )


def _record(platform: Platform) -> Sequence[Step]:
    from scanners.recorder import Recorder

    recorder = Recorder(
        platform.queues[DEPOSIT_EVENTS],
        platform.ledger,
        platform.store,
        platform.attempts,
        platform.outstanding,
        key=platform.secrets.deposit_fact_keys,
        alarm=platform.alarm,
    )
    return [recorder.step]


def _project(platform: Platform) -> Sequence[Step]:
    from projections import VIEWS
    from projections.projector import Projector
    from projections.tracking import ViewTracking

    # The projector's own login: it reads the history and writes views, and can append nothing.
    on_applied = platform.tracing.projected if platform.tracing else lambda *_: None

    def projector(names: Collection[str]) -> Step:
        login = datastore(platform.logins[PROJECTOR])
        queues = {name: platform.queues[f"project-{name}"] for name in names}
        views = [VIEWS[name] for name in names]
        return Projector(views, PostgresEventStore(login), ViewTracking(login), queues, on_applied=on_applied).step

    if platform.settings.mode == "aws":  # each waits at its own queue, which brings it the events
        return [projector([name]) for name in VIEWS]
    return [projector(VIEWS.keys())]


def _rebuild(platform: Platform) -> Sequence[Step]:
    from gateways.rebuilding import NICENESS, Rebuilding

    os.nice(NICENESS)
    return [Rebuilding(platform.logins[PROJECTOR], on_end=rebuilds_noted(platform.audit))]


def check_chain(platform: Platform) -> None:
    """Raises WrongNetwork unless the node's block 0 is the configured network's, and the one this database began with."""
    check_network(platform.node, platform.cursors, GENESIS_IDS.get(platform.settings.network))


def _payouts(platform: Platform) -> Sequence[Step]:
    from signers.hot_wallet import Rules
    from signers.payouts import Payouts

    settings = platform.settings
    check_chain(platform)
    importlib.import_module(
        "tronpy.proto.tron_pb2"
    )  # the second opinion takes a second to load: not at the first payout
    held = open_keys(platform)
    register(platform, held)
    payouts = Payouts(
        platform.ledger,
        platform.store,
        platform.bookmarks,
        platform.queues[PAYOUT_REQUESTS],
        platform.node,
        platform.solid_log,
        platform.pool,
        held.wallet("hot"),
        settings.usdt,
        Rules(
            lifetime_ms=settings.payout_expiration_s * 1000,
            fee_limit_sun_max=settings.fee_limit_max_trx * SUN_PER_TRX,
        ),
        alarm=platform.alarm,
        opinion=platform.node,
    )
    return [platform.node.on_one(payouts.step)]


def _sweeps(platform: Platform) -> Sequence[Step]:
    from gateways.treasury import steps

    check_chain(platform)
    importlib.import_module("tronpy.proto.tron_pb2")
    held = open_keys(platform, deposits=True)
    register(platform, held)
    return [platform.node.on_one(step) for step in steps(platform, held)]


def _addresses(platform: Platform) -> Sequence[Step]:
    held = open_keys(platform, deposits=True)
    register(platform, held)
    return [deposit_addresses(platform, held)]


def _checkpoints(platform: Platform) -> Sequence[Step]:
    from gateways.checkpoint_archive import open_archive
    from gateways.note_keys import open_signer
    from projections.checkpoints import Checkpoints, publish_key

    signer = open_signer(platform.settings, "checkpoints")
    publish_key(platform.transaction, signer.key, "checkpoints")
    checkpoints = Checkpoints(
        platform.transaction,
        signer,
        open_archive(platform.settings),
        platform.bookmarks,
        platform.clock,
        draw_blind=lambda: secrets.token_bytes(32),
        interval_s=platform.settings.checkpoint_interval_s,
    )
    return [checkpoints.step]


def _webhooks(platform: Platform) -> Sequence[Step]:
    from gateways.webhooks import steps

    return steps(platform)


PROCESSES: Final[dict[str, Process]] = {
    process.name: process
    for process in (
        Process("api", "Serves HTTP: commands, queries, docs, metrics.", API, (*_DATABASE, "HTTP_HOST", "HTTP_PORT")),
        Process(
            "relay",
            "Tells projectors and the signer what is new in the history.",
            RELAY,
            _DATABASE,
            _relay,
            follows_events=True,
        ),
        Process(
            "observe",
            "Follows the chain and reports transfers to our addresses.",
            OBSERVER,
            (*_DATABASE, *_NODE),
            _observe,
            public_idle_s=1.5,
        ),
        Process(
            "record",
            "Turns what was observed into events.",
            RECORDER,
            _DATABASE,
            _record,
            idle_s=0.1,
            waits_at_queues=True,
        ),
        Process(
            "project",
            "Keeps every view up with the history.",
            PROJECTOR,
            _DATABASE,
            _project,
            follows_events=True,
            waits_at_queues=True,
        ),
        Process("rebuild", "Builds new versions of views while the old ones serve.", PROJECTOR, _DATABASE, _rebuild),
        Process(
            "payouts",
            "Builds, signs and broadcasts payouts, and sees them through.",
            SIGNER,
            (*_DATABASE, *_NODE, *_KEYS),
            _payouts,
            follows_events=True,
            public_idle_s=1.5,
        ),
        Process(
            "sweeps",
            "Sweeps deposit addresses, and makes the treasury's other transactions.",
            SIGNER,
            (
                *_DATABASE,
                *_NODE,
                *_KEYS,
                "SWEEP_THRESHOLD",
                "SWEEP_INTERVAL_S",
                "HOT_FLOOR",
                "HOT_CEILING",
                "GAS_FLOOR_TRX",
            ),
            _sweeps,
            follows_events=True,
            public_idle_s=3.0,
        ),
        Process(
            "addresses", "Keeps deposit addresses ready.", SIGNER, (*_DATABASE, *_KEYS, "ADDRESS_POOL"), _addresses
        ),
        Process(
            "checkpoints",
            "Signs what the history is at an interval, and keeps it outside the database.",
            CHECKPOINTER,
            (*_DATABASE, "CHECKPOINT_INTERVAL_S", "CHECKPOINT_ARCHIVE", "CHECKPOINT_ORIGIN"),
            _checkpoints,
            idle_s=1.0,
            public_idle_s=1.0,
        ),
        Process("webhooks", "Signs and delivers webhooks.", WEBHOOKS, _DATABASE, _webhooks, follows_events=True),
    )
}


def run_process(name: str, settings: Settings) -> None:
    """One process in the foreground until SIGTERM. Raises UserError for a name that is none."""
    if name not in PROCESSES:
        raise UserError(f"there is no process {name!r}: choose one of {', '.join(PROCESSES)}")
    multiprocessing.current_process().name = name
    with open_platform(settings, PROCESSES[name].role) as platform:
        check(conninfo_of(platform.logins[PROCESSES[name].role]))
        run_with(name, platform)


def run_with(name: str, platform: Platform) -> None:
    """Run a process on an open platform until it is told to stop. A defect that ends it raises an alarm of its name."""
    process = PROCESSES[name]
    configure(platform.settings.log_level, name)
    try:
        settings, numbers = platform.settings, platform.numbers
        with (
            open_tracing(settings, platform.store, name) as tracing,
            numbers.served(settings.metrics_host, settings.metrics_port),
        ):
            acting = platform if process.steps is None else audited(platform, name)
            with run_noted(platform, name):
                _run(process, traced(acting, process.role, tracing))
    except Unavailable:
        raise
    except Exception as error:
        platform.alarm(alarm_name(error), f"{name} has stopped: {error}")
        raise


def _run(process: Process, platform: Platform) -> None:
    pulse = Pulse(folder_of(platform.settings.pulse), process.name)
    if process.steps is None:
        from gateways.http.app import serve

        with pulse.serving(platform.settings.http_host, platform.settings.http_port):
            serve(platform)
        return
    stop = threading.Event()
    stop_on_signals(stop)
    steps = [platform.numbers.step(step) for step in process.steps(counted(platform, process.name))]
    if platform.tracing is not None:
        steps = [platform.tracing.step(step) for step in steps]
    rest: Rest = Clockwork(stop)
    if process.follows_events:
        rest = Doorbell(platform.logins[READER], [EVENTS_CHANNEL], stop)
    idle_s = process.idle_s if platform.settings.network == "devnet" else process.public_idle_s
    keep_loaded()
    with pulse.ending():
        if process.waits_at_queues and platform.settings.mode == "aws":
            run_side_by_side(steps, stop, idle_s=AT_QUEUE_IDLE_S, beat=pulse.beat)
        else:
            run(steps, rest, stop, idle_s=idle_s, beat=pulse.beat)
