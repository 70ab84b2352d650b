"""`counterfoil queue`: what waits, what was set aside and why, and sending it again."""

from typing import Annotated, Final

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from core.ports.queues import Queue
from gateways.cli.acts import note_command
from gateways.cli.console import Data, console, settings_with
from gateways.postgres.roles import RECORDER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform, visiting
from gateways.wiring.platform import Platform

BODY_SHOWN_MAX: Final = 300


def show_queues(settings: Settings, console: Console) -> None:
    """Every queue: how many messages wait, since when, and how many were set aside."""
    with visiting(settings) as database, open_platform(settings, RECORDER, database) as platform:
        table = Table("queue", "waiting", "oldest", "dead letters", box=None, pad_edge=False)
        for name, queue in platform.queues.items():
            oldest_s = queue.oldest_s()
            since = "?" if oldest_s is None else f"{oldest_s} s"
            table.add_row(name, str(queue.depth()), since, str(queue.dead_depth()))
    console.print(table)


def show_dead(settings: Settings, name: str, limit: int, console: Console) -> None:
    """A queue's dead letters, the oldest first: why each was set aside, and what it says."""
    with visiting(settings) as database, open_platform(settings, RECORDER, database) as platform:
        letters = _queue(platform, name).dead(limit)
    if not letters:
        console.print(f"{name} has no dead letters")
        return
    for letter in letters:
        console.print(f"[bold]{letter.id}[/]  {letter.buried_at:%Y-%m-%d %H:%M:%S} UTC, after {letter.attempts} tries")
        console.print(f"  {letter.reason}", markup=False)
        console.print(f"  {letter.body[:BODY_SHOWN_MAX].decode(errors='replace')}", markup=False, style="dim")


def redrive(settings: Settings, name: str, ids: tuple[str, ...], console: Console) -> None:
    """Send dead letters again, these or all of them; the audit log says who did."""
    with visiting(settings) as database, open_platform(settings, RECORDER, database) as platform:
        queue = _queue(platform, name)
        sent = queue.redrive(ids) if ids else _redrive_all(queue)
        note_command(settings, "queue.redriven", database, queue=name, ids=list(ids) or "all", sent=sent)
    console.print(f"{sent} sent again to {name}")


def _redrive_all(queue: Queue) -> int:
    """As many as there are now: one that comes back while this runs is not sent twice."""
    sent, left = 0, queue.dead_depth()
    while left > 0 and (letters := queue.dead(min(left, 100))):
        sent += queue.redrive([letter.id for letter in letters])
        left -= len(letters)
    return sent


def _queue(platform: Platform, name: str) -> Queue:
    queue = platform.queues.get(name)
    if queue is None:
        raise UserError(f"there is no queue {name!r}: choose one of {', '.join(platform.queues)}")
    return queue


app = App(name="queue", help="See what waits and what was set aside, and send it again")


@app.command(name="list")
def _list_queues(*, data: Data = None) -> None:
    """Every queue: how many messages wait, since when, and how many were set aside."""
    show_queues(settings_with(data=data), console)


@app.command(name="dead")
def _dead(name: Annotated[str, Parameter(name="QUEUE")], *, limit: int = 20, data: Data = None) -> None:
    """A queue's dead letters, the oldest first: why each was set aside, and what it says."""
    show_dead(settings_with(data=data), name, limit, console)


@app.command(name="redrive")
def _redrive(name: Annotated[str, Parameter(name="QUEUE")], *ids: str, data: Data = None) -> None:
    """Send dead letters again, those with these ids or all of them."""
    redrive(settings_with(data=data), name, ids, console)
