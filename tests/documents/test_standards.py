"""The security page: both standards are whole, every claim names a test that there is, every duty a place that there is."""

import hashlib
import re

import pytest

from gateways.http.docs.guides import source
from gateways.http.docs.layout import guide_page
from gateways.http.docs.standards import NOT_APPLICABLE, NOT_YET, OPERATOR, PRODUCT, STANDARDS, WHO, requirements
from tests.test_failures_table import collected

pytestmark = pytest.mark.fast

NUMBERS = {
    "ccss": (59, {"I": 30, "II": 18, "III": 11}, "ea0b367d8a8f1890"),
    "asvs": (253, {"1": 70, "2": 183}, "9af37b810927c5ee"),
}
"""How many requirements each standard has at each level, and the SHA-256 of all their numbers with their levels."""
PAGE = source("security")
"""The threat model, in Markdown."""
KNOWN = [(standard, each) for standard in STANDARDS for each in requirements(standard)]


def _digest(standard: str) -> str:
    lines = "".join(f"{each.number} {each.level}\n" for each in requirements(standard))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _rows() -> list[tuple[str, list[str]]]:
    """(attacker, cells) of each row of the threat model."""
    found = []
    for section in PAGE.partition("\n## Who may come")[2].partition("\n## ")[0].split("\n### ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        found += [(section.partition("\n")[0], re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines[2:]]
    return found


@pytest.mark.parametrize("standard", STANDARDS)
def test_a_standard_is_there_once_and_whole(standard: str) -> None:
    """Each number with its level, in the standard's order, and each under a part that is shown."""
    many, levels, digest = NUMBERS[standard]
    known = requirements(standard)
    assert (len(known), len({each.number for each in known})) == (many, many)
    assert {level: sum(each.level == level for each in known) for level in levels} == levels
    assert _digest(standard) == digest
    for each in known:
        assert sum(each.number.startswith(f"{part}.") for part in STANDARDS[standard]) == 1, each.number


def test_every_requirement_says_who_sees_to_it_and_how() -> None:
    """One of four, with sentences; tests where the product does, and nowhere else a claim that no test shows."""
    for standard, each in KNOWN:
        name = f"{standard} {each.number}"
        assert each.who in WHO, name
        for said in (each.asks, each.how):
            assert said[0].isupper() or said[0].islower(), name
            assert said.endswith("."), name
        assert bool(each.tests) == (each.who == PRODUCT), name
        assert not each.operate or each.who == OPERATOR, name


def test_every_test_that_is_claimed_exists() -> None:
    """Of the standards and of the threat model: the name of one test function which pytest collects."""
    known = collected()
    named = {name for _, each in KNOWN for name in each.tests} | set(re.findall(r"\btest_\w+", PAGE))
    assert sorted(name for name in named if known[name] != 1) == []


def test_every_duty_leads_to_the_operator_s_page() -> None:
    """Whatever place it names is there."""
    places = set(re.findall(r'id="([^"]+)"', guide_page("operate").decode()))
    assert {each.operate for _, each in KNOWN if each.operate} - places == set()


def test_the_threat_model_is_whole() -> None:
    """Each attacker has rows of four cells; each asset is met by somebody; each row names a test."""
    assets = {
        line.split("|")[1].strip() for line in PAGE.partition("| asset | where")[2].split("\n\n")[0].splitlines()[2:]
    }
    rows = _rows()
    attackers = list(dict.fromkeys(attacker for attacker, _ in rows))
    assert len(attackers) == 12
    glance = PAGE.partition("| attacker | the most")[2].partition("\n\n")[0]
    assert re.findall(r"^\| \[(.+?)\]\(#", glance, re.MULTILINE) == attackers
    places = set(re.findall(r'id="([^"]+)"', guide_page("security").decode()))
    assert set(re.findall(r"\(#([^)]+)\)", PAGE)) <= places
    elsewhere = set(re.findall(r"\(/docs/operate#([^)]+)\)", PAGE))
    assert elsewhere <= set(re.findall(r'id="([^"]+)"', guide_page("operate").decode()))
    assert all(len(cells) == 4 and all(cell.strip() for cell in cells) for _, cells in rows)
    assert {re.split(r",| of ", cells[0].strip())[0] for _, cells in rows} == assets
    assert [cells for _, cells in rows if "`test_" not in cells[3]] == []


def test_the_page_shows_every_requirement() -> None:
    """Folded by the standards' parts, each with how many the product, the operator and nobody sees to."""
    page = guide_page("security").decode()
    assert page.count("<details>") == sum(map(len, STANDARDS.values()))
    for _, each in KNOWN:
        assert f'<td data-label="number">{each.number} <small>' in page
    assert f"{PRODUCT}, " in page
    assert {NOT_YET, NOT_APPLICABLE} <= set(WHO)
