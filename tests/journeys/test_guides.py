"""The three readers' pages do what they say: every code block in them runs as it stands, one after another."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from gateways.http.docs.guides import GUIDES, source
from tests.journeys.conftest import Installation, until
from tests.support.postgres import Database

ROOT = Path(__file__).parents[2]


def blocks(guide: str, language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", source(guide), re.DOTALL)
    assert found, f"{guide} has no {language}"
    return found


def run_python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=kept | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_client_can_follow_its_page(installation: Installation) -> None:
    """From the first address to a payout and its refusals, over real HTTP, with the standard library alone."""
    until(lambda: installation.hot_wallet())
    with installation.company("Guided") as company:
        key = company.headers["x-api-key"]
    done = run_python(
        "\n".join(blocks("integrate", "python")), API=installation.api, KEY=key, DEVNET=installation.devnet
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.fast
def test_an_engineer_can_follow_his_page() -> None:
    """A new event, decision and view, without a server."""
    done = run_python("\n".join(blocks("extend", "python")))
    assert done.returncode == 0, done.stderr


def test_an_auditor_can_follow_his_page(installation: Installation, tmp_path: Path) -> None:
    """The export is verified by the stand-alone file, and a changed byte is found."""
    until(lambda: installation.hot_wallet())
    command = f'"{sys.executable}" -m gateways'
    script = "\n".join(["set -euo pipefail", *blocks("verify", "sh")])
    script = script.replace("counterfoil ", f"{command} ").replace("schema/verify.py", str(ROOT / "schema/verify.py"))
    script = script.replace("python3", f'"{sys.executable}"')
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    environment |= {"COUNTERFOIL_DATA": str(installation.data), "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("found")


def test_the_auditors_queries_answer(database: Database) -> None:
    """What the page types into psql."""
    with psycopg.connect(database.reader_url) as conn:
        for statement in blocks("verify", "sql")[0].strip().split(";\n"):
            conn.execute(statement)


@pytest.mark.fast
@pytest.mark.parametrize("guide", GUIDES)
def test_every_path_a_guide_names_exists(guide: str) -> None:
    """Files and folders in backticks are there."""
    paths = re.findall(
        r"`((?:core|projections|gateways|scanners|signers|schema|terraform|tests)/[\w./]*)`", source(guide)
    )
    assert [path for path in paths if not (ROOT / path).exists()] == []
