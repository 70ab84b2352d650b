"""The tests read as data: none of them is about how fast the machine is, and none sleeps for luck.

A test waits for what happens (tests/support/patience.py). It has one limit, HANG_S, against what hangs; a speed is measured in
tests/bench/, as a ratio, and is asserted nowhere else.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

pytestmark = pytest.mark.fast

TESTS = Path(__file__).parent
SOURCES = [path for path in sorted(TESTS.rglob("*.py")) if "bench" not in path.relative_to(TESTS).parts]
CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "time", "time_ns", "sleep"}
LIMITS = {"wait", "join", "settimeout", "communicate", "result", "get"}

ALLOWED = {
    "support/patience.py": "waits for all the others",
    "support/emulator/__init__.py": "looks now and then whether its parent is still there",
    "support/emulator/fifo_queues.py": "is SQS, whose visibility is a matter of time",
    "support/emulator/faults.py": "answers late on command",
    "live/__main__.py": "says how long each step took on somebody's chain",
    "simulation/__main__.py": "says how long its many runs took",
    "contracts/test_queue.py": "compares the first receives of a backlog with the last ones, twenty to one",
    "gateways/telemetry/test_numbers.py": "compares a timestamp with the clock that it was taken from",
    "gateways/telemetry/test_tracing.py": "gives a span its start",
    "gateways/http/resources/test_health.py": "makes blocks of a given age",
    "gateways/telemetry/test_life_signs.py": "makes signs of life of a given age",
    "gateways/http/edge/test_shutdown.py": "asks now and then whether enough was answered",
    "gateways/http/edge/test_limits.py": "sends another byte every tenth of a second",
    "gateways/processes/test_loop.py": "gives the loop pauses of a hundredth of a second",
    "gateways/webhooks/test_slow_endpoints.py": "gives a second post room, which must not come",
    "gateways/webhooks/test_post.py": "drips bytes",
    "journeys/watching/test_prometheus.py": "asks again until an answer comes within the two seconds that are promised",
}
"""What has to do with time by itself, and how: never by failing because something took long."""


def haste(tree: ast.AST) -> Iterator[str]:
    """Every use of a clock, every limit given as a number, every deadline of Hypothesis."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if owner in ("time", "asyncio") and name in CLOCKS and not _is_zero(node):
            yield f"line {node.lineno}: {owner}.{name}"
        if name in LIMITS and len(node.args) == 1 and _is_number(node.args[0]):
            yield f"line {node.lineno}: {name}({ast.unparse(node.args[0])})"
        for keyword in node.keywords:
            if keyword.arg == "timeout" and _is_number(keyword.value):
                yield f"line {node.lineno}: timeout={ast.unparse(keyword.value)}"
            if keyword.arg == "deadline":
                yield f"line {node.lineno}: a deadline for examples"


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def _is_zero(node: ast.Call) -> bool:
    """`asyncio.sleep(0)` lets others go on and waits for nothing."""
    return len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0


def test_no_test_is_in_a_hurry() -> None:
    """Clocks, sleeps and limits in seconds stand in the files that are named here, and the one profile has the one deadline."""
    found = {str(path.relative_to(TESTS)): list(haste(ast.parse(path.read_text(encoding="utf-8")))) for path in SOURCES}
    [profile] = found.pop("conftest.py")
    assert profile.endswith("a deadline for examples")
    assert hypothesis.settings().deadline is None
    assert {name: where for name, where in found.items() if where and name not in ALLOWED} == {}
    assert [name for name in ALLOWED if not found[name]] == [], "nothing in these is about time any more"


@pytest.mark.parametrize(
    "line",
    [
        "time.sleep(1)",
        "await asyncio.sleep(0.1)",
        "assert time.monotonic() - began < 3",
        "thread.join(5)",
        "process.wait(10)",
        "subprocess.run(command, timeout=60)",
        "settings(deadline=200)",
    ],
)
def test_haste_is_seen(line: str) -> None:
    """The rule above can fail."""
    assert list(haste(ast.parse(line)))


@pytest.mark.parametrize("line", ["thread.join()", "process.wait(HANG_S)", "await asyncio.sleep(0)", "','.join(words)"])
def test_patience_is_allowed(line: str) -> None:
    """And it holds for nothing else."""
    assert not list(haste(ast.parse(line)))
