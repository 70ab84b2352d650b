"""`counterfoil deposits`: what arrived on accounts' addresses, and how far each is."""

from typing import Annotated

from cyclopts import App, Parameter

from gateways.cli.console import Data, Json, Output, number, text
from gateways.cli.desk.desk import at_desk, moment
from gateways.cli.desk.tables import After, Limit, OfAccount, Shown, exact, of_account, show_one, show_page
from gateways.cli.installation import settings_with
from gateways.http.resources.deposits import get_deposit, list_deposits

COLUMNS = (
    exact("deposit", "id"),
    Shown(text("seen"), lambda it: moment(it["detected_at"])),
    exact("status", "status"),
    Shown(number("amount"), lambda it: it["amount"]),
    exact("", "currency"),
    exact("address", "address"),
    exact("transaction", "tx_hash"),
    Shown(number("block"), lambda it: it["block_number"]),
)

app = App(name="deposits", help="What arrived on accounts' addresses: list, show")


@app.command(name="list")
def _list(
    account: OfAccount = None,
    *,
    status: Annotated[str | None, Parameter(help="Only those: detected, confirmed or orphaned")] = None,
    address: Annotated[str | None, Parameter(help="Only those to this address")] = None,
    limit: Limit = 50,
    after: After = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Deposits of one account or of all, the newest first."""
    with at_desk(settings_with(data=data)) as desk:
        page = desk.ask(list_deposits, account_id=account, status=status, address=address, limit=limit, after=after)
    show_page(Output(as_json=json), page, of_account(COLUMNS, account), "nothing has arrived that fits")


@app.command(name="show")
def _show(
    deposit: Annotated[str, Parameter(help="The deposit's id")],
    /,
    *,
    json: Json = False,
    data: Data = None,
) -> None:
    """One deposit; `counterfoil explain deposit` says why it is where it is."""
    with at_desk(settings_with(data=data)) as desk:
        found = desk.ask(get_deposit, path={"id": deposit})
    show_one(Output(as_json=json), found, of_account(COLUMNS, None))
