"""Names that nothing in the program uses: functions, classes, constants and methods. What only a test calls is dead as well."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.test_house_rules import ROOT, SOURCES

pytestmark = [pytest.mark.fast, pytest.mark.long]

REGISTERING = {
    "endpoint": "the router calls it",
    "event": "read from the history by its topic",
    "upcast": "called for older events by their topic",
    "command": "cyclopts calls it",
    "default": "cyclopts calls it",
    "register": "called by whom it is registered with",
    "field_validator": "pydantic calls it",
    "model_validator": "pydantic calls it",
    "field_serializer": "pydantic calls it",
    "override": "called through what it overrides",
}
"""Decorators that make a function or class used."""
KNOWN = {
    "model_config": "pydantic reads it",
    "data_received": "asyncio calls it",
    "pause_writing": "asyncio calls it",
    "resume_writing": "asyncio calls it",
    "on_message_begin": "httptools calls it",
    "on_url": "httptools calls it",
    "on_header": "httptools calls it",
    "on_headers_complete": "httptools calls it",
    "on_message_complete": "httptools calls it",
    "on_response_complete": "uvicorn calls it",
    "send_400_response": "uvicorn calls it",
    "capture_signals": "uvicorn calls it",
    "connect_tcp": "httpcore calls it",
    "start_tls": "httpcore calls it",
    "get_extra_info": "httpcore calls it",
    "handle_request": "httpx calls it",
    "do_POST": "http.server calls it",
    "log_message": "http.server calls it",
    "dump": "psycopg calls it",
    "force_flush": "OpenTelemetry calls it",
    "select_events": "the library eventsourcing calls it: the store is its recorder",
    "select_notifications": "the library eventsourcing calls it: the store is its recorder",
    "InProcess": "the devnet without a socket, for whoever tests against it",
    "solid_state": "the devnet's, for whoever tests against it",
    "purge": "the port `Queue`: the disaster that a queue is emptied, which tests play through",
}
"""Names that nothing here uses, and who does."""


class Defined(NamedTuple):
    """A name, where it is defined, and the node that defines it."""

    name: str
    file: str
    node: ast.stmt

    def __str__(self) -> str:
        return f"{self.file}:{self.node.lineno} {self.name}"

    def holds(self, other: "Defined") -> bool:
        """Whether the other is a part of this one, as a method is of its class."""
        outer, inner = self.node, other.node
        around = outer.lineno <= inner.lineno and (inner.end_lineno or 0) <= (outer.end_lineno or 0)
        return self.file == other.file and outer is not inner and around


def _decorators(node: ast.AST) -> Iterator[str]:
    for decorator in getattr(node, "decorator_list", ()):
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        yield target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


def definitions(tree: ast.Module, file: str) -> Iterator[Defined]:
    """Top-level names, and the methods and plain constants of classes; fields are data, and dunders are Python's."""
    for node in tree.body:
        yield from _defined(node, file)
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if not isinstance(inner, ast.AnnAssign):
                    yield from _defined(inner, file)


def _defined(node: ast.stmt, file: str) -> Iterator[Defined]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            if not set(_decorators(node)) & set(REGISTERING):
                yield Defined(node.name, file, node)
        case ast.Assign(targets=targets):
            for target in targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        yield Defined(name.id, file, node)
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield Defined(name, file, node)


def uses(tree: ast.AST) -> Counter[str]:
    """How often each name is read: as a name, an attribute, a keyword, or within a string that is a name or a path of names."""
    found: Counter[str] = Counter()
    silent = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(node.value)
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == "__all__" for each in node.targets
        ):
            silent |= set(ast.walk(node.value))
    for node in ast.walk(tree):
        match node:
            case (
                ast.Name(id=name, ctx=ast.Load())
                | ast.Attribute(attr=name, ctx=ast.Load())
                | ast.keyword(arg=str(name))
            ):
                found[name] += 1
            case ast.alias(name=name, asname=str()):
                found[name.rpartition(".")[2]] += 1
            case ast.Constant(value=str(text)) if node not in silent and re.fullmatch(r"[\w.:]+", text):
                found.update(set(re.findall(r"\w+", text)))
    return found


def dead(sources: dict[str, str]) -> list[Defined]:
    """What is defined in these sources, by their names, and read nowhere in them but within itself or what is dead."""
    trees = {name: ast.parse(text) for name, text in sources.items()}
    used: Counter[str] = Counter()
    for tree in trees.values():
        used += uses(tree)
    alive = [each for name, tree in trees.items() for each in definitions(tree, name)]
    alive = [each for each in alive if each.name not in KNOWN and not re.fullmatch(r"__\w+__|_", each.name)]
    within = {each: uses(each.node) for each in alive}
    found: list[Defined] = []
    while True:
        read = used.copy()
        for each in found:
            if not any(other.holds(each) for other in found):
                read -= within[each]
        more = [each for each in alive if read[each.name] <= within[each][each.name]]
        if not more:
            return found
        found += more
        alive = [each for each in alive if each not in more]


def test_every_name_is_used() -> None:
    """Nothing in the five packages is there for nobody; what others call is named with who calls it."""
    sources = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in SOURCES}
    assert [str(each) for each in dead(sources)] == []
    named = {each.name for file, text in sources.items() for each in definitions(ast.parse(text), file)}
    assert sorted(set(KNOWN) - named) == [], "named, and not there any more"


@pytest.mark.parametrize(
    "source",
    [
        "def nobody_calls(): ...",
        "class Nobody: ...",
        "NEVER = 1",
        "class Used:\n    def nobody_calls(self): ...\nUsed()",
        "def calls_itself(): calls_itself()",
    ],
)
def test_a_dead_name_is_found(source: str) -> None:
    """A function, a class, a constant, a method, and what only calls itself."""
    assert len(dead({"a.py": source, "b.py": "from a import nobody_calls\n__all__ = ['nobody_calls']"})) == 1
