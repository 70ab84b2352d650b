"""Alert rules and dashboard: they ask for what the program tells, and ring when they should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from core.ports.clients import Backlog
from gateways.http.metrics import Metrics
from gateways.postgres.boards.process_board import NAMES
from gateways.postgres.gauges import Installation, QueueGauges, SigningGauge, WebhookGauges
from gateways.postgres.questions import QUESTIONS, processes
from gateways.settings import Settings
from gateways.telemetry.disk import DiskGauge
from gateways.telemetry.looked_up import LookedUp, Source
from gateways.telemetry.numbers import Numbers
from gateways.wiring.counted import WatchedChain
from gateways.wiring.platform import utc_now
from tests.support.numbers import samples
from tests.test_house_rules import ROOT

pytestmark = pytest.mark.fast

RULES = ROOT / "terraform" / "observability" / "alerts.yaml"
UNIT_TESTS = Path(__file__).with_name("alerts_test.yaml")
DASHBOARD = json.loads((ROOT / "terraform" / "observability" / "dashboard.json").read_text())
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
RECORDS = {rule["record"]: rule["expr"] for group in GROUPS for rule in group["rules"] if "record" in rule}
ASKED = re.compile(r"\b(?:counterfoil|process)_\w+")
BY = re.compile(r"\bby \(([^)]*)\)")
FOREIGN_LABELS = {"job", "instance", "process", "le"}
"""Whoever scrapes gives them, or a histogram has them."""


class Anything:
    """Answers every question of the gauges with one row of numbers, one message, one webhook."""

    def execute(self, sql: str) -> list[SimpleNamespace]:
        wanted = next((each for each in (*QUESTIONS, processes(NAMES)) if each.sql == sql), None)
        if wanted is None:
            return [SimpleNamespace(name="a", times=1, taken=False, alarms=1)]
        return [SimpleNamespace(**{label: label for label in wanted.labels}, **dict.fromkeys(dict(wanted.gauges), 1))]

    def backlog(self, *_: object) -> Backlog:
        return Backlog(1, utc_now())

    def histories(self, _: object) -> dict[str, list[Any]]:
        return {}

    def depth(self) -> int:
        return 1

    dead_depth = oldest_s = depth


@pytest.fixture(scope="module")
def told() -> dict[str, set[str]]:
    """Every name that a process tells, with its labels."""
    numbers, anything = Numbers(), Anything()
    given: Any = anything
    Metrics(numbers).answered("GET", "/", 200, 0.1)
    WatchedChain(numbers)
    numbers.rejected("code")
    numbers.step(lambda: True)()
    numbers._events.labels("deposit.confirmed")
    asked = Installation(given, (*QUESTIONS, processes(NAMES)))
    gauges = (
        asked,
        SigningGauge(given),
        QueueGauges({"q": given}),
        WebhookGauges(given, utc_now),
        DiskGauge(Path("/")),
    )
    numbers.registry.register(LookedUp([Source(str(number), each) for number, each in enumerate(gauges)]))
    found: dict[str, set[str]] = {}
    for sample in samples(numbers.text().decode()):
        name, _, labels = sample.partition("{")
        found[name] = {label.partition("=")[0] for label in labels.rstrip("}").split(",") if label}
    return found


def queries() -> Iterator[tuple[str, str]]:
    """(where, expression) of all that is asked."""
    for name, rule in ALERTS.items():
        yield name, rule["expr"]
        yield from ((name, text) for text in re.findall(r'query "(.*?)"', rule["annotations"]["description"]))
    yield from RECORDS.items()
    for panel in DASHBOARD["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel.get("targets", []))


@pytest.mark.parametrize(("where", "expression"), list(queries()), ids=lambda text: str(text)[:60])
def test_a_query_asks_for_what_is_told(told: dict[str, set[str]], where: str, expression: str) -> None:
    """Every name in it is one that a process tells, and it groups by labels that those names have."""
    names = set(ASKED.findall(re.sub(r"""(["']).*?\1""", "", BY.sub("", expression))))
    assert names <= told.keys(), where
    labels = {label.strip() for group in BY.findall(expression) for label in group.split(",")}
    assert labels <= FOREIGN_LABELS.union(*(told[name] for name in names)), where


def test_no_label_of_ours_is_one_of_who_is_scraped(told: dict[str, set[str]]) -> None:
    """Prometheus would rename it, and every rule that groups by it would be blind."""
    assert {name for name, labels in told.items() if labels & {"job", "instance", "process"}} == set()


def test_all_that_is_told_of_the_installation_is_shown(told: dict[str, set[str]]) -> None:
    """A number that no panel and no rule asks for need not be told."""
    asked = {name for _, expression in queries() for name in ASKED.findall(expression)}
    parts = re.compile(r"_(bucket|sum|count)$")
    ours = {name for name in told if name.startswith("counterfoil_") and not parts.search(name)}
    assert ours - asked == {"counterfoil_scanner_block", "counterfoil_chain_solid_block", "counterfoil_alarms_total"}


def test_every_rule_says_how_bad_it_is_and_what_to_do() -> None:
    """Severity, a summary and a description; and a unit test in which it rings."""
    text = UNIT_TESTS.read_text()
    cases = yaml.safe_load(text)["tests"]
    ringing = {
        case["alertname"] for test in cases for case in test.get("alert_rule_test", []) if case.get("exp_alerts")
    }
    ringing |= {
        name
        for test in cases
        for case in test.get("promql_expr_test", [])
        for name in re.findall(r'alertname="(\w+)"', case["expr"])
        if case["exp_samples"]
    }
    assert ringing == ALERTS.keys()
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert rule["annotations"].keys() == {"summary", "description"}, name


def test_promtool_takes_the_rules_and_they_ring_when_they_should() -> None:
    """`promtool check rules` and `promtool test rules`, as an operator's Prometheus reads them."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here: install the package prometheus to check the alert rules")
    for command in (["check", "rules", str(RULES)], ["test", "rules", str(UNIT_TESTS)]):
        done = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_dashboard_is_what_grafana_imports() -> None:
    """Ids are unique, panels do not overlap, and each asks the data source that is chosen above."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["description"]


def test_the_collector_scrapes_where_processes_tell() -> None:
    """terraform gives every process the port that its collector asks, and scaling's metric is one that is told."""
    main = (ROOT / "terraform" / "main.tf").read_text()
    assert re.search(r"COUNTERFOIL_METRICS_PORT\s*= tostring\(local\.metrics_port\)", main)
    assert re.search(r"\n  metrics_port\s*= local\.metrics_port\n", main)
    assert Settings().metrics_port == 0
