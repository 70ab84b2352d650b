"""`counterfoil adjustments`: a correction of the books, seen in both of them before it is posted."""

import json as json_format
import re
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from core.ledger import books
from core.ledger.journal import DEBIT_NORMAL, TREASURY, TREASURY_ACCOUNT_ID
from core.ledger.money import InvalidAmount, parse_amount
from gateways.cli.console import Data, Json, Output, Table, money, number
from gateways.cli.desk.desk import Desk, at_desk
from gateways.cli.installation import settings_with
from gateways.http.resources.ledger import get_balances
from gateways.http.resources.operator import post_adjustment
from gateways.settings import Settings
from gateways.user_error import UserError

_LINE: Final = re.compile(r"([^/=]+)/([^/=]+)=([0-9.]+)(USDT|TRX)?")
_HOW: Final = "write BOOK/LEDGER_ACCOUNT=AMOUNT, such as treasury/Suspense=12.50 or ACCOUNT_ID/User_Liability=3TRX"


def lines_of(debit: list[str], credit: list[str]) -> list[dict[str, str]]:
    """Lines as HTTP takes them. Raises UserError."""
    lines = []
    for side, given in (("debit", debit), ("credit", credit)):
        for each in given:
            found = _LINE.fullmatch(each)
            if found is None:
                raise UserError(f"{each!r} is no line: {_HOW}")
            book, account, amount, currency = found.groups()
            line = {"account_id": book, "ledger_account": account, "side": side, "amount": amount}
            lines.append({**line, "currency": currency or "USDT"})
    return lines


def preview(desk: Desk, lines: list[dict[str, str]]) -> list[dict[str, Any]]:
    """What each ledger account holds that a line touches, and would hold behind the adjustment. Raises UserError."""
    moved: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for line in lines:
        key = line["account_id"], line["ledger_account"], line.get("currency", "USDT")
        try:
            minor = parse_amount(line["amount"], key[2])
        except InvalidAmount as error:
            raise UserError(f"{line['amount']!r}: {error}") from None
        moved[key] += minor if line["side"] == "debit" else -minor
    held = {book: _held(desk, book) for book in dict.fromkeys(book for book, *_ in moved)}
    shown = []
    for (book, code, currency), debit_minor in moved.items():
        kind, before = held[book].get((code, currency), (_kind(book, code), 0))
        after = before + (debit_minor if kind in DEBIT_NORMAL else -debit_minor)
        amounts = {**money("before", before, currency), **money("after", after, currency)}
        shown.append({"book": book, "ledger_account": code, "type": kind, "currency": currency, **amounts})
    return shown


def _held(desk: Desk, book: str) -> dict[tuple[str, str], tuple[str, int]]:
    account = str(TREASURY_ACCOUNT_ID) if book == TREASURY else book
    balances = desk.ask(get_balances, account=account)["data"]
    return {(it["code"], it["currency"]): (it["type"], it["amount_minor"]) for it in balances}


def _kind(book: str, code: str) -> str:
    """Of a ledger account that holds nothing yet. One that there is not is refused when it is posted."""
    if book == TREASURY and code in books.TREASURY_CHART:
        return books.TREASURY_CHART[code][0]
    return "asset" if code == books.CLIENT_ASSET else "liability"


def adjust(
    settings: Settings, reason: str, lines: list[dict[str, str]], out: Output, *, post: bool, even_though: bool = False
) -> None:
    """Both books before and after; posted only where that is said."""
    body = {"reason": reason, "postings": lines, "even_though": even_though}
    with at_desk(settings) as desk:
        shown = preview(desk, lines)
        posted = desk.ask(post_adjustment, body=body) if post else None
    rows = [(it["book"], it["ledger_account"], it["before"], it["after"], it["currency"]) for it in shown]
    said = f"posted as {posted['id']}" if posted else "nothing was posted: --yes posts it"
    table = Table(("book", "ledger account", number("holds"), number("would hold"), ""), rows)
    out.show({"reason": reason, "data": shown, "posted": posted}, table, "", said)


def read_file(file: Path) -> tuple[str, list[dict[str, str]]]:
    """{"reason": ..., "postings": [...]}, as POST /v1/adjustments takes it. Raises UserError."""
    try:
        found = json_format.loads(file.read_bytes())
        return found.get("reason", ""), [dict(line) for line in found["postings"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{file} holds no adjustment: it is to be {{reason, postings}} as JSON") from None


app = App(name="adjustments", help="A correction of the books: both of them before and after, then --yes")

Lines = Annotated[list[str] | None, Parameter(help=f"May be given several times; {_HOW}", negative="")]


@app.command(name="post")
def _post(
    file: Annotated[Path | None, Parameter(help="The adjustment as JSON: a reason and postings")] = None,
    /,
    *,
    debit: Lines = None,
    credit: Lines = None,
    reason: Annotated[str | None, Parameter(help="Why; it is kept for ever")] = None,
    yes: Annotated[bool, Parameter(negative="", show_default=False, help="Post it")] = False,
    even_though: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="Though no difference from the chain is known that it explains"
        ),
    ] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Show what both books would hold behind a correction; with --yes post it."""
    if (file is None) == (not debit and not credit):
        raise UserError("give a file, or lines as --debit and --credit")
    written, lines = read_file(file) if file is not None else ("", lines_of(debit or [], credit or []))
    why = reason or written
    if not why:
        raise UserError("say why, with --reason: it is kept for ever")
    adjust(settings_with(data=data), why, lines, Output(as_json=json), post=yes, even_though=even_though)
