"""`counterfoil evacuate`: stop payouts and send every coin that can be moved to cold storage."""

from typing import Annotated

import psycopg
from cyclopts import Parameter

from core.ledger.ledger import Failed, Refused
from core.streams.evacuation import BeginEvacuation
from gateways.cli.acts import at_terminal, must_have_reason, note_command
from gateways.cli.console import Data, Json, Output, pairs, shown_time, usdt
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.roles import API, READER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform
from projections.explain.evacuation import PROGRESS, Begun, last_begun
from projections.named import rows


def begin_evacuation(settings: Settings, reason: str, out: Output) -> None:
    """Payouts stop with this, and whatever holds coins sends them to the cold wallet. Raises UserError."""
    reason = must_have_reason(reason, "everything goes to cold storage")
    with opened_database(settings) as database:
        with open_platform(settings, API, database) as platform:
            [outcome] = platform.ledger.execute([BeginEvacuation(reason, at_terminal())])
        if isinstance(outcome, Refused):
            raise UserError(outcome.refusal.detail)
        if isinstance(outcome, Failed):
            raise outcome.error
        note_command(settings, "evacuation.begun", database, reason=reason)
    show_evacuation(settings, out)


def show_evacuation(settings: Settings, out: Output) -> None:
    """What is left, what is on its way, what has arrived."""
    with (
        opened_database(settings) as database,
        open_platform(settings, READER, database) as platform,
        psycopg.connect(platform.reader_url) as conn,
    ):
        begun = last_begun(platform.store)
        if begun is None:
            out.show({"state": "none"}, 'nothing was ever evacuated: `counterfoil evacuate --reason "..."` begins it')
            return
        [row] = rows(conn, PROGRESS, begun.asked)
    state = "under_way" if begun.under_way else "ended"
    amounts = {name: usdt(name, getattr(row, f"{name}_minor")) for name in ("left", "under_way", "done")}
    facts = {"state": state, "begun_at": begun.at, "reason": begun.reason, "cold_address": begun.cold_address}
    shown = [
        ("state", state.replace("_", " ")),
        ("begun", shown_time(begun.at)),
        ("reason", begun.reason),
        ("cold wallet", begun.cold_address),
        ("left", f"{amounts['left']['left']} USDT in the hot wallet and deposit addresses, by the books"),
        ("under way", f"{amounts['under_way']['under_way']} USDT"),
        ("done", f"{amounts['done']['done']} USDT"),
        ("failed", row.failed),
    ]
    out.show(
        facts | amounts["left"] | amounts["under_way"] | amounts["done"] | {"failed": row.failed},
        pairs(shown),
        "",
        _next(begun),
    )


def _next(begun: Begun) -> str:
    if begun.under_way:
        return 'payouts are stopped; when all is over: counterfoil signing resume --reason "..."'
    return "it has ended: payouts are signed unless `counterfoil signing status` says otherwise"


def command(
    *,
    reason: Annotated[
        str | None, Parameter(help="Why; kept for ever. Without it, how far the last one has come")
    ] = None,
    json: Json = False,
    data: Data = None,
) -> None:
    """Stop payouts, and send every coin that can be moved to the registered cold wallet; or show how far that is."""
    settings, out = settings_with(data=data), Output(as_json=json)
    if reason is None:
        show_evacuation(settings, out)
    else:
        begin_evacuation(settings, reason, out)
