"""A pooler before the database is refused with a sentence, whatever its mode: it drops or refuses what sessions depend on."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateways.cli.app import run
from gateways.postgres.connections import conninfo_of
from gateways.postgres.logins import POOLER, PoolerBetween, WrongLogin, must_be_itself, refusal_of, refuse_pooler
from gateways.postgres.migrate import check
from gateways.postgres.roles import API, READER
from tests.support.patience import until
from tests.support.postgres import Database

USER = "nobody" if os.geteuid() == 0 else None


@contextmanager
def pgbouncer(url: str, mode: str, *, ignores: str = "") -> Iterator[str]:
    """In front of a database -> its address there. Skips where it is not installed."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("apt-get install pgbouncer")
    facts = conninfo_to_dict(url)
    with tempfile.TemporaryDirectory(prefix="cf-") as made, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        folder = Path(made)
        folder.chmod(0o755)
        place = " ".join(
            f"{name}={facts[name]}" for name in ("host", "port", "user", "password", "dbname") if name in facts
        )
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\npooled = {place}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = {mode}\nignore_startup_parameters = {ignores or 'extra_float_digits'}\n"
            f"logfile = {folder / 'log'}\n"
        )
        if USER:
            shutil.chown(folder, USER)
        running = subprocess.Popen(
            [program, "-q", str(configuration)], user=USER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until(lambda: running.poll() is not None or _listens(port), "it listens")
            assert running.poll() is None, (folder / "log").read_text()
            yield make_conninfo(host="127.0.0.1", port=port, user="postgres", dbname="pooled")
        finally:
            running.terminate()
            running.wait()


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_pooler_that_refuses_the_settings_of_a_session_is_named(
    mode: str, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As pgbouncer comes: the command's one sentence says what stands there and what to name instead."""
    with pgbouncer(database.owner_url, mode) as url:
        monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", url)
        assert run(["wallets", "list", "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: {POOLER}\n"


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_pooler_that_drops_the_settings_of_a_session_is_refused(mode: str, database: Database) -> None:
    """Told to ignore them, it lets everybody be its own login: seen by every look at a database, before anything is done."""
    with pgbouncer(database.owner_url, mode, ignores="options,extra_float_digits") as url:
        as_api = make_conninfo(url, options=f"-c role={API}")
        with psycopg.connect(conninfo_of(as_api)) as conn:
            assert conn.execute("SELECT current_user").fetchone() == ("postgres",)
        with pytest.raises(PoolerBetween, match="pgbouncer"):
            must_be_itself(as_api, API)
        with pytest.raises(PoolerBetween):
            check(conninfo_of(url))


def test_a_session_without_settings_of_its_own_shows_the_pooler_too(database: Database) -> None:
    """Another server process answers than the one that greeted."""
    with (
        pgbouncer(database.owner_url, "transaction") as url,
        psycopg.connect(url) as conn,
        pytest.raises(PoolerBetween),
    ):
        refuse_pooler(conn)


def test_who_is_connected_is_who_was_meant(database: Database) -> None:
    """After connecting the session's user is compared, and another than the process' own is refused by its setting's name."""
    must_be_itself(database.role_urls[API], API)
    must_be_itself(make_conninfo(database.owner_url, options=f"-c role={API}"), API)
    with pytest.raises(WrongLogin, match=f"login of {READER} is {API} .*COUNTERFOIL_DATABASE_URL_READER"):
        must_be_itself(database.role_urls[API], READER)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("said", "is_refusal"),
    [
        ('connection failed: FATAL:  password authentication failed for user "x"', True),
        ("connection failed: FATAL:  no pg_hba.conf entry for host", True),
        ("connection failed: FATAL:  unsupported startup parameter: options", True),
        ("connection failed: FATAL:  the database system is starting up", False),
        ("connection failed: FATAL:  sorry, too many clients already", False),
        ("connection failed: Connection refused", False),
        ("server closed the connection unexpectedly", False),
    ],
)
def test_a_server_that_refuses_is_told_from_one_that_is_not_there(said: str, is_refusal: bool) -> None:
    """What waiting mends is an outage; a password that is wrong is a person's to mend."""
    assert (refusal_of(psycopg.OperationalError(said)) is not None) is is_refusal
