"""`counterfoil webhooks`: what an account was told, whether it arrived, and telling it again."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from gateways.cli.console import Data, Json, Output, counted, number, text
from gateways.cli.desk.desk import Desk, at_desk, moment
from gateways.cli.desk.tables import AccountId, After, Limit, OfAccount, Shown, exact, of_account, show_one, show_page
from gateways.cli.installation import settings_with
from gateways.http.resources.redeliveries import redeliver_webhook_event, redeliver_webhook_events
from gateways.http.resources.webhooks import list_webhook_events, send_test_webhook
from gateways.user_error import UserError

COLUMNS = (
    exact("webhook", "id"),
    Shown(number("sequence"), lambda it: it["sequence"]),
    exact("type", "type"),
    exact("status", "status"),
    Shown(number("attempts"), lambda it: it["attempts"]),
    Shown(text("last tried"), lambda it: moment(it["last_attempt_at"])),
    Shown(text("next"), lambda it: moment(it["next_retry_at"])),
    Shown(text("what was wrong"), lambda it: it["last_error"]),
)

app = App(name="webhooks", help="What an account was told: list, redeliver, test")


@app.command(name="list")
def _list(
    account: OfAccount = None,
    *,
    status: Annotated[str | None, Parameter(help="Only those: pending, delivered, exhausted or disabled")] = None,
    limit: Limit = 50,
    after: After = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Webhooks of one account or of all that are to be delivered, or were in the last 30 days, the newest first."""
    with at_desk(settings_with(data=data)) as desk:
        page = desk.ask(list_webhook_events, account_id=account, status=status, limit=limit, after=after)
    show_page(Output(as_json=json), page, of_account(COLUMNS, account), "there is no webhook that fits")


@app.command(name="redeliver")
def _redeliver(
    account: AccountId,
    webhook: Annotated[str | None, Parameter(help="One webhook's id, as `counterfoil webhooks list` shows it")] = None,
    /,
    *,
    after_sequence: Annotated[
        int | None, Parameter(help="Instead: everything behind this event; 0: everything")
    ] = None,
    since: Annotated[str | None, Parameter(help="Instead: everything from this time on")] = None,
    only_failed: Annotated[
        bool, Parameter(negative="", show_default=False, help="Of those only what never arrived")
    ] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Deliver one webhook again, or all from an event or a time on."""
    if (webhook is None) == (after_sequence is None and since is None):
        raise UserError("name one webhook, or say --after-sequence or --since")
    out = Output(as_json=json)
    with at_desk(settings_with(data=data)) as desk:
        if webhook is not None:
            path = {"id": webhook}
            show_one(out, desk.ask(redeliver_webhook_event, account=account, path=path), COLUMNS)
            return
        told = _all(desk, account, {"after_sequence": after_sequence, "since": since, "only_failed": only_failed})
    out.show(told, f"{counted(told['redelivered'], 'webhook')} of {counted(told['events'], 'event')} due again")


def _all(desk: Desk, account: str, wish: dict[str, Any]) -> dict[str, Any]:
    """Page by page, as HTTP has it."""
    told = {"events": 0, "redelivered": 0}
    while True:
        page = desk.ask(redeliver_webhook_events, account=account, body=wish)
        told = {name: count + page[name] for name, count in told.items()}
        if not page["has_more"]:
            return told
        wish = {"after_sequence": page["after_sequence"], "only_failed": wish["only_failed"]}


@app.command(name="test")
def _test(account: AccountId, /, *, json: Json = False, data: Data = None) -> None:
    """Send it an event of the type webhook.test."""
    with at_desk(settings_with(data=data)) as desk:
        show_one(Output(as_json=json), desk.ask(send_test_webhook, account=account), COLUMNS)
