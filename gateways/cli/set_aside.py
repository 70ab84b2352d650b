"""`counterfoil set-aside`: events that cannot be read, or that a view cannot fold, and how an operator settles one."""

from typing import Annotated

from cyclopts import App, Parameter, validators

from core.ledger.ledger import Accepted, Failed, Ledger, Refused
from core.streams.set_aside import SettleEvent
from gateways.cli.acts import at_terminal, must_have_reason, note_command
from gateways.cli.console import Data, Json, Output, Table, number, shown_time, text
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.roles import API
from gateways.postgres.set_aside_events import SetAsideEvent, set_aside_events
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform


def show_set_aside(settings: Settings, settled: bool, out: Output) -> None:
    """What waits for an operator, oldest first, or that nothing does; with `settled` also what was settled."""
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        found = set_aside_events(platform.transaction, settled=settled)
    if not found:
        out.show({"data": []}, "nothing is set aside: every event can be read, and is in every view")
        return
    rows = [
        (
            each.position,
            shown_time(each.found_at),
            each.topic,
            each.stream,
            _views(each),
            ", ".join(each.accounts or ()),
            each.reason,
            f"{each.settled_by}: {each.settled_reason}" if each.settled_at else "no",
        )
        for each in found
    ]
    columns = (
        number("position"),
        "found",
        "topic",
        "stream",
        text("left out of"),
        text("payouts frozen of"),
        text("why"),
        text("settled"),
    )
    facts = [each._asdict() | {"views": [view for view in each.views if view]} for each in found]
    out.show({"data": facts}, Table(columns, rows))


def _views(each: SetAsideEvent) -> str:
    return ", ".join(filter(None, each.views)) or "every view"


def settle_set_aside(settings: Settings, position: int, reason: str, out: Output) -> None:
    """Let the stream go on without the event, and its accounts pay out again. The operator at this machine is the actor."""
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        found = next(
            (each for each in set_aside_events(platform.transaction, settled=True) if each.position == position), None
        )
        if found is None:
            raise UserError(f"nothing is set aside at position {position}: see `counterfoil set-aside list`")
        changed = settle(platform.ledger, found, reason, at_terminal())
        note_command(settings, "event.settled", database, position=position, stream=found.stream, reason=reason)
    accounts = list(found.accounts or ())
    freed = f"; payouts of {', '.join(accounts)} go on" if accounts else ""
    said = (
        f"position {position} is settled: {found.stream} goes on without it{freed}"
        if changed
        else "it is settled already"
    )
    out.show({"position": position, "stream": found.stream, "accounts": accounts}, said)


def settle(ledger: Ledger, found: SetAsideEvent, reason: str, actor: str) -> bool:
    """-> whether it was not settled before. Raises UserError without a reason."""
    reason = must_have_reason(reason, "the books are right without this event")
    accounts = tuple(found.accounts or ())
    [outcome] = ledger.execute([SettleEvent(found.position, found.stream, accounts, reason, actor)])
    if isinstance(outcome, Failed):
        raise outcome.error
    if isinstance(outcome, Refused):
        raise UserError(outcome.refusal.detail)
    return isinstance(outcome, Accepted)


app = App(name="set-aside", help="Events that cannot be read or folded: see them, and settle one")


@app.command(name="list")
def _list(
    *,
    settled: Annotated[bool, Parameter(help="Also those that an operator has settled", negative="")] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """What the views leave out, why, and whose payouts are frozen until it is settled."""
    show_set_aside(settings_with(data=data), settled, Output(as_json=json))


@app.command(name="settle")
def _settle(
    position: Annotated[int, Parameter(help="The event's position", validator=validators.Number(gte=1))],
    /,
    *,
    reason: Annotated[str, Parameter(help="What was done about it; kept for ever")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Say that a person has looked: the stream goes on without the event, and its accounts pay out again.

    What the event should have moved is posted as an adjustment first; the event itself stays left out.
    """
    settle_set_aside(settings_with(data=data), position, reason, Output(as_json=json))
