"""What a transaction is to do, and its bytes: built here, byte for byte, never a node's (I8, FAILURES 25).

An intent says what moves; an envelope says when and at what cost. Together they have exactly one encoding.

Tron has no nonce, so two equal payouts with equal envelopes would be one transaction, and one payee unpaid. What keeps
them apart has to be part of raw_data and has to be free. A memo costs 1 TRX; ref_block_num, auths and scripts are for
no wallet to fill, and our signer wants them empty. Three fields are left, and `envelope_for` salts them with a hash of
(payment id, attempt):

- timestamp: java-tron never checks it (mainnet's cb3d0e4e… stands in a block three hours older than itself). It takes
  40 bits on top of 2^40 ms, so it always reads as a date between 2004 and 2039, fits every client's integers, and is
  six bytes long, as a true one is: bandwidth does not change.
- fee_limit: a ceiling, not a price; up to 0.065536 TRX more of it costs nothing. 16 bits, for contract calls.
- expiration: up to 4.096 s earlier than asked for, so it stays as short and true as it was. 12 bits.

68 bits: among 100,000 equal payouts within one millisecond two share a txid with probability 2e-11 (TRX transfers have
no fee limit and 52 bits: 1e-6). A hash, unlike a counter, tells an onlooker nothing of our volume. Whoever records
txids under a unique key removes even that chance: a txid that is taken is answered with the next attempt's envelope.
"""

import hashlib
from typing import Any, Final

import msgspec

from core.ledger.money import MAX_MINOR, format_amount
from core.tron.address import Address, block_number
from core.tron.chain import AccountResources, BlockRef, Resource
from core.tron.transactions import (
    DELEGATE,
    FREEZE,
    RAW,
    RESOURCES,
    SIGNED,
    TRANSFER,
    TRIGGER,
    UNDELEGATE,
    UNFREEZE,
    WITHDRAW_UNFROZEN,
    contract_of,
)
from signers.transactions.abi import transfer_call

TIMESTAMP_BASE_MS: Final = 2**40
TIMESTAMP_SALT_MS: Final = 2**40
FEE_LIMIT_SALT_SUN: Final = 2**16
EXPIRATION_SALT_MS: Final = 2**12
LIFETIME_MS_MAX: Final = 86_400_000
"""java-tron admits no expiration more than 24 h after its head (TransactionExpirationException)."""
SIGNATURE_BYTES: Final = 65
PERMISSION_IDS: Final = (0, *range(2, 10))
"""The owner's and up to eight active ones; 1 is a witness', which signs blocks."""
RESULT_BYTES: Final = 64
"""What bandwidth is charged per contract for the result that the block will hold beside it (MAX_RESULT_SIZE_IN_TX)."""


class Trc20Transfer(msgspec.Struct, frozen=True, tag="trc20_transfer"):
    """`owner` calls transfer(to, amount) of the token `contract`; amount in the token's minor units."""

    owner: Address
    contract: Address
    to: Address
    amount: int


class TrxTransfer(msgspec.Struct, frozen=True, tag="trx_transfer"):
    """`owner` sends TRX to `to`; it activates an address that has no account yet, for 1 TRX more."""

    owner: Address
    to: Address
    amount_sun: int


class FreezeBalance(msgspec.Struct, frozen=True, tag="freeze_balance"):
    """`owner` stakes TRX for a resource (Stake 2.0)."""

    owner: Address
    amount_sun: int
    resource: Resource


class UnfreezeBalance(msgspec.Struct, frozen=True, tag="unfreeze_balance"):
    """`owner` asks for stake back; it waits 14 days."""

    owner: Address
    amount_sun: int
    resource: Resource


class WithdrawUnfrozen(msgspec.Struct, frozen=True, tag="withdraw_unfrozen"):
    """`owner` takes what has waited long enough."""

    owner: Address


class DelegateResource(msgspec.Struct, frozen=True, tag="delegate_resource"):
    """`owner` lends `receiver` what this much stake gives, never locked: it can be taken back in the next block."""

    owner: Address
    receiver: Address
    stake_sun: int
    resource: Resource


class UndelegateResource(msgspec.Struct, frozen=True, tag="undelegate_resource"):
    """`owner` takes lent stake back from `receiver`, and the usage that belongs to it."""

    owner: Address
    receiver: Address
    stake_sun: int
    resource: Resource


Intent = (
    Trc20Transfer
    | TrxTransfer
    | FreezeBalance
    | UnfreezeBalance
    | WithdrawUnfrozen
    | DelegateResource
    | UndelegateResource
)


_TYPES: Final[dict[type, int]] = {
    Trc20Transfer: TRIGGER,
    TrxTransfer: TRANSFER,
    FreezeBalance: FREEZE,
    UnfreezeBalance: UNFREEZE,
    WithdrawUnfrozen: WITHDRAW_UNFROZEN,
    DelegateResource: DELEGATE,
    UndelegateResource: UNDELEGATE,
}


class Envelope(msgspec.Struct, frozen=True):
    """When and at what cost: a solid block to refer to (64 hex digits), ms of chain time, a fee limit in sun."""

    ref_block_number: int
    ref_block_id: str
    timestamp_ms: int
    expiration_ms: int
    fee_limit_sun: int = 0
    permission_id: int = 0
    """By which of the owner's permissions it is signed: 0 is the owner's own, from 2 on they are active ones."""


class InvalidTransaction(ValueError):
    """The intent or envelope cannot be a transaction; the text says which field."""


class FeeAboveCeiling(ValueError):
    """The call needs more than the fee ceiling allows: raise the ceiling or wait for a lower price."""


def envelope_for(
    payment_id: bytes,
    attempt: int,
    ref_block: BlockRef,
    *,
    chain_time_ms: int,
    lifetime_ms: int,
    fee_limit_sun: int = 0,
    permission_id: int = 0,
) -> Envelope:
    """The envelope of one attempt at one payment (16-byte id); the same arguments always give the same one.

    `ref_block` is a solid block of the node that will broadcast, so that a fork cannot take it away; `chain_time_ms` is
    its head's timestamp, never the local clock. A positive fee limit grows by less than FEE_LIMIT_SALT_SUN, the
    expiration shrinks by less than EXPIRATION_SALT_MS. Raises InvalidTransaction for a lifetime no node admits.
    """
    if not EXPIRATION_SALT_MS < lifetime_ms <= LIFETIME_MS_MAX:
        raise InvalidTransaction(
            f"a lifetime of {lifetime_ms} ms is not within {EXPIRATION_SALT_MS}..{LIFETIME_MS_MAX}"
        )
    if len(payment_id) != 16:
        raise InvalidTransaction(f"a payment id has 16 bytes, this has {len(payment_id)}")
    salt = int.from_bytes(hashlib.sha256(payment_id + attempt.to_bytes(8, "big")).digest(), "big")
    salt, timestamp_salt_ms = divmod(salt, TIMESTAMP_SALT_MS)
    salt, expiration_salt_ms = divmod(salt, EXPIRATION_SALT_MS)
    return Envelope(
        ref_block_number=ref_block.number,
        ref_block_id=ref_block.block_id,
        timestamp_ms=TIMESTAMP_BASE_MS + timestamp_salt_ms,
        expiration_ms=chain_time_ms + lifetime_ms - expiration_salt_ms,
        fee_limit_sun=fee_limit_sun + salt % FEE_LIMIT_SALT_SUN if fee_limit_sun else 0,
        permission_id=permission_id,
    )


def build(intent: Intent, envelope: Envelope) -> bytes:
    """raw_data, in its one canonical encoding. Raises InvalidTransaction for what no node would take."""
    number, block_id = envelope.ref_block_number, envelope.ref_block_id
    if len(block_id) != 64 or block_number(block_id) != number:
        raise InvalidTransaction(f"block {number} cannot have the id {block_id}: its first 16 digits are its height")
    for name in ("timestamp_ms", "expiration_ms", "fee_limit_sun"):
        if not 0 <= getattr(envelope, name) <= MAX_MINOR:
            raise InvalidTransaction(f"{name} is {getattr(envelope, name)}, outside int64 or negative")
    if envelope.permission_id not in PERMISSION_IDS:
        raise InvalidTransaction(f"no permission that signs transactions has the id {envelope.permission_id}")
    return RAW.encode(
        {
            # TAPOS (java-tron, TransactionCapsule.setReference): the height's low 16 bits, bytes 8..16 of the id
            "ref_block_bytes": bytes.fromhex(block_id[12:16]),
            "ref_block_hash": bytes.fromhex(block_id[16:32]),
            "expiration": envelope.expiration_ms,
            "contract": [_contract(intent, envelope.permission_id)],
            "timestamp": envelope.timestamp_ms,
            "fee_limit": envelope.fee_limit_sun,
        }
    )


def contract_type(intent: Intent) -> int:
    """Its number in java-tron's enum ContractType."""
    return _TYPES[type(intent)]


def _contract(intent: Intent, permission_id: int) -> dict[str, Any]:
    return contract_of(contract_type(intent), _parameter(intent), permission_id=permission_id)


def _parameter(intent: Intent) -> dict[str, Any]:
    match intent:
        case Trc20Transfer(owner, contract, to, amount):
            _positive("amount", amount)
            return {"owner_address": owner, "contract_address": contract, "data": transfer_call(to, amount)}
        case TrxTransfer(owner, to, amount_sun):
            _positive("amount_sun", amount_sun)
            return {"owner_address": owner, "to_address": to, "amount": amount_sun}
        case FreezeBalance(owner, amount_sun, resource):
            _positive("amount_sun", amount_sun)
            return {"owner_address": owner, "frozen_balance": amount_sun, "resource": RESOURCES.index(resource)}
        case UnfreezeBalance(owner, amount_sun, resource):
            _positive("amount_sun", amount_sun)
            return {"owner_address": owner, "unfreeze_balance": amount_sun, "resource": RESOURCES.index(resource)}
        case WithdrawUnfrozen(owner):
            return {"owner_address": owner}
        case DelegateResource(owner, receiver, stake_sun, resource):
            return _lent(owner, receiver, stake_sun, resource)
        case UndelegateResource(owner, receiver, stake_sun, resource):
            return _lent(owner, receiver, stake_sun, resource)


def _lent(owner: Address, receiver: Address, stake_sun: int, resource: Resource) -> dict[str, Any]:
    _positive("stake_sun", stake_sun)
    return {
        "owner_address": owner,
        "resource": RESOURCES.index(resource),
        "balance": stake_sun,
        "receiver_address": receiver,
    }


def _positive(name: str, amount: int) -> None:
    if not 0 < amount <= MAX_MINOR:
        raise InvalidTransaction(f"{name} is {amount}, not within 1..{MAX_MINOR}")


def assemble(raw_data: bytes, *signatures: bytes) -> bytes:
    """The signed Transaction that a node's broadcasthex takes; raw_data goes in as it is, never encoded anew."""
    return SIGNED.encode({"raw_data": raw_data, "signature": signatures})


def signatures_of(recorded: str) -> list[bytes]:
    """The signatures of an attempt as its event has them: hex, one behind the other, 65 bytes each."""
    given = bytes.fromhex(recorded)
    return [given[at : at + SIGNATURE_BYTES] for at in range(0, len(given), SIGNATURE_BYTES)]


def bandwidth_bytes(raw_data: bytes, *, signatures: int = 1) -> int:
    """What the chain charges for one contract: the signed transaction without its results, and RESULT_BYTES."""
    return len(assemble(raw_data, *[bytes(SIGNATURE_BYTES)] * signatures)) + RESULT_BYTES


def fee_limit_for(energy: int, energy_price_sun: int, *, margin_percent: int, ceiling_sun: int) -> int:
    """Energy at its price, a margin on top (rounded up), cut at the ceiling less its salt. Raises FeeAboveCeiling.

    The limit must cover all the energy, staked and delegated too: java-tron lets a call use fee_limit / price and no
    more, and OUT_OF_ENERGY burns everything (FAILURES 16). So what does not fit is refused, never signed.
    """
    need_sun = energy * energy_price_sun
    most_sun = ceiling_sun - FEE_LIMIT_SALT_SUN
    if need_sun > most_sun:
        need, most = format_amount(need_sun, "TRX"), format_amount(most_sun, "TRX")
        raise FeeAboveCeiling(f"{energy} energy need {need} TRX at the price of now, above {most} TRX")
    return min(-(-need_sun * (100 + margin_percent) // 100), most_sun)


def burn_sun(
    energy: int, bandwidth: int, resources: AccountResources, *, energy_price_sun: int, bandwidth_price_sun: int
) -> int:
    """The TRX an owner must hold for a call, in sun: what its stakes and free allowance do not cover is burned.

    Energy is taken from the stake as far as it goes; bandwidth comes whole from the stake, or whole from the free
    allowance, or is burned whole (java-tron, BandwidthProcessor). The chain-wide free pool may be empty, so
    a call that counts on the free allowance can still burn: keep a margin.
    """
    staked = resources.net_limit - resources.net_used
    free = resources.free_net_limit - resources.free_net_used
    burned_bandwidth = 0 if bandwidth <= max(staked, free) else bandwidth
    return max(0, energy - resources.energy_left) * energy_price_sun + burned_bandwidth * bandwidth_price_sun
