"""`counterfoil accounts`: the companies that are served, what they hold, and whether they may pay out."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from core.ledger.money import format_amount
from gateways.cli.console import Data, Json, Output, Table, number, text
from gateways.cli.desk.desk import at_desk, moment
from gateways.cli.desk.tables import AccountId, After, Item, Limit, Shown, exact, show_one, show_page
from gateways.cli.installation import settings_with
from gateways.http.resources.accounts import change_account, get_account, list_accounts, register_account
from gateways.http.resources.ledger import get_balances
from gateways.settings import Settings
from gateways.user_error import UserError

COLUMNS = (
    exact("account", "id"),
    Shown(text("name"), lambda it: it["name"]),
    exact("status", "status"),
    Shown(text("webhooks to"), lambda it: it["webhook_url"]),
    Shown(text("since"), lambda it: moment(it["created_at"])),
)


def show_account(settings: Settings, account: str, out: Output) -> None:
    """What is known of it, and what each of its ledger accounts holds."""
    with at_desk(settings) as desk:
        found = desk.ask(get_account, path={"account_id": account})
        balances = desk.ask(get_balances, account=account)["data"]
    rows = [(it["code"], it["currency"], it["amount"], _pending(it)) for it in balances]
    held = Table(("ledger account", "currency", number("holds"), number("pending")), rows)
    facts = {**found, "balances": balances}
    shown = [(each.column.title, value) for each in COLUMNS if (value := each.of(Item(found))) not in (None, "")]
    out.show(facts, Table(("", text("")), shown, has_header=False), "", held)


def _pending(balance: dict[str, Any]) -> str:
    return format_amount(balance["pending_minor"], balance["currency"]) if balance.get("pending_minor") else ""


def change(settings: Settings, account: str, given: dict[str, Any], out: Output) -> None:
    """What is given is changed, what is left out stays."""
    if not given:
        raise UserError(
            "say what to change: --name, --webhook-url, --without-webhook, --accept-transfers or --refuse-transfers"
        )
    with at_desk(settings) as desk:
        show_one(out, desk.ask(change_account, path={"account_id": account}, body=given), COLUMNS)


app = App(name="accounts", help="The companies that are served: list, show, add, change, suspend")

Name = Annotated[str, Parameter(help="What people call it")]
WebhookUrl = Annotated[str | None, Parameter(help="Where its events are sent: an https URL of a public host")]
Flag = Parameter(negative="", show_default=False)


@app.command(name="list")
def _list(*, limit: Limit = 50, after: After = None, json: Json = False, data: Data = None) -> None:
    """All accounts, the newest first."""
    with at_desk(settings_with(data=data)) as desk:
        page = desk.ask(list_accounts, limit=limit, after=after)
    show_page(Output(as_json=json), page, COLUMNS, "no account is registered yet: `counterfoil accounts add NAME`")


@app.command(name="show")
def _show(account: AccountId, /, *, json: Json = False, data: Data = None) -> None:
    """One account, and what its ledger accounts hold."""
    show_account(settings_with(data=data), account, Output(as_json=json))


@app.command(name="add")
def _add(name: Name, /, *, webhook_url: WebhookUrl = None, json: Json = False, data: Data = None) -> None:
    """Register a company; `counterfoil keys create` then makes its first key."""
    with at_desk(settings_with(data=data)) as desk:
        made = desk.ask(register_account, body={"name": name, "webhook_url": webhook_url})
    show_one(Output(as_json=json), made, COLUMNS)


@app.command(name="change")
def _change(
    account: AccountId,
    /,
    *,
    name: Annotated[str | None, Parameter(help="Another name")] = None,
    webhook_url: WebhookUrl = None,
    without_webhook: Annotated[bool, Flag, Parameter(help="Send its events nowhere")] = False,
    accept_transfers: Annotated[bool, Flag, Parameter(help="Other accounts may transfer to it")] = False,
    refuse_transfers: Annotated[bool, Flag, Parameter(help="They no longer may")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Rename it, or change where its events go or whether others may transfer to it."""
    given: dict[str, Any] = {}
    if name is not None:
        given["name"] = name
    if webhook_url is not None or without_webhook:
        given["webhook_url"] = webhook_url
    if accept_transfers or refuse_transfers:
        given["accept_transfers"] = accept_transfers
    change(settings_with(data=data), account, given, Output(as_json=json))


@app.command(name="suspend")
def _suspend(account: AccountId, /, *, json: Json = False, data: Data = None) -> None:
    """Nothing of it is paid out or created any more; what arrives is booked all the same."""
    change(settings_with(data=data), account, {"status": "suspended"}, Output(as_json=json))


@app.command(name="reactivate")
def _reactivate(account: AccountId, /, *, json: Json = False, data: Data = None) -> None:
    """It may pay out again; what waited meanwhile is made."""
    change(settings_with(data=data), account, {"status": "active"}, Output(as_json=json))
