"""A database of the operator's own: one login a process, each its own, whoever owns the server (FAILURES 69)."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateways.cli.app import run
from gateways.embedded.secrets_file import load_or_create
from gateways.postgres.logins import must_be_itself
from gateways.postgres.roles import API, LOGINS, READER, WRITER
from gateways.postgres.server import EmbeddedPostgres
from gateways.processes.confinement.given import NOTHING
from gateways.processes.confinement.shares import fetch, roles_held
from gateways.processes.registry import PROCESSES
from gateways.processes.start.preparation import prepare
from gateways.settings import Settings, load
from gateways.user_error import UserError
from gateways.wiring.own_database import SETTINGS, is_own, is_shared, own_database, url_of

OWNER = "postgresql://owner:p%40ss@db.example:6432/books?sslmode=verify-full"


def settings(tmp_path: Path, **given: object) -> Settings:
    return load({}, data=tmp_path, **given)


@pytest.mark.fast
def test_each_role_has_the_address_that_was_given_for_it(tmp_path: Path) -> None:
    """Before the owner's; a login of another name becomes the role as it connects; and nobody else's is told."""
    given = settings(
        tmp_path,
        database_url=OWNER,
        database_url_api="postgresql://counterfoil_api:a@db.example/books",
        database_url_reader="postgresql://acme_reads:r@replica.example/books",
    )
    roles = own_database(given).role_urls
    assert roles[API] == "postgresql://counterfoil_api:a@db.example/books"
    reader, writer = (conninfo_to_dict(str(roles[role])) for role in (READER, WRITER))
    assert (reader["user"], reader["options"]) == ("acme_reads", f"-c role={READER}")
    assert (writer["user"], writer["options"]) == ("owner", f"-c role={WRITER}")
    assert is_own(given)
    assert not is_own(settings(tmp_path))


@pytest.mark.fast
def test_without_the_owner_a_process_has_its_own_logins_alone(tmp_path: Path) -> None:
    """What it was not given is asked for by its setting's name."""
    database = own_database(settings(tmp_path, database_url_api="postgresql://counterfoil_api:a@db/books"))
    assert database.owner_url == ""
    with pytest.raises(UserError, match="no login of counterfoil_reader is known: set COUNTERFOIL_DATABASE_URL_READER"):
        database.role_urls[READER]


@pytest.mark.fast
def test_on_mainnet_no_process_logs_in_as_the_owner(tmp_path: Path) -> None:
    """Elsewhere it is said; with a login for each it is neither."""
    shared = settings(tmp_path, database_url=OWNER)
    assert is_shared(shared, own_database(shared).role_urls)
    mainnet = settings(tmp_path, database_url=OWNER, network="mainnet")
    with pytest.raises(UserError, match="counterfoil migrate --print-logins"):
        is_shared(mainnet, own_database(mainnet).role_urls)
    own = {name: f"postgresql://{role}:x@db.example/books" for role, name in SETTINGS.items()}
    apart = settings(tmp_path, database_url=OWNER, network="mainnet", **own)
    assert not is_shared(apart, own_database(apart).role_urls)


@pytest.mark.fast
@pytest.mark.parametrize(
    "address",
    [
        OWNER,
        "postgresql://u:a%20b%2Fc@[::1]:5432/x",
        make_conninfo(host="/run/a socket", port=5433, user="u", password="p:/@ &?", dbname="b"),
    ],
)
def test_a_login_is_printed_as_an_address_of_one_word(address: str) -> None:
    """What an environment file takes, and psql reads as the same."""
    printed = url_of(address)
    assert conninfo_to_dict(printed) == conninfo_to_dict(address)
    assert " " not in printed


@pytest.fixture
def managed() -> Iterator[str]:
    """A server that gives no superuser: its owner may make roles, and owns its database."""
    with tempfile.TemporaryDirectory(prefix="cf-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")
        try:
            with psycopg.connect(server.url, autocommit=True) as conn:
                conn.execute("CREATE ROLE admin LOGIN NOSUPERUSER CREATEROLE CREATEDB PASSWORD 'of-a-test-only'")
                conn.execute("CREATE DATABASE books OWNER admin")
            yield make_conninfo(server.url, dbname="books", user="admin", password="of-a-test-only")
        finally:
            server.stop()


def test_every_process_has_a_login_of_its_own_on_a_server_that_is_managed(
    managed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`migrate --print-logins` makes and prints them, `up` uses them, and none can become another."""
    data = tmp_path / "data"
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", managed)
    assert run(["migrate", "--print-logins", "--data", str(data)]) == 0
    lines = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert lines.keys() == {f"COUNTERFOIL_{name.upper()}" for name in SETTINGS.values()}
    for role, name in SETTINGS.items():
        must_be_itself(lines[f"COUNTERFOIL_{name.upper()}"], role)
        with psycopg.connect(lines[f"COUNTERFOIL_{name.upper()}"], autocommit=True) as conn:
            assert conn.execute("SELECT session_user::text").fetchone() == (role,)
            for other in {*LOGINS, WRITER, "admin"} - {role}:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(f"SET ROLE {other}")  # type: ignore[call-overload]

    own = load({}, data=data, database_url=managed)
    assert prepare(own, NOTHING, own_chain=True, signs=False) == []
    assert not is_shared(own, own_database(own).role_urls)
    password = load_or_create(data / "secrets.json").role_passwords
    for process in PROCESSES.values():
        share = fetch(process, own, NOTHING, None)
        assert share.logins.keys() == roles_held(process)
        for role, login in share.logins.items():
            facts = conninfo_to_dict(login)
            assert (facts["user"], facts["password"]) == (role, password[role])
        assert "of-a-test-only" not in str((share.logins, share.settings))
