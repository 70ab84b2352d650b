"""`counterfoil reconcile`: the trial balance, and every check that events, guard, views and chain agree."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import psycopg
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from core.ledger.money import format_amount
from gateways.cli.console import Data, console, progress, settings_with
from gateways.cli.reconcile_chain import explainer, look_at_chain, wait_for_ledger
from gateways.postgres.roles import READER
from gateways.settings import Settings
from gateways.wiring.opened import open_platform, visiting
from gateways.wiring.platform import Platform
from projections.audit.reconcile import Check, Reconciliation, reconcile
from projections.audit.trial_balance import trial_balance

QUIET_POLL_S: Final = 0.2
CHAIN_WAIT_S: Final = 15.0
"""So long `reconcile` looks again where ledger and chain differ, since payouts and sweeps are on their way between them."""


def reconcile_books(settings: Settings, console: Console) -> bool:
    """Print the trial balance and every check with its differences -> whether all hold."""
    with (
        visiting(settings) as database,
        open_platform(settings, READER, database) as platform,
        psycopg.connect(platform.reader_url) as conn,
    ):
        with progress(console) as bar:
            found = _reconcile_settled(platform, conn, bar)
        console.print(trial_balance_table([row._asdict() for row in trial_balance(conn)]))
    print_checks(found.checks, console)
    console.print(f"{found.position} events; " + ("everything holds" if found.ok else "something does not hold"))
    return found.ok


def _reconcile_settled(platform: Platform, conn: psycopg.Connection[Any], bar: Progress) -> Reconciliation:
    """Again, for some seconds, where ledger and chain differ: what is on its way between them is no difference for long."""
    asked, replayed = bar.add_task("asking the chain", total=None), bar.add_task("replaying", total=None)
    deadline = time.monotonic() + CHAIN_WAIT_S
    while True:
        on_chain = look_at_chain(platform, partial(_show, bar, asked))
        wait_for_ledger(platform, max((each.block_number for each in on_chain), default=0))
        replaying = partial(_show, bar, replayed)
        found = reconcile(conn, on_chain, replaying, explainer(platform))
        if found.checks[-1].ok or time.monotonic() > deadline:
            return found


def _show(bar: Progress, task: TaskID, at: int, of: int) -> None:
    bar.update(task, completed=at, total=of)


def print_checks(checks: Sequence[Check], console: Console) -> None:
    """A line a check, and every difference."""
    table = Table("", "check", "differences", box=None, pad_edge=False)
    for check in checks:
        table.add_row("ok" if check.ok else "WRONG", check.name, "\n".join(check.differences) or check.note)
    console.print(table)


def reconcile_when_quiet(platform: Platform, wait_s: float) -> Sequence[Check]:
    """The checks once views and chain have settled, or as they are after `wait_s`."""
    deadline = time.monotonic() + wait_s
    while True:
        on_chain = look_at_chain(platform)
        wait_for_ledger(platform, max((each.block_number for each in on_chain), default=0))
        with psycopg.connect(platform.reader_url) as conn:
            found = reconcile(conn, on_chain, explain=explainer(platform))
        if found.ok and set(found.bookmarks.values()) == {found.position}:
            return found.checks
        if time.monotonic() > deadline:
            return found.checks
        time.sleep(QUIET_POLL_S)


def trial_balance_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The trial balance as an accountant expects it: two columns, and their difference per book and currency."""
    table = Table("book", "ledger account", title="Trial balance", title_justify="left")
    table.add_column("debit", justify="right")
    table.add_column("credit", justify="right")
    table.add_column("")
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        book, currency = str(row["book"]), str(row["currency"])
        debited, credited = int(row["debit_minor"]), int(row["credit_minor"])
        known = sums.get((book, currency), (0, 0))
        sums[book, currency] = known[0] + debited, known[1] + credited
        shown = [format_amount(value, currency) if value else "" for value in (debited, credited)]
        table.add_row(book, row["code"], *shown, currency)
    for (book, currency), (debited, credited) in sums.items():
        difference = format_amount(debited - credited, currency)
        table.add_section()
        table.add_row(
            book,
            f"difference {difference}",
            format_amount(debited, currency),
            format_amount(credited, currency),
            currency,
            style="bold",
        )
    return table


def command(*, data: Data = None) -> None:
    """Trial balance; events = guard = views; ledger = chain. Exit 1 and every difference when something does not hold."""
    sys.exit(0 if reconcile_books(settings_with(data=data), console) else 1)
