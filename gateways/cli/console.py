"""What every command prints with: facts as text for people or as one JSON document, one kind of table, one bar.

Text is folded on a terminal only, and only free text is: an amount, an address, a code, a name or an id is never cut and
never broken over two lines, however narrow the terminal is. Where the output is no terminal, a row is a line.
"""

import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, TextIO

from cyclopts import Parameter

from core.ledger.money import format_amount

if TYPE_CHECKING:
    from rich.progress import Progress

Data = Annotated[
    Path | None,
    Parameter(help="The installation's folder; default: COUNTERFOIL_DATA, else .counterfoil"),
]
Json = Annotated[
    bool, Parameter(name="--json", negative="", show_default=False, help="Print one JSON document instead of text")
]

TEXT_COLUMNS_MIN: Final = 24
"""A free text that has less room than this beside the other columns is read better below them."""
_GAP: Final = "  "
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Column(NamedTuple):
    """A column: `exact` is never folded, a `number` stands at the right, `text` may be folded on a terminal."""

    title: str
    kind: Literal["exact", "number", "text"] = "exact"


def number(title: str) -> Column:
    """A column of amounts or counts."""
    return Column(title, "number")


def text(title: str) -> Column:
    """A column of sentences."""
    return Column(title, "text")


class Table:
    """Rows under titles. On a terminal too narrow for them each row is a block of lines, a title and its value each.

    A column that has nothing in any row is left out.
    """

    def __init__(
        self,
        columns: Iterable[str | Column],
        rows: Iterable[Sequence[object]],
        *,
        title: str = "",
        has_header: bool = True,
    ) -> None:
        self.title = title
        known = [Column(each) if isinstance(each, str) else each for each in columns]
        cleaned = [[_clean(cell) for cell in row] for row in rows]
        said = [not cleaned or any(row[at] for row in cleaned) for at in range(len(known))]
        self._columns = list(compress(known, said))
        self._rows = [list(compress(row, said)) for row in cleaned]
        self._has_header = has_header

    def lines(self, columns: int | None = None, *, styled: bool = False) -> list[str]:
        """As many lines as there are rows, and the header, unless `columns` says how wide the terminal is."""
        titles = [[each.title for each in self._columns]] if self._has_header else []
        natural = [max(map(_width, cells), default=0) for cells in zip(*titles, *self._rows, strict=True)]
        widths = natural if columns is None else self._fitted(natural, columns)
        lines = [_style(self.title, _BOLD, styled)] if self.title else []
        if widths is None:
            return lines + self._blocks(columns or 0, styled)
        lines += [_style(line, _BOLD, styled) for row in titles for line in self._row(row, widths)]
        return lines + [line for row in self._rows for line in self._row(row, widths)]

    def _fitted(self, natural: Sequence[int], columns: int) -> list[int] | None:
        """The widths on a terminal: free text gives way. None where there is no room for it."""
        over = sum(natural) + len(_GAP) * (len(natural) - 1) - columns
        widths = list(natural)
        for at, column in enumerate(self._columns):
            if over > 0 and column.kind == "text":
                longest = max((_width(word) for row in self._rows for word in row[at].split()), default=0)
                least = min(natural[at], max(TEXT_COLUMNS_MIN, longest, _width(column.title)))
                given = min(over, natural[at] - least)
                widths[at], over = natural[at] - given, over - given
        return None if over > 0 and self._has_header else widths

    def _row(self, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
        parts = [
            folded(cell, width) if column.kind == "text" else [cell]
            for cell, width, column in zip(cells, widths, self._columns, strict=True)
        ]
        return [
            _GAP.join(
                _padded(part[line] if line < len(part) else "", width, column.kind)
                for part, width, column in zip(parts, widths, self._columns, strict=True)
            ).rstrip()
            for line in range(max(map(len, parts), default=0))
        ]

    def _blocks(self, columns: int, styled: bool) -> list[str]:
        width = max(_width(each.title) for each in self._columns)
        lines: list[str] = []
        for row in self._rows:
            for column, cell in zip(self._columns, row, strict=True):
                room = max(TEXT_COLUMNS_MIN, columns - width - len(_GAP))
                parts = folded(cell, room) if column.kind == "text" else [cell]
                label = _style(_padded(column.title, width, "exact"), _DIM, styled)
                lines += [f"{label}{_GAP}{part}" for part in parts[:1] if part]
                lines += [f"{' ' * width}{_GAP}{part}" for part in parts[1:]]
            lines.append("")
        return lines[:-1]


def pairs(rows: Iterable[tuple[str, object]]) -> Table:
    """Labels and what belongs to them, a line each."""
    return Table(["", text("")], rows, has_header=False)


class Output:
    """Where a command's facts go: to standard output, as text or as JSON; what only says how far it is, to standard error."""

    def __init__(self, *, as_json: bool = False, stream: TextIO | None = None, notes: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = stream
        self._notes = notes

    def show(self, facts: Mapping[str, Any] | Sequence[Any], *parts: str | Table) -> None:
        """The command's one document, or the same as text. A command calls this once with all it has to say."""
        if self.as_json:
            import json

            stream = self._stream or sys.stdout
            stream.write(json.dumps(facts, indent=2, ensure_ascii=False, default=json_of) + "\n")
            stream.flush()
        else:
            self.say(*parts)

    def say(self, *parts: str | Table) -> None:
        """Text for people; nothing where JSON was asked for."""
        if not self.as_json:
            _write(self._stream or sys.stdout, parts)

    def note(self, line: str) -> None:
        """How far it is, or what somebody who waits should know."""
        _write(self._notes or sys.stderr, (line,))


def _write(stream: TextIO, parts: Iterable[str | Table]) -> None:
    columns = shutil.get_terminal_size().columns if stream.isatty() else None
    styled = columns is not None and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    for part in parts:
        if isinstance(part, Table):
            lines = part.lines(columns, styled=styled)
        else:
            lines = [line for each in part.split("\n") for line in folded(each, columns)]
        stream.write("".join(f"{line}\n" for line in lines))
    stream.flush()


def progress() -> "Progress":
    """A bar on standard error where that is a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def money(name: str, minor: int, currency: str) -> dict[str, Any]:
    """An amount as JSON has it, in the row's own currency: the exact decimal, and the integer beside it."""
    return {name: format_amount(minor, currency), f"{name}_minor": minor}


def usdt(name: str, minor: int) -> dict[str, Any]:
    """An amount of USDT as JSON has it."""
    return money(name, minor, "USDT")


def trx(name: str, sun: int) -> dict[str, Any]:
    """An amount of TRX as JSON has it; its smallest unit is the sun."""
    return {name: format_amount(sun, "TRX"), f"{name}_sun": sun}


def counted(count: int, noun: str) -> str:
    """1 sweep, 2 sweeps, 1,200 addresses."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}"


def rfc3339(at: datetime) -> str:
    """A time in UTC, as 2026-11-22T13:00:00Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def shown_time(at: datetime) -> str:
    """A time in UTC, to the second, for people."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def json_of(value: object) -> str:
    """What JSON has no form for: times in UTC, and ids, paths and addresses as their text."""
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def _clean(cell: object) -> str:
    """One line, whatever it holds: a name that somebody chose may not move the cursor."""
    found = "" if cell is None else str(cell)
    return found if found.isprintable() else "".join(each if each.isprintable() else " " for each in found)


def _width(cell: str) -> int:
    if cell.isascii():
        return len(cell)
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in cell
    )


def _padded(cell: str, width: int, kind: str) -> str:
    space = " " * (width - _width(cell))
    return space + cell if kind == "number" else cell + space


def folded(line: str, columns: int | None) -> list[str]:
    """A line as lines of so many columns, broken between words only: a longer word is left to the terminal whole."""
    if columns is None or _width(line) <= columns:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(
        line, columns, break_long_words=False, break_on_hyphens=False, subsequent_indent=indent, drop_whitespace=True
    ) or [""]


def _style(line: str, code: str, styled: bool) -> str:
    return f"{code}{line}{_PLAIN}" if styled and line.strip() else line
