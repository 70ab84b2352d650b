"""The source read as data: layers, sizes, marks. A rule that is not tested is a wish."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateways import VERSION

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "projections", "gateways", "scanners", "signers")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
FILE_LINES_MAX = 420
FUNCTION_LINES_MAX = 60


def test_a_folder_imports_only_folders_below_it() -> None:
    """The contracts in pyproject.toml are kept: layers, blind neighbours, no I/O in core."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_noun(path: Path) -> None:
    """A file says in its first line what it holds, and is short enough to be read at once."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{path} has no docstring"
    assert text.count("\n") <= FILE_LINES_MAX, f"{path} is asking to be two files"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{path}:{node.lineno} {node.name} has {lines} lines"


def test_the_version_stands_once() -> None:
    """The program says the version that pyproject.toml has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION


def test_nothing_is_left_unfinished_or_tied_to_a_machine() -> None:
    """No mark of unfinished work, no path of a machine and no registry's address in what is kept."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
    machine = re.compile(r"(?<![\w.])/(?:wo" + r"rk|ro" + r"ot)/")
    registry = re.compile(r"--(?:extra-)?index" + r"-url")
    wrong = []
    for name in listed.splitlines():
        path = ROOT / name
        if path.suffix not in {".py", ".sql", ".md", ".toml", ".txt", ".yml", ".tf"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        wrong += [
            f"{name}: {found.group()}" for rule in (marks, machine, registry) for found in [rule.search(text)] if found
        ]
    assert wrong == []
