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
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILE_LINES_MAX = 420
FUNCTION_LINES_MAX = 60


def test_a_folder_imports_only_folders_below_it() -> None:
    """The contracts in pyproject.toml are kept: layers, blind neighbours, no I/O in core."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_noun(path: Path) -> None:
    """A file says in its first line what it holds, and is short enough to be read at once; so are its functions."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree) or not tree.body, f"{path} has no docstring"
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


BY_POSITION = {
    "projections/engine/tables.py": "a table's columns are its Struct's fields, in one order for reading and writing",
    "projections/engine/tracking.py": "one lock a batch of every view, whose second column is only there for its effect",
    "core/ledger/seals.py": "a Sealed is a stored event in the order in which it is hashed",
    "projections/stored_events.py": "a Sealed has the order in which events are hashed",
    "signers/leash/reading.py": "a Sealed has the order in which events are hashed",
    "gateways/postgres/event_store.py": "the path of every append: plain tuples in the order of the columns beside it",
}
"""Where rows are read by the place of a column, and why."""
ASKS = {"execute", "fetchall", "fetchone", "fetch", "read", "one"}


def _of_a_row(node: ast.AST) -> bool:
    """Whether the expression is a row, by its name: `row`, `rows[0]`."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name) and node.value.id == "rows"
    return isinstance(node, ast.Name) and node.id == "row"


def _of_rows(node: ast.AST) -> bool:
    """Whether the expression is rows: `rows`, or the answer to a query."""
    if isinstance(node, ast.Await):
        return _of_rows(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ASKS and not (
            isinstance(node.func.value, ast.Attribute) and "ledger" in node.func.value.attr
        )
    return isinstance(node, ast.Name) and node.id == "rows"


def _several(target: ast.AST) -> bool:
    return isinstance(target, ast.Tuple) and len(target.elts) > 1


def positional(source: str) -> list[int]:
    """The lines that read a row by position. A row of one column may be unpacked: there is nothing to swap."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Subscript(value=value, slice=ast.Slice() | ast.Constant(value=int()) | ast.UnaryOp()) if _of_a_row(
                value
            ):
                found.add(node.lineno)
            case ast.Starred(value=value) if _of_a_row(value):
                found.add(node.lineno)
            case ast.Assign(targets=[target], value=value) if _several(target) and _of_a_row(value):
                found.add(node.lineno)
            case ast.Assign(targets=[ast.List(elts=[target])], value=value) if _several(target) and _of_rows(value):
                found.add(node.lineno)
            case ast.For(target=target, iter=rows) | ast.comprehension(target=target, iter=rows) if _several(target):
                if _of_rows(rows):
                    found.add(target.lineno)
            case ast.Call(func=ast.Name(id="dict"), args=[rows]) if _of_rows(rows):
                found.add(node.lineno)
    return sorted(found)


def test_rows_are_read_by_name() -> None:
    """No row of a query is read by the place of a column outside the files that say why."""
    names = {path: str(path.relative_to(ROOT)) for path in SOURCES}
    wrong = [
        f"{name}:{line}"
        for path, name in names.items()
        if name not in BY_POSITION
        for line in positional(path.read_text(encoding="utf-8"))
    ]
    assert wrong == []
    assert all(positional((ROOT / name).read_text(encoding="utf-8")) for name in BY_POSITION), (
        "one is named without need"
    )


@pytest.mark.parametrize(
    "broken",
    [
        "amount = row[3]",
        "last = rows[0][-1]",
        "answer = Payout(*row)",
        "answer = Payout(*rows[0])",
        "answer = Payout(*row[:-1])",
        "payout_id, state, *rest = row",
        "[(head, tiled)] = conn.execute(sql).fetchall()",
        "for position, state in conn.execute(sql): print(position)",
        "found = [state for _, state in await call.read(view, sql)]",
        "known = dict(conn.execute(sql).fetchall())",
    ],
)
def test_a_row_read_by_position_is_found(broken: str) -> None:
    """The rule sees every way in which a column's place can be relied on."""
    assert positional(f"async def read(call, conn, row, rows, sql, view):\n    {broken}") == [2]


@pytest.mark.parametrize(
    "fine",
    ["amount = row.amount_minor", "[(count,)] = conn.execute(sql)", "[found] = rows", "first, second = names"],
)
def test_a_row_read_by_name_is_no_offence(fine: str) -> None:
    """Names, and the only column of a row, are left alone."""
    assert positional(f"def read(conn, row, rows, sql, names):\n    {fine}") == []
