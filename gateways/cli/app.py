"""`counterfoil`: its commands, each loaded when it is called, and how an error becomes one sentence and an exit code.

Nothing is imported here that takes time: `counterfoil --help` is asked by people and by shells that complete words.
"""

import logging
import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gateways import VERSION

if TYPE_CHECKING:
    from cyclopts import App

SUMMARY: Final = "A custodial payment gateway for USDT on Tron, on an event-sourced double-entry ledger."
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("demo:command", "The main job, start to finish, in less than a minute"),
    "up": ("service:up", "Every process on this machine until Ctrl-C; state survives a restart"),
    "run": ("service:run", "One process, in the foreground, until SIGTERM"),
    "devnet": ("service:devnet", "A Tron node of our own on loopback"),
    "migrate": ("service:migrate", "Bring the database to this version; safe to run twice and at once"),
    "health": ("service:health", "Whether the processes that show themselves in COUNTERFOIL_PULSE go on"),
    "config": ("service:config", "Every setting, its value (secrets hidden), where it comes from, and what it is"),
    "reconcile": ("reconcile:command", "Trial balance; events = guard = views; ledger = chain"),
    "rebuild": ("rebuild:command", "Rebuild views from events beside the ones that serve; verify, swap them in"),
    "census": ("service:census", "Which events are stored, by type and version, and how each is read"),
    "scan": ("scan:command", "Observe a range of solid blocks again; always safe"),
    "signing": ("signing:app", "See what stops signing, and let it go on"),
    "alarms": ("alarms:app", "See what was raised, and the secret that signs the operator's webhooks"),
    "queue": ("queue:app", "See what waits and what was set aside, and send it again"),
    "secrets": ("secrets:app", "On AWS: give Terraform's empty secrets their values, and replace them"),
    "wallets": ("wallets:app", "The system wallets, and the address of cold storage"),
    "sweeps": ("sweeps:app", "See what a sweep would cost, begin one now, let an address be swept again"),
    "stake": ("stake:app", "What is staked, how much should be, and how to change it"),
    "cold": ("cold:app", "Coins from cold storage, signed on a machine without network"),
    "audit": ("audit:app", "Prove the history: checkpoints, exports, what changed between two positions"),
    "explain": ("explain:app", "Why a deposit or a payout is where it is, told from its events"),
    "receipt": ("receipt:app", "Check what a client holds"),
    "statement": ("statement:app", "An account's book in a period, signed"),
    "tx": ("tx:app", "Look into transactions"),
    "openapi": ("service:openapi", "Print the OpenAPI document"),
}
"""Name -> where it is, in gateways/cli, and what it does."""


def command_line() -> "App":
    """All commands, as one that parses; their files are imported when they are called."""
    from cyclopts import App

    line = App(name="counterfoil", help=SUMMARY, version=VERSION, version_flags=["--version"])
    for name, (place, _) in COMMANDS.items():
        line.command(f"gateways.cli.{place}", name=name)
    return line


def overview(columns: int) -> str:
    """`counterfoil --help`, in so many columns."""
    width = max(map(len, COMMANDS)) + 2
    lines = ["Usage: counterfoil COMMAND [...]", "", *textwrap.wrap(SUMMARY, columns), ""]
    for name, (_, sentence) in COMMANDS.items():
        lines += textwrap.wrap(
            sentence, columns, initial_indent=f"  {name:{width}}", subsequent_indent=" " * (width + 2)
        )
    return "\n".join([*lines, "", "`counterfoil COMMAND --help` says more of each."])


def _expected_errors() -> tuple[type[Exception], ...]:
    """Errors whose message is a sentence for the person at the terminal. Imported late: most commands need few of them."""
    from core.ports.unavailable import Unavailable
    from core.proofs.notes import NoteRefused
    from gateways.cli.tx import UndecodableTransaction
    from gateways.postgres.migrate import SchemaMismatch
    from gateways.private_file import DamagedFile, UnsafeFile
    from gateways.settings import InvalidSettings
    from gateways.tron.node import WrongNetwork
    from gateways.user_error import UserError
    from signers.keys.keystore import KeystoreUnusable

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
        InvalidSettings,
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
        from rich.console import Console

        Console(stderr=True, highlight=False).print(f"[red]error:[/red] {error}", markup=True, soft_wrap=True)
        sys.exit(1)


def main() -> None:
    """The console script."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    asked = sys.argv[1:]
    if asked in ([], ["--help"], ["-h"]):
        print(overview(shutil.get_terminal_size().columns))  # noqa: T201  the help is the output
    elif asked == ["--version"]:
        print(VERSION)  # noqa: T201
    else:
        guarded(command_line())
