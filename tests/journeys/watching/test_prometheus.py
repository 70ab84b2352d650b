"""Prometheus scrapes a running installation: every panel has data, and what is dead is told, not silent."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from gateways.processes.registry import PROCESSES
from tests.journeys.conftest import ROOT, Installation, get, post
from tests.journeys.test_traces import PAYEE, free_ports
from tests.support.patience import HANG_S, until

PROMETHEUS = shutil.which("prometheus")
WATCHED = ROOT / "terraform" / "observability"
ANSWERS_S = 2.0
NEVER_HERE = {
    "60 * sum by (code) (rate(counterfoil_commands_rejected_total[5m]))",  # nothing was refused
    "max by (wallet) (counterfoil_wallet_usdt_floor > 0)",  # no floor was set
    "max by (wallet) (counterfoil_wallet_trx_floor > 0)",
    "max by (wallet) (counterfoil_wallet_energy_floor > 0)",
}
"""Queries of panels that show nothing where there is nothing to show."""


@dataclass
class Watched:
    """An installation, and the Prometheus that scrapes it."""

    running: Installation
    prometheus: str
    metrics_port: int

    def ask(self, query: str) -> list[Any]:
        answer = httpx2.get(f"{self.prometheus}/api/v1/query", params={"query": query}, timeout=HANG_S).json()
        assert answer["status"] == "success", (query, answer)
        return list(answer["data"]["result"])

    def firing(self) -> set[str]:
        return {each["metric"]["alertname"] for each in self.ask('ALERTS{alertstate="firing"}')}

    def pending(self) -> set[str]:
        return {each["metric"]["alertname"] for each in self.ask("ALERTS")}

    def metrics(self) -> tuple[str, float]:
        """What the API's port answers, and in how many seconds."""
        began = time.monotonic()
        text = httpx2.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=HANG_S).text
        return text, time.monotonic() - began

    def in_time(self) -> str:
        """What it answers within two seconds; nothing where it took longer, as on a machine that others keep busy."""
        text, seconds = self.metrics()
        return text if seconds < ANSWERS_S else ""

    def postgres(self) -> list[int]:
        """The server and its children."""
        server = int((self.running.data / "postgres" / "postmaster.pid").read_text().split()[0])
        return [server, *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]


def config_of(metrics_port: int, rules: Path) -> dict[str, Any]:
    """A target for each process, with the name of the process as a label, as the collector's."""
    return {
        "global": {"scrape_interval": "2s", "evaluation_interval": "1s", "scrape_timeout": "2s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": f"counterfoil-{name}",
                "static_configs": [{"targets": [f"127.0.0.1:{metrics_port + number}"], "labels": {"process": name}}],
            }
            for number, name in enumerate(PROCESSES)
        ],
    }


def address_ready(running: Installation) -> bool:
    with running.operator() as operator:
        return "\ncounterfoil_addresses_ready 0.0" not in operator.get("/metrics").text


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """A deposit and a payout have been made, and all that was scraped for some seconds."""
    if PROMETHEUS is None:
        pytest.skip("prometheus is not here: install the package prometheus to scrape a running installation")
    with tempfile.TemporaryDirectory(prefix="cf-watched-") as folder, contextlib.ExitStack() as stopping:
        metrics_port = free_ports(len(PROCESSES) + 1)
        running = Installation(Path(folder) / "data", metrics_port=str(metrics_port))
        stopping.callback(running.stop)
        running.start()
        config = Path(folder) / "prometheus.yml"
        config.write_text(yaml.safe_dump(config_of(metrics_port, WATCHED / "alerts.yaml")))
        port = metrics_port + len(PROCESSES)
        listening = f"127.0.0.1:{port}"
        process = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/tsdb",
                f"--web.listen-address={listening}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stopping.callback(process.wait, HANG_S)
        stopping.callback(process.terminate)
        running.faucet(running.hot_wallet(), usdt="1000", trx="1000")
        company = running.company()
        with running.operator() as operator:
            until(lambda: get(operator, "/v1/system-wallets")["data"], "the wallets are registered")
        until(lambda: address_ready(running), "a deposit address is ready")
        address = post(company, "/v1/payins", {"client_reference": "1"})["address"]["tron_address_base58"]
        running.faucet(address, usdt="100")
        until(lambda: get(company, "/v1/deposits", status="confirmed")["data"], "the deposit is confirmed")
        post(company, "/v1/payouts", {"to_address": PAYEE, "amount": "5"})
        running.until_happened("payout.confirmed")
        watched = Watched(running, f"http://{listening}", metrics_port)

        def scraped() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                return len(watched.ask("count_over_time(up[1m]) > 5")) == len(PROCESSES)
            return False

        until(scraped, "every process was scraped some times")
        yield watched


def test_every_process_is_scraped(watched: Watched) -> None:
    """None refuses, and each says that it runs."""
    until(lambda: {each["value"][1] for each in watched.ask("up")} == {"1"}, "all targets are up")
    missing = [each["metric"]["kind"] for each in watched.ask("max by (kind) (counterfoil_processes) == 0")]
    assert missing == []
    assert len(watched.ask("max by (kind) (counterfoil_processes)")) == len(PROCESSES)


def test_every_panel_has_data(watched: Watched) -> None:
    """Each query of the dashboard returns something, but those that show what is not the case here."""
    dashboard = json.loads((WATCHED / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(queries) > 40
    empty: list[str] = []

    def has_data() -> bool:
        empty[:] = [query for query in queries if query not in NEVER_HERE and not watched.ask(query)]
        return not empty

    with contextlib.suppress(AssertionError):
        until(has_data, "every panel has data")
    assert empty == []


def test_a_healthy_installation_rings_for_nothing(watched: Watched) -> None:
    """No rule fires; what is only about to, on a machine that others keep busy, does not yet."""
    assert watched.firing() == set()


def test_a_frozen_database_is_told_within_two_seconds(watched: Watched) -> None:
    """It answers nothing at all: /metrics answers all the same, with 0, and goes on when it does."""
    frozen = watched.postgres()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            text = until(watched.in_time, "an answer within two seconds")
            assert "\ncounterfoil_database_reachable 0.0" in text
            assert '\ncounterfoil_source_answers{source="database"} 0.0' in text
            assert '\ncounterfoil_source_answers{source="disk"} 1.0' in text
            assert "\ncounterfoil_alarms_open{" in text
        until(lambda: "CounterfoilDatabaseUnreachable" in watched.pending(), "the rule has seen it")
    finally:
        for pid in reversed(frozen):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    until(lambda: "\ncounterfoil_database_reachable 1.0" in watched.metrics()[0], "the database answers again")
    until(lambda: "CounterfoilDatabaseUnreachable" not in watched.pending(), "the rule has seen that, too")


def test_a_killed_database_is_told_within_two_seconds(watched: Watched) -> None:
    """Until it is started again, which `up` does by itself."""
    os.kill(watched.postgres()[0], signal.SIGKILL)
    seen: set[str] = set()

    def told_and_back() -> bool:
        text = until(watched.in_time, "an answer within two seconds")
        seen.add("up" if "\ncounterfoil_database_reachable 1.0" in text else "down")
        return seen == {"up", "down"} and "\ncounterfoil_database_reachable 1.0" in text

    until(told_and_back, "the database was down and is back")
