"""The table in tests/README.md is whole: every row is there, and every test it names."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.fast

TESTS = Path(__file__).parent
ROWS = 39
_LINE = re.compile(r"\| (\d+) \| ([^|]+) \| ([^|]+) \|")


def table() -> list[tuple[int, str, list[str]]]:
    """(row, what is true, names of tests) of every numbered line."""
    text = (TESTS / "README.md").read_text(encoding="utf-8")
    _, _, below = text.partition("| row | what is true | test_function_name |\n")
    found = [_LINE.fullmatch(line) for line in below.splitlines()[1:]]
    return [(int(line[1]), line[2], line[3].split(", ")) for line in found if line]


def collected() -> Counter[str]:
    """The test functions that pytest finds, and in how many files there is one of that name."""
    names: Counter[str] = Counter()
    for path in TESTS.rglob("test_*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        names.update(name for name in functions if name.startswith("test_"))
    return names


def test_every_row_is_in_the_table_once_and_in_order() -> None:
    """Rows 1 to 37 without a gap, then those that came later, and no line between them that is none."""
    text = (TESTS / "README.md").read_text(encoding="utf-8")
    assert text.count("| row | what is true | test_function_name |\n|---|---|---|\n") == 1
    rows = [row for row, _, _ in table()]
    assert rows[:ROWS] == list(range(1, ROWS + 1))
    assert rows == sorted(set(rows))
    assert text.rstrip().endswith("|")


def test_every_row_says_what_is_true_in_words_of_its_own() -> None:
    """No sentence is missing, a mere label, or there twice."""
    sentences = [sentence for _, sentence, _ in table()]
    assert len(set(sentences)) == len(sentences)
    assert all(len(sentence.split()) >= 8 for sentence in sentences)


def test_every_test_in_the_table_exists() -> None:
    """Each name is that of one test function which pytest collects: not of two, not of a helper, not of one that is gone."""
    known = collected()
    assert known[test_every_test_in_the_table_exists.__name__] == 1
    named = {(row, name) for row, _, names in table() for name in names}
    assert sorted((row, name) for row, name in named if known[name] != 1) == []
    assert {row for row, _ in named} == {row for row, _, _ in table()}
