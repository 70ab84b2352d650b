"""What Terraform, alert rules, dashboard, guides and README name is there: commands, files, endpoints."""

import importlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from gateways.cli.app import COMMANDS
from tests.test_house_rules import ROOT, SOURCES

pytestmark = pytest.mark.fast

TERRAFORM: Final = ROOT / "terraform"
TEXTS: Final = sorted(
    [
        *(path for path in TERRAFORM.rglob("*") if path.suffix in (".tf", ".hcl", ".tftpl", ".md", ".yaml", ".json")),
        *(ROOT / "gateways" / "http" / "docs" / "guides").glob("*.md"),
        *ROOT.glob("*.md"),
        ROOT / "Dockerfile",
        ROOT / "compose.yaml",
    ]
)
SAID: Final = re.compile(
    r"(?:`(?:sudo )?|sudo |\: |; |and |by |^|, )counterfoil ((?:[a-z][a-z-]+)(?: [a-z][a-z-]+)*)", re.MULTILINE
)
FILE: Final = re.compile(r"(?<![\w/.*{}$-])([\w-]+(?:/[\w-]+)*/?[\w-]*\.(?:py|tf|json|yaml|tftpl|hcl|sql))(?![\w*])")
"""A file of the repository, by its path or by its name beside the text."""
FILES: Final = {
    path.name for path in (*TERRAFORM.rglob("*"), *SOURCES, *(ROOT / "schema").rglob("*")) if path.is_file()
}
ELSEWHERE: Final = {
    "RECEIPT.json",
    "address-indexes.json",
    "backend.hcl",
    "changes.json",
    "seen.json",
    "accounts.json",
    "broadcast.json",
    "cold.json",
    "cold-bundle.json",
    "export.json",
    "config.json",
    "daemon.json",
    "keystore.json",
    "secrets.json",
    "high-water.json",
    "backup.json",
    "statement.json",
    "collector.yaml",
    "rds.pem",
}
"""Files that an installation, a machine or a person has."""


def words(text: str) -> Iterator[list[str]]:
    """Of each command that a text names, its words as far as they could be subcommands."""
    for found in SAID.finditer(text):
        if found[1].split()[0] in COMMANDS or found[0].startswith(("`", "sudo")):
            yield found[1].split()


@cache
def subcommands(name: str) -> Any:
    """The command's app, or None where it has no subcommands."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(importlib.import_module(f"gateways.cli.{module}"), attribute)
    return found if attribute == "app" else None


def exists(said: list[str], *, prose: bool) -> bool:
    """Whether there is such a command; in prose a word that is none of its subcommands is the sentence's."""
    if said[0] not in COMMANDS:
        return False
    app = subcommands(said[0])
    for word in said[1:]:
        if app is None:
            return True
        known = [each for each in app if not each.startswith("-")]
        if word not in known:
            return prose or app.default_command is not None or not known
        app = app[word]
    return True


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_that_is_named_is_there(path: Path) -> None:
    """Whoever is woken by an alarm types what it says, and that is a command."""
    unknown = [" ".join(said) for said in words(path.read_text(encoding="utf-8")) if not exists(said, prose=False)]
    assert unknown == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_that_is_named_is_there(path: Path) -> None:
    """By its name, wherever it is, or by its path from the root, from beside the text, from terraform/ or gateways/."""
    text = path.read_text(encoding="utf-8")
    named = {name for name in FILE.findall(text) if name.rpartition("/")[2] not in ELSEWHERE}
    places = (ROOT, path.parent, TERRAFORM, ROOT / "gateways")
    assert sorted(it for it in named if it not in FILES and not any((place / it).exists() for place in places)) == []


@pytest.mark.parametrize(
    "wrong", ["`counterfoil dead-letters`", "sudo counterfoil secret make", "`counterfoil queue burry deposit-events`"]
)
def test_a_command_that_is_none_is_seen(wrong: str) -> None:
    """The check can fail."""
    assert [said for said in words(wrong) if not exists(said, prose=False)]


def test_alarms_and_rules_name_what_is_there() -> None:
    """Each alarm of CloudWatch and each rule of Prometheus that says what to type says a command."""
    alarms = (TERRAFORM / "observability" / "alarms.tf").read_text(encoding="utf-8")
    rules = (TERRAFORM / "observability" / "alerts.yaml").read_text(encoding="utf-8")
    dashboard = json.dumps(json.loads((TERRAFORM / "observability" / "dashboard.json").read_text(encoding="utf-8")))
    said = [
        each for text in (alarms, rules, dashboard) for each in re.findall(r"counterfoil ([a-z-]+(?: [a-z-]+)?)", text)
    ]
    assert len(said) > 10
    assert [each for each in said if not exists(each.split(), prose=True)] == []
