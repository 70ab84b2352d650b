"""`counterfoil wallets`: which address is the hot, the gas and the cold wallet, and the registration of the cold one."""

from typing import Annotated, Literal

import psycopg
from cyclopts import App, Parameter

from core.ledger.ledger import Failed, Refused
from core.ledger.money import format_amount
from core.streams.treasury import RegisterWallet
from core.streams.wallet.rotation import ROTATED_ROLES, AskWalletRotation, RotatedRole
from core.tron.address import ZERO_ADDRESS, Address, InvalidAddress
from gateways.cli.acts import WALLETS, acting, at_terminal, note_command
from gateways.cli.console import Data, Json, Output, Table, trx, usdt
from gateways.cli.installation import opened_database, settings_with
from gateways.cli.permissions import app as permissions
from gateways.postgres.roles import API, READER, SIGNER
from gateways.settings import Settings
from gateways.user_error import UserError
from gateways.wiring.opened import check_chain, open_platform
from projections.explain.wallet_rotation import LEFT, last_rotation
from projections.named import rows
from signers.outgoing.funds import usdt_of
from signers.sweeps.plan import wallets_of

app = App(name="wallets", help="The system wallets, the address of cold storage, and whose signatures they take")
app.command(permissions)


@app.command(name="list")
def _list_wallets(*, json: Json = False, data: Data = None) -> None:
    """Which address is the hot, the gas and the cold wallet."""
    show_wallets(settings_with(data=data), Output(as_json=json))


@app.command(name="register")
def _register(
    role: Annotated[Literal["cold"], Parameter(help="cold: the hot and the gas wallet come with their keys")],
    address: Annotated[str, Parameter(help="A plain account whose key you keep elsewhere")],
    /,
    *,
    json: Json = False,
    data: Data = None,
) -> None:
    """Name the address of cold storage: what the hot wallet need not hold goes there."""
    assert role == "cold"
    register_cold(settings_with(data=data), address, Output(as_json=json))


@app.command(name="rotate")
def _rotate(
    role: Annotated[Literal["hot", "gas"], Parameter(help="Whose key is to be replaced")],
    /,
    *,
    kms: Annotated[str, Parameter(help="On AWS, the key that takes over, by id, ARN or alias")] = "",
    json: Json = False,
    data: Data = None,
) -> None:
    """Another key for the hot or the gas wallet: the old address is emptied into the new one, and retired."""
    rotate_wallet(settings_with(data=data), role, kms, Output(as_json=json))


def rotate_wallet(settings: Settings, role: RotatedRole, kms: str, out: Output) -> None:
    """Ask for it: who signs for the wallet makes the key. Raises UserError."""
    if bool(kms) != (settings.mode == "aws"):
        raise UserError(
            "on AWS name the key that takes over: --kms, with its id, ARN or alias"
            if settings.mode == "aws"
            else "on one machine the key is made in the keystore: leave --kms out"
        )
    with opened_database(settings) as database:
        with open_platform(settings, API, database) as platform:
            [outcome] = platform.ledger.execute([AskWalletRotation(role, at_terminal(), key=kms)])
        if isinstance(outcome, Refused):
            raise UserError(outcome.refusal.detail)
        if isinstance(outcome, Failed):
            raise outcome.error
        note_command(settings, "wallet.rotate", database, role=role, kms_key=kms)
    facts = {"role": role, "state": "asked", "kms_key": kms or None}
    out.show(
        facts,
        f"asked for another key of the {role} wallet; `counterfoil wallets list` shows how far that is",
        "as soon as it has begun: back up the keystore, of which every older copy lacks the new key"
        if settings.mode != "aws"
        else "as soon as it has begun, the key before may sign no more than what empties its address",
    )


def show_wallets(settings: Settings, out: Output) -> None:
    """Which address plays which role, and which did before."""
    with (
        opened_database(settings) as database,
        open_platform(settings, READER, database) as platform,
        psycopg.connect(platform.reader_url) as conn,
    ):
        known = rows(conn, WALLETS).fetchall()
        rotations = [last_rotation(platform.store, role) for role in ROTATED_ROLES]
        told = [(it, it.sentence(next(rows(conn, LEFT, it.asked)))) for it in rotations if it.state != "none"]
    facts = [
        {"role": each.role, "address": each.address, "status": each.status, "key": each.kms_key_id} for each in known
    ]
    cells = [(each.role, each.address, each.status, each.kms_key_id or "none here") for each in known]
    table = Table(("role", "address", "status", "key"), cells)
    none = "no wallet is registered yet: the processes payouts and sweeps register hot and gas when they start"
    rotated = [{"role": it.role, "state": it.state, "sentence": sentence} for it, sentence in told]
    lines = [f"another key of the {it.role} wallet: {sentence}" for it, sentence in told]
    out.show({"data": facts, "rotations": rotated}, table if known else none, *(["", *lines] if lines else []))


def register_cold(settings: Settings, given: str, out: Output) -> None:
    """From now on this address is the cold wallet. Its key never comes near this machine. Raises UserError."""
    address = _parsed(given, settings.usdt)
    with acting(settings, SIGNER) as platform:
        check_chain(platform)
        account = platform.node.account(address)
        if account is not None and account.is_contract:
            raise UserError(f"{address} is a contract: a cold wallet is a plain account whose key you hold")
        known = wallets_of(platform.store).get("cold")
        if known is not None and known != address:
            raise UserError(f"the cold wallet is {known}: it cannot be replaced by another")
        if known is None:
            platform.pool.add_wallet("cold", address.base58, None)
            played = platform.pool.ours([address.evm]).get(address.evm)
            if played != "cold":
                raise UserError(
                    f"{address} is a {played} address of this installation: cold storage needs one of its own"
                )
            [outcome] = platform.ledger.execute([RegisterWallet("cold", address.base58, None, at_terminal())])
            if isinstance(outcome, Refused):
                raise UserError(outcome.refusal.detail)
            if isinstance(outcome, Failed):
                raise outcome.error
            note_command(settings, "wallet.registered", role="cold", address=address.base58)
        held_minor = usdt_of(platform.node, address, settings.usdt)
    balance_sun = account.balance_sun if account else 0
    facts = {"role": "cold", "address": address.base58, "registered": known is None}
    facts |= {"holds": usdt("usdt", held_minor) | trx("trx", balance_sun)}
    if known is not None:
        out.show(facts, f"{address} is the cold wallet already")
        return
    parts = [f"{address} is the cold wallet"]
    if held_minor or balance_sun:
        parts.append(
            f"it holds {format_amount(held_minor, 'USDT')} USDT and {format_amount(balance_sun, 'TRX')} TRX already,"
            " which the books do not know: POST /v1/adjustments books them, and until then `counterfoil reconcile` shows"
            " the difference"
        )
    out.show(facts, *parts)


def _parsed(given: str, token: Address) -> Address:
    """Raises UserError: no address, the zero address, or the token's contract."""
    try:
        address = Address.from_base58(given)
    except InvalidAddress as error:
        raise UserError(f"{given} is no Tron address: {error}") from error
    if address in (ZERO_ADDRESS, token):
        raise UserError(
            f"{address} is {'the zero address' if address == ZERO_ADDRESS else 'the token itself'}: no wallet"
        )
    return address
