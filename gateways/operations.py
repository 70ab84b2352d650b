"""What the command line's maintenance commands do: migrate, rebuild, reconcile, scan, show settings, alarms and signing."""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import psycopg
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from core.money import format_amount
from gateways.alarms import OPERATOR, last_alarms, operator_secret
from gateways.chain_look import explainer, look_at_chain, wait_for_ledger
from gateways.embedded.connections import Connections, conninfo_of
from gateways.migrate import migrate
from gateways.platform import Database, Platform, open_database, open_platform, utc_now
from gateways.roles import API, OBSERVER, READER
from gateways.secrets_file import load_or_create
from gateways.settings import PREFIX, Settings
from gateways.signing import holding, resume
from gateways.trail import at_terminal, note_command
from gateways.user_error import UserError
from projections.census import census
from projections.reconcile import Check, Reconciliation, reconcile
from projections.trial_balance import trial_balance

QUIET_POLL_S: Final = 0.2
CHAIN_WAIT_S: Final = 15.0
"""So long `reconcile` looks again where ledger and chain differ, since payouts and sweeps are on their way between them."""


def migrate_database(settings: Settings) -> list[str]:
    """-> the migrations applied now. On AWS the queues come first: the database's version is what lets processes start."""
    if settings.mode == "aws":
        from gateways.aws.queue_sizes import widen
        from gateways.aws.session import Aws

        widen(Aws(settings))
    with visiting(settings) as database:
        applied = migrate(conninfo_of(database.owner_url), database.passwords())
        if applied:
            note_command(settings, "database.migrated", database, applied=applied)
        return applied


@contextlib.contextmanager
def visiting(settings: Settings) -> Iterator[Database]:
    """The database for a command that comes and goes: a server of ours that was down before is down again afterwards."""
    database = open_database(settings)
    try:
        yield database
    finally:
        if database.server is not None and database.server.started_here:
            database.server.stop()


def describe_settings(settings: Settings) -> Iterator[tuple[str, str, str, str]]:
    """(name, value, source, sentence) of every setting; a secret shows only whether it is set."""
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            shown = "********" if value.get_secret_value() else "(not set)"
        else:
            shown = str(value) if str(value) not in ("", ".") else "(not set)"
        variable = PREFIX + name.upper()
        source = "environment" if variable in os.environ else "default"
        yield variable, shown, source, field.description or ""


def progress(console: Console) -> Progress:
    """A bar on a terminal, nothing elsewhere: lines are printed then."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


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


def show_census(settings: Settings, console: Console) -> bool:
    """Print a line for each type and version of event that is stored -> whether all can be read."""
    with visiting(settings) as database, psycopg.connect(database.url(READER)) as conn:
        counted = census(conn)
    table = Table("topic", "events", "first", "last", "read", box=None, pad_edge=False)
    for each in counted:
        how = (
            "CANNOT BE READ"
            if each.read_as is None
            else "as it is"
            if each.read_as == each.topic
            else f"as {each.read_as}"
        )
        table.add_row(each.topic, str(each.events), str(each.first), str(each.last), how)
    console.print(table)
    total, strange = sum(each.events for each in counted), sum(each.read_as is None for each in counted)
    console.print(
        f"{total} events of {len(counted)} kinds; "
        + (f"{strange} kinds cannot be read" if strange else "all can be read")
    )
    return not strange


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


def scan_again(settings: Settings, first: int, last: int, console: Console) -> None:
    """Observe solid blocks first..last again and report what they hold; the recorder ignores what it knows."""
    from gateways.processes import check_chain, observer

    if last < first:
        raise UserError(f"--to {last} lies before --from {first}")
    with (
        visiting(settings) as database,
        open_platform(settings, OBSERVER, database) as platform,
        progress(console) as bar,
    ):
        check_chain(platform)
        task = bar.add_task("scanning", total=last - first + 1)
        blocks = transfers = 0
        with platform.node.pinned():
            for _, found in observer(platform).rescan(first, last):
                blocks, transfers = blocks + 1, transfers + found
                bar.update(task, completed=blocks)
        note_command(settings, "chain.scanned", database, first=first, last=last, transfers=transfers)
    console.print(f"{blocks} solid blocks, {transfers} transfers to our addresses reported")


def show_signing(settings: Settings, console: Console) -> None:
    """Every cause that holds signing back, or that none does."""
    with visiting(settings) as database, open_platform(settings, READER, database) as platform:
        causes = holding(platform.store)
    if not causes:
        console.print("payouts are signed: nothing holds signing back")
        return
    table = Table("cause", "since", "recorded in", "what it means", box=None, pad_edge=False)
    for each in causes:
        table.add_row(each.cause, f"{each.since:%Y-%m-%d %H:%M:%S} UTC", each.stream, each.sentence)
    console.print(table)
    console.print('when all are settled: counterfoil signing resume --reason "..."')


def resume_signing(settings: Settings, reason: str, console: Console) -> None:
    """Settle every cause that holds now. The operator at this machine is the actor."""
    with visiting(settings) as database, open_platform(settings, API, database) as platform:
        settled = resume(platform.ledger, platform.store, reason, at_terminal())
        note_command(settings, "signing.resumed", database, reason=reason, settled=list(settled))
    console.print(f"signing goes on; settled: {', '.join(settled)}" if settled else "signing was resumed meanwhile")


def show_alarms(settings: Settings, limit: int, console: Console) -> None:
    """The last alarms and what became of their webhooks, or that there was none."""
    with visiting(settings) as database, open_platform(settings, API, database) as platform:
        login = Connections(platform.logins[READER])
        try:
            raised = [(each, platform.outbox.find(OPERATOR, each.event_id)) for each in last_alarms(login, limit)]
        finally:
            login.close()
    table = Table("since", "times", "process", "alarm", box=None, pad_edge=False)
    table.add_column("what happened", overflow="fold")
    table.add_column("webhook", overflow="fold")
    for each, delivery in raised:
        since = f"{each.raised_at:%Y-%m-%d %H:%M:%S} UTC"
        told = f"{delivery.status} {delivery.last_error or ''}" if delivery else "none"
        table.add_row(since, str(each.times), each.process, each.name, each.sentence, told)
    console.print(table if raised else "no alarm was ever raised")


def alarm_secret(settings: Settings) -> str:
    """What signs the operator's webhooks, for the machine that receives them."""
    if settings.mode == "aws":
        from gateways.aws.secrets import AwsSecrets, SecretStore
        from gateways.aws.session import Aws

        return operator_secret(AwsSecrets(SecretStore(Aws(settings)), utc_now).webhook_master)
    return operator_secret(load_or_create(settings.data / "secrets.json").keys.webhook_master)


def make_secrets(settings: Settings, console: Console) -> None:
    """Values for the secrets that have none; says which they were."""
    from gateways.aws.secret_values import make

    made = make(settings)
    if made:
        note_command(settings, "secret.made", secrets=list(made))
    console.print("\n".join(f"made {name}" for name in made) or "every secret has a value")


def rotate_secret(settings: Settings, name: str, console: Console) -> None:
    """A new value in the place of one that is in use; the audit log says who did it, never what it is (I13)."""
    from gateways.aws.secret_values import rotate

    replaced = rotate(settings, name)
    note_command(settings, "secret.rotated", secrets=list(replaced))
    console.print("\n".join(f"replaced {each}" for each in replaced))
