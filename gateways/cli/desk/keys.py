"""`counterfoil keys`: an account's API keys, and the operator's own."""

from typing import Annotated

from cyclopts import App, Parameter

from gateways.cli.console import Data, Json, Output, text
from gateways.cli.desk.desk import at_desk, moment
from gateways.cli.desk.tables import Shown, exact, show_one, show_page
from gateways.cli.installation import settings_with
from gateways.http.resources.accounts import create_api_key, list_api_keys, revoke_api_key

COLUMNS = (
    exact("key", "id"),
    Shown(text("name"), lambda it: it["name"]),
    exact("status", "status"),
    Shown(text("permissions"), lambda it: ", ".join(it["permissions"])),
    Shown(text("made"), lambda it: moment(it["created_at"])),
    Shown(text("last used"), lambda it: moment(it["last_used_at"])),
    Shown(text("ends"), lambda it: moment(it["expires_at"])),
    exact("secret", "key"),
)

app = App(name="keys", help="API keys of an account, or of operators: list, create, revoke")

Account = Annotated[str, Parameter(help='The account\'s id, or "operator"')]


@app.command(name="list")
def _list(account: Account, /, *, json: Json = False, data: Data = None) -> None:
    """Its keys, the newest first, revoked ones included; never the keys themselves."""
    with at_desk(settings_with(data=data)) as desk:
        page = desk.ask(list_api_keys, path={"account_id": account})
    show_page(Output(as_json=json), page, COLUMNS, "it has no key yet: `counterfoil keys create`")


@app.command(name="create")
def _create(
    account: Account,
    /,
    *,
    name: Annotated[str, Parameter(help="Which program or person has it")],
    permission: Annotated[list[str], Parameter(help="What it may do; may be given several times", negative="")],
    expires_at: Annotated[str | None, Parameter(help="Until when it is good, such as 2027-01-31T12:00:00Z")] = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Make a key. It is shown once, here, and kept nowhere."""
    body = {"name": name, "permissions": permission, "expires_at": expires_at}
    with at_desk(settings_with(data=data)) as desk:
        made = desk.ask(create_api_key, path={"account_id": account}, body=body)
    show_one(Output(as_json=json), made, COLUMNS, "the secret is shown this once: keep it where the program finds it")


@app.command(name="revoke")
def _revoke(
    account: Account,
    key: Annotated[str, Parameter(help="The key's id, as `counterfoil keys list` shows it")],
    /,
    *,
    json: Json = False,
    data: Data = None,
) -> None:
    """End a key: it is dead in every process within 10 seconds."""
    with at_desk(settings_with(data=data)) as desk:
        desk.ask(revoke_api_key, path={"account_id": account, "id": key})
    Output(as_json=json).show({"id": key, "account_id": account, "status": "revoked"}, f"the key {key} is revoked")
