"""counterfoil <command>: the command line. Each command is thin; what it does lives in the file it imports."""

import json as json_module
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from gateways import VERSION
from gateways import settings as settings_module
from gateways.auditing import audit, explain, receipt, statement
from gateways.cold_commands import cold
from gateways.treasury_commands import stake, sweeps, wallets
from gateways.upkeep import Data, console, queue, secrets
from gateways.upkeep import settings_with as _settings
from gateways.user_error import UserError

app = App(
    name="counterfoil",
    help="A custodial payment gateway for USDT on Tron, on an event-sourced double-entry ledger.",
    version=VERSION,
    version_flags=["--version"],
)
tx = App(name="tx", help="Look into transactions")
app.command(tx)
signing = App(name="signing", help="See what stops signing, and let it go on")
app.command(signing)
alarms = App(name="alarms", help="See what was raised, and the secret that signs the operator's webhooks")
app.command(alarms)
for group in (audit, explain, receipt, statement, queue, secrets, sweeps, stake, wallets, cold):
    app.command(group)


@app.command
def demo(*, block_ms: int = 100) -> None:
    """The main job, start to finish: a deposit credited, a payout confirmed, coins swept, books and chain equal."""
    from gateways.demo import run

    sys.exit(run(console, block_ms=block_ms))


@app.command
def up(
    *,
    data: Data = None,
    network: Literal["devnet", "nile", "mainnet"] | None = None,
    http_port: int | None = None,
    devnet_port: int = 8090,
    block_ms: int = 3000,
) -> None:
    """Every process on this machine until Ctrl-C; state survives a restart."""
    from gateways.up import run

    given = _settings(data=data, network=network, http_port=http_port)
    run(given, console, devnet_port=devnet_port, block_ms=block_ms)


def run(name: Annotated[str, Parameter(name="PROCESS")], *, data: Data = None) -> None:
    """One process, in the foreground, until SIGTERM."""
    from gateways.processes import run_process

    run_process(name, _settings(data=data))


def _run_help() -> str:
    """`run --help` names every process, what it does and what it needs."""
    from gateways.processes import PROCESSES

    lines = [
        f"* `{process.name}`: {process.summary} Needs {', '.join(process.needs)}." for process in PROCESSES.values()
    ]
    return "One process, in the foreground, until SIGTERM.\n\n" + "\n".join(lines)


@app.command
def devnet(*, port: int = 8090, block_ms: int = 3000, data: Path | None = None) -> None:
    """A Tron node of our own on loopback."""
    from gateways.devnet.server import serve

    serve(port, block_ms, data)


@app.command
def migrate(*, data: Data = None) -> None:
    """Bring the database to this version; safe to run twice and at once from many machines."""
    from gateways.operations import migrate_database

    applied = migrate_database(_settings(data=data))
    console.print("\n".join(f"applied {name}" for name in applied) or "the database is up to date")


@app.command
def rebuild(
    *views: str,
    workers: Annotated[int | None, Parameter(help="Processes at work, as many as there are cores")] = None,
    hold: Annotated[bool, Parameter(help="Wait, once verified, for --resume before the swap")] = False,
    pause: Annotated[str | None, Parameter(help="Let the rebuild of this view rest")] = None,
    resume: Annotated[str | None, Parameter(help="Let it go on, or let a held one serve")] = None,
    cancel: Annotated[str | None, Parameter(help="End the rebuild of this view; what serves, serves on")] = None,
    rollback: Annotated[
        str | None, Parameter(help="Let the version of this view that served before serve again")
    ] = None,
    into: Annotated[str | None, Parameter(help="Fill a new schema instead, for somebody to look at")] = None,
    to_position: Annotated[int | None, Parameter(help="With --into: as the views were there")] = None,
    account: Annotated[str | None, Parameter(help="With --into: what they have of one account")] = None,
    data: Data = None,
) -> None:
    """Rebuild views from events, all or those named, beside the ones that serve; verify them and swap them in."""
    from gateways import rebuild_command as command

    settings = _settings(data=data)
    if rollback is not None:
        command.roll_back(settings, rollback, console)
    elif pause is not None:
        command.steer(settings, pause, "pause", console)
    elif resume is not None:
        command.steer(settings, resume, "go", console)
    elif cancel is not None:
        command.steer(settings, cancel, "cancel", console)
    elif into is not None:
        command.scratch(settings, views, into, to_position, account, console)
    elif to_position is not None or account is not None:
        raise UserError("--to-position and --account need --into SCHEMA: what serves is never cut short")
    else:
        done = command.rebuild_views(settings, views, console, workers=workers or command.cores(), hold=hold)
        sys.exit(0 if done else 1)


@app.command
def census(*, data: Data = None) -> None:
    """Which events are stored, by type and version, and how each is read. Exit 1 when one cannot be."""
    from gateways.operations import show_census

    sys.exit(0 if show_census(_settings(data=data), console) else 1)


@app.command
def reconcile(*, data: Data = None) -> None:
    """Trial balance; events = guard = views; ledger = chain. Exit 1 and every difference when something does not hold."""
    from gateways.operations import reconcile_books

    sys.exit(0 if reconcile_books(_settings(data=data), console) else 1)


@app.command
def scan(
    *,
    from_: Annotated[int, Parameter(name="--from", help="First block")],
    to: Annotated[int, Parameter(help="Last block")],
    data: Data = None,
) -> None:
    """Observe a range of solid blocks again; always safe."""
    from gateways.operations import scan_again

    scan_again(_settings(data=data), from_, to, console)


@app.command
def health() -> None:
    """Whether the processes that show themselves in COUNTERFOIL_PULSE go on; exit 1 and each that does not."""
    from gateways.pulse import look_after

    said = look_after(_settings().pulse)
    console.print("\n".join(said) or "all go on")
    sys.exit(1 if said else 0)


@app.command
def config() -> None:
    """Every setting, its value (secrets hidden), where it comes from, and what it is."""
    from gateways.operations import describe_settings

    table = Table("setting", "value", "source", "what it is", box=None, pad_edge=False)
    for row in describe_settings(_settings()):
        table.add_row(*row)
    console.print(table)


@app.command
def openapi() -> None:
    """Print the OpenAPI document."""
    from gateways.http.openapi import document

    print(json_module.dumps(document(), indent=2))  # noqa: T201  the document is the output


@signing.command(name="status")
def signing_status(*, data: Data = None) -> None:
    """Whether payouts are signed, and every cause that holds them back."""
    from gateways.operations import show_signing

    show_signing(_settings(data=data), console)


@signing.command
def resume(
    *, reason: Annotated[str, Parameter(help="Why signing may go on; kept for ever")], data: Data = None
) -> None:
    """Let signing go on, after a person has looked at every cause."""
    from gateways.operations import resume_signing

    resume_signing(_settings(data=data), reason, console)


@alarms.command(name="list")
def list_alarms(*, limit: int = 50, data: Data = None) -> None:
    """The last alarms of all processes, the newest first, and whether their webhooks arrived."""
    from gateways.operations import show_alarms

    show_alarms(_settings(data=data), limit, console)


@alarms.command
def secret(*, data: Data = None) -> None:
    """Print the secret that signs what is sent to COUNTERFOIL_OPERATOR_WEBHOOK_URL."""
    from gateways.operations import alarm_secret

    print(alarm_secret(_settings(data=data)))  # noqa: T201  the secret is the output


@tx.command
def decode(hex: str, *, json: bool = False) -> None:  # noqa: A002  the contract's own word
    """A raw or signed transaction, decoded, with the signers recovered from its signatures."""
    from gateways.tx_decode import decode as decode_transaction
    from gateways.tx_decode import describe

    decoded = decode_transaction(hex)
    if json:
        print(json_module.dumps(decoded, indent=2))  # noqa: T201  machine-readable output
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for label, value in describe(decoded):
        table.add_row(label, value)
    console.print(table)


def _expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose message is a sentence for the person at the terminal. Imported late: most commands need few of them."""
    from core.notes import NoteRefused
    from core.ports import Unavailable
    from gateways.migrate import SchemaMismatch
    from gateways.secrets_file import DamagedFile, UnsafeFile
    from gateways.tron_node import WrongNetwork
    from gateways.tx_decode import UndecodableTransaction
    from gateways.user_error import UserError
    from signers.keystore import KeystoreUnusable

    return (
        Unavailable,
        NoteRefused,
        SchemaMismatch,
        UserError,
        UnsafeFile,
        DamagedFile,
        WrongNetwork,
        UndecodableTransaction,
        KeystoreUnusable,
        settings_module.InvalidSettings,
        OSError,
    )


def guarded(command: Callable[[], object]) -> None:
    """Run a command; an expected error becomes one sentence on stderr and exit code 1."""
    try:
        command()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not isinstance(error, _expected_errors()):
            raise
        Console(stderr=True, highlight=False).print(f"[red]error:[/red] {error}", markup=True, soft_wrap=True)
        sys.exit(1)


def main() -> None:
    """The console script."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    run.__doc__ = _run_help() if sys.argv[1:3] in (["run", "--help"], ["run", "-h"]) else run.__doc__
    app.command(run)
    guarded(app)


if __name__ == "__main__":
    main()
