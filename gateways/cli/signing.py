"""`counterfoil signing`: what stops signing, and how an operator lets it go on."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Final

from cyclopts import App, Parameter, validators

from core.ledger.ledger import Accepted, EventStore, Failed, Ledger, Refused
from core.ledger.refusals import RestoreNotSettled
from core.ports.unavailable import Unavailable
from core.streams.signing import Cause, ResumeSigning, Settlement, SigningResumed
from core.streams.store import TellPosition
from gateways.cli.acts import REASON_CHARACTERS_MAX, at_terminal, must_have_reason, note_command
from gateways.cli.chain.causes import ASKED, still_holding
from gateways.cli.chain.unexplained import Unexplained, facts_of, table_of, unexplained
from gateways.cli.console import Data, Json, Output, Table, shown_time, text
from gateways.cli.installation import opened_database, settings_with
from gateways.cli.recovery.settle import settlement
from gateways.postgres.roles import API, READER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import Platform
from projections.explain.signing import holding

SAID: Final = "a person's to say"
"""Of a cause that neither chain nor books can end."""


def show_signing(settings: Settings, out: Output) -> None:
    """Every cause that holds signing back and whether it still does; what left unexplained, and what it may have been."""
    with opened_database(settings) as database, open_platform(settings, READER, database) as platform:
        causes, left = holding(platform.store), unexplained(platform)
        now = _now(platform, [each.cause for each in causes], left)
    facts = {
        "stopped": bool(causes),
        "data": [each._asdict() | {"now": now[each.cause]} for each in causes],
        "unexplained": list(facts_of(left)),
    }
    more: list[str | Table] = ["", table_of(left), ""] if left else []
    if not causes:
        out.show(facts, "payouts are signed: nothing holds signing back", *more)
        return
    rows = [(each.cause, shown_time(each.since), each.stream, each.sentence, now[each.cause]) for each in causes]
    out.show(
        facts,
        Table(("cause", "since", "recorded in", text("what it means"), text("now")), rows),
        *more,
        'signing is stopped; when every cause is settled: counterfoil signing resume --reason "..."',
    )


def _now(platform: Platform, causes: Sequence[Cause], left: Sequence[Unexplained]) -> dict[Cause, str]:
    """Of each cause whether it still holds, as far as anything but a person can say."""
    try:
        standing = still_holding(platform, causes)
    except Unavailable as error:
        return {cause: f"not known: {error}" if cause in ASKED else SAID for cause in causes} | standing_of(
            causes, left
        )
    over = {cause: "no longer, as the chain shows it" for cause in causes if cause in ASKED}
    return dict.fromkeys(causes, SAID) | over | standing | standing_of(causes, left)


def standing_of(causes: Sequence[Cause], left: Sequence[Unexplained]) -> dict[Cause, str]:
    """That transfers are not explained is a cause while one is open: neither adopted, nor written off."""
    if "outgoing_unexplained" not in causes or not left:
        return {}
    more = f" (and {len(left) - 1} more: `counterfoil signing status`)" if len(left) > 1 else ""
    return {"outgoing_unexplained": f"{left[0].sentence}{more}"}


def resume_signing(settings: Settings, reason: str, out: Output, *, even_though: bool = False) -> None:
    """Settle every cause that holds no longer; with `even_though` the others too. The operator at this machine is the actor."""
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        causes = [each.cause for each in holding(platform.store)]
        standing = still_holding(platform, causes) | standing_of(causes, unexplained(platform))
        if even_though and standing:
            reason, standing = f"{reason} (even though {'; '.join(standing.values())})"[:REASON_CHARACTERS_MAX], {}
        settled = resume(platform.ledger, platform.store, reason, at_terminal(), settlement(platform), standing)
        note_command(settings, "signing.resumed", database, reason=reason, settled=list(settled))
    goes_on = "signing stays stopped" if standing else "signing goes on"
    said = f"{goes_on}; settled: {', '.join(settled)}" if settled else "somebody else has resumed signing meanwhile"
    out.show(
        {"settled": list(settled), "standing": standing},
        "\n".join([said, *(f"{cause} still holds: {shown}" for cause, shown in standing.items())]),
    )


def resume(
    ledger: Ledger,
    store: EventStore,
    reason: str,
    actor: str,
    settled: Settlement = Settlement(),  # noqa: B008 (frozen)
    standing: Mapping[Cause, str] = MappingProxyType({}),
) -> Sequence[Cause]:
    """Settle every cause that holds at this look -> which ones. `settled` is how far a restore is.

    `standing` are those that still hold, as chain or books show, which no word settles. Raises UserError without a reason,
    without a cause to settle, or while a restore is not settled.
    """
    reason = must_have_reason(reason, "signing may go on")
    causes = tuple(each.cause for each in holding(store))
    if not causes:
        raise UserError("signing is not stopped: there is nothing to resume")
    causes = tuple(cause for cause in causes if cause not in standing)
    if not causes:
        raise UserError(
            f"signing stays stopped, since what stopped it still holds: {'; '.join(standing.values())}. Who knows better says"
            " --even-though"
        )
    [outcome] = ledger.execute([ResumeSigning(causes=causes, reason=reason, actor=actor, settlement=settled)])
    if isinstance(outcome, Failed):
        raise outcome.error
    if isinstance(outcome, Refused) and isinstance(outcome.refusal, RestoreNotSettled):
        raise UserError(f"{outcome.refusal.detail} See `counterfoil restore settle`")
    if isinstance(outcome, Refused):
        raise UserError(
            f"{outcome.refusal.detail} No command lets it sign while that is so: /docs/operate, an old copy"
        )
    resumed = outcome.events[0].event if isinstance(outcome, Accepted) else None
    return resumed.causes if isinstance(resumed, SigningResumed) else ()


def vouch_for_store(settings: Settings, position: int, reason: str, out: Output) -> None:
    """Say that no store of this name went on behind a position. The operator at this machine is the actor."""
    reason = must_have_reason(reason, "no other copy of this store has gone on")
    with opened_database(settings) as database, open_platform(settings, API, database) as platform:
        [outcome] = platform.ledger.execute([TellPosition(position, reason, at_terminal())])
        if isinstance(outcome, Failed):
            raise outcome.error
        note_command(settings, "store.position-told", database, reason=reason, position=position)
    told = isinstance(outcome, Accepted)
    out.show(
        {"position": position, "told": told},
        "the signers look at the store again; once they find nothing against it: counterfoil signing resume"
        if told
        else "nothing is held against this store, or that was said already",
    )


app = App(name="signing", help="See what stops signing, and let it go on")


@app.command(name="status")
def _signing_status(*, json: Json = False, data: Data = None) -> None:
    """Whether payouts are signed, and every cause that holds them back."""
    show_signing(settings_with(data=data), Output(as_json=json))


@app.command(name="resume")
def _resume(
    *,
    reason: Annotated[str, Parameter(help="Why signing may go on; kept for ever")],
    even_though: Annotated[
        bool, Parameter(help="Settle what still holds, too: you know better than chain and books", negative="")
    ] = False,
    json: Json = False,
    data: Data = None,
) -> None:
    """Let signing go on, after a person has looked at every cause. What still holds is not settled."""
    resume_signing(settings_with(data=data), reason, Output(as_json=json), even_though=even_though)


@app.command(name="vouch")
def _vouch(
    position: Annotated[
        int,
        Parameter(
            help="The last position that anybody knows of, from a backup or a receipt",
            validator=validators.Number(gte=0),
        ),
    ],
    /,
    *,
    reason: Annotated[str, Parameter(help="How it is known that no other copy has gone on; kept for ever")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Say that this store is the only one of its name, where the high-water mark is lost or was copied with its folder.

    It changes nothing where the mark, or the archive of checkpoints, knows of a later store.
    """
    vouch_for_store(settings_with(data=data), position, reason, Output(as_json=json))
