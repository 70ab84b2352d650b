"""The command line: every command says what it does, and every wrong call is one sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[3]
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
        timeout=60,
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
    """A mistyped variable is one sentence on stderr and exit code 1."""
    done = counterfoil("config", http_prot="8080")
    assert done.returncode == 1
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
    """Hex that is no transaction is one sentence, exit code 1."""
    done = counterfoil("tx", "decode", "deadbeef")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_tx_decode_gives_json() -> None:
    """A recorded mainnet payment is decoded with its txid and its signer."""
    from tests.recorded import RECORDED

    recorded = next(item for item in RECORDED if item.signature)
    done = counterfoil("tx", "decode", recorded.raw_data, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["txid"] == recorded.txid


@pytest.mark.parametrize("arguments", [("run", "nothing"), ("scan",), ("frobnicate",), ("up", "--network", "moon")])
def test_a_wrong_call_is_refused_without_a_traceback(arguments: tuple[str, ...]) -> None:
    """Unknown processes, missing and wrong options end non-zero with a sentence."""
    done = counterfoil(*arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert (done.stdout + done.stderr).strip()
