"""`counterfoil reconcile`: the trial balance, and every check that events, guard, views and chain agree."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import psycopg
from cyclopts import Parameter

from core.ledger.money import format_amount
from gateways.cli.acts import at_terminal
from gateways.cli.console import Data, Json, Output, Table, money, number, progress, text
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.roles import OBSERVER, READER
from gateways.settings import Settings
from gateways.wiring.ledger_beside_chain import explainer, look_at_chain, wait_for_ledger
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import Platform
from gateways.wiring.reconciled import keep, reconciled
from projections.audit.on_chain import Difference
from projections.audit.proposals import Proposal, proposal_for
from projections.audit.reconcile import Check, reconcile
from projections.audit.trial_balance import TrialBalanceRow, totals, trial_balance

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

QUIET_POLL_S: Final = 0.2


def reconcile_books(settings: Settings, out: Output, *, propose: bool = False) -> bool:
    """Print the trial balance and every check with its differences -> whether all hold. Raises WrongNetwork, Unavailable."""
    with (
        opened_database(settings) as database,
        open_platform(settings, READER, database) as platform,
        psycopg.connect(platform.reader_url) as conn,
    ):
        began = platform.clock()
        with progress() as bar:
            asked, replayed = bar.add_task("asking the chain", total=None), bar.add_task("replaying", total=None)
            it = reconciled(platform, conn, partial(_show, bar, asked), partial(_show, bar, replayed))
        keep(platform.logins[OBSERVER], began, at_terminal(), it)
        rows = trial_balance(conn)
    found = it.found
    proposals = [(each, proposal_for(each)) for each in found.beside_chain] if propose else []
    out.show(
        {
            "holds": found.ok,
            "position": found.position,
            "block": it.block,
            "block_age_s": it.age_s,
            "notes": list(it.notes),
            "trial_balance": [
                each._asdict()
                | money("debit", each.debit_minor, each.currency)
                | money("credit", each.credit_minor, each.currency)
                for each in rows
            ],
            "checks": facts_of(found.checks),
            "proposals": [
                {"account": each.account, "address": each.address, "sentence": it.sentence, "command": it.command}
                | ({"adjustment": it.request()} if it.postings else {})
                for each, it in proposals
            ],
        },
        trial_balance_table(each._asdict() for each in rows),
        "",
        checks_table(found.checks),
        "",
        *(line for each, proposal in proposals for line in _proposed(each, proposal)),
        *it.notes,
        f"{found.position} events, compared with the chain at block {it.block}, {it.age_s} s old; "
        + ("everything holds" if found.ok else "something does not hold"),
    )
    return found.ok


def _proposed(each: Difference, proposal: Proposal) -> list[str]:
    """For whoever decides: nothing is posted here."""
    where = each.account if each.address is None else f"{each.account} {each.address}"
    if not proposal.postings:
        return [f"{where}: {proposal.sentence}" + (f" ({proposal.command})" if proposal.command else ""), ""]
    return [f"{where}: POST /v1/adjustments", json.dumps(proposal.request(), indent=2), ""]


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


def command(
    *,
    propose: Annotated[
        bool, Parameter(negative=(), help="Print the adjustment that would explain each difference")
    ] = False,
    json: Json = False,
    data: Data = None,
) -> bool:
    """Trial balance; events = guard = views; ledger = chain. Exit 1 and every difference when something does not hold."""
    return reconcile_books(settings_with(data=data), Output(as_json=json), propose=propose)
