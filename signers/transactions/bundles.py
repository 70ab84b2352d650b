"""A transaction of the cold wallet on its way to the machine that signs it and back: one file, that any changed byte spoils.

The file has one form for its content, and is refused unless it is exactly that. Who changes the content and its form alike
changes the fingerprint, which two people compare by voice, and what `submit` compares with the recorded event.
"""

import hashlib
import re
from base64 import b32encode
from typing import Final

import msgspec

from core.streams.attempts import Attempt
from core.streams.instructions import Instruction, SendToken
from core.tron.address import Address, InvalidAddress
from core.tron.secp256k1 import InvalidSignature, recover
from core.tron.transactions import txid_of
from signers.keys.keys import Key
from signers.transactions.build import LIFETIME_MS_MAX, InvalidTransaction, assemble
from signers.transactions.intents import attempt_of, envelope_of, intent_of_instruction
from signers.transactions.signer import Limits, SignatureRefused, sign

FORMAT: Final = "counterfoil-cold/1"
FINGERPRINT_CHARACTERS: Final = 20
"""100 bits: too many to find another bundle for."""


class BundleRefused(Exception):
    """The file is not what was written, or not for here; the text says what to do."""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the signer holds the transaction to."""

    to: str
    token: str
    amount_minor: int
    fee_limit_sun_max: int
    prepared_at_ms: int
    """Chain time; the expiration counts from it."""


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An instruction of the cold wallet, its bytes, and what they are held to; `qr` is the bytes as a picture."""

    format: str
    network: str
    genesis: str
    instruction: Instruction
    attempt: Attempt
    policy: Policy
    fingerprint: str
    qr: str
    signature: str | None = None

    def encode(self) -> bytes:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def picture(raw_data: str) -> str:
    """The bytes as an SVG: any machine with a camera reads them, and `counterfoil tx decode` shows what they are."""
    import segno

    return str(segno.make(raw_data.upper(), error="m").svg_inline(scale=3))


def bundle_of(network: str, genesis: str, instruction: Instruction, attempt: Attempt, policy: Policy) -> Bundle:
    """The unsigned bundle."""
    bundle = Bundle(
        format=FORMAT,
        network=network,
        genesis=genesis,
        instruction=instruction,
        attempt=attempt,
        policy=policy,
        fingerprint="",
        qr=picture(attempt.raw_data),
    )
    return msgspec.structs.replace(bundle, fingerprint=fingerprint_of(bundle))


def fingerprint_of(bundle: Bundle) -> str:
    """Over everything but itself and the signature, in groups that can be read aloud."""
    bare = msgspec.structs.replace(bundle, fingerprint="", signature=None)
    text = b32encode(hashlib.sha256(msgspec.json.encode(bare)).digest()).decode()[:FINGERPRINT_CHARACTERS]
    return "-".join(re.findall("....", text))


def read(content: bytes) -> Bundle:
    """A bundle whose every byte is as it was written. Raises BundleRefused."""
    try:
        bundle = msgspec.json.decode(content, type=Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleRefused(f"this is no bundle: {error}") from None
    if bundle.format != FORMAT:
        raise BundleRefused(f"the bundle's form is {bundle.format}, this version reads {FORMAT}")
    if bundle.encode() != content or fingerprint_of(bundle) != bundle.fingerprint:
        raise BundleRefused("the bundle was changed on its way: bring it again from where it was written")
    _check_bytes(bundle)
    if bundle.signature is not None:
        _check_signature(bundle)
    return bundle


def _check_bytes(bundle: Bundle) -> None:
    """The bytes are the instruction's, and both are what the policy says."""
    instruction, policy = bundle.instruction, bundle.policy
    act = instruction.act
    if not isinstance(act, SendToken) or (instruction.purpose, instruction.wallet) != ("refill", "cold"):
        raise BundleRefused("the bundle is no transfer from cold storage to the hot wallet")
    if (act.to, act.amount_minor) != (policy.to, policy.amount_minor):
        raise BundleRefused("the bundle's instruction and its policy differ")
    try:
        intent = intent_of_instruction(instruction, Address.from_base58(policy.token))
        built = attempt_of(intent, envelope_of(bundle.attempt), bundle.attempt.number)
    except (InvalidAddress, InvalidTransaction, ValueError) as error:
        raise BundleRefused(f"the bundle's instruction can be no transaction: {error}") from None
    if built != bundle.attempt:
        raise BundleRefused("the bundle's bytes are not those of its instruction")


def _check_signature(bundle: Bundle) -> None:
    """By the owner, over these bytes."""
    given = bundle.signature or ""
    try:
        signature = bytes.fromhex(given)
        signer = (
            None if signature[-1:] not in (b"\0", b"\1") else recover(bytes.fromhex(bundle.attempt.txid), signature)
        )
    except (ValueError, InvalidSignature):
        signer, signature = None, b""
    if signer is None or signer.base58 != bundle.instruction.owner or signature.hex() != given:
        raise BundleRefused(f"the bundle's signature is not {bundle.instruction.owner}'s")


def signed(bundle: Bundle, key: Key, fee_limit_sun_max: int) -> Bundle:
    """The same with its signature, by the signer that checks everything, under this machine's own ceiling as well.

    Raises SignatureRefused.
    """
    policy, instruction = bundle.policy, bundle.instruction
    token, receiver = Address.from_base58(policy.token), Address.from_base58(policy.to)
    limits = Limits(
        token=token,
        chain_time_ms=policy.prepared_at_ms,
        lifetime_ms_max=LIFETIME_MS_MAX,
        fee_limit_sun_max=min(policy.fee_limit_sun_max, fee_limit_sun_max),
        amount_max=policy.amount_minor,
        receivers=frozenset({receiver}),
    )
    raw_data = bytes.fromhex(bundle.attempt.raw_data)
    made = sign(intent_of_instruction(instruction, token), envelope_of(bundle.attempt), limits, raw_data, key)
    if made.txid != bundle.attempt.txid or made.txid != txid_of(raw_data):
        raise SignatureRefused("txid", f"the bytes are {made.txid}, not {bundle.attempt.txid}")
    return msgspec.structs.replace(bundle, signature=made.signature.hex())


def transaction_of(bundle: Bundle) -> bytes:
    """What goes to a node. The bundle is signed."""
    assert bundle.signature is not None
    return assemble(bytes.fromhex(bundle.attempt.raw_data), bytes.fromhex(bundle.signature))
