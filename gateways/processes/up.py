"""Every process on one machine: prepare the folder, start the database and the chain, then supervise until it is stopped."""

import contextlib
import fcntl
import importlib
import itertools
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import httpx2
import psycopg

from gateways.postgres.roles import READER
from gateways.postgres.server import EmbeddedPostgres, stop_server
from gateways.processes.confinement.apart import Stopped, apart
from gateways.processes.confinement.given import NOTHING, Given
from gateways.processes.confinement.hardened import harden
from gateways.processes.confinement.own_users import DEVNET, NotPossible, become, take_users
from gateways.processes.confinement.shares import Share, fetch, settings_held
from gateways.processes.loop import stop_on_signals
from gateways.processes.process import Process
from gateways.processes.registry import PROCESSES
from gateways.processes.run import run_patiently, run_with
from gateways.processes.running import announced, find
from gateways.processes.signers_apart import hand_over, signers
from gateways.processes.start.ports import Ports, must_be_free
from gateways.processes.start.preparation import prepare
from gateways.processes.supervisor import Child, Supervisor
from gateways.settings import Settings
from gateways.user_error import CannotBegin, NotReady
from gateways.wiring.audited import LOOPBACK
from gateways.wiring.leash import must_be_limited, withheld
from gateways.wiring.opened import (
    held_platform,
    open_database,
    open_platform,
    operator_key,
    refuse_archive_in_data,
    refuse_one_node,
)
from gateways.wiring.own_database import ADDRESSES

READY_S: Final = 60.0
BEGINS_S: Final = 15.0
"""So long the first start waits for a deposit address to give out and for the first block that is read; a signer or a node that
cannot give any is no reason to stop. A store that is or was doubted may never give one out: nobody waits for it."""
NOT_BEGUN: Final = (
    "no deposit address can be given out yet, or no block was read: it goes on by itself, /readyz says why not"
)
_HAS_BEGUN: Final = """
SELECT EXISTS (SELECT FROM addresses WHERE wallet = 'payin') AND EXISTS (SELECT FROM chain_cursors WHERE id = 'solid')
   AND (address_door_is_open() OR EXISTS (SELECT FROM events WHERE originator_id = 'store' AND topic LIKE 'store.is-older/%'))
"""

LOCK: Final = "up.lock"
SIGNS: Final = "pulse"
LOOKS_BETWEEN: Final = 10
"""The server is looked at every so many looks at the processes, and where it cannot be started less and less often."""
LOOKS_BETWEEN_MAX: Final = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class World:
    """What runs, and where it answers. No secret is in it: whoever needs one reads it in a process that ends with it."""

    settings: Settings
    given: Given
    server: EmbeddedPostgres | None
    api_url: str
    devnet_url: str | None
    warnings: tuple[str, ...]
    """What is not well and holds nothing up."""
    api: Child


def run(
    settings: Settings,
    say: Callable[[str], None],
    *,
    devnet_port: int,
    block_ms: int,
    devnet_grpc_port: int | None = None,
    given: Given = NOTHING,
    signs: bool = True,
) -> None:
    """`counterfoil up`: start, say where things are, and stay until SIGINT or SIGTERM. `settings` have no secrets.

    Nothing is said before everything was tried: folder, ports, keys, database, nodes. Without `signs`, the signers are run
    elsewhere, and find in DATA/signers what they need. Raises CannotBegin, UserError, Unavailable.
    """
    refuse_one_node(settings)
    refuse_archive_in_data(settings)
    must_be_limited(settings)
    harden()
    stop = threading.Event()
    stop_on_signals(stop)
    with contextlib.ExitStack() as ending:
        ending.enter_context(alone(settings.data))
        settings = settings.model_copy(update={"pulse": _signs(settings)})
        ending.callback(_forget, settings.pulse)
        supervisor = Supervisor(settings.data / "logs", settings.pulse)
        ending.callback(signal.signal, signal.SIGINT, signal.SIG_DFL)
        world = start(
            settings,
            supervisor,
            ending,
            devnet_port=devnet_port,
            block_ms=block_ms,
            devnet_grpc_port=devnet_grpc_port,
            given=given,
            signs=signs,
        )
        ending.enter_context(announced(world.settings, world.api_url, world.devnet_url, given))
        with contextlib.suppress(Stopped):
            if not wait_until_ready(world, stop):
                world = replace(world, warnings=(*world.warnings, NOT_BEGUN))
        with contextlib.suppress(Stopped):
            apart(partial(_introduce, world, say), stop)
        supervisor.watch(stop, _server_kept(world.server))
        say("stopping ...")


@contextlib.contextmanager
def alone(data: Path) -> Iterator[None]:
    """The folder is this process' own until the end of the block. Raises CannotBegin where it cannot be, or another has it."""
    with contextlib.ExitStack() as closing:
        try:
            data.mkdir(parents=True, exist_ok=True)
            file = closing.enter_context((data / LOCK).open("a+", encoding="utf-8"))
        except OSError as error:
            raise CannotBegin(
                f"the folder {data} cannot be used ({error.strerror}): give it to this user, or choose another with --data"
            ) from error
        try:
            # A lock of the process, not of the open file: the processes that are forked do not hold it on.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            running = find(data)
            where = f" at {running.api_url}, process {running.pid}" if running is not None else ""
            raise CannotBegin(
                f"another `counterfoil up` runs in {data}{where}: stop it first, or choose another folder with --data"
            ) from error
        yield


def _signs(settings: Settings) -> Path:
    """Where the processes leave a sign of life; nobody's of an earlier start."""
    signs = settings.pulse if settings.pulse != Path("") else settings.data / SIGNS
    signs.mkdir(parents=True, exist_ok=True)
    _forget(signs)
    return signs


def _forget(signs: Path) -> None:
    for name in (DEVNET, *PROCESSES):  # nothing else: the folder may be one that is used for more
        (signs / name).unlink(missing_ok=True)


def _server_kept(server: EmbeddedPostgres | None) -> Callable[[], None]:
    """What starts a server of ours again when it has ended, whoever ended it."""
    looks = itertools.count()
    due, pause = 0, LOOKS_BETWEEN
    down = False

    def keep() -> None:
        nonlocal due, pause, down
        look = next(looks)
        if server is None or look < due:
            return
        due = look + LOOKS_BETWEEN
        if server.runs:
            pause, down = LOOKS_BETWEEN, False
            return
        if not down:
            log.error("ALARM database_down: Postgres has ended; starting it again")
        down = True
        try:
            server.ensure_running(patience_s=0)  # the processes are looked after, too
        except Exception as error:  # a later look tries again: what ended it may last
            due, pause = look + pause, min(2 * pause, LOOKS_BETWEEN_MAX)
            log.error("Postgres could not be started, and is tried again: %s", error)

    return keep


def start(
    settings: Settings,
    supervisor: Supervisor,
    ending: contextlib.ExitStack,
    *,
    devnet_port: int,
    block_ms: int,
    devnet_grpc_port: int | None = None,
    given: Given = NOTHING,
    signs: bool = True,
) -> World:
    """Ports, keys, database, migrations, chain, processes, in this order; `ending` stops them in reverse, whatever happens.

    Children are forked before any thread is made. With a `devnet_grpc_port`, 0 for a free one, the devnet serves gRPC there,
    and blocks are read by it.
    """
    ports = Ports()
    ending.callback(ports.close)
    settings, devnet_url, devnet_grpc_port = _with_ports(settings, ports, devnet_port, devnet_grpc_port)
    importlib.import_module("gateways.http.app")  # once here, for all the children
    ours = settings.mode == "embedded" and not any(given.has(name, settings) for name in ADDRESSES)
    if ours:
        ending.callback(stop_server, _postgres(settings))
    warnings = apart(partial(prepare, settings, given, own_chain=devnet_url is not None, signs=signs))
    server = EmbeddedPostgres(_postgres(settings), guarded=False) if ours else None
    users = _users(settings, server) if signs else {}
    ending.callback(supervisor.stop)
    if devnet_url is not None:
        port = int(devnet_url.rpartition(":")[2])
        devnet = _devnet(ports, port, block_ms, settings.data / DEVNET, devnet_grpc_port)
        supervisor.start(DEVNET, devnet, partial(_alone, given, users.get(DEVNET)))
        ports.let_go(DEVNET)
        wait_for(f"{devnet_url}/wallet/getnowblock", "the devnet", child=supervisor.children[DEVNET])
    if not signs:
        hand_over(settings, given, server)
    for number, process in enumerate(PROCESSES.values()):
        if process in signers() and not signs:
            continue
        port = settings.metrics_port and settings.metrics_port + number
        kept = {name: Settings.model_fields[name].default for name in withheld(process.needs)}
        own = settings.model_copy(update={"metrics_port": port, **kept})
        each = OneProcess(process, own, given, server, users.get(process.name), ports)
        supervisor.start(process.name, each.run, each.take_share)
    ports.close()
    api_url = f"http://{settings.http_host}:{settings.http_port}"
    return World(settings, given, server, api_url, devnet_url, tuple(warnings), supervisor.children["api"])


def _with_ports(
    settings: Settings, ports: Ports, devnet_port: int, devnet_grpc_port: int | None
) -> tuple[Settings, str | None, int | None]:
    """Every port is taken, or seen to be free -> the settings with them, the devnet's URL if it is ours, its port for gRPC.

    Raises CannotBegin.
    """
    http_port = ports.take(
        "api", settings.http_host, settings.http_port, "COUNTERFOIL_HTTP_PORT or COUNTERFOIL_HTTP_HOST"
    )
    settings = settings.model_copy(update={"http_port": http_port})
    for number, process in enumerate(PROCESSES.values() if settings.metrics_port else ()):
        what = f"COUNTERFOIL_METRICS_PORT ({process.name} has it plus {number})"
        must_be_free(settings.metrics_host, settings.metrics_port + number, what)
    if settings.network != "devnet" or settings.tron_node_url:
        return settings, None, None
    devnet_url = f"http://{LOOPBACK}:{ports.take(DEVNET, LOOPBACK, devnet_port, '--devnet-port')}"
    settings = settings.model_copy(update={"tron_node_url": devnet_url})
    if devnet_grpc_port is not None:
        must_be_free(LOOPBACK, devnet_grpc_port, "--devnet-grpc-port")
        devnet_grpc_port = devnet_grpc_port or free_port()
        grpc_url = f"grpc://{LOOPBACK}:{devnet_grpc_port}"
        settings = settings.model_copy(update={"tron_grpc_url": grpc_url, "tron_grpc_solidity_url": grpc_url})
    return settings, devnet_url, devnet_grpc_port


class OneProcess:
    """What is run in a fork of this one: first it takes its share of the secrets, then it works with those alone."""

    def __init__(
        self,
        process: Process,
        settings: Settings,
        given: Given,
        server: EmbeddedPostgres | None,
        user: int | None,
        ports: Ports,
    ) -> None:
        """`settings` have no secrets. `user` is the OS user that it becomes."""
        self._process = process
        self._settings = settings
        self._given = given
        self._server = server
        self._user = user
        self._ports = ports
        self._share: Share | None = None

    def take_share(self) -> None:
        """In the new process, while it has one thread. On AWS each secret is asked for where it is used."""
        self._ports.of(self._process.name)
        if self._settings.mode == "embedded":
            self._share = fetch(self._process, self._settings, self._given, self._server)
        else:
            self._settings = self._given.settings(self._settings, settings_held(self._process, on_aws=True))
        _alone(self._given, self._user)

    def run(self) -> None:
        """Until it is told to stop."""
        run_patiently(self._process.name, self._settings, self._run, time.sleep)

    def _run(self) -> None:
        if self._share is None:
            platform = open_platform(self._settings, self._process.role)
        else:
            settings, share = self._share.open_settings(self._settings), self._share
            settings = settings.model_copy(update={"keystore_passphrase_file": Path("")})
            platform = held_platform(settings, share.secrets, share.logins, self._process.role)
        with platform as opened:
            run_with(self._process.name, opened, self._ports.of(self._process.name))


def _users(settings: Settings, server: EmbeddedPostgres | None) -> Mapping[str, int]:
    try:
        return take_users(settings, server.socket if server is not None else None)
    except NotPossible as error:
        log.warning("all processes run as root, and one that is taken over is root, too: %s", error)
        return {}


def _alone(given: Given, user: int | None) -> None:
    """A new process lets go of what the others were given, and of root's rights."""
    given.close()
    if user is not None:
        become(user)


def _postgres(settings: Settings) -> Path:
    return settings.data.resolve() / "postgres"


def wait_until_ready(world: World, stop: threading.Event | None = None) -> bool:
    """Returns when the API answers -> whether it has an address for the first who asks, and coins that come now are seen.

    Raises NotReady after a minute, CannotBegin, Stopped.
    """
    # Not /readyz: views and scanner may have hours to catch up with after a rest, and that is no reason to stop.
    wait_for(f"{world.api_url}/healthz", "the API", stop, world.api)
    return apart(lambda: wait_for_begin(open_database(world.given.settings(world.settings)).url(READER)), stop)


def wait_for_begin(login: str) -> bool:
    """Whether there is a deposit address to give out and the scanner has a place in the chain, at once or within a moment."""
    deadline = time.monotonic() + BEGINS_S
    with psycopg.connect(login, autocommit=True) as conn:
        while time.monotonic() < deadline:
            if conn.execute(_HAS_BEGUN).fetchone() == (True,):
                return True
            time.sleep(0.05)
    return False


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _introduce(world: World, say: Callable[[str], None]) -> None:
    say(_introduction(world, operator_key(world.given.settings(world.settings))))


def _introduction(world: World, operator: str) -> str:
    where = [
        f"API           {world.api_url}",
        f"docs          {world.api_url}/docs",
        f"operator key  {operator}",
    ]
    if world.devnet_url:
        where += [
            f"devnet        {world.devnet_url}",
            f"coins         POST {world.devnet_url}/devnet/faucet",
        ]
        if world.settings.tron_grpc_url:
            where.append(f"gRPC          {world.settings.tron_grpc_url}")
    where += [
        f"data          {world.settings.data}",
        f"logs          {world.settings.data / 'logs'}",
    ]
    where += [f"warning       {said}" for said in world.warnings]
    return "\n".join([*where, "Ctrl-C stops everything; nothing is lost."])


def _devnet(ports: Ports, port: int, block_ms: int, data: Path, grpc_port: int | None) -> Callable[[], None]:
    def target() -> None:
        from gateways.devnet.node import Config
        from gateways.devnet.server import Devnet

        Devnet(Config(port, block_ms, data, grpc_port=grpc_port), ports.of(DEVNET)).run()

    return target


def wait_for(url: str, what: str, stop: threading.Event | None = None, child: Child | None = None) -> None:
    """Until `url` answers 200. Raises NotReady after a minute, CannotBegin where the `child` that is to answer has ended."""
    deadline = time.monotonic() + READY_S
    said = "it does not answer"
    with httpx2.Client(timeout=5) as client:
        while time.monotonic() < deadline and not (stop is not None and stop.is_set()):
            if child is not None and not child.alive:
                raise CannotBegin(f"{what} has ended: {child.last_word()}")
            try:
                answer = client.get(url)
                if answer.status_code == 200:
                    return
                said = answer.text[:300]
            except httpx2.TransportError as error:
                said = str(error)
            time.sleep(0.05)
    if stop is not None and stop.is_set():
        return
    raise NotReady(f"{what} was not ready at {url} within {READY_S:.0f} s: {said}")
