"""Every process on one machine: prepare the folder, start the database and the chain, then supervise until it is stopped."""

import contextlib
import fcntl
import importlib
import itertools
import logging
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import psycopg
from pydantic import SecretStr

from gateways.embedded.secrets_file import SecretsFile, load_or_create
from gateways.postgres.connections import conninfo_of
from gateways.postgres.database import Database
from gateways.postgres.migrate import migrate
from gateways.postgres.roles import OBSERVER, READER
from gateways.processes.loop import stop_on_signals
from gateways.processes.registry import PROCESSES
from gateways.processes.run import run_with
from gateways.processes.running import announced, find
from gateways.processes.supervisor import Supervisor
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError
from gateways.wiring.leash import OWN, must_be_limited
from gateways.wiring.opened import check_chain, open_database, open_platform, operator_key, refuse_one_node
from signers.keys.keystore import DEPOSIT_SEED, GAS, HOT, Keystore

READY_S: Final = 60.0
FIRST_ADDRESS_S: Final = 15.0
"""So long the first start waits for a deposit address to give out; a signer that cannot make any is no reason to stop."""
_ANY_ADDRESS: Final = "SELECT EXISTS (SELECT FROM addresses WHERE wallet = 'payin')"

LOCK: Final = "up.lock"
SIGNS: Final = "pulse"
LOOKS_BETWEEN: Final = 10
"""The server is looked at every so many looks at the processes, and where it cannot be started less and less often."""
LOOKS_BETWEEN_MAX: Final = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class World:
    """What runs, and where it answers."""

    settings: Settings
    database: Database
    api_url: str
    operator_key: str
    devnet_url: str | None


def run(
    settings: Settings,
    say: Callable[[str], None],
    *,
    devnet_port: int,
    block_ms: int,
    devnet_grpc_port: int | None = None,
) -> None:
    """`counterfoil up`: start, say where things are, and stay until SIGINT or SIGTERM."""
    refuse_one_node(settings)
    must_be_limited(settings)
    stop = threading.Event()
    stop_on_signals(stop)
    with contextlib.ExitStack() as ending:
        ending.enter_context(alone(settings.data))
        settings = settings.model_copy(update={"pulse": _signs(settings)})
        supervisor = Supervisor(settings.data / "logs", settings.pulse)
        ending.callback(signal.signal, signal.SIGINT, signal.SIG_DFL)
        world = start(
            settings,
            supervisor,
            ending,
            devnet_port=devnet_port,
            block_ms=block_ms,
            devnet_grpc_port=devnet_grpc_port,
        )
        ending.enter_context(announced(world.settings, world.api_url, world.devnet_url))
        wait_until_ready(world, stop)
        say(_introduction(world))
        supervisor.watch(stop, _server_kept(world.database))
        say("stopping ...")


@contextlib.contextmanager
def alone(data: Path) -> Iterator[None]:
    """The folder is this process' own until the end of the block. Raises UserError at once where another `up` has it."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / LOCK).open("a+", encoding="utf-8") as file:
        try:
            # A lock of the process, not of the open file: the processes that are forked do not hold it on.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            running = find(data)
            where = f" at {running.api_url}, process {running.pid}" if running is not None else ""
            raise UserError(
                f"another `counterfoil up` runs in {data}{where}: stop it first, or choose another folder with --data"
            ) from error
        yield


def _signs(settings: Settings) -> Path:
    """Where the processes leave a sign of life; nobody's of an earlier start."""
    signs = settings.pulse if settings.pulse != Path("") else settings.data / SIGNS
    signs.mkdir(parents=True, exist_ok=True)
    for name in ("devnet", *PROCESSES):  # nothing else: the folder may be one that is used for more
        (signs / name).unlink(missing_ok=True)
    return signs


def _server_kept(database: Database) -> Callable[[], None]:
    """What starts a server of ours again when it has ended, whoever ended it."""
    server, looks = database.server, itertools.count()
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
) -> World:
    """Database, migrations, keystore, chain, processes, in this order; `ending` stops them in reverse, whatever happens.

    Children are forked before any thread is made. With a `devnet_grpc_port`, 0 for a free one, the devnet serves gRPC there,
    and blocks are read by it.
    """
    importlib.import_module("gateways.http.app")  # once here, for all the children
    settings.data.mkdir(parents=True, exist_ok=True)
    settings = _with_free_port(settings)
    devnet_url = None
    devnet_port = devnet_port or free_port()
    if settings.network == "devnet" and not settings.tron_node_url:
        devnet_url = f"http://127.0.0.1:{devnet_port}"
        settings = settings.model_copy(update={"tron_node_url": devnet_url})
        if devnet_grpc_port is not None:
            devnet_grpc_port = devnet_grpc_port or free_port()
            grpc_url = f"grpc://127.0.0.1:{devnet_grpc_port}"
            settings = settings.model_copy(update={"tron_grpc_url": grpc_url, "tron_grpc_solidity_url": grpc_url})
    if settings.mode == "embedded":
        settings = _with_keystore(settings, load_or_create(settings.data / "secrets.json"))
    database = open_database(settings)
    if database.server is not None:
        ending.callback(database.server.stop)
    ending.callback(supervisor.stop)
    migrate(conninfo_of(database.owner_url), database.passwords())
    operator = operator_key(settings)
    settings = settings.model_copy(update={"operator_api_key": SecretStr(operator)})
    if devnet_url is not None:
        supervisor.start("devnet", _devnet(devnet_port, block_ms, settings.data / "devnet", devnet_grpc_port))
        wait_for(f"{devnet_url}/wallet/getnowblock", "the devnet")
    else:
        with open_platform(settings, OBSERVER, database) as platform:
            check_chain(platform)
    for number, process in enumerate(PROCESSES.values()):
        port = settings.metrics_port and settings.metrics_port + number
        own = settings.model_copy(update={"metrics_port": port})
        supervisor.start(process.name, _process(process.name, own, database))
    api_url = f"http://{settings.http_host}:{settings.http_port}"
    return World(settings, database, api_url, operator, devnet_url)


def wait_until_ready(world: World, stop: threading.Event | None = None) -> None:
    """Returns when the API answers and has an address for the first who asks. Raises NotReady after a minute."""
    # Not /readyz: views and scanner may have hours to catch up with after a rest, and that is no reason to stop.
    wait_for(f"{world.api_url}/healthz", "the API", stop)
    deadline = time.monotonic() + FIRST_ADDRESS_S
    with psycopg.connect(world.database.url(READER), autocommit=True) as conn:
        while time.monotonic() < deadline and not (stop is not None and stop.is_set()):
            if conn.execute(_ANY_ADDRESS).fetchone() == (True,):
                return
            time.sleep(0.05)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _introduction(world: World) -> str:
    where = [
        f"API           {world.api_url}",
        f"docs          {world.api_url}/docs",
        f"operator key  {world.operator_key}",
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
    return "\n".join([*where, "Ctrl-C stops everything; nothing is lost."])


def _with_free_port(settings: Settings) -> Settings:
    return settings if settings.http_port else settings.model_copy(update={"http_port": free_port()})


def _with_keystore(settings: Settings, kept: SecretsFile) -> Settings:
    """Make the keystore at the first start. Away from the devnet, its passphrase must be the operator's own."""
    passphrase = settings.passphrase()
    if not passphrase and settings.network == "devnet":
        passphrase = kept.keystore_passphrase
    if not passphrase:
        raise UserError(
            "a keystore for real coins needs a passphrase of yours: set COUNTERFOIL_KEYSTORE_PASSPHRASE,"
            " or COUNTERFOIL_KEYSTORE_PASSPHRASE_FILE to a file that holds it"
        )
    if not settings.keystore_path.exists():
        new = {
            HOT: secrets.token_bytes(32),
            GAS: secrets.token_bytes(32),
            DEPOSIT_SEED: secrets.token_bytes(64),
        }
        Keystore.create(settings.keystore_path, passphrase, new)
    opened = {"keystore_passphrase": SecretStr(passphrase), "keystore_passphrase_file": Path("")}
    return settings.model_copy(update=opened)


def _devnet(port: int, block_ms: int, data: Path, grpc_port: int | None) -> Callable[[], None]:
    def target() -> None:
        from gateways.devnet.node import Config
        from gateways.devnet.server import Devnet

        Devnet(Config(port, block_ms, data, grpc_port=grpc_port)).run()

    return target


def _process(name: str, settings: Settings, database: Database) -> Callable[[], None]:
    process = PROCESSES[name]
    if "KEYSTORE_PASSPHRASE" not in process.needs:  # only the signers can open the keystore
        settings = settings.model_copy(update={"keystore_passphrase": SecretStr("")})
    if "SIGNER_PAYOUT_MAX" not in process.needs:
        settings = settings.model_copy(update={name: Settings.model_fields[name].default for name in OWN})

    def target() -> None:
        with open_platform(settings, process.role, database._replace(owner_url="")) as platform:
            run_with(name, platform)

    return target


def wait_for(url: str, what: str, stop: threading.Event | None = None) -> None:
    deadline = time.monotonic() + READY_S
    said = "it does not answer"
    with httpx2.Client(timeout=5) as client:
        while time.monotonic() < deadline and not (stop is not None and stop.is_set()):
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
