"""The list of alarms is whole: what is raised stands in it, what stands in it is raised, and each says what to do."""

import ast
import re
from collections.abc import Iterator
from typing import get_args

import pytest

from core.streams.notices import Kind as NoticeKind
from gateways.alarm_list import DEFECT, Ends, Kind, Severity, alarm_kinds, kind_of
from gateways.cli.app import COMMANDS
from gateways.telemetry.alarm_log import alarm_name
from signers.outgoing.order_alarms import NAMES
from signers.wallet_watch import WALLETS, shortage_names
from tests.test_house_rules import ROOT, SOURCES

pytestmark = pytest.mark.fast

DOORS = {"alarm", "_alarm", "Condition", "tell", "tell_once", "_ring", "ring", "_bury"}
"""What is called with an alarm's name among its first three arguments."""
DERIVED = {*NAMES, *get_args(NoticeKind), *(name for role in WALLETS for name in shortage_names(role))}
FOREIGN = {"df", "chronyc"}
"""Commands of the machine's own."""
OPERATE = (ROOT / "gateways" / "http" / "docs" / "guides" / "operate.md").read_text(encoding="utf-8")


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def raised() -> Iterator[tuple[str, str]]:
    """(where, name) of every alarm that is raised by a name that stands there."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _called(node) in DOORS:
                for argument in node.args[:3]:
                    if isinstance(argument, ast.Constant) and re.fullmatch(r"[a-z]+(_[a-z]+)+", str(argument.value)):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", str(argument.value)


def constants_and_classes() -> set[str]:
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Constant(value=str(text)):
                    found.add(text)
                case ast.ClassDef(name=name):
                    found.add(alarm_name(type(name, (Exception,), {})()))
    return found


def test_every_alarm_that_is_raised_is_listed() -> None:
    """None reaches a person at night without what to do."""
    assert [f"{where}: {name}" for where, name in raised() if name not in alarm_kinds()] == []
    assert len({name for _, name in raised()}) > 30


def test_every_alarm_that_is_listed_can_be_raised() -> None:
    """A literal, a defect's or a node's fault by its class, a wallet's floor, a notice."""
    known = constants_and_classes() | DERIVED | {f"node_{each}" for each in ("silent", "behind", "lacks_blocks")}
    assert alarm_kinds().keys() <= known


@pytest.mark.parametrize("kind", alarm_kinds().values(), ids=lambda kind: kind.name)
def test_each_says_how_bad_it_is_what_to_do_and_by_which_command(kind: Kind) -> None:
    """In plain sentences; the command is one of ours, and the page of operating has a row whose anchor is its name."""
    assert kind.severity in get_args(Severity)
    assert kind.ends in get_args(Ends)
    assert kind.symptom[0].isupper()
    assert kind.remedy
    program, *rest = kind.command.split()
    assert program in FOREIGN or (program == "counterfoil" and rest[0] in COMMANDS)
    assert f'<a id="{kind.name}"></a>`{kind.name}`' in OPERATE


def test_a_name_that_is_none_of_the_list_is_a_defect_s() -> None:
    """It is critical, and a person has to look."""
    assert kind_of("zero_division_error").name == DEFECT
    assert (kind_of("zero_division_error").severity, kind_of("zero_division_error").ends) == ("critical", "person")
