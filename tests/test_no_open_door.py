"""What an attacker looks for first is not there: no secret that we chose for others, no bytes that run, no inside told."""

import ast
import re
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from gateways.embedded.secrets_file import SecretsFile, load_or_create
from gateways.processes.registry import PROCESSES
from gateways.settings import Settings
from tests.test_house_rules import ROOT, SOURCES

pytestmark = pytest.mark.fast

RUNNING_BYTES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle", "yaml"}
"""Modules that make objects, and so code, of bytes."""
RUNNING_TEXT = {"eval", "exec", "compile", "__import__"}
NAMED_SECRET = re.compile(r"(password|passwd|passphrase|secret|private_key|api_key|mnemonic|token)$", re.IGNORECASE)


def running(tree: ast.AST) -> list[str]:
    """Every place that could run what came from outside."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [name.name for name in names if name.name.split(".")[0] in RUNNING_BYTES]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in RUNNING_BYTES:
                found.append(module)
            case ast.Call(func=ast.Name(id=name)) if name in RUNNING_TEXT:
                found.append(name)
            case ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen" as name):
                found.append(f"os.{name}")
            case ast.keyword(arg="shell", value=ast.Constant(value=True)):
                found.append("shell=True")
    return found


def written_down(tree: ast.AST) -> list[str]:
    """Names of secrets that are given a text in the source, as a variable, a default or an argument."""
    given: list[tuple[str, ast.expr | None]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.keyword(arg=str(name), value=value):
                given.append((name, value))
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                given.append((name, value))
            case ast.arguments(
                posonlyargs=first, args=others, defaults=defaults, kwonlyargs=only, kw_defaults=only_defaults
            ):
                args = [*first, *others]
                with_default = args[len(args) - len(defaults) :]
                given += [(arg.arg, value) for arg, value in zip(with_default, defaults, strict=True)]
                given += [(arg.arg, value) for arg, value in zip(only, only_defaults, strict=True)]
    texts = [(name, value.value) for name, value in given if isinstance(value, ast.Constant)]
    return [name for name, text in texts if isinstance(text, str) and text and NAMED_SECRET.search(name)]


def test_the_look_for_open_doors_sees_one() -> None:
    """Each kind of door is found in a source that has it, and nothing is found in one that has none."""
    for source in ("import pickle", "from marshal import loads", "eval(x)", "os.system(x)", "run(x, shell=True)"):
        assert len(running(ast.parse(source))) == 1, source
    for source in (
        "PASSWORD = 'a'",
        "connect(password='a')",
        "def f(*, api_key='a'): ...",
        "def f(api_key='a', /, *, x): ...",
        "db_secret: str = 'a'",
    ):
        assert len(written_down(ast.parse(source))) == 1, source
    harmless = ast.parse("import json\ndef f(password: str = '') -> None: re.compile(password)")
    assert running(harmless) + written_down(harmless) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_comes_from_outside_is_run(path: Path) -> None:
    """No pickle, no eval, no shell: data stays data."""
    assert running(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_secret_is_written_in_the_source(path: Path) -> None:
    """Nothing that is named as a secret has a text of ours."""
    assert written_down(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_no_database_role_has_a_password_of_ours() -> None:
    """The migrations, which are public, set none."""
    migrations = sorted((ROOT / "schema" / "migrations").glob("*.sql"))
    assert migrations
    assert [path.name for path in migrations if re.search(r"password\s+'", path.read_text(), re.IGNORECASE)] == []


def test_every_secret_is_empty_or_random(tmp_path: Path) -> None:
    """A setting that is a secret has no default; what an installation makes for itself no other one has."""
    for name, field in Settings.model_fields.items():
        if field.annotation is SecretStr:
            assert field.get_default() == SecretStr(""), name
    one, other = (_secrets(load_or_create(tmp_path / name / "secrets.json")) for name in ("one", "other"))
    assert one.isdisjoint(other)
    assert all(len(secret) >= 32 for secret in one | other)
    assert len(one) == len(_secrets_with_repetitions(load_or_create(tmp_path / "one" / "secrets.json")))


def _secrets_with_repetitions(made: SecretsFile) -> list[str]:
    known = msgspec.to_builtins(made)
    return [*known.pop("role_passwords").values(), *known.values()]


def _secrets(made: SecretsFile) -> set[str]:
    return set(_secrets_with_repetitions(made))


def test_only_signers_are_given_the_keystore() -> None:
    """The process that answers the network, and every other but the three that derive and sign, needs no key of a wallet."""
    holders = {name for name, process in PROCESSES.items() if any("KEYSTORE" in need for need in process.needs)}
    assert holders == {"payouts", "addresses", "sweeps"}
    edge = [path for path in SOURCES if path.relative_to(ROOT).parts[:2] == ("gateways", "http")]
    assert edge
    assert [path.name for path in edge if "keystore" in path.read_text(encoding="utf-8").lower()] == []
