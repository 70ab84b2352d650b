"""Cold storage's own machine: `counterfoil cold sign` and `keygen`. No network, no database and no node is needed here."""

import getpass
import os
import secrets
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from core.ledger.money import format_amount
from core.streams.instructions import SendToken
from core.tron.address import SUN_PER_TRX
from gateways.settings import PREFIX, Settings
from gateways.user_error import UserError
from signers.keys.keys import KeyNotHeld, SoftwareKey
from signers.keys.keystore import Keystore
from signers.transactions.bundles import Bundle, BundleRefused, read, signed
from signers.transactions.signer import SignatureRefused

COLD: Final = "cold"


def sign(settings: Settings, file: Path, keystore: Path, fingerprint: str | None, console: Console) -> None:
    """Sign a bundle, with no network and no database. Raises UserError, KeystoreUnusable."""
    bundle = read_bundle(file)
    if bundle.signature is not None:
        raise UserError(f"{file} is signed already: bring it back and run counterfoil cold submit")
    if bundle.network != settings.network:
        raise UserError(f"the bundle is for {bundle.network}: set {PREFIX}NETWORK={bundle.network} if that is meant")
    if bundle.policy.token != settings.usdt.base58:
        raise UserError(f"the bundle calls {bundle.policy.token}, which is not the token {settings.usdt}")
    show_bundle(bundle, console)
    if fingerprint is None:
        console.print("ask whoever prepared it for the fingerprint, by another way than the file came")
        fingerprint = input("fingerprint: ")
    if fingerprint.strip().upper() != bundle.fingerprint:
        raise UserError("that is not the bundle's fingerprint: do not sign it")
    store = Keystore.open(keystore, _passphrase(settings))
    try:
        done = signed(bundle, store.key(f"keystore:{COLD}"), settings.fee_limit_max_trx * SUN_PER_TRX)
    except (SignatureRefused, KeyNotHeld) as error:
        raise UserError(str(error)) from error
    written = file.with_name(f"{file.stem}.signed{file.suffix}")
    written.write_bytes(done.encode())
    console.print(f"{written} is written: bring it back and run counterfoil cold submit {written.name}")


def keygen(keystore: Path, settings: Settings, console: Console) -> None:
    """Make cold storage's key, on the machine that keeps it. Raises KeystoreUnusable for a file that is there."""
    store = Keystore.create(keystore, _passphrase(settings, twice=True), {COLD: _secret()})
    console.print(f"{keystore} is written: keep copies of it, and its passphrase elsewhere")
    console.print(
        f"register it where the gateway runs: counterfoil wallets register cold {store.key('keystore:cold').address}"
    )


def _secret() -> bytes:
    while True:
        secret = secrets.token_bytes(32)
        try:
            SoftwareKey(secret)
        except ValueError:  # one in 2**128: not below the curve's order
            continue
        return secret


def _passphrase(settings: Settings, *, twice: bool = False) -> str:
    """The setting's, or as it is typed. Raises UserError for an empty one, or for two that differ."""
    given = settings.passphrase()
    if not given and os.isatty(0):
        given = getpass.getpass("passphrase of cold storage's keystore: ")
        if twice and getpass.getpass("again: ") != given:
            raise UserError("the two differ: nothing was written")
    if not given:
        raise UserError(f"cold storage's keystore has a passphrase of its own: set {PREFIX}KEYSTORE_PASSPHRASE_FILE")
    return given


def read_bundle(file: Path) -> Bundle:
    try:
        return read(file.read_bytes())
    except BundleRefused as error:
        raise UserError(f"{file}: {error}") from error


def show_bundle(bundle: Bundle, console: Console) -> None:
    """What a person must see before signing."""
    act, attempt, policy = bundle.instruction.act, bundle.attempt, bundle.policy
    assert isinstance(act, SendToken)
    table = Table(show_header=False, box=None, pad_edge=False)
    for label, value in (
        ("network", bundle.network),
        ("from", f"{bundle.instruction.owner} (cold storage)"),
        ("to", f"{act.to} (hot wallet)"),
        ("amount", f"{format_amount(act.amount_minor, 'USDT')} USDT"),
        ("token", policy.token),
        ("fee limit", f"{format_amount(attempt.fee_limit_sun, 'TRX')} TRX"),
        ("expires", f"{(attempt.expiration_ms - policy.prepared_at_ms) // 60_000} minutes after it was prepared"),
        ("txid", attempt.txid),
        ("fingerprint", f"[bold]{bundle.fingerprint}[/bold]"),
    ):
        table.add_row(label, value)
    console.print(table)
