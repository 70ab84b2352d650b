"""The README: its client runs as it stands there, its output is the program's, what it names is there."""

import re
import tempfile
from pathlib import Path

import pytest

from gateways.cli.app import COMMANDS
from gateways.http.docs.guides import GUIDES, source
from tests.documents.blocks import commands, parts
from tests.documents.parts import QUICK, README, ROOT
from tests.documents.shell import NOT_RUN, Shell
from tests.journeys.conftest import Installation
from tests.support.patience import until

TEXT = README.read_text(encoding="utf-8")
BYTES_MAX = 9 * 1024
DOCUMENTS = {
    "README.md": TEXT,
    "DECISIONS.md": (ROOT / "DECISIONS.md").read_text(encoding="utf-8"),
    **{f"gateways/http/docs/guides/{name}.md": source(name) for name in GUIDES},
}


def test_the_readme_s_client_works_as_written(installation: Installation) -> None:
    """Beside a running installation it makes an account, a key and an address, is paid, and asks for a payout."""
    until(lambda: installation.hot_wallet())
    [(block, _)] = commands(TEXT)
    script = block.text.replace("http://127.0.0.1:8080", installation.api)
    script = script.replace("http://127.0.0.1:8090", installation.devnet)
    with tempfile.TemporaryDirectory(prefix="cf-readme-") as name:
        (Path(name) / ".counterfoil").symlink_to(installation.data)
        with Shell(Path(name)) as shell:
            printed = shell.run(script)
    assert '"txid":' in printed
    assert "insufficient_funds" in printed or '"state":"requested"' in printed  # as soon as the deposit is solid
    assert '"code":"User_Liability"' in printed.replace(" ", "")


@pytest.mark.fast
def test_the_readme_is_read_in_one_go() -> None:
    """It stays below its limit; the guides have the rest."""
    assert len(TEXT.encode()) <= BYTES_MAX


@pytest.mark.fast
@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_the_program_prints_into_a_document_is_what_it_prints(name: str) -> None:
    """Help, settings and processes are the program's own: `make readme` writes them."""
    for part, text in parts(DOCUMENTS[name]).items():
        if part in QUICK:
            assert text == QUICK[part](), f"{name} is not up to date: make readme"


@pytest.mark.fast
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_a_document_names_exists(name: str) -> None:
    """`counterfoil X` and `make X` are commands there are."""
    named = set(re.findall(r"(?<![/\w])counterfoil (\w[\w-]*)", DOCUMENTS[name]))
    assert named - COMMANDS.keys() - {"NOUN", "COMMAND"} == set()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"(?:`|    )make ([\w-]+)", DOCUMENTS[name])
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


@pytest.mark.fast
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_a_document_names_exists(name: str) -> None:
    """Files and folders in backticks, and what is linked to, are there."""
    folders = "core|projections|gateways|scanners|signers|schema|terraform|tests"
    paths = re.findall(rf"`((?:{folders})/[\w./]*)`", DOCUMENTS[name]) + re.findall(r"\]\(([\w./]+)\)", DOCUMENTS[name])
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.fast
def test_what_is_not_run_is_there() -> None:
    """Every line that no test runs stands in a document, so that the list of exceptions only shrinks."""
    lines = {line for text in DOCUMENTS.values() for block, _ in commands(text) for line in block.text.splitlines()}
    assert NOT_RUN.keys() - lines == set()


@pytest.mark.fast
def test_the_readme_leads_to_every_document() -> None:
    """A stranger finds each guide, the decisions and what was measured from the first page."""
    for link in (*(f"/docs/{name}" for name in GUIDES), "DECISIONS.md", "tests/bench/README.md", "terraform/README.md"):
        assert link in TEXT
