"""The signers in a container of their own: what the installation hands over to them, and `up` for them alone.

The installation runs everything else and holds no key of a wallet. In one folder that both see it leaves where its database and
its node answer and the signers' own login; the keystore and its passphrase are where the signers are, and nowhere else.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.server import EmbeddedPostgres
from gateways.private_file import refuse_if_shared, replace_private
from gateways.processes.confinement.apart import apart
from gateways.processes.confinement.given import Given
from gateways.processes.confinement.hardened import harden
from gateways.processes.confinement.shares import Share, fetch, make_keystore, passphrase
from gateways.processes.loop import stop_on_signals
from gateways.processes.process import Process
from gateways.processes.registry import PROCESSES
from gateways.processes.run import run_patiently, run_with
from gateways.processes.running import shared
from gateways.processes.supervisor import Supervisor
from gateways.settings import Settings, load
from gateways.user_error import NotReady
from gateways.wiring.leash import APPROVALS, LIMITS
from gateways.wiring.opened import held_platform

FOLDER: Final = "signers"
_PLACE: Final = "place.json"
_LOGINS: Final = "logins.json"
HANDED_S: Final = 120.0


def signers() -> list[Process]:
    """The processes that open the keystore."""
    return [process for process in PROCESSES.values() if "KEYSTORE_PASSPHRASE" in process.needs]


def hand_over(settings: Settings, given: Given, server: EmbeddedPostgres | None) -> None:
    """Leave for the signers what they need of this installation. `settings` have no secrets."""
    folder = settings.data / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write() -> None:
        logins: dict[str, str] = {}
        for process in signers():
            logins |= fetch(process, settings, given, server).logins
        node_key = given.settings(settings).tron_api_key.get_secret_value()
        replace_private(
            folder / _LOGINS,
            json.dumps({"logins": logins, "settings": {"tron_api_key": node_key} if node_key else {}}).encode(),
        )

    apart(write)
    replace_private(folder / _PLACE, json.dumps(shared(settings)).encode())  # last: who finds it finds the logins, too


def run(settings: Settings, handed: Path, say: Callable[[str], None], given: Given) -> None:
    """`counterfoil up --signers-of FOLDER`: the signers alone, with the keystore in DATA, until SIGINT or SIGTERM."""
    harden()
    stop = threading.Event()
    stop_on_signals(stop)
    place = _place(handed, stop)
    if place is None:
        return
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    # What holds them back is their own, whatever the installation says.
    own = {
        name: getattr(settings, name)
        for name in (
            *LIMITS,
            *APPROVALS,
            "signer_cold_address",
            "data",
            "keystore",
            "pulse",
            "log_level",
            "checkpoint_archive",
        )
    }
    settings = load({}, **place | own)
    apart(partial(_make_keystore, settings, given))
    with contextlib.ExitStack() as ending:
        supervisor = Supervisor(settings.data / "logs", settings.pulse if settings.pulse != Path("") else None)
        ending.callback(supervisor.stop)
        for process in signers():
            each = _Signer(process, settings, handed, given)
            supervisor.start(process.name, each.run, each.take_share)
        say(f"{', '.join(process.name for process in signers())} run with the keystore {settings.keystore_path}")
        supervisor.watch(stop)


class _Signer:
    """One of them, in a fork: its share, then its work."""

    def __init__(self, process: Process, settings: Settings, handed: Path, given: Given) -> None:
        self._process = process
        self._settings = settings
        self._handed = handed
        self._given = given
        self._share = Share({}, {}, {}, {})

    def take_share(self) -> None:
        self._share = apart(self._read)
        self._given.close()

    def run(self) -> None:
        run_patiently(self._process.name, self._settings, self._run, time.sleep)

    def _run(self) -> None:
        settings, share = self._share.open_settings(self._settings), self._share
        with held_platform(settings, share.secrets, share.logins, self._process.role) as platform:
            run_with(self._process.name, platform)

    def _read(self) -> Share:
        refuse_if_shared(self._handed / _LOGINS)
        told = json.loads((self._handed / _LOGINS).read_text(encoding="utf-8"))
        opens = passphrase(self._given.settings(self._settings), _made(self._settings))
        return Share(told["settings"] | {"keystore_passphrase": opens}, {}, told["logins"], {})


def _make_keystore(settings: Settings, given: Given) -> None:
    make_keystore(given.settings(settings), _made(settings))


def _made(settings: Settings) -> str:
    """The passphrase that a devnet's keystore is made with, in a file beside it."""
    return load_or_create(settings.data / "secrets.json").keystore_passphrase if settings.network == "devnet" else ""


def _place(handed: Path, stop: threading.Event) -> dict[str, Any] | None:
    """What the installation has left, once it has; None when told to stop. Raises NotReady."""
    deadline = time.monotonic() + HANDED_S
    while not stop.is_set():
        with contextlib.suppress(FileNotFoundError):
            return dict(json.loads((handed / _PLACE).read_text(encoding="utf-8")))
        if time.monotonic() > deadline:
            raise NotReady(
                f"nothing was handed over in {handed}: start `counterfoil up --without-signers` beside this one"
            )
        stop.wait(0.2)
    return None
