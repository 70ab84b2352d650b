"""`counterfoil signing`: what stops signing, and how an operator lets it go on."""

from collections.abc import Sequence
from typing import Annotated, Final

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from core.ledger.ledger import Accepted, EventStore, Failed, Ledger
from core.streams.signing import Cause, ResumeSigning
from gateways.cli.acts import at_terminal, note_command
from gateways.cli.console import Data, console, settings_with
from gateways.postgres.roles import API, READER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform, visiting
from projections.explain.signing import holding


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


app = App(name="signing", help="See what stops signing, and let it go on")


@app.command(name="status")
def _signing_status(*, data: Data = None) -> None:
    """Whether payouts are signed, and every cause that holds them back."""
    show_signing(settings_with(data=data), console)


@app.command(name="resume")
def _resume(
    *, reason: Annotated[str, Parameter(help="Why signing may go on; kept for ever")], data: Data = None
) -> None:
    """Let signing go on, after a person has looked at every cause."""
    resume_signing(settings_with(data=data), reason, console)


REASON_CHARACTERS_MAX: Final = 500


def resume(ledger: Ledger, store: EventStore, reason: str, actor: str) -> Sequence[Cause]:
    """Settle every cause that holds at this look -> which ones. Raises UserError without a reason or without a cause."""
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise UserError(
            f"say why signing may go on, in at most {REASON_CHARACTERS_MAX} characters: it is kept for ever"
        )
    causes = tuple(each.cause for each in holding(store))
    if not causes:
        raise UserError("signing is not stopped")
    [outcome] = ledger.execute([ResumeSigning(causes=causes, reason=reason.strip(), actor=actor)])
    if isinstance(outcome, Failed):
        raise outcome.error
    return causes if isinstance(outcome, Accepted) else ()
