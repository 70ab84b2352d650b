"""Two security standards, requirement by requirement: who sees to it, how, and which test shows it. Numbers and levels are
the standards' own, every sentence is ours."""

from importlib import resources
from typing import Final, NamedTuple

PRODUCT: Final = "product"
OPERATOR: Final = "operator"
NOT_APPLICABLE: Final = "n/a"
NOT_YET: Final = "not yet"
WHO: Final = (PRODUCT, OPERATOR, NOT_YET, NOT_APPLICABLE)
"""Who sees to a requirement: this program, whoever runs it, nobody yet; or there is nothing to see to."""

STANDARDS: Final = {
    "ccss": {
        "1.01": "Key material generation",
        "1.02": "Wallet generation",
        "1.03": "Key material storage",
        "1.04": "Key material access",
        "1.05": "Key material usage",
        "1.06": "Data sanitization",
        "2.01": "Security tests and audits",
        "2.02": "Log and monitor",
        "2.03": "Governance and risk",
        "2.04": "Key compromise",
    },
    "asvs": {
        "V1": "Encoding and sanitization",
        "V2": "Validation and business logic",
        "V3": "Web frontend",
        "V4": "API and web service",
        "V5": "File handling",
        "V6": "Authentication",
        "V7": "Session management",
        "V8": "Authorization",
        "V9": "Self-contained tokens",
        "V10": "OAuth and OpenID Connect",
        "V11": "Cryptography",
        "V12": "Secure communication",
        "V13": "Configuration",
        "V14": "Data protection",
        "V15": "Secure coding and architecture",
        "V16": "Logging and error handling",
        "V17": "WebRTC",
    },
}
"""The parts of each standard, by the beginning of their requirements' numbers."""


class Requirement(NamedTuple):
    """One requirement of a standard. `tests` are names of test functions, `operate` is a place on the operator's page or ""."""

    number: str
    level: str
    who: str
    asks: str
    how: str
    tests: tuple[str, ...]
    operate: str


def requirements(standard: str) -> tuple[Requirement, ...]:
    """Every requirement of a standard, in the standard's order. Raises KeyError for an unknown standard, ValueError for a
    line that is none."""
    if standard not in STANDARDS:
        raise KeyError(standard)
    text = (resources.files("gateways.http.docs.standards") / f"{standard}.tsv").read_text(encoding="utf-8")
    found = []
    for line in text.splitlines()[1:]:
        number, level, who, asks, how, tests, operate = line.split("\t")
        found.append(Requirement(number, level, who, asks, how, tuple(tests.split()), operate))
    return tuple(found)


def counted(standard: str) -> str:
    """How many requirements of a standard each sees to, as a table in Markdown."""
    known = requirements(standard)
    levels = sorted({each.level for each in known})
    rows = [f"| of | {' | '.join(WHO)} |", "|---" * (len(WHO) + 1) + "|"]
    for level in levels:
        numbers = [sum(each.who == who and each.level == level for each in known) for who in WHO]
        rows.append(f"| level {level} | {' | '.join(map(str, numbers))} |")
    return "\n".join(rows) + "\n"


def tables(standard: str) -> str:
    """A standard in Markdown: its parts folded, each with a table of its requirements."""
    known = requirements(standard)
    return "\n".join(
        _part(number, name, [each for each in known if each.number.startswith(f"{number}.")])
        for number, name in STANDARDS[standard].items()
    )


def _part(number: str, name: str, known: list[Requirement]) -> str:
    counts = [(who, sum(each.who == who for each in known)) for who in WHO]
    said = ", ".join(f"{count} {who}" for who, count in counts if count)
    rows = "\n".join(_row(each) for each in known)
    head = "| number | asks | who | how |\n|---|---|---|---|"
    return f"<details>\n<summary>{number} {name} <small>{said}</small></summary>\n\n{head}\n{rows}\n\n</details>\n"


def _row(each: Requirement) -> str:
    how = each.how.replace("|", "\\|")
    if each.operate:
        how += f" [More](/docs/operate#{each.operate})."
    tests = "".join(f" `{name}`" for name in each.tests)
    return f"| {each.number} <small>level {each.level}</small> | {each.asks} | {each.who} | {how}{tests} |"
