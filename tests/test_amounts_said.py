"""Amounts are said in their unit: no sentence holds minor units or sun as a bare number."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.test_house_rules import ROOT, SOURCES

pytestmark = pytest.mark.fast

BARE = re.compile(r"_(minor|sun)$")
SAYS_MINOR_UNITS = {
    "core/ledger/journal.py": "a defect's message, where the currency may be anything",
    "scanners/blocks.py": "what is too large for any amount",
    "signers/outgoing/lanes.py": "whole coins, rounded up for a command",
    "core/streams/lost_outgoing.py": "a key, which nobody reads",
}
"""Where a number in minor units stands on purpose, and why."""


def bare_amounts(source: str) -> Iterator[tuple[int, str]]:
    """(line, expression) of every amount that an f-string holds as it is, outside a call that formats it."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FormattedValue) or any(isinstance(each, ast.Call) for each in ast.walk(node.value)):
            continue
        names = [
            each.attr if isinstance(each, ast.Attribute) else each.id
            for each in ast.walk(node.value)
            if isinstance(each, ast.Attribute | ast.Name)
        ]
        if isinstance(node.value, ast.IfExp):
            continue
        if any(BARE.search(name) for name in names):
            yield node.lineno, ast.unparse(node.value)


def test_every_amount_is_written_with_its_unit() -> None:
    """A person at night reads 2649.500000 USDT, not 2649500000 USDT; format_amount makes the one of the other."""
    paths = [path for path in SOURCES if "devnet" not in path.parts]
    found = {
        f"{path.relative_to(ROOT)}:{line} {expression}"
        for path in paths
        if str(path.relative_to(ROOT)) not in SAYS_MINOR_UNITS
        for line, expression in bare_amounts(path.read_text(encoding="utf-8"))
    }
    assert found == set()


def test_a_bare_amount_is_found() -> None:
    """In a sum, in an attribute, in a longer sentence; one that is formatted is none."""
    assert [said for _, said in bare_amounts('f"clients claim {total_minor} USDT, {order.amount_minor + 1}"')] == [
        "total_minor",
        "order.amount_minor + 1",
    ]
    assert list(bare_amounts("""f"it lacks {format_amount(short_sun, 'TRX')} TRX" """)) == []
