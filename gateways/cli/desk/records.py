"""`counterfoil refusals`, `audit-log` and `trial-balance`: what was tried, who did what, and whether the books balance."""

from typing import Annotated, Any

from cyclopts import Parameter

from core.ledger.money import format_amount
from gateways.cli.console import Data, Json, Output, Table, number, text
from gateways.cli.desk.desk import at_desk, moment
from gateways.cli.desk.tables import After, Limit, Shown, exact, show_page
from gateways.cli.installation import settings_with
from gateways.http.resources.operator import get_trial_balance, list_audit_logs
from gateways.http.resources.refused_commands import list_refused_commands
from gateways.settings import Settings

Account = Annotated[str | None, Parameter(help='Only of this account, by its id, or of "operator"')]


def _why(refused: dict[str, Any]) -> str:
    if refused["counts"]:
        return "; ".join(f"{it['times']} x {it['command']}: {it['code']}" for it in refused["counts"])
    return refused["detail"] or refused["code"] or ""


REFUSALS = (
    Shown(number("position"), lambda it: it["position"]),
    Shown(text("when"), lambda it: moment(it["occurred_at"])),
    exact("account", "account_id"),
    exact("by", "actor"),
    exact("command", "command"),
    Shown(text("why"), _why),
)
ACTS = (
    Shown(text("when"), lambda it: moment(it["at"])),
    exact("who", "actor_id"),
    exact("act", "action"),
    exact("account", "account_id"),
    exact("from", "ip_address"),
    Shown(text("what"), lambda it: ", ".join(f"{name}={value}" for name, value in it["data"].items())),
)


def refusals(
    *, account: Account = None, limit: Limit = 50, after: After = None, json: Json = False, data: Data = None
) -> None:
    """What was tried and refused, the newest first."""
    with at_desk(settings_with(data=data)) as desk:
        page = desk.ask(list_refused_commands, account_id=account, limit=limit, after=after)
    show_page(Output(as_json=json), page, REFUSALS, "nothing was refused")


def audit_log(
    *, account: Account = None, limit: Limit = 50, after: After = None, json: Json = False, data: Data = None
) -> None:
    """Who did what, over HTTP and at the terminal, the newest first."""
    with at_desk(settings_with(data=data)) as desk:
        page = desk.ask(list_audit_logs, account_id=account, limit=limit, after=after)
    show_page(Output(as_json=json), page, ACTS, "nothing is noted yet")


def show_trial_balance(settings: Settings, out: Output) -> bool:
    """Every kind of ledger account in its column -> whether debits equal credits (I1)."""
    with at_desk(settings) as desk:
        found = desk.ask(get_trial_balance)
    rows = [_line(it["book"], it["code"], it) for it in found["data"]]
    rows += [_line(it["book"], "in all", it) for it in found["totals"]]
    columns = ("book", "ledger account", number("debit"), number("credit"), "")
    holds = (
        "debits equal credits" if found["balanced"] else "debits and credits DIFFER: counterfoil reconcile says where"
    )
    out.show(found, Table(columns, rows), "", f"{holds}, at position {found['position']}")
    return bool(found["balanced"])


def _line(book: str, code: str, line: dict[str, Any]) -> tuple[str, ...]:
    currency = line["currency"]
    sides = (line["debit_minor"], line["credit_minor"])
    return book, code, *(format_amount(side, currency) if side else "" for side in sides), currency


def trial_balance(*, json: Json = False, data: Data = None) -> bool:
    """Every kind of ledger account in its column. Exit code 1 where debits and credits differ."""
    return show_trial_balance(settings_with(data=data), Output(as_json=json))
