"""A transaction of the cold wallet on its way to the machine that signs it and back: one file, that any changed byte spoils.

The file has one form for its content, and is refused unless it is exactly that. Who changes the content and its form alike
changes the fingerprint, which two people compare by voice, and what `submit` compares with the recorded event.
"""

import hashlib
import re
from base64 import b32encode
from typing import Any, Final

import msgspec

from core.streams.attempts import Attempt
from core.streams.instructions import Instruction, SendToken
from core.tron.address import Address, InvalidAddress
from core.tron.permissions import OPERATIONS, Grant, name_of, own_key, problem_of_grant
from core.tron.secp256k1 import InvalidSignature, recover
from core.tron.transactions import txid_of
from signers.keys.keys import Key
from signers.transactions.build import LIFETIME_MS_MAX, SIGNATURE_BYTES, InvalidTransaction, assemble, contract_type
from signers.transactions.intents import attempt_of, envelope_of, intent_of_instruction
from signers.transactions.signer import Limits, SignatureRefused, sign

FORMAT: Final = "counterfoil-cold/1"
"""Signed by the wallet's own key, which alone may."""
SHARED_FORMAT: Final = "counterfoil-cold/2"
"""Signed by one holder after the other, until their keys weigh what the permission asks for."""
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
    """An instruction of the cold wallet, its bytes, and what they are held to; `qr` is the bytes as a picture.

    With `permission`, which is part of the fingerprint, several holders sign: `signatures` are theirs, in that order.
    Without it there is one `signature`.
    """

    format: str
    network: str
    genesis: str
    instruction: Instruction
    attempt: Attempt
    policy: Policy
    permission: Grant | msgspec.UnsetType = msgspec.UNSET
    fingerprint: str
    qr: str
    signature: str | None | msgspec.UnsetType = msgspec.UNSET
    signatures: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET

    @property
    def grant(self) -> Grant:
        """Whose signatures it takes."""
        if isinstance(self.permission, Grant):
            return self.permission
        return own_key(self.instruction.owner)

    @property
    def given(self) -> tuple[str, ...]:
        """The signatures so far, in hex."""
        if isinstance(self.signatures, tuple):
            return self.signatures
        return (self.signature,) if self.signature else ()

    @property
    def signers(self) -> tuple[str, ...]:
        """The addresses of the keys that have signed, in that order."""
        return tuple(_signer_of(self, signature) for signature in self.given)

    @property
    def missing(self) -> int:
        """What signatures that are still to come must weigh; 0 once there are enough."""
        weights = self.grant.weights
        return max(0, self.grant.threshold - sum(weights[signer] for signer in self.signers))

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Whose signatures may still come."""
        return tuple(key.address for key in self.grant.keys if key.address not in self.signers)

    def encode(self) -> bytes:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def picture(raw_data: str) -> str:
    """The bytes as an SVG: any machine with a camera reads them, and `counterfoil tx decode` shows what they are."""
    import segno

    return str(segno.make(raw_data.upper(), error="m").svg_inline(scale=3))


def bundle_of(
    network: str,
    genesis: str,
    instruction: Instruction,
    attempt: Attempt,
    policy: Policy,
    permission: Grant | None = None,
) -> Bundle:
    """The unsigned bundle; `permission` where others than the wallet's own key sign it, or several."""
    signing: dict[str, Any] = {"signature": None}
    if permission is not None:
        signing = {"permission": permission, "signatures": ()}
    bundle = Bundle(
        format=FORMAT if permission is None else SHARED_FORMAT,
        network=network,
        genesis=genesis,
        instruction=instruction,
        attempt=attempt,
        policy=policy,
        fingerprint="",
        qr=picture(attempt.raw_data),
        **signing,
    )
    return msgspec.structs.replace(bundle, fingerprint=fingerprint_of(bundle))


def fingerprint_of(bundle: Bundle) -> str:
    """Over everything but itself and signatures, in groups that can be read aloud."""
    unsigned = {"signature": None} if bundle.permission is msgspec.UNSET else {"signatures": ()}
    bare = msgspec.structs.replace(bundle, fingerprint="", **unsigned)
    text = b32encode(hashlib.sha256(msgspec.json.encode(bare)).digest()).decode()[:FINGERPRINT_CHARACTERS]
    return "-".join(re.findall("....", text))


def read(content: bytes) -> Bundle:
    """A bundle whose every byte is as it was written. Raises BundleRefused."""
    try:
        bundle = msgspec.json.decode(content, type=Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleRefused(f"this is no bundle: {error}") from None
    shared = isinstance(bundle.permission, Grant) and isinstance(bundle.signatures, tuple)
    if bundle.format not in (FORMAT, SHARED_FORMAT):
        raise BundleRefused(f"the bundle's form is {bundle.format}, this version reads {FORMAT} and {SHARED_FORMAT}")
    if shared != (bundle.format == SHARED_FORMAT) or shared == (bundle.signature is not msgspec.UNSET):
        raise BundleRefused(f"the bundle is not of the form {bundle.format}: bring it again from where it was written")
    if bundle.encode() != content or fingerprint_of(bundle) != bundle.fingerprint:
        raise BundleRefused("the bundle was changed on its way: bring it again from where it was written")
    _check_bytes(bundle)
    _check_signatures(bundle)
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
    if bundle.attempt.permission_id != bundle.grant.id:
        raise BundleRefused(
            f"the bytes are for permission {bundle.attempt.permission_id}, the bundle is for {bundle.grant.id}"
        )
    if problem := problem_of_grant(bundle.grant):
        raise BundleRefused(f"nobody can sign the bundle: {problem}")
    if not bundle.grant.allows(OPERATIONS[contract_type(intent)]):
        raise BundleRefused(f"{name_of(bundle.grant.id)} does not sign transfers of a token")


def _check_signatures(bundle: Bundle) -> None:
    """Each by another key of the permission, over these bytes, and none more than it takes."""
    weights, signers = bundle.grant.weights, bundle.signers
    for signer in signers:
        if signer not in weights:
            whose = " or ".join(weights)
            raise BundleRefused(f"the bundle's signature is not {whose}'s" + (f", but {signer}'s" if signer else ""))
    if len(set(signers)) < len(signers):
        raise BundleRefused(f"the bundle is signed twice by {next(it for it in signers if signers.count(it) > 1)}")
    if signers and sum(weights[signer] for signer in signers[:-1]) >= bundle.grant.threshold:
        raise BundleRefused(
            "the bundle has more signatures than it takes: bring it again from who signed it last but one"
        )


def _signer_of(bundle: Bundle, given: str) -> str:
    """The address whose key made the signature; "" where it is none, or not in its one form."""
    try:
        signature = bytes.fromhex(given)
        if len(signature) != SIGNATURE_BYTES or signature[-1] not in (0, 1) or signature.hex() != given:
            return ""
        return recover(bytes.fromhex(bundle.attempt.txid), signature).base58
    except (ValueError, InvalidSignature):
        return ""


def must_take(bundle: Bundle, address: str) -> None:
    """Raises BundleRefused unless the signature of this key is one that the bundle waits for."""
    if not bundle.missing:
        raise BundleRefused("the bundle has all its signatures: bring it back and run `counterfoil cold submit`")
    if address in bundle.signers:
        raise BundleRefused(f"{address} has signed it already: it waits for {' or '.join(bundle.waits_for)}")
    if address not in bundle.grant.weights:
        raise BundleRefused(f"{address} is no key of {name_of(bundle.grant.id)}: {bundle.grant}")


def signed(bundle: Bundle, key: Key, fee_limit_sun_max: int) -> Bundle:
    """The same with its signature, by the signer that checks everything, under this machine's own ceiling as well.

    Raises SignatureRefused; BundleRefused where it takes no signature of this key.
    """
    shared = isinstance(bundle.permission, Grant)
    if shared:
        must_take(bundle, key.address.base58)
    policy, instruction = bundle.policy, bundle.instruction
    token, receiver = Address.from_base58(policy.token), Address.from_base58(policy.to)
    limits = Limits(
        token=token,
        chain_time_ms=policy.prepared_at_ms,
        lifetime_ms_max=LIFETIME_MS_MAX,
        fee_limit_sun_max=min(policy.fee_limit_sun_max, fee_limit_sun_max),
        amount_max=policy.amount_minor,
        receivers=frozenset({receiver}),
        permission_id=bundle.grant.id,
        holder=key.address if shared else None,
    )
    raw_data = bytes.fromhex(bundle.attempt.raw_data)
    made = sign(intent_of_instruction(instruction, token), envelope_of(bundle.attempt), limits, raw_data, key)
    if made.txid != bundle.attempt.txid or made.txid != txid_of(raw_data):
        raise SignatureRefused("txid", f"the bytes are {made.txid}, not {bundle.attempt.txid}")
    added = made.signature.hex()
    fields: dict[str, Any] = {"signatures": (*bundle.given, added)} if shared else {"signature": added}
    return msgspec.structs.replace(bundle, **fields)


def transaction_of(bundle: Bundle) -> bytes:
    """What goes to a node. The bundle has all its signatures."""
    assert bundle.given
    assert not bundle.missing
    return assemble(bytes.fromhex(bundle.attempt.raw_data), *map(bytes.fromhex, bundle.given))
