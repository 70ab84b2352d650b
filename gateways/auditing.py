"""Commands for auditors and whoever must explain: exports, proofs, differences, statements, receipts. Each is thin."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from gateways.upkeep import Data, console, settings_with
from gateways.user_error import UserError

audit = App(name="audit", help="Prove the history: checkpoints, exports, what changed between two positions")
explain = App(name="explain", help="Why a deposit or a payout is where it is, told from its events")
receipt = App(name="receipt", help="Check what a client holds")
statement = App(name="statement", help="An account's book in a period, signed")


@audit.command
def export(
    *,
    format: Annotated[  # noqa: A002
        Literal["ndjson", "hledger", "beancount"], Parameter(help="The history, or the books as a journal")
    ] = "ndjson",
    account: Annotated[str | None, Parameter(help="Of a journal: one book, by the account's id, or treasury")] = None,
    from_: Annotated[
        date | None, Parameter(name="--from", help="Of a journal: its first day (UTC); what was held before opens it")
    ] = None,
    to: Annotated[date | None, Parameter(help="Of a journal: its last day (UTC)")] = None,
    output: Annotated[Path | None, Parameter(help="The file to write; without it, to standard output")] = None,
    data: Data = None,
) -> None:
    """The whole history as NDJSON, for `audit verify FILE` and schema/verify.py, or the books for hledger or beancount.

    NDJSON has events, seals, checkpoints and balances. A journal has every entry and asserts what each account holds, at
    every checkpoint and at the end.
    """
    from gateways.audit import export_history, export_journal

    settings = settings_with(data=data)
    if format != "ndjson":
        export_journal(settings, format, account, from_, to, output, console)
    elif account is not None or from_ is not None or to is not None:
        raise UserError(
            "NDJSON is the whole history, which nothing proves in parts: --account, --from and --to are"
            " for --format hledger or beancount"
        )
    else:
        export_history(settings, output, console)


@audit.command
def verify(
    file: Annotated[Path | None, Parameter(help="An export; without it, the database itself")] = None,
    *,
    archive: Annotated[
        Path | None, Parameter(help="The folder of archived checkpoints; default: the setting's")
    ] = None,
    key: Annotated[
        list[str] | None, Parameter(help="A key that signs checkpoints, as `audit keys` prints it; several if replaced")
    ] = None,
    data: Data = None,
) -> None:
    """Is the history, in the database or in an export, the one that was signed? Exit 1 and every difference if not."""
    from gateways.audit import verify_database, verify_export

    if file is not None:
        sys.exit(verify_export(file, key or [], archive))
    sys.exit(0 if verify_database(settings_with(data=data), key or [], archive, console) else 1)


@audit.command
def diff(
    *,
    from_: Annotated[int, Parameter(name="--from", help="A position; what its event did is not in the difference")],
    to: Annotated[int | None, Parameter(help="A later position, whose event is in it; default: the last one")] = None,
    account: Annotated[str | None, Parameter(help="One book, by the account's id, or treasury")] = None,
    json: bool = False,
    data: Data = None,
) -> None:
    """Which balances changed between two positions, by how much, and by which events."""
    from gateways.differences import show_difference

    show_difference(settings_with(data=data), from_, to, account, console, as_json=json)


@audit.command
def keys(*, data: Data = None) -> None:
    """Print the keys that sign checkpoints and statements. Give them to auditors and clients by a way of their own."""
    from gateways.audit import print_keys

    print_keys(settings_with(data=data), console)


@audit.command(name="regrow-tree")
def regrow_tree(*, data: Data = None) -> None:
    """Forget the Merkle tree's tiles and make them again from the events."""
    from gateways.audit import regrow_tree

    regrow_tree(settings_with(data=data), console)


@explain.command(name="deposit")
def explain_deposit(
    name: Annotated[str, Parameter(name="ID", help="Its id, its transaction id, or its stream")],
    *,
    json: bool = False,
    data: Data = None,
) -> None:
    """What happened to a deposit, why it is where it is, and what comes next."""
    from gateways.explained import show_deposits

    show_deposits(settings_with(data=data), name, console, as_json=json)


@explain.command(name="payout")
def explain_payout(
    name: Annotated[str, Parameter(name="ID", help="Its id; a refused one has its own, too")],
    *,
    json: bool = False,
    data: Data = None,
) -> None:
    """What happened to a payout, why it is where it is, and what comes next."""
    from gateways.explained import show_payout

    show_payout(settings_with(data=data), name, console, as_json=json)


@statement.command(name="make")
def make_statement(
    account: Annotated[str, Parameter(help="The account's id, or treasury")],
    *,
    from_: Annotated[str, Parameter(name="--from", help="Its beginning, as 2026-11-01T00:00:00Z")],
    until: Annotated[str, Parameter(help="Its end, which is the beginning of the next")],
    format: Literal["json", "csv"] = "json",  # noqa: A002
    output: Annotated[Path | None, Parameter(help="The file to write; without it, to standard output")] = None,
    data: Data = None,
) -> None:
    """What an account held and every line of its book in a period; signed once the period is over."""
    from gateways.statement_files import make

    make(settings_with(data=data), account, from_, until, format, output)


@statement.command(name="verify")
def verify_statement(
    file: Path, *, key: Annotated[list[str], Parameter(help="The key that signs statements, from `audit keys`")]
) -> None:
    """Is this file the statement that was signed? Exit 1 with the reason if not."""
    from gateways.statement_files import verify

    sys.exit(0 if verify(file, key, console) else 1)


@receipt.command(name="verify")
def verify_receipt(
    file: Annotated[Path, Parameter(help="A receipt as GET /v1/receipts/{position} answers it")],
    *,
    key: Annotated[list[str], Parameter(help="The key that signs checkpoints, as the operator gave it to you")],
) -> None:
    """Check a client's receipt offline: the entry, its path, the signature. Exit 1 with the reason if it proves nothing."""
    from gateways.audit import verify_receipt

    sys.exit(0 if verify_receipt(file, key, console) else 1)
