"""`make demo` and `make demo-aws`, as a new user runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents.blocks import blocks, parts, shape
from tests.documents.parts import README, SOMETIMES, demo_lines
from tests.support.emulator import AT_FIRST, AT_LAST
from tests.support.patience import HANG_S

ROOT = Path(__file__).parents[2]


DEMO = [sys.executable, "-m", "gateways", "demo", "--block-ms", "60"]


@pytest.mark.parametrize("before", [[], [sys.executable, "-m", "tests.support.emulator"]], ids=["demo", "demo-aws"])
def test_the_demo_ends_with_balances_a_zero_trial_balance_and_ledger_equal_to_chain(
    before: list[str], tmp_path: Path
) -> None:
    """With an empty home it exits 0, its last lines say that books and chain agree, and the README shows lines of it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COUNTERFOIL_", "AWS_"))}
    done = subprocess.run(
        before + DEMO,
        cwd=ROOT,
        env={**environment, "HOME": str(tmp_path), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=2 * HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed, _, services = done.stdout.partition(f"\n{AT_LAST}\n")
    assert "ledger = chain" in printed.splitlines()[-2]
    assert " 1015.000000 USDT" in done.stdout  # 25.5 and twice 500 deposited, 10 paid out, 0.5 fee
    assert "swept by a pump" in done.stdout
    assert "swept by delegation" in done.stdout
    assert "DOES NOT HOLD" not in done.stdout
    assert done.stderr == ""
    assert done.stdout.startswith(AT_FIRST) == bool(before)
    for what in ("messages sent", "items written", "signatures", "values read", "objects put") if before else ():
        assert f" {what}" in services
    [shown] = blocks(parts(README.read_text(encoding="utf-8"))["demo"])
    lines = [line for line in shown.text.splitlines() if SOMETIMES not in line or SOMETIMES in done.stdout]
    told = "\n".join(demo_lines(done.stdout))
    assert shape("\n".join(lines)) == shape(told), "the README shows other lines: make readme"
