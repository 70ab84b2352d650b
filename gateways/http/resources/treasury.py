"""The treasury as the operator sees it: system wallets with what they hold, and every sweep."""

from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

from core.ledger import books
from core.ledger.journal import TREASURY_ACCOUNT_ID
from core.ledger.refusals import NotFound
from core.streams.accounts import OPERATOR
from gateways.http.answer import Answer, Time, all_of, listed, money, of_row
from gateways.http.endpoint import Call, Reply, before, endpoint, page_reply, reply
from gateways.http.fields import Page, Read, TronAddress
from gateways.http.resources.accounts import id_in


class WalletBalance(Answer, frozen=True):
    """What the books say a wallet holds of a currency."""

    amount: str
    amount_minor: int
    currency: str


class WalletNumbers(Answer, frozen=True):
    """What the chain said of a wallet at a solid block: coins, energy and bandwidth for now, stake in sun.

    `energy_lendable` is what the stake that can be lent now would give, `staked_sun` all that is frozen, lent or not.
    """

    block_number: int
    block_time: Time
    usdt: str
    usdt_minor: int
    trx: str
    trx_sun: int
    energy_left: int
    energy_limit: int
    energy_lendable: int
    bandwidth_left: int
    bandwidth_limit: int
    staked_sun: int
    delegated_sun: int
    unfreezing_sun: int


class WalletDifference(Answer, frozen=True):
    """Where books and chain do not agree about a wallet, since when, and what may be behind it. It goes when they agree."""

    ledger_account: str
    currency: str
    booked: str
    booked_minor: int
    found: str
    found_minor: int
    block_number: int
    since: Time
    sentence: str


class SystemWallet(Answer, frozen=True):
    """A wallet of the operator's own, with its balances by the books, and what the chain said last if it was looked at."""

    id: UUID
    role: Literal["hot", "cold", "gas"]
    address: str
    key_id: str | None
    status: Literal["active", "inactive", "retiring", "retired"]
    created_at: Time
    balances: list[WalletBalance]
    on_chain: WalletNumbers | None
    differences: list[WalletDifference]


class SweepTransaction(Answer, frozen=True):
    """One transaction that a sweep needs: TRX or energy for it, its transfer, or the return of energy."""

    id: UUID
    purpose: Literal["sweep", "fuel", "loan", "loan_return"]
    state: Literal["given", "prepared", "signed", "broadcast", "confirmed", "failed", "withdrawn"]
    tron_tx_hash: str | None
    burned: str | None
    burned_sun: int | None
    block_number: int | None
    reason: str | None


SweepState = Literal["planned", "fuelled", "signed", "broadcast", "confirmed", "failed", "deferred"]


class Sweep(Answer, frozen=True):
    """What a deposit address held, on its way to the hot or the cold wallet; TRX left over go to the gas wallet.

    `method` pays for it: what the address has (own), energy lent (loan), or TRX sent for it (fuel). `cost` is what was planned,
    `burned` what all its transactions have burned so far, `lent_sun` stake that is lent to the address now.
    """

    id: UUID
    state: SweepState
    address: str
    number: int
    amount: str
    amount_minor: int
    currency: Literal["USDT", "TRX"]
    destination: Literal["hot", "cold", "gas"]
    to_address: str
    method: Literal["own", "loan", "fuel"]
    cost: str
    cost_sun: int
    burned: str
    burned_sun: int
    fuel_sun: int
    lent_sun: int
    reason: str | None
    tron_tx_hash: str | None
    block_number: int | None
    created_at: Time
    updated_at: Time
    transactions: list[SweepTransaction]


class SweepsPage(Page):
    """Sweeps in one state, or of one deposit address."""

    state: Literal["planned", "fuelled", "signed", "broadcast", "confirmed", "failed", "deferred"] | None = None
    address: TronAddress | None = None


_WALLETS: Final = (
    'SELECT id, role, address, kms_key_id, status, created_at FROM system_wallets ORDER BY role, "position" DESC'
)


_BALANCES: Final = (
    "SELECT code, currency, amount_minor FROM balances WHERE account_id = %(treasury)s::uuid"
    " ORDER BY code, currency DESC"
)


_NUMBERS: Final = (
    "SELECT role, address, block_number, block_timestamp_ms, usdt_minor, trx_sun, energy_left, energy_limit, energy_lendable,"
    " bandwidth_left, bandwidth_limit, staked_sun, delegated_sun, unfreezing_sun FROM wallet_numbers"
    " UNION ALL SELECT role, address, block_number, block_timestamp_ms, usdt_minor, trx_sun, energy_left, energy_limit,"
    " energy_lendable, bandwidth_left, bandwidth_limit, staked_sun, delegated_sun, unfreezing_sun FROM former_wallet_numbers"
)


_DIFFERENCES: Final = (
    "SELECT account AS ledger_account, currency, booked AS booked_minor, found AS found_minor, block_number, since, sentence"
    " FROM wallet_differences ORDER BY account, currency"
)


_COLUMNS: Final = (
    "id, state, address, number, amount_minor, currency, destination, to_address, method, cost_sun, burned_sun, fuel_sun,"
    " lent_sun, reason, tron_tx_hash, block_number, created_at, updated_at"
)


_TRANSACTIONS: Final = (
    "SELECT sweep_id, id, purpose, state, tron_tx_hash, burned_sun, block_number, reason FROM instructions"
    ' WHERE sweep_id = ANY(%(sweeps)s::uuid[]) ORDER BY "position"'
)


@endpoint("GET", "/v1/system-wallets", OPERATOR, all_of(SystemWallet))
async def list_system_wallets(call: Call, _: Read) -> Reply:
    """The hot, cold and gas wallets, those of before included: what the books say they hold, and what the chain said last."""
    booked = await call.read("balances", _BALANCES, treasury=TREASURY_ACCOUNT_ID)
    rows = await call.read("wallets", _WALLETS)
    seen = {(row.role, row.address): _numbers(row) for row in await call.api.queries.fetch(_NUMBERS)}
    differences = await call.api.queries.fetch(_DIFFERENCES)
    answers = []
    for row in rows:
        held = [
            of_row(WalletBalance, line, amount=money(line.amount_minor, line.currency))
            for line in booked
            if row.status == "active" and line.code == books.WALLET_ACCOUNTS[row.role]
        ]
        number = seen.get((row.role, row.address))
        off = [
            _difference(it) for it in differences if row.status == "active" and it.ledger_account in _accounts(row.role)
        ]
        answers.append(
            of_row(SystemWallet, row, key_id=row.kms_key_id, balances=held, on_chain=number, differences=off)
        )
    return reply(all_of(SystemWallet)(answers))


def _accounts(role: str) -> tuple[str, ...]:
    """The accounts that a wallet's difference may be in: its own, and stake, which is the gas wallet's and the hot wallet's."""
    return (books.WALLET_ACCOUNTS[role], *((books.STAKED,) if role != "cold" else ()))


def _difference(row: Any) -> WalletDifference:
    booked, found = money(row.booked_minor, row.currency), money(row.found_minor, row.currency)
    return of_row(WalletDifference, row, booked=booked, found=found)


def _numbers(row: Any) -> WalletNumbers:
    return of_row(
        WalletNumbers,
        row,
        block_time=datetime.fromtimestamp(row.block_timestamp_ms // 1000, UTC),
        usdt=money(row.usdt_minor, "USDT"),
        trx=money(row.trx_sun, "TRX"),
    )


@endpoint("GET", "/v1/sweeps", OPERATOR, listed(Sweep), query=SweepsPage)
async def list_sweeps(call: Call, page: SweepsPage) -> Reply:
    """Sweeps, newest first, each with its transactions."""
    rows = await call.read(
        "sweeps",
        f'SELECT {_COLUMNS}, "position" FROM sweeps WHERE "position" < %(before)s'
        " AND (%(state)s::text IS NULL OR state = %(state)s) AND (%(address)s::text IS NULL OR address = %(address)s)"
        ' ORDER BY "position" DESC LIMIT %(limit)s',
        before=before(call, page),
        state=page.state,
        address=page.address,
        limit=page.limit + 1,
    )
    made = await _transactions(call, [row.id for row in rows])
    return page_reply(call, page, [(row.position, _sweep(row, made.get(row.id, []))) for row in rows])


@endpoint("GET", "/v1/sweeps/{id}", OPERATOR, Sweep, refusals=(NotFound,))
async def get_sweep(call: Call, _: Read) -> Reply:
    """One sweep as it stands."""
    row = await call.one(
        "sweeps", "sweep", f"SELECT {_COLUMNS} FROM sweeps WHERE id = %(id)s::uuid", id=id_in(call, "sweep")
    )
    return reply(_sweep(row, (await _transactions(call, [row.id])).get(row.id, [])))


async def _transactions(call: Call, sweeps: list[UUID]) -> dict[UUID, list[SweepTransaction]]:
    found: dict[UUID, list[SweepTransaction]] = {}
    rows = await call.api.queries.fetch(_TRANSACTIONS, {"sweeps": sweeps}) if sweeps else []
    for row in rows:
        burned = None if row.burned_sun is None else money(row.burned_sun, "TRX")
        found.setdefault(row.sweep_id, []).append(of_row(SweepTransaction, row, burned=burned))
    return found


def _sweep(row: Any, made: list[SweepTransaction]) -> Sweep:
    return of_row(
        Sweep,
        row,
        amount=money(row.amount_minor, row.currency),
        cost=money(row.cost_sun, "TRX"),
        burned=money(row.burned_sun, "TRX"),
        transactions=made,
    )
