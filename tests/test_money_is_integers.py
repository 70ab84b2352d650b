"""Money is whole minor units from the chain to the books: where it is handled there are no fractions at all."""

import ast
from pathlib import Path

import pytest

from tests.test_house_rules import ROOT, SOURCES

pytestmark = pytest.mark.fast

ROOMS = ("core/", "scanners/", "signers/", "projections/", "gateways/http/resources/", "gateways/cli/desk/")
TIMES = ("gateways/http/resources/health.py", "gateways/http/resources/webhooks.py")
"""They hold seconds, and no money."""
MONEY = [path for path in SOURCES if (name := str(path.relative_to(ROOT))).startswith(ROOMS) and name not in TIMES]


def fractions(tree: ast.AST) -> list[str]:
    """Literals, calls and divisions that make a fraction, with their lines."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=float()) | ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
            case ast.Name(id="float" | "Decimal" | "Fraction" | "round"):
                found.append(f"line {node.lineno}: {node.id}")
    return found


def test_the_look_for_fractions_sees_one() -> None:
    """Each way to make a fraction is found, and whole division is none."""
    for source in ("fee = 0.5", "a / b", "a /= 2", "float(text)", "amount: Decimal", "round(a)"):
        assert len(fractions(ast.parse(source))) == 1, source
    assert fractions(ast.parse("a // b; a //= 2; a % 10**6; '0.5'")) == []


@pytest.mark.parametrize("path", MONEY, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_fraction_touches_money(path: Path) -> None:
    """Nothing that books, moves or shows money holds a float, a Decimal or a true division."""
    assert fractions(ast.parse(path.read_text(encoding="utf-8"))) == []
