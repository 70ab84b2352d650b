"""How each cause of a start that cannot be comes about, and what is told of it."""

import errno
import fcntl
import multiprocessing
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateways.cli.app import run
from gateways.postgres import migrate
from gateways.processes import up
from gateways.processes.start import preparation
from gateways.wiring.platform import utc_now
from tests.gateways.processes.start.world import PASSPHRASE, FakeNode, Start
from tests.support.patience import HANG_S

row = pytest.param
CANNOT, WRONG, UNREACHED, NOT_READY = 1, 2, 3, 4
NOBODY = "postgresql://nobody:secret-of-a-test@127.0.0.1:1/none"
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Patch(NamedTuple):
    """What a cause may change for the time of its start."""

    monkeypatch: pytest.MonkeyPatch

    def set(self, place: object, name: str, value: object) -> None:
        self.monkeypatch.setattr(place, name, value)


Arrange = Callable[[Start, Patch], object]


def owner(start: Start, statement: str) -> None:
    with psycopg.connect(start.url, autocommit=True) as conn:
        conn.execute(statement)  # type: ignore[call-overload]


def with_keys(start: Start) -> Start:
    """On a devnet's network with a node of one's own, so that nothing is started."""
    start.with_keys()
    return start.set(keystore_passphrase=PASSPHRASE, tron_node_url="http://127.0.0.1:1")


def by(start: Start, **changes: object) -> Start:
    """With the database, but for this of its address."""
    return with_keys(start).set(database_url=make_conninfo(start.url, **changes))  # type: ignore[arg-type]


def its_name(start: Start) -> str:
    return str(conninfo_to_dict(start.url)["dbname"])


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def runs_already(start: Start, _: Patch) -> None:
    """Another process has the folder."""
    start.data.mkdir(exist_ok=True)
    held, ends = multiprocessing.Event(), multiprocessing.Event()

    def hold() -> None:
        with (start.data / up.LOCK).open("a+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            held.set()
            ends.wait(HANG_S)

    other = multiprocessing.get_context("fork").Process(target=hold)
    other.start()
    start.undo += [lambda: other.join(HANG_S), ends.set]
    assert held.wait(HANG_S)


def chmod(start: Start, name: str) -> None:
    with_keys(start)
    (start.data / name).chmod(0o644)


def damaged(start: Start, name: str) -> None:
    with_keys(start)
    private(start.data / name, "{}")


def other_keys(start: Start, _: Patch) -> None:
    start.with_keys("hot")
    start.set(keystore_passphrase=PASSPHRASE)


def full_disk(start: Start, patch: Patch) -> None:
    with_keys(start)

    def fsync(_: int) -> None:
        raise FULL

    patch.set(preparation.os, "fsync", fsync)


def cluster_of(version: str) -> Arrange:
    def arrange(start: Start, _: Patch) -> None:
        with_keys(start)
        private(start.data / "postgres" / "PG_VERSION", version)

    return arrange


def lets_nobody_in(start: Start, _: Patch) -> None:
    """A login of no superuser, for whom no connection is left."""
    owner(start, f"CREATE ROLE late_{its_name(start)} LOGIN PASSWORD 'p' CONNECTION LIMIT 0")
    start.undo.append(lambda: owner(start, f"DROP ROLE late_{its_name(start)}"))
    by(start, user=f"late_{its_name(start)}", password="p")


def without_rights(start: Start, _: Patch) -> None:
    """It may log in, and nothing more; the database is empty."""
    name = its_name(start)
    owner(start, f"CREATE ROLE poor_{name} LOGIN PASSWORD 'p'")
    owner(start, f"CREATE DATABASE empty_{name}")
    start.undo += [
        lambda: owner(start, f"DROP DATABASE empty_{name} WITH (FORCE)"),
        lambda: owner(start, f"DROP ROLE poor_{name}"),
    ]
    start.undo.reverse()
    by(start, user=f"poor_{name}", password="p", dbname=f"empty_{name}")


def other_database(options: str, statement: str = "SELECT 1") -> Arrange:
    def arrange(start: Start, _: Patch) -> None:
        name = f"other_{its_name(start)}"
        owner(start, f"CREATE DATABASE {name} {options}")
        start.undo.append(lambda: owner(start, f"DROP DATABASE {name} WITH (FORCE)"))
        with psycopg.connect(make_conninfo(start.url, dbname=name), autocommit=True) as conn:
            conn.execute(statement)  # type: ignore[call-overload]
        by(start, dbname=name)

    return arrange


def newer_schema(start: Start, _: Patch) -> None:
    owner(start, "INSERT INTO compatible_migrations VALUES (9000, '9000_later.sql', 'x', 9000)")
    by(start)


def too_new_a_server(start: Start, patch: Patch) -> None:
    patch.set(migrate, "SERVER_MIN", 99)
    by(start)


def slow_to_disk(start: Start, _: Patch) -> None:
    owner(start, f"ALTER DATABASE {its_name(start)} SET synchronous_commit = off")
    by(start)


def clock(apart: timedelta) -> Arrange:
    def arrange(start: Start, patch: Patch) -> None:
        patch.set(preparation, "utc_now", lambda: utc_now() + apart)
        by(start)

    return arrange


def node(**said: object) -> Arrange:
    return lambda start, _: start.on_nile(FakeNode(**said))  # type: ignore[arg-type]


def no_node(start: Start, _: Patch) -> None:
    start.on_nile(FakeNode())
    start.set(tron_node_url="http://127.0.0.1:1")


def settings(**given: object) -> Arrange:
    return lambda start, _: start.set(**given)


def arguments(*words: object) -> Arrange:
    return lambda start, _: start.add(*words)


def taken(option: str) -> Arrange:
    return lambda start, _: with_keys(start).add(option, start.taken())


def no_own_chain(start: Start, **given: object) -> None:
    with_keys(start).set(**given)


def mainnet(start: Start, **given: object) -> None:
    two = {"tron_node_url": "http://127.0.0.1:1,http://127.0.0.1:2"}
    start.set(**{"network": "mainnet", **two, **given})


def as_role(start: Start, role: str) -> str:
    return make_conninfo(start.url, user=role, password="of-a-test-only")


def told(start: Start, patch: Patch, capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """-> the exit code, and the one sentence that a terminal shows."""
    for name, value in start.environment.items():
        patch.monkeypatch.setenv(name, value)
    code = run([*words, *([] if "--data" in start.arguments else ["--data", str(start.data)]), *start.arguments])
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert (out, len(lines), "Traceback" in err) == ("", 1, False), out + err
    return code, lines[0]
