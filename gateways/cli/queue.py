"""`counterfoil queue`: what waits, what was set aside and why, and sending it again."""

from typing import Annotated

from cyclopts import App, Parameter, validators

from core.ports.queues import Queue
from gateways.cli.acts import note_command
from gateways.cli.console import Data, Json, Output, Table, counted, number, pairs, shown_time
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.roles import API
from gateways.processes.registry import PROCESSES
from gateways.queues import QUEUES
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform


def show_queues(settings: Settings, out: Output) -> None:
    """Every queue: how many messages wait, since when, and how many were set aside."""
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        facts = [
            {
                "queue": name,
                "waiting": queue.depth(),
                "oldest_s": queue.oldest_s(),
                "dead_letters": queue.dead_depth(),
            }
            for name, queue in platform.queues.items()
        ]
    rows = [
        (
            each["queue"],
            each["waiting"],
            "?" if each["oldest_s"] is None else f"{each['oldest_s']} s",
            each["dead_letters"],
        )
        for each in facts
    ]
    out.show({"data": facts}, Table(("queue", number("waiting"), number("oldest"), number("dead letters")), rows))


def show_dead(settings: Settings, name: str, limit: int, out: Output) -> None:
    """A queue's dead letters, the oldest first: why each was set aside, and what it says."""
    with opened_database(settings) as database, open_platform(settings, taker(name), database) as platform:
        letters = platform.queues[name].dead(limit)
    facts = [
        {
            "id": each.id,
            "group": each.group,
            "dead_since": each.buried_at,
            "attempts": each.attempts,
            "reason": each.reason,
            "body": each.body.decode(errors="replace"),
        }
        for each in letters
    ]
    parts: list[str | Table] = []
    for each in letters:
        about: list[tuple[str, object]] = [
            ("id", each.id),
            ("group", each.group),
            ("set aside", f"{shown_time(each.buried_at)}, after {counted(each.attempts, 'attempt')}"),
            ("reason", each.reason),
            ("body", each.body.decode(errors="replace")),
        ]
        parts += [pairs(about), ""]
    out.show({"queue": name, "data": facts}, *(parts[:-1] or [f"{name} has no dead letters"]))


def redrive(settings: Settings, name: str, ids: tuple[str, ...], out: Output) -> None:
    """Send dead letters again, these or all of them; the audit log says who did."""
    with opened_database(settings) as database, open_platform(settings, taker(name), database) as platform:
        queue = platform.queues[name]
        sent = queue.redrive(ids) if ids else _redrive_all(queue)
        note_command(settings, "queue.redriven", database, queue=name, ids=list(ids) or "all", sent=sent)
    out.show({"queue": name, "sent": sent}, f"{sent} sent again to {name}")


def _redrive_all(queue: Queue) -> int:
    """As many as there are now: one that comes back while this runs is not sent twice."""
    sent, left = 0, queue.dead_depth()
    while left > 0 and (letters := queue.dead(min(left, 100))):
        sent += queue.redrive([letter.id for letter in letters])
        left -= len(letters)
    return sent


def taker(name: str) -> str:
    """The database role of the process that takes messages from this queue. Raises UserError where there is no such queue."""
    role = next((process.role for process in PROCESSES.values() if name in process.access.receives), None)
    if role is None:
        raise UserError(f"there is no queue {name!r}: choose one of {', '.join(QUEUES)}")
    return role


app = App(name="queue", help="See what waits and what was set aside, and send it again")

Name = Annotated[str, Parameter(help="As `counterfoil queue list` names it")]


@app.command(name="list")
def _list_queues(*, json: Json = False, data: Data = None) -> None:
    """Every queue: how many messages wait, since when, and how many were set aside."""
    show_queues(settings_with(data=data), Output(as_json=json))


@app.command(name="dead")
def _dead(
    queue: Name,
    /,
    *,
    limit: Annotated[int, Parameter(help="How many at most", validator=validators.Number(gte=1, lte=1000))] = 20,
    json: Json = False,
    data: Data = None,
) -> None:
    """A queue's dead letters, the oldest first: why each was set aside, and what it says."""
    show_dead(settings_with(data=data), queue, limit, Output(as_json=json))


@app.command(name="redrive")
def _redrive(
    queue: Name,
    /,
    *ids: Annotated[str, Parameter(help="Dead letters, as `counterfoil queue dead` shows them; none: all of them")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Send dead letters again, those with these ids or all of them."""
    redrive(settings_with(data=data), queue, ids, Output(as_json=json))
