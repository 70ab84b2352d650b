"""`counterfoil sweeps`: what a sweep would cost, one begun now, an address that may be swept again."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import psycopg
from cyclopts import App, Parameter

from core.ledger.ledger import Command
from core.ledger.money import format_amount
from core.ports.bookmarks import Bookmarks
from core.streams.instructions import GiveInstruction
from core.streams.quarantine import Quarantine, QuarantineAddress, ReleaseAddress, quarantine_stream
from core.streams.sweeps import PlanSweep, Sweep, sweep_stream
from core.tron.address import Address, InvalidAddress
from gateways.cli.acts import acting, at_terminal, must_have_reason, note_command, system_wallet
from gateways.cli.console import Data, Json, Output, Table, counted, number, shown_time, text, trx, usdt
from gateways.cli.installation import opened_database, settings_with
from gateways.postgres.connections import conninfo_of
from gateways.postgres.roles import READER, SIGNER
from gateways.processes.sweeps import rules_of
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import check_chain, open_platform
from gateways.wiring.platform import Platform
from projections.explain.signing import holding
from projections.named import rows
from signers.outcomes import append
from signers.sweeps.open_sweeps import OpenSweeps
from signers.sweeps.plan import Plan
from signers.sweeps.worth import Choice

_SET_ASIDE: Final = "SELECT address FROM address_holdings WHERE quarantine IS NOT NULL ORDER BY address"
_MEANING: Final[Mapping[str, str]] = {
    "sweep": "would be swept",
    "small": "not now: less is there than the history says",
    "dear": "not now: it costs too large a share",
    "limit": "not now: a limit is reached",
    "short": "not now: the gas wallet has too little TRX",
    "refused": "not now: the token refuses the transfer",
    "blacklisted": "blacklisted: the next plan sets the address aside",
}


class _Read:
    """Bookmarks for who only looks: none is moved."""

    def __init__(self, kept: Bookmarks) -> None:
        self._kept = kept

    def load(self, name: str) -> int:
        return self._kept.load(name)

    def save(self, name: str, position: int) -> None:
        """The process that works moves it."""


def _planning(platform: Platform) -> Plan:
    under_way = OpenSweeps(platform.store, _Read(platform.bookmarks))
    while under_way.behind:
        under_way.read_on()
    system_wallet(platform, "hot")
    gas, settings = system_wallet(platform, "gas"), platform.settings
    rules = rules_of(settings)
    return Plan(platform.store, platform.node, platform.holdings, under_way, gas, settings.usdt, rules)


def show_plan(settings: Settings, out: Output) -> None:
    """What a plan would begin now, and what it would cost in TRX and USDT. Nothing is begun."""
    with acting(settings, READER) as platform:
        planning, head = _planning(platform), platform.node.head()
        wallets = planning.wallets()
        choices = [choice for _, choice in planning.choices(head, wallets)]
        excess_minor = planning.excess(wallets)
    swept = [each for each in choices if each.verdict == "sweep"]
    burned_sun, cost_minor = sum(each.way.burned_sun for each in swept), sum(each.cost_minor for each in swept)
    moved_minor = sum(each.amount_minor for each in swept)
    facts = {
        "data": [_facts_of(each) for each in choices],
        "sweeps": len(swept),
        **usdt("amount", moved_minor),
        **trx("burned", burned_sun),
        **usdt("cost", cost_minor),
        "to_cold_storage": usdt("amount", excess_minor),
    }
    parts: list[str | Table] = [_table(choices), ""] if choices else []
    parts.append(
        f"{counted(len(swept), 'sweep')} of {format_amount(moved_minor, 'USDT')} USDT would burn"
        f" {format_amount(burned_sun, 'TRX')} TRX, about {format_amount(cost_minor, 'USDT')} USDT"
    )
    if excess_minor:
        parts.append(f"{format_amount(excess_minor, 'USDT')} USDT would go from the hot wallet to cold storage")
    out.show(facts, *parts, "nothing was begun: `counterfoil sweeps run` begins it")


def _facts_of(each: Choice) -> dict[str, Any]:
    return {
        "address": each.address.base58,
        "destination": each.destination,
        "to_address": each.to.base58,
        "method": each.way.method,
        "verdict": each.verdict,
        **usdt("amount", each.amount_minor),
        **trx("burned", each.way.burned_sun),
        **usdt("cost", each.cost_minor),
    }


def _table(choices: Sequence[Choice]) -> Table:
    rows = [
        (
            each.address.base58,
            each.destination,
            each.way.method,
            format_amount(each.amount_minor, "USDT"),
            format_amount(each.way.burned_sun, "TRX"),
            format_amount(each.cost_minor, "USDT"),
            _MEANING[each.verdict],
        )
        for each in choices
    ]
    titles = ("address", "to", "paid by", number("USDT"), number("burns TRX"), number("costs USDT"), text("verdict"))
    return Table(titles, rows)


def run_plan(settings: Settings, out: Output) -> None:
    """Plan at once instead of waiting for the schedule. The process `sweeps` does what was begun."""
    with acting(settings, SIGNER) as platform:
        check_chain(platform)
        if holding(platform.store):
            raise UserError("signing is stopped, and nothing is begun meanwhile: `counterfoil signing status` says why")
        planning, head, solid = _planning(platform), platform.node.head(), platform.node.solid()
        actor = at_terminal()
        commands = [_by(command, actor) for command in planning.commands(head, solid)]
        begun = append(platform.ledger, commands)
        sweeps = [command.order.sweep_id for command in commands if isinstance(command, PlanSweep)]
        note_command(settings, "sweeps.planned", sweeps=sweeps, commands=len(commands), begun=begun)
    said = f"{begun} begun: {_summary(commands)}" if commands else "nothing is worth a sweep now"
    out.show({"begun": begun, "sweeps": sweeps, "commands": len(commands)}, said)


def _by(command: Command, actor: str) -> Command:
    assert isinstance(command, PlanSweep | QuarantineAddress | GiveInstruction)
    return msgspec.structs.replace(command, actor=actor)


def _summary(commands: Sequence[Command]) -> str:
    kinds = (
        (PlanSweep, "sweep", ""),
        (QuarantineAddress, "address", " set aside"),
        (GiveInstruction, "transfer", " to cold storage"),
    )
    counts = ((sum(isinstance(command, kind) for command in commands), noun, rest) for kind, noun, rest in kinds)
    return ", ".join(f"{counted(count, noun)}{rest}" for count, noun, rest in counts if count)


def show_set_aside(settings: Settings, out: Output) -> None:
    """Every deposit address that no sweep touches until it is released, and why."""
    with opened_database(settings) as database, open_platform(settings, READER, database) as platform:
        with psycopg.connect(conninfo_of(database.url(READER))) as conn:
            streams = {quarantine_stream(row.address): row.address for row in rows(conn, _SET_ASIDE)}
        histories = platform.store.histories(list(streams))
    facts: list[dict[str, Any]] = []
    for stream, address in streams.items():
        state = Quarantine()
        for recorded in histories.get(stream, ()):
            state = state.evolve(recorded.event)
        if state.held is not None:
            since, why = state.held.occurred_at, state.held
            facts.append({"address": address, "since": since, "reason": why.reason, "detail": why.detail})
    lines = [(it["address"], shown_time(it["since"]), it["reason"], it["detail"]) for it in facts]
    table = Table(("address", "since", "reason", text("what was seen")), lines)
    out.show({"data": facts}, table if lines else "no address is set aside")


def release(settings: Settings, name: str, reason: str, out: Output) -> None:
    """Let a deposit address that was set aside be swept again; `name` is the address, or the id of a sweep of it."""
    reason = must_have_reason(reason, "it may be swept again")
    with opened_database(settings) as database, open_platform(settings, SIGNER, database) as platform:
        address, deferred = _named(platform, name)
        stream, state = quarantine_stream(address), Quarantine()
        for recorded in platform.store.histories([stream]).get(stream, ()):
            state = state.evolve(recorded.event)
        if state.held is None:
            raise UserError(
                f"{address} is not set aside: the next plan looks at it, `counterfoil sweeps run` makes one now{deferred}"
            )
        append(platform.ledger, [ReleaseAddress(address, reason, at_terminal())])
        note_command(settings, "address.released", database, address=address, reason=reason)
    out.show(
        {"address": address, "was_set_aside_as": state.held.reason},
        f"{address} is swept again like any other; it was set aside as {state.held.reason}",
    )


def _named(platform: Platform, name: str) -> tuple[str, str]:
    """(the deposit address, what is to be said of the sweep that was named). Raises UserError."""
    try:
        return Address.from_base58(name).base58, ""
    except InvalidAddress:
        stream, state = sweep_stream(name), Sweep()
    for recorded in platform.store.histories([stream]).get(stream, ()):
        state = state.evolve(recorded.event)
    if state.order is None:
        raise UserError(f"{name} is neither an address nor the id of a sweep: GET /v1/sweeps lists them")
    return state.order.address, f"; that sweep is {state.state}"


app = App(name="sweeps", help="See what a sweep would cost, begin one now, release an address set aside")

Wallet = Annotated[Literal["gas", "hot"], Parameter(help="Which wallet")]


@app.command(name="plan")
def _plan(*, json: Json = False, data: Data = None) -> None:
    """What would be swept now, by which means, and what it costs in TRX and USDT. Nothing is begun."""
    show_plan(settings_with(data=data), Output(as_json=json))


@app.command(name="run")
def _run_now(*, json: Json = False, data: Data = None) -> None:
    """Plan at once instead of waiting for the schedule; the process `sweeps` does what the plan begins."""
    run_plan(settings_with(data=data), Output(as_json=json))


@app.command(name="set-aside")
def _set_aside(*, json: Json = False, data: Data = None) -> None:
    """Deposit addresses that no sweep touches: since when, and why."""
    show_set_aside(settings_with(data=data), Output(as_json=json))


@app.command(name="release")
def _release(
    name: Annotated[str, Parameter(name="ADDRESS|ID", help="The deposit address, or the id of a sweep of it")],
    /,
    *,
    reason: Annotated[str, Parameter(help="Why it may be swept again; kept for ever")],
    json: Json = False,
    data: Data = None,
) -> None:
    """Let a deposit address that was set aside be swept again."""
    release(settings_with(data=data), name, reason, Output(as_json=json))
