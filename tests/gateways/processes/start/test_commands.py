"""What a command cannot do is told as what `up` cannot, and nothing is made by looking."""

import pytest

from gateways.cli.app import run
from gateways.postgres.roles import API
from tests.gateways.processes.start.arranged import (
    NOBODY,
    NOT_READY,
    UNREACHED,
    WRONG,
    Arrange,
    Patch,
    as_role,
    by,
    row,
    settings,
    told,
)
from tests.gateways.processes.start.world import Start

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
