"""`counterfoil wallets`: which address is the hot, the gas and the cold wallet, and the registration of the cold one."""

from typing import Annotated, Literal

import psycopg
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from core.ledger.ledger import Failed, Refused
from core.ledger.money import format_amount
from core.streams.treasury import RegisterWallet
from core.tron.address import ZERO_ADDRESS, Address, InvalidAddress
from gateways.cli.acting import _WALLETS, acting
from gateways.cli.acts import at_terminal, note_command
from gateways.cli.console import Data, console, settings_with
from gateways.postgres.roles import READER, SIGNER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import check_chain, visiting
from projections.named import rows
from signers.outgoing.funds import usdt_of
from signers.sweeps.plan import wallets_of

app = App(name="wallets", help="The system wallets, and the address of cold storage")


@app.command(name="list")
def _list_wallets(*, data: Data = None) -> None:
    """Which address is the hot, the gas and the cold wallet."""
    show_wallets(settings_with(data=data), console)


@app.command(name="register")
def _register(
    role: Annotated[Literal["cold"], Parameter(name="ROLE", help="cold: hot and gas come with their keys")],
    address: Annotated[str, Parameter(name="ADDRESS", help="A plain account whose key you keep elsewhere")],
    *,
    data: Data = None,
) -> None:
    """Name the address of cold storage: what the hot wallet need not hold goes there."""
    assert role == "cold"
    register_cold(settings_with(data=data), address, console)


def show_wallets(settings: Settings, console: Console) -> None:
    """Which address plays which role, and which did before."""
    with visiting(settings) as database, psycopg.connect(database.url(READER)) as conn:
        wallets = rows(conn, _WALLETS).fetchall()
    table = Table("role", "address", "status", "key", box=None, pad_edge=False)
    for wallet in wallets:
        table.add_row(wallet.role, wallet.address, wallet.status, wallet.kms_key_id or "none here")
    console.print(
        table if wallets else "no wallet is registered yet: the processes payouts and sweeps register hot and gas"
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
            raise UserError(outcome.refusal.detail)
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
