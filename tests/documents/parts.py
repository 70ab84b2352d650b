"""What stands between markers in the documents: `counterfoil --help`, tables from the program's own lists, the demo's lines."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from gateways.alarm_list import alarm_kinds
from gateways.postgres.roles import LOGINS
from gateways.processes.registry import PROCESSES
from gateways.settings import PREFIX, Settings
from tests.documents import rotations
from tests.documents.holders import holders
from tests.documents.rights import CALLS, OWN, VIEW_TABLES, Rights
from tests.support.patience import HANG_S

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
TERRAFORM: Final = ROOT / "terraform/README.md"
GUIDES: Final = ROOT / "gateways/http/docs/guides"
COLUMNS: Final = 100

DEMO: Final = (
    "customer 42 sends",
    "seen at the head",
    "solid, credited",
    "webhook deposit.confirmed arrived",
    "bytes built and fixed",
    "checked against the request and signed",
    "solid, SUCCESS",
    "webhook payout.confirmed arrived",
    "ledger = chain: ",
)
"""What the README's lines of the demo have in them, in the order of the demo."""
SOMETIMES: Final = "seen at the head"
"""A line that a demo does not print whose scanner saw the deposit when it was solid."""


def environment(**settings: str) -> dict[str, str]:
    """This one without its settings, with those given, and a terminal of a known width."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "AWS_"))}
    kept |= {PREFIX + name.upper(): value for name, value in settings.items()}
    return {**kept, "COLUMNS": str(COLUMNS), "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}


def program(*arguments: str) -> str:
    """What `counterfoil` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "gateways", *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, (
        f"counterfoil {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def demo_lines(printed: str) -> list[str]:
    """The README's lines out of all that the demo prints. Raises ValueError for one that is not there."""
    lines = [line.rstrip() for line in printed.splitlines()]
    found = []
    for words in DEMO:
        matching = [line for line in lines if words in line]
        if not matching:
            if words == SOMETIMES:
                continue
            raise ValueError(f"the demo prints no line with {words!r}")
        found.append(matching[0])
    return found


def _help() -> str:
    return f"```text\n{program('--help').rstrip()}\n```\n"


def _settings() -> str:
    rows = ["| setting | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = getattr(field.default, "get_secret_value", lambda: field.default)()  # noqa: B023  called at once
        text = str(default).lower() if isinstance(default, bool) else str(default)
        shown = "" if text in ("", ".") else f"`{text}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {shown} | {_cell(field.description or '')} |")
    return "\n".join(rows) + "\n"


def _processes() -> str:
    rows = ["| process | what it does | how many |", "|---|---|---|"]
    for process in PROCESSES.values():
        scale = process.deployment.scale
        many = "one" if scale.by == "fixed" else "as many as needed"
        rows.append(f"| `{process.name}` | {_cell(process.summary)} | {many} |")
    return "\n".join(rows) + "\n"


def _rights() -> str:
    rows = ["| table | adds | changes | removes | reads | which rows |", "|---|---|---|---|---|---|"]
    rows += [_rights_row(f"`{name}`", may) for name, may in OWN.items()]
    alike: dict[str, list[str]] = {}
    for name, may in VIEW_TABLES.items():
        alike.setdefault(_rights_row("{}", may), []).append(f"`{name}`")
    rows += [row.format(", ".join(names)) for row, names in alike.items()]
    rows += ["", "| function | who may call it |", "|---|---|"]
    rows += [f"| `{name}` | {_roles(roles)} |" for name, roles in CALLS.items()]
    return "\n".join(rows) + "\n"


def _secrets() -> str:
    rows = ["| secret | processes that hold it |", "|---|---|"]
    rows += [f"| {_cell(name)} | {', '.join(sorted(who)) or 'none'} |" for name, who in holders().items()]
    return "\n".join(rows) + "\n"


_ENDS: Final = {"itself": "by itself", "quiet": "after a quiet hour", "person": "by `alarms ack`"}


def _alarms() -> str:
    """Each alarm's name is its anchor."""
    lines = ["| alarm | you see | do | command | ends |", "|---|---|---|---|---|"]
    for severity in ("critical", "warning"):
        for it in alarm_kinds().values():
            if it.severity == severity:
                name = f'<a id="{it.name}"></a>`{it.name}`{", critical" if severity == "critical" else ""}'
                lines.append(f"| {name} | {it.symptom} | {it.remedy} | `{it.command}` | {_ENDS[it.ends]} |")
    return "\n".join(lines) + "\n"


def _rotations() -> str:
    return rotations.table() + "\n"


def _rights_row(name: str, may: Rights) -> str:
    by_columns: dict[str, list[str]] = {}
    for role, columns in sorted(may.changes.items()):
        by_columns.setdefault(columns, []).append(role)
    changes = "; ".join(
        _roles(roles) + ("" if columns == "*" else f": {', '.join(columns.split())}")
        for columns, roles in by_columns.items()
    )
    cells = [name, _roles(may.adds), changes, _roles(may.removes), _roles(may.reads), _cell(may.rows)]
    return f"| {' | '.join(cells)} |"


def _roles(roles: Iterable[str]) -> str:
    others = sorted(_login(role) for role in set(LOGINS) - set(roles))
    if len(others) <= 1:
        return "every login" + (f" but {others[0]}" if others else "")
    return ", ".join(sorted(map(_login, roles)))


def _login(role: str) -> str:
    return role.removeprefix("counterfoil_")


def _cell(text: str) -> str:
    """Text that stands in a table: names of settings and of files as code."""
    return re.sub(r"(?<![`\w/])([A-Z]+(?:_[A-Z]+)+)(?![`\w])", r"`\1`", text.replace("|", "\\|"))


def _demo() -> str:
    return "```text\n" + "\n".join(demo_lines(program("demo"))) + "\n```\n"


def _costs() -> str:
    from tests.bench.costs.played import play
    from tests.bench.costs.table import markdown

    return markdown(play())


QUICK: Final[Mapping[str, Callable[[], str]]] = {
    "help": _help,
    "settings": _settings,
    "processes": _processes,
    "rights": _rights,
    "rotations": _rotations,
    "alarms": _alarms,
    "secrets": _secrets,
}
"""Written in a moment: a fast test holds them equal."""
PARTS: Final[Mapping[str, Callable[[], str]]] = {**QUICK, "demo": _demo, "costs": _costs}
