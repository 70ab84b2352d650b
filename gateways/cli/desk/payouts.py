"""`counterfoil payouts`: an account's payouts, who waits for what, and how one is stopped or let go before the others.

What an approver signs stands in gateways/cli/payouts.py.
"""

from typing import Annotated, Any

from cyclopts import App, Parameter

from core.ledger.money import format_amount
from gateways.cli.console import Data, Json, Output, number, text
from gateways.cli.desk.desk import at_desk, moment
from gateways.cli.desk.tables import After, Limit, OfAccount, Shown, exact, of_account, show_one, show_page
from gateways.cli.installation import settings_with
from gateways.cli.payouts import app as approving
from gateways.http.resources.payout_lanes import list_payout_lanes
from gateways.http.resources.payouts import cancel_payout, expedite_payout, list_payouts


def _waiting(payout: dict[str, Any]) -> str:
    waiting = payout["waiting"]
    return f"{waiting['reason']}, since {moment(waiting['since'])}" if waiting else payout["failure_code"] or ""


COLUMNS = (
    exact("payout", "id"),
    Shown(text("asked"), lambda it: moment(it["created_at"])),
    exact("state", "state"),
    Shown(number("amount"), lambda it: it["amount"]),
    exact("to", "to_address"),
    exact("transaction", "tron_tx_hash"),
    Shown(text("waits for, or failed of"), _waiting),
    Shown(text("reference"), lambda it: it["client_reference"]),
)
LANES = (
    exact("account", "account_id"),
    Shown(text("name"), lambda it: it["name"]),
    Shown(number("waiting"), lambda it: it["waiting"]),
    Shown(text("oldest"), lambda it: moment(it["oldest_at"])),
    Shown(text("for"), lambda it: ", ".join(it["reasons"])),
    Shown(number("lacks USDT"), lambda it: it["short_minor"] and format_amount(it["short_minor"], "USDT")),
    Shown(number("set aside"), lambda it: it["earmarked_minor"] and format_amount(it["earmarked_minor"], "USDT")),
)

app: App = approving
app.help = "Accounts' payouts: list, cancel, expedite, approve one above the limits, adopt a transfer; lanes"

PayoutId = Annotated[str, Parameter(help="The payout's id")]


@app.command(name="list")
def _list(
    account: OfAccount = None,
    *,
    state: Annotated[
        list[str] | None,
        Parameter(help="Only those in this state, such as requested; several times for several", negative=""),
    ] = None,
    limit: Limit = 50,
    after: After = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Payouts of one account or of all, the newest first."""
    with at_desk(settings_with(data=data)) as desk:
        page = desk.ask(list_payouts, account_id=account, state=state, limit=limit, after=after)
    show_page(Output(as_json=json), page, of_account(COLUMNS, account), "nobody has asked for a payout that fits")


@app.command(name="lanes")
def _lanes(*, json: Json = False, data: Data = None) -> None:
    """Every account with payouts that wait: how many, since when, and for what."""
    with at_desk(settings_with(data=data)) as desk:
        page = desk.ask(list_payout_lanes)
    show_page(Output(as_json=json), page, LANES, "no payout waits")


@app.command(name="cancel")
def _cancel(payout: PayoutId, /, *, json: Json = False, data: Data = None) -> None:
    """Cancel a payout that nothing was prepared for; amount and fee are the account's again at once."""
    with at_desk(settings_with(data=data)) as desk:
        found = desk.ask(cancel_payout, path={"id": payout})
    show_one(Output(as_json=json), found, COLUMNS)


@app.command(name="expedite")
def _expedite(
    payout: PayoutId,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why; it is kept for ever")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Make it the next of its own account; other accounts' payouts keep their turns."""
    with at_desk(settings_with(data=data)) as desk:
        found = desk.ask(expedite_payout, path={"id": payout}, body={"reason": reason})
    show_one(Output(as_json=json), found, COLUMNS)
