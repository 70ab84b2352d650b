"""pytest's part: chooses what asks a named service, and prints what became of it, class by class."""

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from botocore.httpsession import URLLib3Session

from tests.support.aws import FAULTS, endpoint_variable

NAMED: Final = frozenset(os.environ["COUNTERFOIL_STAND_INS"].split())
SHORT: Final = {"passed": "pass", "failed": "FAIL", "skipped": "skip"}
ON_ONE_MACHINE: Final = frozenset({"embedded", "file", "folder"})
"""Parameters by which a contract's tests name the adapters that ask nobody."""

outcomes: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
reasons: dict[tuple[str, str], str] = {}


requests: Counter[str] = Counter()
"""By the host that was asked: a table of a stand-in that nobody asked would be a lie."""


def pytest_configure(config: pytest.Config) -> None:
    send = URLLib3Session.send

    def counted(self: URLLib3Session, request: Any) -> Any:
        requests[urlsplit(request.url).netloc] += 1
        return send(self, request)

    URLLib3Session.send = counted


def pytest_sessionfinish(session: pytest.Session) -> None:
    if unasked():
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def unasked() -> list[str]:
    """Named services that tests passed for and that nobody asked."""
    found = []
    for service in {name for _, services in outcomes for name in services.split()}:
        url = os.environ.get(endpoint_variable(service)) or os.environ.get("AWS_ENDPOINT_URL", "")
        if url and not FAULTS and not requests[urlsplit(url).netloc]:
            found.append(f"{service} at {url}")
    return found


def services_of(item: pytest.Item) -> frozenset[str]:
    return frozenset(service for marker in item.iter_markers("asks") for service in marker.args)


def asked(item: pytest.Item) -> bool:
    """Whether it asks a named service, of an adapter that is AWS'."""
    callspec = getattr(item, "callspec", None)
    adapters = set(map(str, callspec.params.values())) if callspec else set()
    fast = item.get_closest_marker("fast") is not None
    return bool(services_of(item) & NAMED) and not fast and not adapters & ON_ONE_MACHINE


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
    return kind.__name__ if kind else "/".join(Path(item.path).parts[-2:])


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
    terminalreporter.write_line(f"{'':<40}{'service':<16}{'pass':>6}{'FAIL':>6}{'skip':>6}")
    for (row, services), counted in sorted(outcomes.items(), key=lambda each: (each[0][1], each[0][0])):
        numbers = "".join(f"{counted[outcome]:>6}" for outcome in SHORT)
        terminalreporter.write_line(f"{row:<40}{services[:15]:<16}{numbers}")
    terminalreporter.write_line("\nrequests  " + "\n          ".join(f"{n:>7}  {host}" for host, n in requests.items()))
    for each in unasked():
        terminalreporter.write_line(f"nobody asked {each}: what stands above was not proven on it")
    alike: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (row, name), reason in reasons.items():
        alike[row, reason].append(name)
    for (row, reason), names in alike.items():
        terminalreporter.write_line(f"\nFAIL {row}: {', '.join(names)}\n     {reason[:300]}")
