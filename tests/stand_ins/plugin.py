"""pytest's part: chooses what asks a named service, and prints what became of it, class by class."""

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

import pytest

NAMED: Final = frozenset(os.environ["COUNTERFOIL_STAND_INS"].split())
SHORT: Final = {"passed": "pass", "failed": "FAIL", "skipped": "skip"}
_OF_AWS: Final = ("aws", "dynamodb", "s3", "")

outcomes: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
reasons: dict[tuple[str, str], str] = {}


def services_of(item: pytest.Item) -> frozenset[str]:
    return frozenset(service for marker in item.iter_markers("asks") for service in marker.args)


def asked(item: pytest.Item) -> bool:
    """Whether it asks a named service, of an adapter that is AWS'."""
    callspec = getattr(item, "callspec", None)
    adapters = {callspec.params.get(name, "") for name in ("backend", "totals", "archive")} if callspec else {""}
    fast = item.get_closest_marker("fast") is not None
    return bool(services_of(item) & NAMED) and not fast and bool(adapters & set(_OF_AWS[:3]) or adapters == {""})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left = [item for item in items if not asked(item)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if asked(item)]
    for item in items:
        services = " ".join(sorted(services_of(item) & NAMED))
        item.user_properties.append(("row", (row_of(item), services)))


def row_of(item: pytest.Item) -> str:
    """Its class, or the file of tests that have none."""
    kind = getattr(item, "cls", None)
    return kind.__name__ if kind else Path(item.path).stem.removeprefix("test_") + " (AWS' own ways)"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    counts = report.when == "call" or report.outcome != "passed"
    if not counts:
        return
    row = dict(report.user_properties)["row"]
    outcomes[row][report.outcome] += 1
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        told = crash.message if crash else str(report.longrepr)
        reasons[row[0], report.nodeid.rpartition("::")[2]] = (told.strip().splitlines() or [""])[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("stand-ins")
    terminalreporter.write_line(f"{'':<32}{'service':<16}{'pass':>6}{'FAIL':>6}{'skip':>6}")
    for (row, services), counted in sorted(outcomes.items(), key=lambda each: (each[0][1], each[0][0])):
        numbers = "".join(f"{counted[outcome]:>6}" for outcome in SHORT)
        terminalreporter.write_line(f"{row:<32}{services[:15]:<16}{numbers}")
    for (row, name), reason in reasons.items():
        terminalreporter.write_line(f"\nFAIL {row}: {name}\n     {reason[:300]}")
