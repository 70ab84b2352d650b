"""What the image starts, started as the image starts it: by a user without rights, on a tree that cannot be written."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateways.processes.registry import PROCESSES
from tests.support.patience import HANG_S, until

ROOT = Path(__file__).parents[2]
FOLDERS = ("core", "projections", "scanners", "signers", "gateways", "schema")
NOBODY = 65_534
WAIT_S = 120.0


@pytest.fixture
def world() -> Iterator[Path]:
    """app/ is the program and belongs to somebody else; data/ and tmp/ are nobody's own."""
    root = Path(tempfile.mkdtemp(prefix="counterfoil-container-"))
    try:
        root.chmod(0o755)
        for name in FOLDERS:
            shutil.copytree(ROOT / name, root / "app" / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (root / "app").rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        (root / "app").chmod(0o555)
        for name in ("data", "tmp"):
            (root / name).mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(root / name, NOBODY, NOBODY)
        yield root
    finally:
        for path in (root / "app").rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        (root / "app").chmod(0o755)
        shutil.rmtree(root)


def interpreter() -> str:
    """This Python, or the same one elsewhere, if this one lies where nobody else may look. Skips where there is none."""
    own = os.path.realpath(sys.executable)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (own, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if Path(candidate).exists() and run_as_nobody([candidate, "-c", "import ssl"]) == 0:
            return candidate
    pytest.skip(f"no {version} that a user without rights may run: this test needs one outside the superuser's home")


def run_as_nobody(command: list[str]) -> int:
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with contextlib.suppress(PermissionError, FileNotFoundError):
        return subprocess.run(command, cwd="/", capture_output=True, check=False, **user).returncode
    return 127


def environment(world: Path) -> Mapping[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(world / "app"), sysconfig.get_paths()["purelib"]]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "HOME": str(world / "tmp"),
        "TMPDIR": str(world / "tmp"),
        "COUNTERFOIL_DATA": str(world / "data"),
        "COUNTERFOIL_PULSE": str(world / "tmp" / "pulse"),
    }


def start(world: Path, python: str, *command: str) -> "subprocess.Popen[str]":
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.Popen(
        [python, "-m", "gateways", *command],
        cwd=world / "app",
        env=environment(world),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **user,
    )


def test_the_local_stack_runs_as_nobody_on_a_tree_that_cannot_be_written(world: Path) -> None:
    """Everything comes up, `counterfoil health` finds it well, SIGTERM ends it with 0, and the program's tree is as it was."""
    python = interpreter()
    before = sorted(path.relative_to(world) for path in (world / "app").rglob("*"))
    running = start(
        world, python, "up", "--network", "devnet", "--http-port", "0", "--devnet-port", "0", "--block-ms", "100"
    )
    try:

        def well() -> bool:
            assert running.poll() is None, running.stdout and running.stdout.read()
            if {path.name for path in (world / "tmp" / "pulse").glob("*")} != PROCESSES.keys():
                return False
            health = start(world, python, "health")
            said, _ = health.communicate(timeout=HANG_S)
            return health.returncode == 0 and said == "all processes are alive\n"

        until(well, "that `counterfoil health` finds all processes well")
    finally:
        running.send_signal(signal.SIGTERM)
        told, _ = running.communicate(timeout=HANG_S)
    assert running.returncode == 0, told
    assert sorted(path.relative_to(world) for path in (world / "app").rglob("*")) == before
    assert list((world / "tmp" / "pulse").iterdir()) == []
