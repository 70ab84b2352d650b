"""Cold storage's own machine: `counterfoil cold sign` and `keygen`. No network, no database and no node is needed here."""

import getpass
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from core.ledger.money import format_amount
from core.streams.instructions import SendToken
from core.tron.address import SUN_PER_TRX
from core.tron.permissions import name_of
from gateways.cli.console import Output, Table, pairs, rfc3339, trx, usdt
from gateways.settings import PREFIX, Settings
from gateways.user_error import UserError
from signers.keys.keys import KeyNotHeld, SoftwareKey
from signers.keys.keystore import Keystore
from signers.transactions.bundles import Bundle, BundleRefused, read, signed
from signers.transactions.signer import SignatureRefused

COLD: Final = "cold"


def sign(settings: Settings, file: Path, keystore: Path, fingerprint: str | None, out: Output) -> None:
    """Sign a bundle, with no network and no database. Raises UserError, KeystoreUnusable."""
    bundle = read_bundle(file)
    if not bundle.missing:
        raise UserError(f"{file} is signed already: bring it back and run `counterfoil cold submit`")
    if bundle.network != settings.network:
        raise UserError(f"the bundle is for {bundle.network}: set {PREFIX}NETWORK={bundle.network} if that is meant")
    if bundle.policy.token != settings.usdt.base58:
        raise UserError(f"the bundle calls {bundle.policy.token}, which is not the token {settings.usdt}")
    if fingerprint is None:
        if out.as_json:
            raise UserError("--json asks nothing: give --fingerprint too")
        out.say(bundle_table(bundle), "ask whoever prepared it for the fingerprint, by another way than the file came")
        fingerprint = input("fingerprint: ")
    else:
        out.say(bundle_table(bundle))
    if fingerprint.strip().upper() != bundle.fingerprint:
        raise UserError("that is not the bundle's fingerprint: do not sign it")
    store = Keystore.open(keystore, _passphrase(settings))
    try:
        done = signed(bundle, store.key(f"keystore:{COLD}"), settings.fee_limit_max_trx * SUN_PER_TRX)
    except (SignatureRefused, KeyNotHeld, BundleRefused) as error:
        raise UserError(str(error)) from error
    written = _signed_name(file, done)
    written.write_bytes(done.encode())
    facts = {"file": written, **facts_of(done)}
    if done.missing:
        next_step = f"{done.missing} of {done.grant.threshold} is missing: {' or '.join(done.waits_for)} signs it next"
    else:
        next_step = f"bring it back and run `counterfoil cold submit {written.name}`"
    out.show(facts, f"{written} is written: {next_step}")


def _signed_name(file: Path, done: Bundle) -> Path:
    """cold-bundle.signed.json; of several signatures, cold-bundle.signed-1.json and so on."""
    if len(done.grant.keys) == 1:
        return file.with_name(f"{file.stem}.signed{file.suffix}")
    stem = file.stem.removesuffix(f".signed-{len(done.given) - 1}")
    return file.with_name(f"{stem}.signed-{len(done.given)}{file.suffix}")


def keygen(keystore: Path, settings: Settings, out: Output) -> None:
    """Make cold storage's key, on the machine that keeps it. Raises KeystoreUnusable for a file that is there."""
    store = Keystore.create(keystore, _passphrase(settings, twice=True), {COLD: _secret()})
    address = str(store.key(f"keystore:{COLD}").address)
    out.show(
        {"keystore": keystore, "address": address},
        f"{keystore} is written: keep copies of it, and its passphrase elsewhere",
        f"register it where the gateway runs: counterfoil wallets register cold {address}",
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


def bundle_table(bundle: Bundle) -> Table:
    """What a person must see before signing."""
    act, attempt, policy = bundle.instruction.act, bundle.attempt, bundle.policy
    assert isinstance(act, SendToken)
    return pairs(
        [
            ("network", bundle.network),
            ("from", f"{bundle.instruction.owner} (cold storage)"),
            ("to", f"{act.to} (hot wallet)"),
            ("amount", f"{format_amount(act.amount_minor, 'USDT')} USDT"),
            ("token", policy.token),
            ("fee limit", f"{format_amount(attempt.fee_limit_sun, 'TRX')} TRX"),
            ("expires", f"{(attempt.expiration_ms - policy.prepared_at_ms) // 60_000} minutes after it was prepared"),
            *_signatures(bundle),
            ("txid", attempt.txid),
            ("fingerprint", bundle.fingerprint),
        ]
    )


def _signatures(bundle: Bundle) -> list[tuple[str, str]]:
    """Where several sign: by which permission, who has signed, and what is missing."""
    if len(bundle.grant.keys) == 1:
        return []
    missing = f"a weight of {bundle.missing}: {' or '.join(bundle.waits_for)}" if bundle.missing else "nothing"
    return [
        ("signed by", f"{name_of(bundle.grant.id)}, {bundle.grant}"),
        ("signatures of", ", ".join(bundle.signers) or "nobody yet"),
        ("missing", missing),
    ]


def facts_of(bundle: Bundle) -> dict[str, Any]:
    """The same for JSON."""
    act, attempt, policy = bundle.instruction.act, bundle.attempt, bundle.policy
    assert isinstance(act, SendToken)
    return {
        "instruction_id": bundle.instruction.instruction_id,
        "network": bundle.network,
        "from_address": bundle.instruction.owner,
        "to_address": act.to,
        **usdt("amount", act.amount_minor),
        "token": policy.token,
        **trx("fee_limit", attempt.fee_limit_sun),
        "expires_at": rfc3339(datetime.fromtimestamp(attempt.expiration_ms / 1000, UTC)),
        "txid": attempt.txid,
        "fingerprint": bundle.fingerprint,
        "permission_id": bundle.grant.id,
        "threshold": bundle.grant.threshold,
        "signed_by": list(bundle.signers),
        "missing_weight": bundle.missing,
    }
