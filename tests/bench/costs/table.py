"""The cost table: calls by service and process, what they cost, and whether the aims are met."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.costs.played import TOGETHER, Call, Counts, Played

PRICES: Final = json.loads((Path(__file__).parent / "prices.json").read_text(encoding="utf-8"))
USD_PER_MILLION: Final[Mapping[str, float]] = PRICES["usd_per_million"]
DAY_S: Final = 86_400
MONTH_DAYS: Final = 365.25 / 12
SERVICES: Final = {"sqs": "SQS", "dynamodb": "DynamoDB", "kms": "KMS", "secretsmanager": "Secrets Manager", "s3": "S3"}
DYNAMODB_WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
COLUMNS: Final = (
    "a deposit alone",
    f"one of {TOGETHER} in a block",
    "a payout",
    "a deposit and its sweep",
    "an idle day",
)


class Aim(NamedTuple):
    """What a column may come to at most."""

    said: str
    found: float
    most: float

    @property
    def held(self) -> bool:
        return self.found <= self.most


def kind_of(call: Call) -> str:
    """Under which price a call stands."""
    match call.service:
        case "dynamodb":
            return "dynamodb write" if call.operation in DYNAMODB_WRITES else "dynamodb read"
        case "s3":
            return "s3 write" if call.operation == "PUT" else "s3 read"
        case "kms":
            return "kms sign" if call.operation == "Sign" else "kms"
        case service:
            return service


def usd(counts: Counts, service: str = "") -> float:
    """What these calls cost."""
    return sum(
        count.units * USD_PER_MILLION[kind_of(call)] / 1_000_000
        for call, count in counts.items()
        if service in ("", call.service)
    )


def calls(counts: Counts, service: str, process: str = "") -> float:
    return sum(
        count.calls for call, count in counts.items() if call.service == service and process in ("", call.process)
    )


def columns(played: Played) -> list[Counts]:
    """As COLUMNS names them."""
    day = {
        call: count._replace(calls=count.calls * DAY_S, units=count.units * DAY_S)
        for call, count in played.idle.items()
    }
    return [played.alone, played.together, played.payout, played.sweep, day]


def aims(played: Played) -> list[Aim]:
    idle = columns(played)[-1]
    return [
        Aim("calls to SQS for a deposit that comes alone", calls(played.alone, "sqs"), 12),
        Aim("calls to DynamoDB for it", calls(played.alone, "dynamodb"), 3),
        Aim(f"calls to SQS for each of {TOGETHER} deposits of a block", calls(played.together, "sqs"), 1),
        Aim("calls to DynamoDB for each of them", calls(played.together, "dynamodb"), 1.5),
        Aim("USD a month for queues that are idle", usd(idle, "sqs") * MONTH_DAYS, 4),
    ]


def rows(played: Played) -> list[list[str]]:
    """Service by service, and below each who calls it; then what it costs. The first is the head."""
    found = [["calls to", *COLUMNS]]
    every = columns(played)
    for service, name in SERVICES.items():
        found.append([name, *(_number(calls(each, service)) for each in every)])
        callers = sorted({call.process for each in every for call in each if call.service == service})
        found += [[f"- {who}", *(_number(calls(each, service, who)) for each in every)] for who in callers]
    found.append(["USD for a thousand, and idle a month", *(f"{usd(each) * 1000:.3f}" for each in every[:-1])])
    found[-1].append(f"{usd(every[-1]) * MONTH_DAYS:.2f}")
    found.append(["- of it queues", *(f"{usd(each, 'sqs') * 1000:.3f}" for each in every[:-1])])
    found[-1].append(f"{usd(every[-1], 'sqs') * MONTH_DAYS:.2f}")
    return found


def lines(played: Played) -> list[str]:
    """For a terminal of 80 columns."""
    table = rows(played)
    heads = ["calls to", "alone", f"of {TOGETHER}", "payout", "sweep", "idle day"]
    widths = [38, 7, 7, 7, 7, 9]
    text = [_line(heads, widths), *(_line(row, widths) for row in table[1:])]
    text.append(f"prices: {PRICES['of']} ({PRICES['as_of']})")
    return [*text, *(_said(aim) for aim in aims(played))]


def markdown(played: Played) -> str:
    """For a document."""
    head, *others = rows(played)
    text = [_cells(head), "|---" * len(head) + "|", *(_cells(row) for row in others)]
    return "\n".join(text) + f"\n\n{PRICES['of']} ({PRICES['as_of']}).\n"


def _said(aim: Aim) -> str:
    return f"{'held' if aim.held else 'MISSED'}: {aim.said}: {aim.found:.2f}, at most {aim.most:g}"


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    first, *others = cells
    first_width, *other_widths = widths
    shown = ("  " + first[2:]) if first.startswith("- ") else first
    numbers = "".join(f"{cell:>{width}}" for cell, width in zip(others, other_widths, strict=True))
    return f"{shown:<{first_width}}{numbers}"


def _cells(row: Iterable[str]) -> str:
    first, *others = row
    return f"| {('&nbsp;&nbsp;' + first[2:]) if first.startswith('- ') else first} | " + " | ".join(others) + " |"


def _number(value: float) -> str:
    if not value:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 1 else f"{value:.3g}"
