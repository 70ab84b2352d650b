"""Static security scans: each exception carries its reason, and nothing else is found."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.patience import HANG_S

ROOT = Path(__file__).parents[2]
SCANNERS = ROOT / ".venv-scan"


def test_the_scans_find_nothing() -> None:
    """Checkov over Terraform, Dockerfile and workflows, hadolint, zizmor and two schemas: `make scan` ends with 0."""
    if not (SCANNERS / ".installed").exists():
        pytest.skip("the scanners are not installed: `make scan` installs them in .venv-scan and runs them")
    done = subprocess.run(["make", "scan"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=2 * HANG_S)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.fast
def test_every_exception_of_the_scan_carries_its_reason() -> None:
    """A check that is passed over says why, in a sentence, where it is passed over."""
    exceptions = [
        line.strip()
        for path in [*sorted((ROOT / "terraform").rglob("*.tf")), ROOT / "Dockerfile"]
        for line in path.read_text(encoding="utf-8").splitlines()
        if "checkov:skip" in line or "hadolint ignore" in line
    ]
    assert exceptions
    assert [
        line for line in exceptions if not re.fullmatch(r"# checkov:skip=CKV2?_[A-Z]+_\d+:[A-Z].{20,}\.", line)
    ] == []
