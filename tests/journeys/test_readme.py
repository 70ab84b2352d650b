"""The README's commands, run as they stand there."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.gateways.cli.test_app import counterfoil
from tests.journeys.conftest import Installation, until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_of_curl_work_as_written(installation: Installation, tmp_path: Path) -> None:
    """Against a running installation the README's client registers, gets a key and an address, and asks for a payout."""
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "curl" in block]
    first, rest = block.split("\n", 1)
    assert first.startswith("API=")
    until(lambda: installation.hot_wallet())
    script = f"set -euo pipefail\nAPI={installation.api}\nOP={installation.operator_key}\n{rest}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"tron_address_base58":"T' in done.stdout.replace(" ", "")
    assert "insufficient_funds" in done.stdout  # nobody has paid customer 42's address yet


@pytest.mark.fast
def test_every_command_the_readme_names_exists() -> None:
    """`counterfoil X` and `make X` in the README are commands there are."""
    commands = set(re.findall(r"counterfoil (\w+)", README)) - {"up"}
    shown = counterfoil("--help").stdout
    assert [name for name in commands if f" {name} " not in shown] == []
    targets = re.findall(r"(?:`|    )make (\w+)", README)
    assert {"demo", "test"} <= set(targets)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [name for name in targets if f"\n{name}:" not in makefile] == []


@pytest.mark.fast
def test_every_path_the_readme_names_exists() -> None:
    """Files and folders in backticks are there."""
    paths = re.findall(r"`((?:core|projections|gateways|scanners|signers|schema|terraform|tests)/[\w./]*)`", README)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
