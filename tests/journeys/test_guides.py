"""The guides do what they say: every block in them runs as it stands, one after another, and prints what stands below it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from gateways.http.docs.guides import source
from tests.documents.blocks import blocks, commands, shape
from tests.documents.operating import outputs
from tests.documents.shell import Shell
from tests.journeys.conftest import Installation
from tests.support.patience import HANG_S, until
from tests.support.postgres import Database

ROOT = Path(__file__).parents[2]


def code(guide: str, language: str) -> list[str]:
    found = [block.text for block in blocks(source(guide)) if block.language == language]
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
        timeout=HANG_S,
        check=False,
    )


def test_a_client_can_follow_its_page(installation: Installation) -> None:
    """From the first address to a payout, its refusals and its receipt, over real HTTP, with the standard library alone."""
    until(lambda: installation.hot_wallet())
    with installation.company("Guided") as company:
        key = company.headers["x-api-key"]
    done = run_python("\n".join(code("integrate", "python")), API=installation.api, KEY=key, DEVNET=installation.devnet)
    assert done.returncode == 0, done.stderr


@pytest.mark.fast
def test_an_engineer_can_follow_his_page() -> None:
    """A new event, decision and view, without a server."""
    done = run_python("\n".join(code("extend", "python")))
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(1800)
def test_an_operator_can_follow_his_page() -> None:
    """Every command from the first wallet to a restored copy, with what it prints."""
    page = source("operate")
    for written, printed in outputs(page).values():
        assert shape(printed) == shape(written), f"the page has\n{written}\nand it printed\n{printed}\nmake readme"


def test_an_auditor_can_follow_his_page(installation: Installation) -> None:
    """The export is verified by the stand-alone file, and a changed byte is found."""
    until(lambda: installation.hot_wallet())
    with (
        tempfile.TemporaryDirectory(prefix="cf-verified-") as name,
        Shell(Path(name), data=str(installation.data)) as shell,
    ):
        printed = [shell.run(block.text) for block, _ in commands(source("verify"))]
    assert printed[-1].rstrip().endswith("found")


def test_the_auditors_queries_answer(database: Database) -> None:
    """What the page types into psql."""
    with psycopg.connect(database.reader_url) as conn:
        for statement in code("verify", "sql")[0].strip().split(";\n"):
            conn.execute(statement)
