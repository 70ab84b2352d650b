"""`counterfoil reconcile`: the trial balance, and every check that events, guard, views and chain agree."""

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import psycopg

from core.ledger.money import format_amount
from gateways.cli.chain.ledger_beside_chain import explainer, look_at_chain, wait_for_ledger
from gateways.cli.console import Data, Json, Output, Table, money, number, progress, text
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.roles import READER
from gateways.settings import Settings
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import Platform
from projections.audit.reconcile import Check, Reconciliation, reconcile
from projections.audit.trial_balance import TrialBalanceRow, totals, trial_balance

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

QUIET_POLL_S: Final = 0.2
CHAIN_WAIT_S: Final = 15.0
"""So long `reconcile` looks again where ledger and chain differ, since payouts and sweeps are on their way between them."""


def reconcile_books(settings: Settings, out: Output) -> bool:
    """Print the trial balance and every check with its differences -> whether all hold."""
    with (
        opened_database(settings) as database,
        open_platform(settings, READER, database) as platform,
        psycopg.connect(platform.reader_url) as conn,
    ):
        with progress() as bar:
            found = _reconcile_settled(platform, conn, bar)
        rows = trial_balance(conn)
    out.show(
        {
            "holds": found.ok,
            "position": found.position,
            "trial_balance": [
                each._asdict()
                | money("debit", each.debit_minor, each.currency)
                | money("credit", each.credit_minor, each.currency)
                for each in rows
            ],
            "checks": facts_of(found.checks),
        },
        trial_balance_table(each._asdict() for each in rows),
        "",
        checks_table(found.checks),
        "",
        f"{found.position} events; " + ("everything holds" if found.ok else "something does not hold"),
    )
    return found.ok


def _reconcile_settled(platform: Platform, conn: psycopg.Connection[Any], bar: "Progress") -> Reconciliation:
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


def _show(bar: "Progress", task: "TaskID", at: int, of: int) -> None:
    bar.update(task, completed=at, total=of)


def checks_table(checks: Sequence[Check]) -> Table:
    """A line a check that holds, a line a difference of one that does not; `none` where it had nothing to look at."""
    rows = [
        ("WRONG" if not check.ok else "none" if check.empty else "ok", check.name, said)
        for check in checks
        for said in (check.differences or (check.note,))
    ]
    return Table(("", text("check"), text("differences")), rows)


def facts_of(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """The same for JSON."""
    return [
        {
            "name": each.name,
            "holds": each.ok,
            "empty": each.empty,
            "differences": list(each.differences),
            "note": each.note,
        }
        for each in checks
    ]


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
    known = [
        TrialBalanceRow(row["book"], row["code"], row["currency"], row["debit_minor"], row["credit_minor"])
        for row in rows
    ]
    lines = []
    for total in totals(known):
        currency = total.currency
        lines += [
            (
                each.book,
                each.code,
                *(format_amount(minor, currency) if minor else "" for minor in (each.debit_minor, each.credit_minor)),
                currency,
            )
            for each in known
            if (each.book, each.currency) == (total.book, currency)
        ]
        columns = (format_amount(minor, currency) for minor in (total.debit_minor, total.credit_minor))
        difference = f"difference {format_amount(total.difference_minor, currency)}"
        lines.append((total.book, difference, *columns, currency))
    titles = ("book", "ledger account", number("debit"), number("credit"), "currency")
    return Table(titles, lines, title="Trial balance")


def command(*, json: Json = False, data: Data = None) -> bool:
    """Trial balance; events = guard = views; ledger = chain. Exit 1 and every difference when something does not hold."""
    return reconcile_books(settings_with(data=data), Output(as_json=json))
