"""Everything that an operator can cause at a start, as a table: the command line, its one sentence, its exit code."""

import errno
import fcntl
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateways.cli.app import run
from gateways.postgres import migrate
from gateways.postgres.roles import API, READER
from gateways.processes import up
from gateways.processes.confinement import given
from gateways.processes.registry import PROCESSES
from gateways.processes.start import preparation
from gateways.wiring.platform import utc_now
from tests.gateways.processes.start.world import PASSPHRASE, FakeNode, Start
from tests.support.patience import HANG_S
from tests.support.postgres import Database

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


UP = [
    # Arguments
    row(arguments("--block-ms", 0), WRONG, "Must be >= 1", id="no time between blocks"),
    row(arguments("--block-ms", "soon"), WRONG, "--block-ms", id="a time that is none"),
    row(arguments("--network", "moon"), WRONG, "--network", id="a network that is none"),
    row(arguments("--http-port", 70_000), WRONG, "Must be <= 65535", id="a port that is none"),
    row(arguments("--devnet-port", -1), WRONG, "Must be >= 0", id="a port below none"),
    row(arguments("--frobnicate"), WRONG, "--frobnicate", id="an option that is none"),
    row(arguments("now"), WRONG, "there is no place for now", id="a word too many"),
    # Settings
    row(settings(http_prot="8080"), WRONG, "unknown setting COUNTERFOIL_HTTP_PROT", id="a setting that is none"),
    row(settings(http_port="eighty"), WRONG, "COUNTERFOIL_HTTP_PORT", id="a number that is none"),
    row(settings(tron_node_url="ftp://node"), WRONG, "COUNTERFOIL_TRON_NODE_URL", id="a node's URL that is none"),
    row(settings(operator_api_key="short"), WRONG, "at least 32 characters", id="a key that anybody guesses"),
    row(settings(hot_floor="9", hot_ceiling="8"), WRONG, "above HOT_FLOOR", id="a ceiling under the floor"),
    row(
        settings(keystore_passphrase_file="/nowhere/at/all"),
        WRONG,
        "COUNTERFOIL_KEYSTORE_PASSPHRASE_FILE cannot be read",
        id="no file with the passphrase",
    ),
    row(settings(checkpoint_origin="my log"), WRONG, "COUNTERFOIL_CHECKPOINT_ORIGIN", id="a log's name with a space"),
    row(lambda start, _: mainnet(start, tron_node_url="http://a"), WRONG, "one node is not enough", id="one node"),
    row(lambda start, _: mainnet(start, checkpoint_archive="/nowhere"), WRONG, "SIGNER_PAYOUT_MAX", id="no limits"),
    row(lambda start, _: mainnet(start), WRONG, "COUNTERFOIL_CHECKPOINT_ARCHIVE", id="the archive among the data"),
    row(settings(network="nile"), WRONG, "needs a passphrase of yours", id="no passphrase"),
    row(settings(mode="aws"), WRONG, "set COUNTERFOIL_AWS_REGION", id="no region on AWS"),
    # Folder, disk, owner, mode
    row(lambda start, _: start.data.write_text("a file"), CANNOT, "File exists", id="the folder is a file"),
    row(arguments("--data", "/dev/null/data"), CANNOT, "/dev/null/data cannot be used", id="a folder in no folder"),
    row(runs_already, CANNOT, "another `counterfoil up` runs in", id="another runs there"),
    row(lambda start, _: chmod(start, "secrets.json"), CANNOT, "run `chmod 600", id="others read the secrets"),
    row(lambda start, _: damaged(start, "secrets.json"), CANNOT, "restore it from a backup", id="damaged secrets"),
    row(lambda start, _: damaged(start, "checkpoints.key"), CANNOT, "does not hold a signing key", id="a damaged key"),
    row(
        lambda start, _: no_own_chain(start, checkpoint_archive="/dev/null/x"),
        CANNOT,
        "Not a directory",
        id="no archive",
    ),
    row(full_disk, CANNOT, "No space left on device", id="a full disk"),
    row(
        lambda start, _: no_own_chain(start, pulse="/dev/null/x"),
        CANNOT,
        "/dev/null/x",
        id="no place for signs of life",
    ),
    row(cluster_of("17"), CANNOT, "was made by Postgres 17", id="a cluster of another version"),
    row(
        lambda start, _: private(start.data / "postgres" / "x", ""),
        CANNOT,
        "is no database",
        id="a folder of another use",
    ),
    # Keystore
    row(
        lambda start, _: no_own_chain(start, keystore_passphrase="x"),
        CANNOT,
        "does not open the keystore",
        id="passphrase",
    ),
    row(lambda start, _: chmod(start, "keystore.json"), CANNOT, "keystore", id="others read the keystore"),
    row(lambda start, _: damaged(start, "keystore.json"), CANNOT, "keystore.json is", id="a damaged keystore"),
    row(other_keys, CANNOT, "has no gas and no deposit_seed", id="another machine's keystore"),
    # Ports
    row(taken("--http-port"), CANNOT, "choose another COUNTERFOIL_HTTP_PORT", id="the API's port is taken"),
    row(
        lambda start, _: start.add("--devnet-port", start.taken()),
        CANNOT,
        "choose another --devnet-port",
        id="devnet's",
    ),
    row(lambda start, _: start.add("--devnet-grpc-port", start.taken()), CANNOT, "--devnet-grpc-port", id="gRPC's"),
    row(
        lambda start, _: no_own_chain(start, metrics_port=start.taken() - len(PROCESSES) + 1),
        CANNOT,
        "choose another COUNTERFOIL_METRICS_PORT (",
        id="the last metrics' port is taken",
    ),
    row(
        settings(http_host="203.0.113.1"), CANNOT, "Cannot assign requested address", id="an address of another machine"
    ),
    row(
        settings(http_host="nowhere.invalid"), CANNOT, "nothing can listen on nowhere.invalid", id="a host that is none"
    ),
    # Database
    row(
        settings(database_url="mine"),
        WRONG,
        "COUNTERFOIL_DATABASE_URL is no address",
        id="a database's URL that is none",
    ),
    row(
        settings(database_url_api="mine"),
        WRONG,
        "COUNTERFOIL_DATABASE_URL_API is no address",
        id="a role's that is none",
    ),
    row(lambda start, _: no_own_chain(start, database_url=NOBODY), UNREACHED, "Connection refused", id="no server"),
    row(
        lambda start, _: by(start, host="nowhere.invalid"), UNREACHED, "nowhere.invalid", id="a server that is nowhere"
    ),
    row(lambda start, _: by(start, password="x"), CANNOT, "password authentication failed", id="a wrong password"),
    row(lambda start, _: by(start, dbname="none"), CANNOT, 'database "none" does not exist', id="no such database"),
    row(lambda start, _: by(start, user="none"), CANNOT, "password authentication failed", id="no such login"),
    row(without_rights, CANNOT, "lacks a right: permission denied", id="a login without rights"),
    row(lets_nobody_in, UNREACHED, "too many connections", id="a full server"),
    row(too_new_a_server, NOT_READY, "need 99 or newer", id="a server that is too old"),
    row(newer_schema, NOT_READY, "install the newer Counterfoil", id="a newer version's database"),
    row(slow_to_disk, NOT_READY, "synchronous_commit is off", id="a setting that loses what was confirmed"),
    row(
        other_database("ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"),
        NOT_READY,
        "keeps text as SQL_ASCII",
        id="an encoding that holds no text",
    ),
    row(
        other_database("", "CREATE TABLE schema_migrations (version varchar)"),
        NOT_READY,
        "another program's",
        id="another program's database",
    ),
    row(
        other_database("", "CREATE TABLE accounts (id int)"),
        NOT_READY,
        "another program's",
        id="another program's tables",
    ),
    row(
        lambda start, _: by(start).set(database_url_api=as_role(start, READER)),
        CANNOT,
        'permission denied to set role "counterfoil_api"',
        id="another process' login",
    ),
    row(clock(timedelta(minutes=9)), CANNOT, "9 minutes ahead of the database's", id="a clock that is fast"),
    row(clock(timedelta(hours=-7)), CANNOT, "7 hours behind the database's", id="a clock that is slow"),
    # Node, network
    row(no_node, UNREACHED, "does not answer", id="no node"),
    row(node(answer=(200, b"<html>welcome</html>")), UNREACHED, "does not answer", id="a node that is a web page"),
    row(node(answer=(401, b"no")), UNREACHED, "401", id="a node that wants a key"),
    row(node(genesis="00" * 32), CANNOT, "belongs to the network with", id="a node of another network"),
    row(node(age_s=7_300), NOT_READY, "its newest block is 2 hours old", id="a node that is behind"),
    row(node(age_s=-900), CANNOT, "15 minutes behind the newest block", id="a clock behind the chain"),
]


def as_role(start: Start, role: str) -> str:
    return make_conninfo(start.url, user=role, password="of-a-test-only")


@pytest.fixture
def start(tmp_path: Path, database: Database) -> Iterator[Start]:
    made = Start(tmp_path / "data", database.owner_url)
    yield made
    made.end()


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Patch]:
    """This process stays as it was: who may debug it, its signals, its log."""
    for name in os.environ:
        if name.startswith("COUNTERFOIL_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(given, "take", lambda: given.NOTHING)
    monkeypatch.setattr(up, "harden", lambda: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = logging.getLogger().handlers[:]
    yield Patch(monkeypatch)
    logging.getLogger().handlers[:] = handlers
    for number, handler in before.items():
        signal.signal(number, handler)


def told(start: Start, patch: Patch, capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """-> the exit code, and the one sentence that a terminal shows."""
    for name, value in start.environment.items():
        patch.monkeypatch.setenv(name, value)
    code = run([*words, *([] if "--data" in start.arguments else ["--data", str(start.data)]), *start.arguments])
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert (out, len(lines), "Traceback" in err) == ("", 1, False), out + err
    return code, lines[0]


@pytest.mark.parametrize(("arrange", "code", "sentence"), UP)
def test_what_cannot_be_is_one_sentence_and_its_exit_code(
    arrange: Arrange, code: int, sentence: str, start: Start, patch: Patch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`up` says nothing of an API that is not there, and no secret; what is taken is let go."""
    arrange(start, patch)
    ports = () if {"--http-port", "--frobnicate"} & set(start.arguments) else ("--http-port", "0")
    start.arguments += [] if "COUNTERFOIL_HTTP_PORT" in start.environment else ports
    if "--devnet-port" not in start.arguments:
        start.add("--devnet-port", 0)
    found, said = told(start, patch, capfd, "up")
    assert sentence in said
    assert found == code, said
    assert PASSPHRASE not in said
    assert "secret-of-a-test" not in said


COMMANDS = [
    row(("wallets", "list"), settings(), NOT_READY, "there is no installation in", id="a list of nothing"),
    row(("signing", "status"), settings(), NOT_READY, "there is no installation in", id="a status of nothing"),
    row(("alarms", "secret"), settings(), NOT_READY, "there is no installation in", id="a secret of nothing"),
    row(("queue", "list"), settings(), NOT_READY, "there is no installation in", id="queues of nothing"),
    row(("run", "api"), settings(), NOT_READY, "there is no installation in", id="a process of nothing"),
    row(
        ("run", "api"),
        lambda start, _: start.set(database_url=start.url),
        NOT_READY,
        "there is no installation in",
        id="a process whose folder is another's",
    ),
    row(("run", "nothing"), settings(), WRONG, "there is no process 'nothing'", id="a process that is none"),
    row(("wallets", "lits"), settings(), WRONG, "did you mean 'list'", id="a command that is none"),
    row(("wallets", "list"), settings(database_url=NOBODY), UNREACHED, "Connection refused", id="a command, no server"),
    row(
        ("wallets", "list"),
        lambda start, _: by(start, password="x"),
        WRONG,
        "password authentication failed",
        id="a command, a wrong password",
    ),
    row(
        ("wallets", "list"),
        lambda start, _: by(start, dbname="postgres"),
        NOT_READY,
        "run `counterfoil migrate`",
        id="a command, no tables",
    ),
    row(("migrate",), settings(database_url=NOBODY), UNREACHED, "Connection refused", id="migrations, no server"),
    row(("migrate",), settings(database_url="mine"), WRONG, "is no address", id="migrations, no address"),
    row(
        ("migrate",),
        lambda start, _: start.set(database_url_api=as_role(start, API)),
        WRONG,
        "migrations are the owner's",
        id="migrations without the owner",
    ),
    row(
        ("migrate", "--print-logins"),
        settings(),
        WRONG,
        "has a login of its own already",
        id="logins of our own server",
    ),
    row(("devnet", "--block-ms", "0"), settings(), WRONG, "Must be >= 1", id="a devnet that never rests"),
    row(("devnet", "--grpc-port", "65536"), settings(), WRONG, "Must be <= 65535", id="a devnet's port that is none"),
]
MAKES_ITS_FOLDER = {("migrate",)}


@pytest.mark.parametrize(("words", "arrange", "code", "sentence"), COMMANDS)
def test_what_a_command_cannot_do_is_one_sentence_too_and_makes_nothing(
    words: tuple[str, ...],
    arrange: Arrange,
    code: int,
    sentence: str,
    start: Start,
    patch: Patch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A mistyped folder is no installation afterwards: only `up`, `migrate` and `restore` make one."""
    arrange(start, patch)
    there = start.data.exists()
    start.arguments += ["--data", str(start.data)] if words[0] != "devnet" else ["--data", str(start.data / "chain")]
    found, said = told(start, patch, capfd, *words)
    assert sentence in said
    assert (found, start.data.exists()) == (code, there or words in MAKES_ITS_FOLDER), said
    assert "secret-of-a-test" not in said


def test_a_devnet_whose_port_is_taken_says_which(start: Start, patch: Patch, capfd: pytest.CaptureFixture[str]) -> None:
    """And one that runs is not disturbed."""
    port = start.taken()
    start.add("--port", port, "--data", start.data)
    assert told(start, patch, capfd, "devnet") == (WRONG, f"error: 127.0.0.1 port {port}: Address already in use")


def test_a_command_beside_a_database_of_ones_own_makes_no_keys(
    start: Start, patch: Patch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It looks, and what it would need of an installation's folder it does not make up."""
    patch.monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", start.url)
    assert run(["signing", "status", "--data", str(start.data)]) == 0
    assert "payouts are signed" in capfd.readouterr().out
    assert not start.data.exists()


def test_the_table_is_long() -> None:
    """At least forty causes, no two alike."""
    ids = [each.id for each in (*UP, *COMMANDS)]
    assert len(set(ids)) == len(ids) >= 40
