"""`counterfoil find`: a deposit, a payout or whatever else, by what the caller on the phone has."""

from typing import Annotated

from cyclopts import Parameter

from gateways.cli.console import Data, Json, Output, text
from gateways.cli.desk.desk import at_desk, moment
from gateways.cli.desk.tables import OWNER, Limit, OfAccount, Shown, exact, show_page
from gateways.cli.installation import settings_with
from gateways.http.resources.find import find

COLUMNS = (
    exact("what", "kind"),
    Shown(text("is"), lambda it: it["title"]),
    exact("state", "state"),
    Shown(text("since"), lambda it: moment(it["at"])),
    exact("id", "id"),
    OWNER,
)
Sought = Annotated[
    str, Parameter(help="An id, a transaction, an address, a reference, an amount, or an event's position")
]


def command(
    sought: Sought, /, *, account: OfAccount = None, limit: Limit = 20, json: Json = False, data: Data = None
) -> None:
    """Whatever has this id, transaction, address, reference or amount (of the last 30 days), the newest first."""
    with at_desk(settings_with(data=data)) as desk:
        page = desk.ask(find, q=sought, account_id=account, limit=limit)
    nothing = f"nothing has that, up to position {page['searched']['position']}"
    more = "there are others: say --account, or --limit up to 200"
    show_page(Output(as_json=json), page, COLUMNS, nothing, more)
