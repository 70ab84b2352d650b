"""Running one process: its platform, its steps in the loop, its traces and numbers, and what its end leaves behind."""

import logging
import multiprocessing
import socket
import threading
from collections.abc import Callable
from typing import Final

import psycopg

from core.ports.unavailable import Unavailable
from gateways.postgres.append import EVENTS_CHANNEL
from gateways.postgres.connections import conninfo_of
from gateways.postgres.logins import must_be_itself
from gateways.postgres.migrate import SchemaMismatch, check
from gateways.postgres.roles import READER
from gateways.processes.heartbeat import Heartbeat
from gateways.processes.loop import NotifyWait, Rest, TimedWait, keep_loaded, run, run_side_by_side, stop_on_signals
from gateways.processes.process import Process
from gateways.processes.registry import PROCESSES
from gateways.processes.waits import Waits
from gateways.settings import Settings
from gateways.telemetry.alarm_log import alarm_name
from gateways.telemetry.life_signs import LifeSign, folder_of
from gateways.telemetry.logs import configure
from gateways.telemetry.tracing import open_tracing
from gateways.user_error import NotReady, UserError
from gateways.wiring.audited import audited, run_noted
from gateways.wiring.counted import counted
from gateways.wiring.opened import open_platform
from gateways.wiring.own_database import is_shared
from gateways.wiring.platform import Platform
from gateways.wiring.traced import traced
from projections.engine.outages import is_outage

log = logging.getLogger(__name__)

FIT_FIRST_S: Final = 1.0
FIT_MAX_S: Final = 15.0
"""Between two looks whether program and database fit each other."""
AT_QUEUE_IDLE_S: Final = 0.01
"""A step that has waited at its queue needs no rest."""
START_PAUSE_FIRST_S: Final = 0.5
START_PAUSE_MAX_S: Final = 10.0


def run_process(name: str, settings: Settings) -> None:
    """One process in the foreground until SIGTERM. Raises UserError for a name that is none, or a login that is not its own."""
    if name not in PROCESSES:
        raise UserError(f"there is no process {name!r}: choose one of {', '.join(PROCESSES)}")
    multiprocessing.current_process().name = name
    configure(settings.log_level, name)
    process = PROCESSES[name]
    with open_platform(settings, process.role) as platform:
        is_shared(settings, platform.logins)
        if _wait_until_it_fits(process, platform):
            for role in {process.role, *process.access.logins}:
                must_be_itself(platform.logins[role], role)
            run_with(name, platform)


def _wait_until_it_fits(process: Process, platform: Platform) -> bool:
    """Returns when this program works on the database: migrations may be on their way, or this program. False: told to stop.

    Whoever started it would start it again: what is told at once is only why.
    """
    stop, sign = threading.Event(), LifeSign(folder_of(platform.settings.pulse), process.name)
    waits, pause_s = Waits(process.name, platform.alarm), FIT_FIRST_S
    while True:
        try:
            check(conninfo_of(platform.logins[process.role]))
        except SchemaMismatch as error:
            stop_on_signals(stop)
            waits.begin(0, error)
            sign.renew(f"{process.name} waits: {error}")
            log.warning("%s; looking again in %.0f s", error, pause_s)
        else:
            return True
        if stop.wait(pause_s):
            return False
        pause_s = min(2 * pause_s, FIT_MAX_S)


def run_patiently(name: str, settings: Settings, attempt: Callable[[], None], rest: Callable[[float], None]) -> None:
    """`attempt` opens the process' platform and runs it. What does not answer at its start is waited for, by `rest` of so
    many seconds, and stands in the sign of life: an outage is no end of a process, and rings as itself.
    """
    sign = LifeSign(folder_of(settings.pulse), name)
    pause_s = START_PAUSE_FIRST_S
    while True:
        try:
            attempt()
            return
        except (Unavailable, NotReady, psycopg.Error) as error:
            if isinstance(error, psycopg.Error) and not is_outage(error):
                raise
            log.warning("%s cannot begin: %s; trying again in %.1f s", name, error, pause_s)
            sign.renew(f"{name} cannot begin: {error}")
        rest(pause_s)
        pause_s = min(2 * pause_s, START_PAUSE_MAX_S)


def run_with(name: str, platform: Platform, listening: socket.socket | None = None) -> None:
    """Run a process on an open platform until it is told to stop. A defect that ends it raises an alarm of its name.

    One that serves does so on the socket that is `listening` for it, if any.
    """
    process = PROCESSES[name]
    configure(platform.settings.log_level, name)
    try:
        settings, numbers = platform.settings, platform.numbers
        with (
            open_tracing(settings, platform.store, name) as tracing,
            numbers.served(settings.metrics_host, settings.metrics_port),
        ):
            acting = platform if process.serve is not None else audited(platform, name)
            with run_noted(platform, name):
                _run(process, traced(acting, process.role, tracing), listening)
    except (Unavailable, NotReady):
        raise
    except Exception as error:
        platform.alarm(alarm_name(error), f"{name} has stopped: {error}")
        raise


def _run(process: Process, platform: Platform, listening: socket.socket | None) -> None:
    heartbeat = Heartbeat(process.name, platform.logins[process.role], platform.alarm)
    heartbeat.beat()  # before any thread: one that ends as soon as it has begun is seen to begin again and again
    keep_loaded()
    if process.serve is not None:
        with heartbeat.going_on():
            process.serve(platform, listening)
        return
    assert process.steps is not None
    sign = LifeSign(folder_of(platform.settings.pulse), process.name)
    stop = threading.Event()
    stop_on_signals(stop)
    steps = [
        platform.numbers.step(step) for step in process.steps(counted(platform, process.name, process.access.receives))
    ]
    if platform.tracing is not None:
        steps = [platform.tracing.step(step) for step in steps]
    rest: Rest = TimedWait(stop)
    if process.follows_events:
        rest = NotifyWait(platform.logins[READER], [EVENTS_CHANNEL], stop)
    waits = Waits(process.name, platform.alarm)

    def on_round() -> None:
        sign.renew(waits.sentence())
        heartbeat.note(waits.newer())

    idle_s = process.idle_s if platform.settings.network == "devnet" else process.public_idle_s
    with sign.ending(), heartbeat.going_on():
        if process.waits_at_queues and platform.settings.mode == "aws":
            run_side_by_side(steps, stop, idle_s=AT_QUEUE_IDLE_S, on_round=on_round, waits=waits)
        else:
            run(steps, rest, stop, idle_s=idle_s, on_round=on_round, waits=waits)
