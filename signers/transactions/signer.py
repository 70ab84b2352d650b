"""What the signer refuses. No signature is made over bytes that were not built here from a recorded intent (I8).

Four gates, in order: the intent and envelope lie within the signer's own limits; the bytes are exactly what we build
from them; protobuf messages and an ABI written by others build the same bytes and read the same fields (second_opinion.py);
and the signature that comes back recovers to the owner. Two implementations agree, or there is no signature.
"""

from typing import Any, Final

import msgspec

from core.ledger.money import MAX_MINOR, format_amount
from core.tron.address import ZERO_ADDRESS, Address
from core.tron.protobuf import MalformedProtobuf
from core.tron.secp256k1 import CURVE_ORDER, InvalidSignature, recover, sha256
from core.tron.transactions import RAW, parameter_of
from signers.keys.keys import Key
from signers.transactions.build import (
    LIFETIME_MS_MAX,
    DelegateResource,
    Envelope,
    FreezeBalance,
    Intent,
    InvalidTransaction,
    Trc20Transfer,
    TrxTransfer,
    UndelegateResource,
    UnfreezeBalance,
    WithdrawUnfrozen,
    assemble,
    build,
)
from signers.transactions.second_opinion import difference


class SignatureRefused(Exception):
    """The bytes, the intent or the key are not what was recorded. A defect or an attack: stop and raise the alarm."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"no signature: {detail} ({reason})")
        self.reason: Final = reason
        self.detail: Final = detail


class Limits(msgspec.Struct, frozen=True):
    """What the signer itself allows, from its settings and its own view of the chain, never from a message."""

    token: Address
    """The one contract that may be called."""
    chain_time_ms: int
    """The head's timestamp: expirations count from it."""
    lifetime_ms_max: int
    fee_limit_sun_max: int
    amount_max: int = MAX_MINOR
    """Of one token transfer, in minor units."""
    amount_sun_max: int = MAX_MINOR
    """Of one TRX transfer."""
    stake_sun_max: int = MAX_MINOR
    """Of one act of staking or lending."""
    receivers: frozenset[Address] | None = None
    """Whom anything may go to, as the address pool knows them to be ours; None for payouts, which go to anybody."""
    permission_id: int = 0
    """The one permission of the owner's by which it is signed, as it is declared."""
    holder: Address | None = None
    """Whose key signs, where the permission is not the owner's own key's: the caller has held it to the permission."""


class SignedTransaction(msgspec.Struct, frozen=True):
    """What is made durable before the first broadcast: the txid that we derived, the bytes, and their end of life."""

    txid: str
    raw_data: bytes
    signature: bytes
    expiration_ms: int

    @property
    def transaction(self) -> bytes:
        """The bytes that go to the node, the same at every broadcast."""
        return assemble(self.raw_data, self.signature)


def sign(intent: Intent, envelope: Envelope, limits: Limits, raw_data: bytes, key: Key) -> SignedTransaction:
    """One signature over raw_data, or SignatureRefused. May raise Unavailable where the key is remote."""
    _within_limits(intent, envelope, limits)
    _as_built_here(intent, envelope, raw_data)
    _as_built_by_others(intent, envelope, raw_data)
    digest = sha256(raw_data)
    return SignedTransaction(
        txid=digest.hex(),
        raw_data=raw_data,
        signature=_signature(key, limits.holder or intent.owner, digest),
        expiration_ms=envelope.expiration_ms,
    )


def _within_limits(intent: Intent, envelope: Envelope, limits: Limits) -> None:
    match intent:
        case Trc20Transfer(contract=contract, to=to, amount=amount):
            if contract != limits.token:
                raise SignatureRefused("contract", f"{contract} is not the token {limits.token}")
            if not 0 < amount <= limits.amount_max:
                raise SignatureRefused("amount", f"{amount} minor units are not within 1..{limits.amount_max}")
            _check_receiver(intent.owner, to, limits)
        case TrxTransfer(to=to, amount_sun=amount_sun):
            _check_sun(amount_sun, limits.amount_sun_max)
            _check_receiver(intent.owner, to, limits)
        case FreezeBalance(amount_sun=amount_sun) | UnfreezeBalance(amount_sun=amount_sun):
            _check_sun(amount_sun, limits.stake_sun_max)
        case DelegateResource(receiver=to, stake_sun=stake_sun) | UndelegateResource(receiver=to, stake_sun=stake_sun):
            _check_sun(stake_sun, limits.stake_sun_max)
            _check_receiver(intent.owner, to, limits)
        case WithdrawUnfrozen():
            pass
    if envelope.permission_id != limits.permission_id:
        raise SignatureRefused(
            "permission", f"the bytes name permission {envelope.permission_id}, declared is {limits.permission_id}"
        )
    fee_limit_sun_max = limits.fee_limit_sun_max if isinstance(intent, Trc20Transfer) else 0
    if not 0 <= envelope.fee_limit_sun <= fee_limit_sun_max:
        raise SignatureRefused(
            "fee_limit", f"{_trx(envelope.fee_limit_sun)} are above the ceiling of {_trx(fee_limit_sun_max)}"
        )
    lifetime_ms = envelope.expiration_ms - limits.chain_time_ms
    if not 0 < lifetime_ms <= min(limits.lifetime_ms_max, LIFETIME_MS_MAX):
        raise SignatureRefused(
            "expiration", f"it lies {lifetime_ms} ms after chain time, not within 1..{limits.lifetime_ms_max}"
        )


def _check_sun(amount_sun: int, most_sun: int) -> None:
    if not 0 < amount_sun <= most_sun:
        raise SignatureRefused("amount", f"{_trx(amount_sun)} are not within 0.000001 and {_trx(most_sun)}")


def _trx(sun: int) -> str:
    return f"{format_amount(sun, 'TRX')} TRX"


def _check_receiver(owner: Address, to: Address, limits: Limits) -> None:
    if to in (ZERO_ADDRESS, limits.token, owner):
        raise SignatureRefused("to", f"{to} is the zero address, the token or the owner itself")
    if limits.receivers is not None and to not in limits.receivers:
        raise SignatureRefused("to", f"{to} is no wallet of ours that this may go to")


def _as_built_here(intent: Intent, envelope: Envelope, raw_data: bytes) -> None:
    try:
        built = build(intent, envelope)
    except InvalidTransaction as error:
        raise SignatureRefused("intent", str(error)) from error
    if built == raw_data:
        return
    try:
        fields = _differences(RAW.decode(built), RAW.decode(raw_data))
    except MalformedProtobuf as error:
        raise SignatureRefused("encoding", f"raw_data cannot be read: {error}") from error
    raise SignatureRefused("raw_data", f"it differs from the recorded intent in {', '.join(fields)}")


def _differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The names of the fields that differ, those of a single contract and of its parameter one by one."""
    names = {name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)}
    if "contract" in names and len(found.get("contract", [])) == 1:
        ours, theirs = expected["contract"][0], found["contract"][0]
        names.remove("contract")
        names |= {f"contract.{name}" for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
        if "contract.parameter" in names and ours["type"] == theirs.get("type", 0):
            names.remove("contract.parameter")
            ours, theirs = parameter_of(ours), parameter_of(theirs)
            names |= {f"parameter.{name}" for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    return sorted(names)


def _as_built_by_others(intent: Intent, envelope: Envelope, raw_data: bytes) -> None:
    differing = difference(intent, envelope, raw_data)
    if differing:
        raise SignatureRefused("second_opinion", differing)


def _signature(key: Key, signs: Address, digest: bytes) -> bytes:
    """Ask the key, then believe nothing: 65 bytes, v 0 or 1, low s, and the recovered address of who signs."""
    if key.address != signs:
        raise SignatureRefused("key", f"the key is {key.address}'s, the owner is {signs}")
    signature = key.sign_digest(digest)
    if len(signature) != 65 or signature[64] not in (0, 1):
        raise SignatureRefused("signature", "the key did not give 65 bytes with a recovery id of 0 or 1")
    if int.from_bytes(signature[32:64], "big") > CURVE_ORDER // 2:
        raise SignatureRefused("signature", "the key gave a high s")
    try:
        signer = recover(digest, signature)
    except InvalidSignature as error:
        raise SignatureRefused("signature", str(error)) from error
    if signer != signs:
        raise SignatureRefused("signature", f"it recovers to {signer}, the owner is {signs}")
    return signature
