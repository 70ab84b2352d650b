"""`counterfoil`: its commands, each loaded when it is called, and how an error becomes one sentence and an exit code.

Nothing is imported here that takes time: `counterfoil --help` is asked by people and by shells that complete words.
Exit codes are the same for every command:

* 0: done, or what was asked holds;
* 1: it does not hold: a check found differences, a proof proves nothing, or `up` cannot begin as this machine is, or what
  it reaches. A defect, which also prints a traceback, ends with it too: what broke while it looked has proven nothing;
* 2: used wrongly: arguments, settings, files, a name that is none, a request that is refused;
* 3: not reachable: the database, a Tron node or AWS does not answer; the same command may work later;
* 4: not ready: migrations are missing or newer, views are behind, or there is nothing there yet;
* 130: ended by Ctrl-C.

An error is one sentence in plain text on standard error, with --json too: standard output has the document or nothing,
and a program reads the exit code; the sentence is for whoever reads that program's log, where warnings stand as well.
"""

import os
import sys
from collections.abc import Sequence

from gateways import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cyclopts import App

SUMMARY = "A custodial payment gateway for USDT on Tron, on an event-sourced double-entry ledger."
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo.play:command", "The main job, start to finish, in less than a minute"),
    "up": ("service:up", "Every process on this machine until Ctrl-C; state survives a restart"),
    "run": ("run:command", "One process, in the foreground, until SIGTERM"),
    "devnet": ("service:devnet", "A Tron node of our own on loopback"),
    "migrate": ("service:migrate", "Bring the database to this version; safe to run twice and at once"),
    "upgrade": ("upgrade:app", "Bring in a new version beside the old one: plan, status, finish"),
    "health": ("service:health", "Whether the processes that leave a sign of life in COUNTERFOIL_PULSE are alive"),
    "config": ("service:config", "Every setting: its value (secrets hidden), where it comes from, what it is"),
    "reconcile": ("reconcile:command", "Trial balance; events = guard = views; ledger = chain"),
    "rebuild": ("rebuild:command", "Rebuild views from events beside the ones that serve; verify; swap them in"),
    "schemas": ("desk.schemas:app", "What `rebuild --into` has filled for somebody to look at: list, drop"),
    "census": ("service:census", "Which events are stored, by type and version, and how each is read"),
    "scan": ("chain.scan:app", "Read solid blocks again, or let one pass that no node shows whole"),
    "nodes": (
        "chain.nodes:command",
        "Each Tron node: head, lag, solid as claimed and as counted, how far back, faults",
    ),
    "signing": ("signing:app", "See what stops signing, and let it go on"),
    "accounts": ("desk.accounts:app", "The companies that are served: list, show, add, change, suspend"),
    "keys": ("desk.keys:app", "API keys of an account, or of operators: list, create, revoke"),
    "find": ("desk.find:command", "A deposit, a payout or whatever else, by an id, a txid, an address, a reference"),
    "deposits": ("desk.deposits:app", "What arrived on an account's addresses: list, show"),
    "payouts": (
        "desk.payouts:app",
        "An account's payouts: list, cancel, expedite, approve one above the limits, adopt a transfer; lanes",
    ),
    "approvals": ("approvals:app", "Make the key of somebody who may approve payouts above the signer's limits"),
    "webhooks": ("desk.webhooks:app", "What an account was told: list, redeliver, test"),
    "adjustments": ("desk.adjustments:app", "A correction of the books: both of them before and after, then --yes"),
    "trial-balance": ("desk.records:trial_balance", "Every kind of ledger account in its column: debits equal credits"),
    "refusals": ("desk.records:refusals", "What was tried and refused, and why"),
    "audit-log": ("desk.records:audit_log", "Who did what in the last 90 days"),
    "alarms": (
        "alarms:app",
        "See what is open and what to do, take an alarm; the secret of the operator's webhooks",
    ),
    "backup": ("recovery.backup:app", "Copy the installation in one snapshot, signed; check a copy on any machine"),
    "restore": ("recovery.restore:app", "Take up a backup; then settle what it lacks, before anything is signed"),
    "set-aside": ("set_aside:app", "Events that cannot be read or folded: see them, and settle one"),
    "queue": ("queue:app", "See what waits and what was set aside, and send it again"),
    "secrets": ("secrets:app", "Replace the platform's own secrets; on AWS, give Terraform's empty ones their values"),
    "addresses": ("addresses:app", "Deposit addresses: take another seed for those that are to come"),
    "wallets": ("wallets:app", "The system wallets, the address of cold storage, and whose signatures they take"),
    "sweeps": ("sweeps:app", "See what a sweep would cost, begin one now, release an address set aside"),
    "stake": ("stake:app", "What is staked, how much should be, and how to change it"),
    "cold": ("cold_storage.cold:app", "Coins from cold storage, signed on a machine without network"),
    "evacuate": ("evacuate:command", "Stop payouts and send everything to cold storage; how far that is"),
    "audit": ("audit.history:app", "Prove the history: checkpoints, exports, what changed between two positions"),
    "explain": ("explain:app", "Why a deposit or a payout is where it is, from its events"),
    "receipt": ("audit.receipt:app", "Check a client's receipt, offline"),
    "statement": ("audit.statement:app", "An account's book in a period: write it, signed, or check one"),
    "tx": ("tx:app", "Decode a transaction and see who signed it"),
    "openapi": ("service:openapi", "Print the OpenAPI document"),
    "completion": ("completion:command", "What bash, zsh or fish needs to complete commands"),
}
"""Name -> where it is, in gateways/cli, and what it does."""

DOES_NOT_HOLD, USED_WRONGLY, NOT_REACHABLE, NOT_READY = 1, 2, 3, 4
INTERRUPTED, READER_GONE = 130, 141

EXIT_CODES: dict[str, int] = {
    "cyclopts.exceptions.CycloptsError": USED_WRONGLY,
    "gateways.user_error.UserError": USED_WRONGLY,
    "gateways.user_error.NotReady": NOT_READY,
    "gateways.user_error.CannotBegin": DOES_NOT_HOLD,
    "gateways.settings.InvalidSettings": USED_WRONGLY,
    "gateways.private_file.UnsafeFile": USED_WRONGLY,
    "gateways.private_file.DamagedFile": USED_WRONGLY,
    "gateways.tron.node.WrongNetwork": USED_WRONGLY,
    "gateways.devnet.chain.block_log.UnusableData": USED_WRONGLY,
    "psycopg.errors.InsufficientPrivilege": USED_WRONGLY,
    "gateways.cli.tx.UndecodableTransaction": USED_WRONGLY,
    "signers.keys.keystore.KeystoreUnusable": USED_WRONGLY,
    "core.proofs.notes.NoteRefused": USED_WRONGLY,
    "builtins.OSError": USED_WRONGLY,
    "botocore.exceptions.ClientError": USED_WRONGLY,
    "scanners.observer.ChainMismatch": DOES_NOT_HOLD,
    "core.ledger.events.UnknownTopic": NOT_READY,
    "core.ports.unavailable.Unavailable": NOT_REACHABLE,
    "psycopg.OperationalError": NOT_REACHABLE,
    "botocore.exceptions.BotoCoreError": NOT_REACHABLE,
    "builtins.ConnectionError": NOT_REACHABLE,
    "builtins.TimeoutError": NOT_REACHABLE,
    "socket.gaierror": NOT_REACHABLE,
    "gateways.postgres.migrate.SchemaMismatch": NOT_READY,
    "gateways.postgres.migrate.UnbearableSetting": NOT_READY,
    "projections.audit.difference.ViewsBehind": NOT_READY,
    "projections.audit.statements.ViewsBehind": NOT_READY,
}
"""Class of error -> exit code; a subclass that is not named has its parent's. What has none is a defect and crashes.

By name, since importing them all only to tell one from the other would cost more than most commands do.
"""

_EXITS = (
    ("0", "done, or what was asked holds"),
    ("1", "it does not hold: a check found differences, or `up` cannot begin"),
    ("2", "used wrongly: arguments, settings, a name that is none, a refusal"),
    ("3", "not reachable: the database, a Tron node or AWS does not answer"),
    ("4", "not ready: migrations missing, views behind, nothing there yet"),
    ("130", "ended by Ctrl-C"),
)


def command_line() -> "App":
    """All commands, as one that parses; their files are imported when they are called."""
    from cyclopts import App

    line = App(
        name="counterfoil",
        help=SUMMARY,
        version=VERSION,
        version_flags=["--version"],
        suppress_keyboard_interrupt=False,
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )
    for name, (place, _) in COMMANDS.items():
        line.command(f"gateways.cli.{place}", name=name)
    return line


def overview(columns: int) -> str:
    """`counterfoil --help`, in so many columns."""
    lines = ["Usage: counterfoil COMMAND [...]", "", *_folded(SUMMARY, columns, ""), ""]
    width = max(map(len, COMMANDS))
    for name, (_, sentence) in COMMANDS.items():
        lines += _folded(sentence, columns, f"  {name:{width}}  ")
    lines += ["", "Exit codes:"]
    for code, meaning in _EXITS:
        lines += _folded(meaning, columns, f"  {code:{width}}  ")
    return "\n".join([*lines, "", "`counterfoil COMMAND --help` says more of each."])


def _folded(sentence: str, columns: int, start: str) -> list[str]:
    """textwrap would do this, and take as long to load as all the rest."""
    lines = [start]
    for word in sentence.split():
        if len(lines[-1]) + len(word) > columns and lines[-1].strip():
            lines.append(" " * len(start))
        lines[-1] += f"{word} "
    return [line.rstrip() for line in lines]


def exit_code_of(error: BaseException) -> int | None:
    """As EXIT_CODES has it; None for a defect. A database that answers and lets nobody in is no outage."""
    if _refused_by_database(error):
        return USED_WRONGLY
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
    return next((EXIT_CODES[name] for name in names if name in EXIT_CODES), None)


def sentence_of(error: BaseException) -> str:
    """What is wrong and what to do, in one line."""
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if name.startswith("cyclopts."):
        return _wrong_call(error)
    said = str(error).strip() or name
    if name.startswith("psycopg."):
        return _refused_by_database(error) or f"the database does not answer: {' '.join(said.split())}"
    return " ".join(said.split())


def _refused_by_database(error: BaseException) -> str | None:
    """What a database that answers has against its login, None where it is no such error."""
    if not type(error).__module__.startswith("psycopg"):
        return None
    import psycopg

    from gateways.postgres.logins import refusal_of

    return refusal_of(error) if isinstance(error, psycopg.Error) else None


def _wrong_call(error: BaseException) -> str:
    """The parser's error in plain words: what is missing, unknown or unreadable, and where to look."""
    from cyclopts.exceptions import CycloptsError, MissingArgumentError, UnknownCommandError, UnusedCliTokensError

    assert isinstance(error, CycloptsError)
    said = " ".join(str(error).split()).rstrip(".")
    left_over = " ".join(error.unused_tokens or ())
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        said = f"{error.argument.name} is missing"
    elif isinstance(error, UnusedCliTokensError):
        said = f"there is no place for {left_over} here"
    elif isinstance(error, UnknownCommandError) and error.unused_tokens:
        _, _, meant = said.partition('Did you mean "')
        said = f"there is no command {error.unused_tokens[0]!r}"
        said += f", did you mean {meant.partition(chr(34))[0]!r}?" if meant else ""
    where = " ".join(("counterfoil", *(error.command_chain or ()), "--help"))
    return f"{said}: see `{where}`"


def run(arguments: Sequence[str]) -> int:
    """Run one command -> its exit code. An error that is no defect is a sentence on standard error; a defect is raised."""
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        found = command_line()(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter's own flush fails again
        return READER_GONE
    except Exception as error:
        code = exit_code_of(error)
        if code is None:
            raise
        print(f"error: {sentence_of(error)}", file=sys.stderr)  # noqa: T201
        return code
    if isinstance(found, bool):
        return 0 if found else DOES_NOT_HOLD
    return found if isinstance(found, int) else 0


def main() -> None:
    """The console script."""
    asked = sys.argv[1:]
    if asked in ([], ["--help"], ["-h"]):
        print(overview(_columns()))  # noqa: T201  the help is the output
    elif asked == ["--version"]:
        print(VERSION)  # noqa: T201
    else:
        code = None
        if asked[0] == "health":
            from gateways.telemetry.health import quick

            code = quick(asked[1:])
        sys.exit(run(asked) if code is None else code)


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS", "")) or os.get_terminal_size().columns
    except (ValueError, OSError):
        return 80
