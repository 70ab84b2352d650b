"""What the operator sees and does of sweeps: `counterfoil sweeps plan`, `run`, `release`; and the system wallets.

What these commands begin, the processes `sweeps` and `payouts` see through like anything that they begin themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
import psycopg
from rich.console import Console
from rich.table import Table

from core.instructions import GiveInstruction
from core.ledger import Accepted, Command, Failed, Refused
from core.money import format_amount
from core.ports import Bookmarks
from core.quarantine import Quarantine, QuarantineAddress, ReleaseAddress, quarantine_stream
from core.sweeps import PlanSweep, Sweep, sweep_stream
from core.treasury import RegisterWallet
from core.tron import ZERO_ADDRESS, Address, InvalidAddress
from gateways.operations import visiting
from gateways.platform import Platform, open_platform
from gateways.processes import check_chain
from gateways.roles import READER, SIGNER
from gateways.settings import Settings
from gateways.signing import holding
from gateways.trail import at_terminal, note_command
from gateways.treasury import rules_of
from gateways.user_error import UserError
from signers.funds import usdt_of
from signers.open_sweeps import OpenSweeps
from signers.plan import Choice
from signers.planning import Planning, wallets_of

REASON_CHARACTERS_MAX: Final = 500
_WALLETS: Final = 'SELECT role, address, status, kms_key_id FROM system_wallets ORDER BY role, "position" DESC'
_MEANING: Final[Mapping[str, str]] = {
    "sweep": "",
    "small": "less is there than the history says",
    "dear": "costs too much of it",
    "limit": "a limit is reached",
    "short": "the gas wallet is short",
    "refused": "the token refuses now",
    "blacklisted": "blacklisted: set aside by the next plan",
}


class _Read:
    """Bookmarks for who only looks: none is moved."""

    def __init__(self, kept: Bookmarks) -> None:
        self._kept = kept

    def load(self, name: str) -> int:
        return self._kept.load(name)

    def save(self, name: str, position: int) -> None:
        """The process that works moves it."""


@contextmanager
def acting(settings: Settings, role: str) -> Iterator[Platform]:
    """The platform with the chain of this installation, everything asked of one node."""
    with (
        visiting(settings) as database,
        open_platform(settings, role, database) as platform,
        platform.node.pinned(),
    ):
        yield platform


def must_have_reason(reason: str, what: str) -> str:
    """Raises UserError without one."""
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise UserError(f"say why {what}, in at most {REASON_CHARACTERS_MAX} characters: it is kept for ever")
    return reason.strip()


def system_wallet(platform: Platform, role: str) -> Address:
    """The address that plays a role. Raises UserError where none does."""
    found = wallets_of(platform.store).get(role)
    if found is None:
        raise UserError(f"no {role} wallet is registered yet: the processes payouts and sweeps register hot and gas")
    return found


def execute(platform: Platform, commands: Sequence[Command]) -> int:
    """Append; -> how many changed something. What was refused is another's doing meanwhile. Raises a defect as it is."""
    outcomes = platform.ledger.execute(commands)
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            raise outcome.error
    return sum(isinstance(outcome, Accepted) for outcome in outcomes)


def _planning(platform: Platform) -> Planning:
    under_way = OpenSweeps(platform.store, _Read(platform.bookmarks))
    while under_way.behind:
        under_way.read_on()
    system_wallet(platform, "hot")
    gas, settings = system_wallet(platform, "gas"), platform.settings
    rules = rules_of(settings)
    return Planning(platform.store, platform.node, platform.holdings, under_way, gas, settings.usdt, rules)


def show_plan(settings: Settings, console: Console) -> None:
    """What a plan would begin now, and what it would cost in TRX and USDT. Nothing is begun."""
    with acting(settings, READER) as platform:
        planning, head = _planning(platform), platform.node.head()
        wallets = planning.wallets()
        choices, excess_minor = list(planning.choices(head, wallets)), planning.excess(wallets)
    if choices:
        console.print(_table(choices))
    swept = [choice for _, choice in choices if choice.verdict == "sweep"]
    burned, cost = sum(each.way.burned_sun for each in swept), sum(each.cost_minor for each in swept)
    moved = format_amount(sum(each.amount_minor for each in swept), "USDT")
    console.print(
        f"{len(swept)} sweeps of {moved} USDT would burn {format_amount(burned, 'TRX')} TRX,"
        f" about {format_amount(cost, 'USDT')} USDT"
    )
    if excess_minor:
        console.print(f"{format_amount(excess_minor, 'USDT')} USDT would go from the hot wallet to cold storage")
    console.print("nothing was begun: counterfoil sweeps run begins it")


def _table(choices: Sequence[tuple[object, Choice]]) -> Table:
    table = Table("address", "to", "paid by", "", box=None, pad_edge=False)
    for name in ("USDT", "burns TRX", "costs USDT"):
        table.add_column(name, justify="right")
    for _, each in choices:
        told = [format_amount(each.amount_minor, "USDT"), format_amount(each.way.burned_sun, "TRX")]
        told.append(format_amount(each.cost_minor, "USDT"))
        table.add_row(each.address.base58, each.destination, each.way.method, _MEANING[each.verdict], *told)
    return table


def run_plan(settings: Settings, console: Console) -> None:
    """Plan at once instead of waiting for the schedule. The process `sweeps` does what was begun."""
    with acting(settings, SIGNER) as platform:
        check_chain(platform)
        if holding(platform.store):
            raise UserError("signing is stopped, and nothing is begun meanwhile: counterfoil signing status says why")
        planning, head, solid = _planning(platform), platform.node.head(), platform.node.solid()
        actor = at_terminal()
        commands = [_by(command, actor) for command in planning.commands(head, solid)]
        begun = execute(platform, commands)
        sweeps = [command.order.sweep_id for command in commands if isinstance(command, PlanSweep)]
        note_command(settings, "sweeps.planned", sweeps=sweeps, commands=len(commands), begun=begun)
    console.print(f"{begun} begun: {_counted(commands)}" if commands else "nothing is worth a sweep now")


def _by(command: Command, actor: str) -> Command:
    assert isinstance(command, PlanSweep | QuarantineAddress | GiveInstruction)
    return msgspec.structs.replace(command, actor=actor)


def _counted(commands: Sequence[Command]) -> str:
    kinds = {
        "sweeps": PlanSweep,
        "addresses set aside": QuarantineAddress,
        "transfers to cold storage": GiveInstruction,
    }
    counts = {name: sum(isinstance(command, kind) for command in commands) for name, kind in kinds.items()}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def release(settings: Settings, name: str, reason: str, console: Console) -> None:
    """Let a deposit address that was set aside be swept again; `name` is the address, or the id of a sweep of it."""
    reason = must_have_reason(reason, "it may be swept again")
    with visiting(settings) as database, open_platform(settings, SIGNER, database) as platform:
        address, deferred = _named(platform, name)
        stream, state = quarantine_stream(address), Quarantine()
        for recorded in platform.store.histories([stream]).get(stream, ()):
            state = state.evolve(recorded.event)
        if state.held is None:
            raise UserError(
                f"{address} is not set aside: the next plan looks at it, counterfoil sweeps run makes one now{deferred}"
            )
        execute(platform, [ReleaseAddress(address, reason, at_terminal())])
        note_command(settings, "address.released", database, address=address, reason=reason)
    console.print(f"{address} is swept again like any other; it was set aside as {state.held.reason}")


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


def show_wallets(settings: Settings, console: Console) -> None:
    """Which address plays which role, and which did before."""
    with visiting(settings) as database, psycopg.connect(database.url(READER)) as conn:
        rows = conn.execute(_WALLETS).fetchall()
    table = Table("role", "address", "status", "key", box=None, pad_edge=False)
    for role, address, status, key_id in rows:
        table.add_row(role, address, status, key_id or "none here")
    console.print(
        table if rows else "no wallet is registered yet: the processes payouts and sweeps register hot and gas"
    )


def register_cold(settings: Settings, text: str, console: Console) -> None:
    """From now on this address is the cold wallet. Its key never comes near this machine. Raises UserError."""
    address = _parsed(text, settings.usdt)
    with acting(settings, SIGNER) as platform:
        check_chain(platform)
        account = platform.node.account(address)
        if account is not None and account.is_contract:
            raise UserError(f"{address} is a contract: a cold wallet is a plain account whose key you hold")
        known = wallets_of(platform.store).get("cold")
        if known == address:
            console.print(f"{address} is the cold wallet already")
            return
        if known is not None:
            raise UserError(f"the cold wallet is {known}: it cannot be replaced by another")
        platform.pool.add_wallet("cold", address.base58, None)
        played = platform.pool.ours([address.evm]).get(address.evm)
        if played != "cold":
            raise UserError(f"{address} is a {played} address of this installation: cold storage needs one of its own")
        [outcome] = platform.ledger.execute([RegisterWallet("cold", address.base58, None, at_terminal())])
        if isinstance(outcome, Refused):
            raise UserError(outcome.rejection.detail)
        if isinstance(outcome, Failed):
            raise outcome.error
        note_command(settings, "wallet.registered", role="cold", address=address.base58)
        held_minor = usdt_of(platform.node, address, settings.usdt)
    console.print(f"{address} is the cold wallet")
    if held_minor or (account is not None and account.balance_sun):
        trx = format_amount(account.balance_sun if account else 0, "TRX")
        console.print(
            f"it holds {format_amount(held_minor, 'USDT')} USDT and {trx} TRX already, which the books do not know:"
            " POST /v1/adjustments books them, counterfoil reconcile shows the difference until then"
        )


def _parsed(text: str, token: Address) -> Address:
    """Raises UserError: no address, the zero address, or the token's contract."""
    try:
        address = Address.from_base58(text)
    except InvalidAddress as error:
        raise UserError(f"{text} is no Tron address: {error}") from error
    if address in (ZERO_ADDRESS, token):
        raise UserError(
            f"{address} is {'the zero address' if address == ZERO_ADDRESS else 'the token itself'}: no wallet"
        )
    return address
