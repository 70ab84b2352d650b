"""What `counterfoil up` leaves in its data folder while it runs, so that commands beside it need no setting.

The file is there for its owner's eyes only, since a database's URL may hold a password. Its writer holds a lock on it,
which the kernel lets go when the writer ends, however it ends: a file without a lock is one that a crash has left.
"""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from pydantic import SecretStr

from gateways.private_file import DamagedFile, refuse_if_shared
from gateways.processes.confinement.apart import apart
from gateways.processes.confinement.given import NOTHING, Given
from gateways.settings import Settings

FILE: Final = "running.json"
_OF_THE_PROCESS: Final = frozenset(
    {"data", "http_host", "http_port", "metrics_host", "metrics_port", "log_level", "keystore_passphrase_file"}
)
"""Settings of `up` itself, which a command beside it has its own of."""
_SECRETS_NEEDED: Final = frozenset({"database_url", "tron_api_key"})
"""All other secrets, the keystore's passphrase above all, are written nowhere."""


_ALWAYS: Final = frozenset({"mode", "network"})


class Running(NamedTuple):
    """An installation that runs: who, since when, where it answers, and the settings that are not the default's."""

    pid: int
    started_at: str
    api_url: str
    devnet_url: str | None
    settings: dict[str, Any]


@contextlib.contextmanager
def announced(settings: Settings, api_url: str, devnet_url: str | None, given: Given = NOTHING) -> Iterator[None]:
    """While the block runs, the folder says so. The file appears whole, and goes at the end.

    Secrets that were `given` and that commands need are written by a process that ends with it.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    running = Running(os.getpid(), started_at, api_url, devnet_url, {})
    path = settings.data / FILE
    temporary = path.with_name(f".{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        # A lock of the process, not of the open file: the processes that `up` forks do not hold it on.
        fcntl.lockf(file, fcntl.LOCK_EX)
        told = partial(_tell, running, settings, given, file)
        if given.names & _SECRETS_NEEDED:
            apart(told)
        else:
            told()
        temporary.replace(path)
        try:
            yield
        finally:
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                path.unlink()


def _tell(running: Running, settings: Settings, given: Given, file: IO[str]) -> None:
    settings = given.settings(settings, _SECRETS_NEEDED)
    json.dump(running._replace(settings=shared(settings))._asdict(), file, indent=2)
    file.flush()


def find(data: Path) -> Running | None:
    """What runs in a folder; None where nothing does. Raises UnsafeFile, DamagedFile."""
    path = data / FILE
    try:
        with path.open("r+", encoding="utf-8") as file:
            with contextlib.suppress(BlockingIOError, PermissionError):
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None  # nobody holds it: it was left by a crash
            refuse_if_shared(path)
            return Running(**json.load(file))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise DamagedFile(f"{path} is not what `counterfoil up` writes there: stop it, and start it again") from error


def shared(settings: Settings) -> dict[str, Any]:
    """What is set otherwise than the default, as text that the environment could hold; paths as they are from anywhere."""
    found: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if name in _OF_THE_PROCESS or (value == field.default and name not in _ALWAYS):
            continue
        if isinstance(value, SecretStr):
            if name not in _SECRETS_NEEDED:
                continue
            value = value.get_secret_value()
        found[name] = str(value.resolve()) if isinstance(value, Path) else value
    return found
