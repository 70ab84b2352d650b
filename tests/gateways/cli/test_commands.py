"""Every command and verb, as a table: its help, its --json, its exit codes."""

import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from cyclopts import App

from gateways.cli import app
from gateways.cli.app import COMMANDS, EXIT_CODES, command_line, exit_code_of, overview, run

pytestmark = pytest.mark.fast

PRINT_NO_FACTS = {
    "demo": "tells a story as it happens, for people",
    "up": "runs until it is stopped; what it chose is in running.json",
    "run": "runs until it is stopped, and logs",
    "devnet": "runs until it is stopped",
    "openapi": "prints a document that is JSON already",
    "completion": "prints a script for a shell",
    "audit export": "writes a file: NDJSON, hledger or beancount",
    "statement make": "writes a file: JSON or CSV",
    "alarms secret": "prints a secret and nothing else, for a file or a variable",
}
"""Commands without --json, and why."""


def every_command() -> Iterator[tuple[str, App]]:
    """(its words, what parses it), of every command that can be called."""
    for name in COMMANDS:
        _, (*_, parser), _ = command_line().parse_commands([name])
        yield from _callable(name, parser)


def _callable(words: str, parser: App) -> Iterator[tuple[str, App]]:
    """It and its verbs, and what a verb has under it."""
    for verb in parser:
        if not verb.startswith("-"):
            yield from _callable(f"{words} {verb}", parser[verb])
    if parser.default_command is not None:
        yield words, parser


ALL = dict(every_command())


def parameters(parser: App) -> list[Any]:
    return list(parser.assemble_argument_collection())


@pytest.mark.parametrize("words", ALL)
def test_what_prints_facts_prints_them_as_json(words: str) -> None:
    """Every command has --json, or stands in the list of those that print none, with the reason."""
    has_json = any("--json" in argument.names for argument in parameters(ALL[words]))
    assert has_json != (words in PRINT_NO_FACTS)


def test_the_exceptions_are_commands() -> None:
    """No reason outlives its command."""
    assert PRINT_NO_FACTS.keys() <= ALL.keys()
    assert len(ALL) > 45


@pytest.mark.parametrize("words", ALL)
def test_a_command_and_each_of_its_parameters_say_what_they_are(words: str) -> None:
    """The docstring and a help text for each; no flag has a twin that negates it, no argument one with hyphens."""
    parser = ALL[words]
    assert parser.help.strip().endswith("."), parser.help
    for argument in parameters(parser):
        assert argument.parameter.help, argument.name
        assert not any(name.startswith("--no-") for name in argument.names)
        assert not any(name.startswith("--") and name.isupper() for name in argument.names)


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_overview_fits_and_lists_the_exit_codes(columns: int) -> None:
    """A line or two for each command, none longer than the terminal; and what each exit code means."""
    lines = overview(columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert [name for name in COMMANDS if not any(line.startswith(f"  {name} ") for line in lines)] == []
    for code in ("0", "1", "2", "3", "4", "130"):
        assert any(line.split()[:1] == [code] for line in lines)


@pytest.mark.parametrize("name", EXIT_CODES)
def test_each_class_of_error_has_its_exit_code_and_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error, and the code of the table; a class of that name exists."""
    module, _, kind = name.rpartition(".")
    error = made(getattr(importlib.import_module(module), kind))
    monkeypatch.setattr(app, "command_line", lambda: raising(error))
    assert run(["anything"]) == EXIT_CODES[name]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1


def made(kind: type[Exception]) -> Exception:
    """An error of the class, however it is made."""
    if kind.__module__.startswith("botocore"):
        return kind({"Error": {}}, "Ask") if kind.__name__ == "ClientError" else kind()
    if kind.__module__.startswith("cyclopts"):
        return kind("it is\nwrong")
    return kind("it is\nwrong")


def raising(error: BaseException) -> Callable[[Sequence[str]], object]:
    def call(_: Sequence[str]) -> object:
        raise error

    return call


def test_a_subclass_has_its_parents_code() -> None:
    """Unless it has one of its own: NotReady is a UserError, a refused connection an OSError."""
    from core.ports.chain import Disagreement
    from gateways.user_error import NotReady, UserError

    errors = (UserError(""), NotReady(""), Disagreement(""), OSError(), FileNotFoundError(), ConnectionRefusedError())
    assert [exit_code_of(error) for error in errors] == [2, 4, 3, 2, 2, 3]


def test_a_defect_is_no_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It crashes with its traceback: nobody may take it for something to mend by asking otherwise."""
    monkeypatch.setattr(app, "command_line", lambda: raising(ZeroDivisionError("of ours")))
    with pytest.raises(ZeroDivisionError):
        run(["anything"])


def test_ctrl_c_has_its_own_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said about it."""
    monkeypatch.setattr(app, "command_line", lambda: raising(KeyboardInterrupt()))
    assert run(["anything"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("returned", "code"), [(True, 0), (False, 1), (None, 0), (3, 3)])
def test_what_a_command_returns_is_its_exit_code(returned: object, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it holds, or the code of a program that was asked."""
    monkeypatch.setattr(app, "command_line", lambda: lambda _: returned)
    assert run(["anything"]) == code


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """`run` configures logging once for its process."""
    before = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = before
