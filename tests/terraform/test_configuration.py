"""terraform/ is formatted, valid, and its own tests pass; none of it needs AWS or a network."""

import re
from pathlib import Path

import pytest

from tests.terraform.terraform import MODULES, SOURCE, Terraform, terraform, terraform_binary

__all__ = ["terraform"]


def test_every_file_is_formatted() -> None:
    """`terraform fmt` has nothing to change."""
    done = Terraform(SOURCE, terraform_binary()).run("fmt", "-check", "-recursive", "-no-color", check=False)
    assert done.stdout.split() == [], "run `terraform fmt -recursive terraform`"
    assert done.returncode == 0, done.stderr


def test_the_configuration_is_valid(terraform: Terraform) -> None:
    """Every module fits into the root, and every argument is one that the provider knows."""
    assert "Success!" in terraform.run("validate", "-no-color").stdout


def test_what_the_policies_promise_holds(terraform: Terraform) -> None:
    """Terraform's own tests, with a provider that answers without AWS: who signs, who reads, who reaches what."""
    done = terraform.run("test", "-no-color", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Success! [1-9]\d* passed, 0 failed\.", done.stdout)


@pytest.mark.fast
@pytest.mark.parametrize("module", ["", *MODULES], ids=lambda module: module or "root")
def test_every_variable_and_output_says_what_it_is(module: str) -> None:
    """A variable or an output without a description is a question that nobody answers."""
    for name in ("variables.tf", "outputs.tf"):
        text = (SOURCE / module / name).read_text(encoding="utf-8")
        blocks = [block for block in text.split("\n}\n") if block.strip().startswith(("variable", "output"))]
        assert blocks
        assert [block.split("\n")[0] for block in blocks if "description = " not in " ".join(block.split())] == []


@pytest.mark.fast
def test_the_parts_are_there() -> None:
    """One folder a part: what it makes is found by its name."""
    found = {path.parent.name for path in Path(SOURCE).glob("*/main.tf")} | {
        path.parent.name for path in SOURCE.glob("*/*.tf")
    }
    assert found == set(MODULES)
