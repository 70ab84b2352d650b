"""What the signer refuses. No signature is made over bytes that were not built here from a recorded intent (I8).

Four gates, in order: the intent and envelope lie within the signer's own limits; the bytes are exactly what we build
from them; tronpy's protobuf messages and ABI, written by others, build the same bytes and read the same fields;
and the signature that comes back recovers to the owner. Two implementations agree, or there is no signature.
"""

from typing import Any, Final

import msgspec

from core.money import MAX_MINOR
from core.protobuf import MalformedProtobuf
from core.secp256k1 import CURVE_ORDER, InvalidSignature, recover, sha256
from core.transactions import RAW, parameter_of
from core.tron import ZERO_ADDRESS, Address
from signers.keys import Key
from signers.transactions import (
    LIFETIME_MS_MAX,
    Envelope,
    Intent,
    InvalidTransaction,
    Trc20Transfer,
    TrxTransfer,
    assemble,
    build,
)


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
        signature=_signature(key, intent.owner, digest),
        expiration_ms=envelope.expiration_ms,
    )


def _within_limits(intent: Intent, envelope: Envelope, limits: Limits) -> None:
    match intent:
        case Trc20Transfer(contract=contract, amount=amount):
            if contract != limits.token:
                raise SignatureRefused("contract", f"{contract} is not the token {limits.token}")
            if not 0 < amount <= limits.amount_max:
                raise SignatureRefused("amount", f"{amount} minor units are not within 1..{limits.amount_max}")
        case TrxTransfer(amount_sun=amount_sun):
            if not 0 < amount_sun <= limits.amount_sun_max:
                raise SignatureRefused("amount", f"{amount_sun} sun are not within 1..{limits.amount_sun_max}")
    if intent.to in (ZERO_ADDRESS, limits.token, intent.owner):
        raise SignatureRefused("to", f"{intent.to} is the zero address, the token or the owner itself")
    if not 0 <= envelope.fee_limit_sun <= limits.fee_limit_sun_max:
        raise SignatureRefused(
            "fee_limit", f"{envelope.fee_limit_sun} sun are above the ceiling of {limits.fee_limit_sun_max}"
        )
    lifetime_ms = envelope.expiration_ms - limits.chain_time_ms
    if not 0 < lifetime_ms <= min(limits.lifetime_ms_max, LIFETIME_MS_MAX):
        raise SignatureRefused(
            "expiration", f"it lies {lifetime_ms} ms after chain time, not within 1..{limits.lifetime_ms_max}"
        )


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
    """tronpy's messages and ABI: read the bytes and write them, and both must agree with what was recorded.

    Imported here, not above: only a process that signs pays for them.
    """
    from google.protobuf.message import DecodeError
    from tronpy.abi import trx_abi
    from tronpy.keys import keccak256
    from tronpy.proto import tron_pb2

    parameter: Any
    match intent:
        case Trc20Transfer(owner, contract, to, amount):
            selector = keccak256(b"transfer(address,uint256)")[:4]
            call = selector + trx_abi.encode(["address", "uint256"], [to.base58, amount])
            parameter = tron_pb2.TriggerSmartContract(owner_address=owner, contract_address=contract, data=call)
        case TrxTransfer(owner, to, amount_sun):
            parameter = tron_pb2.TransferContract(owner_address=owner, to_address=to, amount=amount_sun)
    block_id = bytes.fromhex(envelope.ref_block_id)
    wanted = tron_pb2.Transaction.raw(
        ref_block_bytes=block_id[6:8],
        ref_block_hash=block_id[8:16],
        expiration=envelope.expiration_ms,
        timestamp=envelope.timestamp_ms,
        fee_limit=envelope.fee_limit_sun,
    )
    slot = wanted.contract.add(type=tron_pb2.Transaction.Contract.ContractType.Value(parameter.DESCRIPTOR.name))
    slot.parameter.Pack(parameter, deterministic=True)
    try:
        read = tron_pb2.Transaction.raw.FromString(raw_data)
    except DecodeError as error:
        raise SignatureRefused("second_opinion", f"tronpy cannot read raw_data: {error}") from error
    if read != wanted or wanted.SerializeToString(deterministic=True) != raw_data:
        raise SignatureRefused("second_opinion", "tronpy reads or writes these bytes otherwise than we do")


def _signature(key: Key, owner: Address, digest: bytes) -> bytes:
    """Ask the key, then believe nothing: 65 bytes, v 0 or 1, low s, and the owner's own recovered address."""
    if key.address != owner:
        raise SignatureRefused("key", f"the key is {key.address}'s, the owner is {owner}")
    signature = key.sign_digest(digest)
    if len(signature) != 65 or signature[64] not in (0, 1):
        raise SignatureRefused("signature", "the key did not give 65 bytes with a recovery id of 0 or 1")
    if int.from_bytes(signature[32:64], "big") > CURVE_ORDER // 2:
        raise SignatureRefused("signature", "the key gave a high s")
    try:
        signer = recover(digest, signature)
    except InvalidSignature as error:
        raise SignatureRefused("signature", str(error)) from error
    if signer != owner:
        raise SignatureRefused("signature", f"it recovers to {signer}, the owner is {owner}")
    return signature
