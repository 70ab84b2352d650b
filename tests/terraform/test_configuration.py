"""terraform/ is formatted, valid, and its own tests pass; none of it needs AWS or a network."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateways.settings import Settings
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


@pytest.mark.fast
@pytest.mark.parametrize("module", ["", *MODULES], ids=lambda module: module or "root")
def test_every_variable_is_read(module: str) -> None:
    """A variable that nothing but its own validation reads promises what does not happen."""
    unread = _unread({path.name: path.read_text(encoding="utf-8") for path in (SOURCE / module).glob("*.tf")})
    assert unread == [], f"nothing reads {unread}"


@pytest.mark.fast
def test_a_variable_that_only_validates_itself_is_found() -> None:
    """Its own block does not count."""
    block = 'variable "{0}" {{\n  type = string\n\n  validation {{\n    condition = var.{0} != ""\n  }}\n}}\n'
    texts = {"variables.tf": block.format("read") + block.format("unread"), "main.tf": "locals {\n  a = var.read\n}\n"}
    assert _unread(texts) == ["unread"]


@pytest.mark.fast
def test_every_setting_that_terraform_gives_is_one_of_the_program() -> None:
    """A name that no process knows changes nothing."""
    given = re.findall(r"\bCOUNTERFOIL_([A-Z_]+?)\b\s*=", (SOURCE / "main.tf").read_text(encoding="utf-8"))
    assert len(given) > 10
    assert {name.lower() for name in given} <= set(Settings.model_fields)


def _unread(texts: Mapping[str, str]) -> list[str]:
    """Variables of one module, by the texts of its files, that stand nowhere outside of their own blocks."""
    text = "\n".join(texts.values())
    blocks = dict(re.findall(r'^variable "(\w+)" (\{.*?^\})', text, re.MULTILINE | re.DOTALL))
    return [
        name
        for name, block in blocks.items()
        if not re.search(rf"\bvar\.{name}\b", text.replace(f'variable "{name}" {block}', ""))
    ]
