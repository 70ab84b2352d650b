"""Stake at the command line: `counterfoil stake status`, `recommend`, `freeze`, `unfreeze`, `withdraw`.

What is ordered here is an instruction: the process `sweeps` makes the gas wallet's, `payouts` the hot wallet's.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import uuid4

import psycopg
from cyclopts import App, Parameter, validators

from core.ledger.money import InvalidAmount, format_amount, parse_amount
from core.streams.instructions import Freeze, GiveInstruction, Instruction, Unfreeze, WithdrawUnfrozen
from core.tron.address import SUN_PER_TRX, Address
from core.tron.chain import AccountResources, ChainAccount, Resource
from core.tron.stake import Advice, Staker, Terms, Volume, advise, lasts_hours
from gateways.cli.acts import acting, at_terminal, note_command, system_wallet
from gateways.cli.console import Data, Json, Output, Table, counted, number, rfc3339, shown_time, text, trx, usdt
from gateways.cli.installation import opened_database, settings_with
from gateways.cli.sweeps import Wallet
from gateways.postgres.connections import conninfo_of
from gateways.postgres.roles import READER, SIGNER
from gateways.settings import Settings
from gateways.user_error import NotReady, UserError
from gateways.wiring.opened import check_chain
from gateways.wiring.platform import Platform
from projections.named import rows
from signers.outcomes import append
from signers.outgoing.funds import Prices
from signers.outgoing.needs import TRANSFER_BYTES
from signers.sweeps.worth import DELEGATION_BYTES, TRX_TRANSFER_BYTES, in_token
from signers.transactions.abi import transfer_call

WALLETS: Final[tuple[Staker, ...]] = ("gas", "hot")
Stakes = Freeze | Unfreeze | WithdrawUnfrozen

# What was sent as fuel and came back as left-over TRX was not spent.
_VOLUME: Final = """
    WITH since AS (SELECT now() - %(days)s * interval '1 day' AS at),
         moved AS (SELECT * FROM instructions, since WHERE updated_at >= at AND state IN ('confirmed', 'failed'))
    SELECT (SELECT count(*) FROM sweeps, since WHERE updated_at >= at AND state = 'confirmed' AND currency = 'USDT') AS sweeps,
           (SELECT count(*) FROM payout_requests, since WHERE updated_at >= at AND state = 'confirmed') AS payouts,
           (SELECT coalesce(sum(burned_sun), 0) FROM moved WHERE wallet = 'gas')::bigint
           + (SELECT coalesce(sum(amount_minor), 0) FROM moved WHERE purpose = 'fuel' AND state = 'confirmed')::bigint
           - (SELECT coalesce(sum(amount_minor), 0) FROM sweeps, since
               WHERE updated_at >= at AND state = 'confirmed' AND currency = 'TRX')::bigint AS gas_sun,
           (SELECT coalesce(sum(burned_sun), 0) FROM moved WHERE wallet = 'hot')::bigint
           + (SELECT coalesce(sum(burned_sun), 0) FROM payout_requests, since WHERE updated_at >= at)::bigint AS hot_sun
"""
_ORDERS: Final = (
    "SELECT id::text, wallet, act, amount_minor, state, tron_tx_hash, reason, created_at, updated_at FROM instructions"
    " WHERE purpose = 'stake' ORDER BY \"position\" DESC LIMIT %(limit)s"
)
_AGE: Final = (
    "SELECT least(%(days)s, greatest(1, ceil(extract(epoch FROM now() - occurred_at) / 86400)::int)) FROM history"
)


def volume(platform: Platform, days: int) -> Volume:
    """The last days', or those since the first event where there are fewer; never less than one."""
    with psycopg.connect(platform.reader_url) as conn:
        [row] = rows(conn, _VOLUME, {"days": days})
        known_days = next((age for (age,) in conn.execute(f"{_AGE} WHERE position = 1", {"days": days})), 1)
    return Volume(known_days, row.sweeps, row.payouts, max(0, row.gas_sun), row.hot_sun)


def status(settings: Settings, days: int, out: Output) -> None:
    """What each wallet has staked, lent, waiting and left, and how long its TRX last."""
    facts, rows, said = [], [], []
    with acting(settings, READER) as platform:
        done, now_ms = volume(platform, days), platform.node.head().timestamp_ms
        for role in WALLETS:
            address = system_wallet(platform, role)
            account, resources = _account(platform, address), platform.node.resources(address)
            spent_sun = done.gas_spent_sun if role == "gas" else done.hot_spent_sun
            facts.append(_facts_of(role, address, account, resources, spent_sun, done.days))
            rows.append(_row(role, account, resources))
            said += [*_waits(role, account, now_ms), _forecast(role, account.balance_sun, spent_sun, done.days)]
    columns = ("TRX", "staked: energy", "bandwidth", "lent", "coming back", "energy left", "bandwidth left")
    table = Table(("wallet", *map(number, columns)), rows)
    out.show({"days": done.days, "data": facts}, table, "", *said)


def _row(role: str, account: ChainAccount, resources: AccountResources) -> tuple[str, ...]:
    amounts = (
        account.balance_sun,
        account.energy_stake_sun + account.delegated_energy_sun,
        account.bandwidth_stake_sun + account.delegated_bandwidth_sun,
        account.delegated_energy_sun + account.delegated_bandwidth_sun,
        sum(each.amount_sun for each in account.unfreezing),
    )
    return (
        role,
        *(format_amount(each, "TRX") for each in amounts),
        f"{resources.energy_left} of {resources.energy_limit}",
        f"{resources.net_left + resources.free_net_left} of {resources.net_limit + resources.free_net_limit}",
    )


def _facts_of(
    role: str, address: Address, account: ChainAccount, resources: AccountResources, spent_sun: int, days: int
) -> dict[str, Any]:
    return {
        "wallet": role,
        "address": address.base58,
        **trx("balance", account.balance_sun),
        **trx("energy_stake", account.energy_stake_sun + account.delegated_energy_sun),
        **trx("bandwidth_stake", account.bandwidth_stake_sun + account.delegated_bandwidth_sun),
        **trx("lent", account.delegated_energy_sun + account.delegated_bandwidth_sun),
        "coming_back": [
            {**trx("amount", each.amount_sun), "at": rfc3339(_moment(each.expires_ms))} for each in account.unfreezing
        ],
        "energy_left": resources.energy_left,
        "energy_limit": resources.energy_limit,
        "bandwidth_left": resources.net_left + resources.free_net_left,
        "bandwidth_limit": resources.net_limit + resources.free_net_limit,
        **trx("spent", spent_sun),
        "lasts_hours": lasts_hours(account.balance_sun, spent_sun, days),
    }


def _account(platform: Platform, address: Address) -> ChainAccount:
    """An address without an account has nothing."""
    return platform.node.account(address) or ChainAccount(bytes(address), 0, ())


def _waits(role: str, account: ChainAccount, now_ms: int) -> list[str]:
    return [
        f"{role}: {format_amount(each.amount_sun, 'TRX')} TRX can be withdrawn "
        + ("now" if each.expires_ms <= now_ms else f"from {_time(each.expires_ms)} on")
        for each in account.unfreezing
    ]


def _forecast(role: str, balance_sun: int, spent_sun: int, days: int) -> str:
    hours = lasts_hours(balance_sun, spent_sun, days)
    if hours is None:
        return f"{role}: no TRX was spent in the last {counted(days, 'day')}"
    return (
        f"{role}: spent {format_amount(spent_sun, 'TRX')} TRX in the last {counted(days, 'day')};"
        f" at that rate its TRX last {counted(hours // 24, 'day')} and {counted(hours % 24, 'hour')}"
    )


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC)


def _time(at_ms: int) -> str:
    return f"{_moment(at_ms):%Y-%m-%d %H:%M} UTC"


def recommend(settings: Settings, days: int, out: Output) -> None:
    """How much stake the last days' volume needs, and what it saves a day against burning at today's prices."""
    with acting(settings, READER) as platform:
        done, terms = volume(platform, days), _terms(platform)
        advices = _advices(platform, done, terms)
    price_minor = settings.minor(settings.trx_price)
    facts = [
        {
            "wallet": each.wallet,
            "resource": each.resource.lower(),
            "units_a_day": each.units_a_day,
            **trx("staked", each.staked_sun),
            **trx("stake", each.stake_sun),
            **trx("add", each.add_sun),
            **trx("saves_a_day", each.saves_sun_a_day),
            **usdt("saves_a_day_usdt", in_token(each.saves_sun_a_day, price_minor)),
            "pays_back_days": each.pays_back_days,
        }
        for each in advices
    ]
    rows = [
        (
            each.wallet,
            each.resource.lower(),
            each.units_a_day,
            *(
                format_amount(amount, "TRX")
                for amount in (each.staked_sun, each.stake_sun, each.add_sun, each.saves_sun_a_day)
            ),
            format_amount(in_token(each.saves_sun_a_day, price_minor), "USDT"),
            counted(each.pays_back_days, "day") if each.pays_back_days else "",
        )
        for each in advices
    ]
    titles = ("needs a day", "staked TRX", "stake TRX", "to add", "saves TRX a day", "about USDT", "pays back in")
    out.show(
        {"days": done.days, "sweeps": done.sweeps, "payouts": done.payouts, "data": facts},
        f"{counted(done.sweeps, 'sweep')} and {counted(done.payouts, 'payout')} in the last {counted(done.days, 'day')}",
        "",
        Table(("wallet", "resource", *map(number, titles)), rows),
        "",
        "payees that have no USDT yet take twice the energy; stake comes back 14 days after it is asked for",
    )


def _terms(platform: Platform) -> Terms:
    prices, network = Prices.of(platform.node), platform.node.resources(system_wallet(platform, "gas"))
    return Terms(
        prices.energy_sun,
        prices.bandwidth_sun,
        network.total_energy_limit,
        network.total_energy_weight,
        network.total_net_limit,
        network.total_net_weight,
    )


def _advices(platform: Platform, done: Volume, terms: Terms) -> Sequence[Advice]:
    gas, hot = (_account(platform, system_wallet(platform, role)) for role in WALLETS)
    free = platform.node.resources(hot.address).free_net_limit
    energy, lending_bytes = _transfer_energy(platform, Address(hot.address)), 2 * DELEGATION_BYTES
    gas_energy = gas.energy_stake_sun + gas.delegated_energy_sun
    gas_bandwidth = gas.bandwidth_stake_sun + gas.delegated_bandwidth_sun
    lent: dict[str, Any] = {"times": done.sweeps, "days": done.days}
    paid: dict[str, Any] = {"times": done.payouts, "days": done.days}
    lending_sun = lending_bytes * terms.bandwidth_sun
    return [
        advise("gas", "ENERGY", terms, **lent, units_each=energy, staked_sun=gas_energy, costs_sun_each=lending_sun),
        advise(
            "gas",
            "BANDWIDTH",
            terms,
            **lent,
            units_each=TRX_TRANSFER_BYTES + lending_bytes,
            free_a_day=free,
            staked_sun=gas_bandwidth,
        ),
        advise("hot", "ENERGY", terms, **paid, units_each=energy, staked_sun=hot.energy_stake_sun),
        advise(
            "hot",
            "BANDWIDTH",
            terms,
            **paid,
            units_each=TRANSFER_BYTES,
            free_a_day=free,
            staked_sun=hot.bandwidth_stake_sun,
        ),
    ]


def _transfer_energy(platform: Platform, hot: Address) -> int:
    """What a transfer between two holders takes now, by a trial. Raises NotReady where there is nothing to try with."""
    trial = platform.node.call(hot, platform.settings.usdt, transfer_call(hot, 1))
    if trial.reverted:
        raise NotReady(f"the hot wallet {hot} has no USDT, so no transfer can be tried: fill it first")
    return trial.energy_used


def freeze(settings: Settings, role: Staker, resource: Resource, text: str, out: Output) -> None:
    """Stake TRX of a wallet. Raises UserError for more than it has."""
    amount_sun = _amount(text)

    def check(platform: Platform, address: Address) -> None:
        account = platform.node.solid_account(address)
        balance_sun = account.balance_sun if account else 0
        if amount_sun > balance_sun:
            raise UserError(f"the {role} wallet {address} has {format_amount(balance_sun, 'TRX')} TRX: stake less")

    _order(settings, role, Freeze(amount_sun, resource), check, out)


def unfreeze(settings: Settings, role: Staker, resource: Resource, text: str, out: Output) -> None:
    """Ask for stake back. Raises UserError for more than is there, lent stake left out, or where 32 wait already."""
    amount_sun = _amount(text)

    def check(platform: Platform, address: Address) -> None:
        account = _account(platform, address)
        here_sun = account.energy_stake_sun if resource == "ENERGY" else account.bandwidth_stake_sun
        if amount_sun > here_sun:
            raise UserError(
                f"the {role} wallet {address} has {format_amount(here_sun, 'TRX')} TRX staked for {resource.lower()}"
                " that are not lent: ask for less"
            )
        if not platform.node.unfreezes_left(address):
            raise UserError(
                "32 amounts wait already, and the chain takes no more: `counterfoil stake withdraw` takes those due"
            )

    _order(settings, role, Unfreeze(amount_sun, resource), check, out)


def withdraw(settings: Settings, role: Staker, out: Output) -> None:
    """Take what has waited its 14 days. Raises NotReady where nothing has."""

    def check(platform: Platform, address: Address) -> None:
        now_ms = platform.node.head().timestamp_ms
        if not platform.node.withdrawable_sun(address, now_ms):
            waits = "; ".join(_waits(role, _account(platform, address), now_ms)) or "and nothing waits"
            raise NotReady(f"nothing can be withdrawn yet: {waits}")

    _order(settings, role, WithdrawUnfrozen(), check, out)


def show_orders(settings: Settings, limit: int, out: Output) -> None:
    """What was ordered of stake, the newest first, and how far each is."""
    with (
        opened_database(settings) as database,
        psycopg.connect(conninfo_of(database.url(READER)), autocommit=True) as conn,
    ):
        found = rows(conn, _ORDERS, {"limit": limit}).fetchall()
    facts = [{**row._asdict(), **trx("amount", row.amount_minor)} for row in found]
    lines = [
        (shown_time(row.created_at), row.wallet, row.act, format_amount(row.amount_minor, "TRX"), row.state,
         row.tron_tx_hash, row.reason)
        for row in found
    ]  # fmt: skip
    columns = ("ordered", "wallet", "act", number("TRX"), "state", "transaction", text("why not"))
    out.show({"data": facts}, Table(columns, lines) if lines else "nothing was ever ordered of stake")


def _order(
    settings: Settings, role: Staker, act: Stakes, check: Callable[[Platform, Address], None], out: Output
) -> None:
    with acting(settings, SIGNER) as platform:
        check_chain(platform)
        address = system_wallet(platform, role)
        check(platform, address)
        instruction = Instruction(str(uuid4()), "stake", "", address.base58, role, act)
        append(platform.ledger, [GiveInstruction(instruction, at_terminal())])
        what = str(act.__struct_config__.tag)
        note_command(
            settings,
            f"stake.{what}",
            instruction_id=instruction.instruction_id,
            wallet=role,
            amount_sun=getattr(act, "amount_sun", None),
            resource=getattr(act, "resource", None),
        )
    worker = "sweeps" if role == "gas" else "payouts"
    out.show(
        {"instruction_id": instruction.instruction_id, "wallet": role, "act": what, "process": worker},
        f"instruction {instruction.instruction_id}: the process {worker} makes it, `counterfoil stake status` shows it",
    )


def _amount(text: str) -> int:
    """TRX -> sun. Raises UserError for what is no amount, or no whole number of TRX."""
    try:
        amount_sun = parse_amount(text, "TRX")
    except InvalidAmount as error:
        raise UserError(f"{text} is no amount of TRX: {error}") from error
    if amount_sun % SUN_PER_TRX:
        raise UserError(f"{text}: give whole TRX, nothing less of a stake counts")
    return amount_sun


app = App(name="stake", help="What the gas and the hot wallet have staked, how much they should, and how to change it")

Kind = Annotated[Literal["energy", "bandwidth"], Parameter(help="What the stake is for")]
Trx = Annotated[str, Parameter(help="How much: a whole number of TRX")]
Days = Annotated[int, Parameter(help="How many days back to look", validator=validators.Number(gte=1, lte=365))]
_RESOURCES: Final[dict[str, Resource]] = {"energy": "ENERGY", "bandwidth": "BANDWIDTH"}


@app.command(name="status")
def _stake_status(*, days: Days = 7, json: Json = False, data: Data = None) -> None:
    """What is staked, lent, waiting and left, and how long the wallets' TRX last at the rate of the last days."""
    status(settings_with(data=data), days, Output(as_json=json))


@app.command(name="recommend")
def _recommend(*, days: Days = 7, json: Json = False, data: Data = None) -> None:
    """How much to stake for the volume of the last days, and what it saves against burning at today's prices."""
    recommend(settings_with(data=data), days, Output(as_json=json))


@app.command(name="orders")
def _orders(
    *,
    limit: Annotated[int, Parameter(help="How many at most", validator=validators.Number(gte=1, lte=1000))] = 50,
    json: Json = False,
    data: Data = None,
) -> None:
    """What was ordered of stake, the newest first, and how far each is."""
    show_orders(settings_with(data=data), limit, Output(as_json=json))


@app.command(name="freeze")
def _freeze(wallet: Wallet, resource: Kind, trx: Trx, /, *, json: Json = False, data: Data = None) -> None:
    """Stake TRX of a wallet for energy or bandwidth."""
    freeze(settings_with(data=data), wallet, _RESOURCES[resource], trx, Output(as_json=json))


@app.command(name="unfreeze")
def _unfreeze(wallet: Wallet, resource: Kind, trx: Trx, /, *, json: Json = False, data: Data = None) -> None:
    """Ask for stake back: it can be withdrawn 14 days later."""
    unfreeze(settings_with(data=data), wallet, _RESOURCES[resource], trx, Output(as_json=json))


@app.command(name="withdraw")
def _withdraw(wallet: Wallet, /, *, json: Json = False, data: Data = None) -> None:
    """Take the stake that has waited its 14 days."""
    withdraw(settings_with(data=data), wallet, Output(as_json=json))
