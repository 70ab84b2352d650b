"""Who may sign for an account, as a person declares it and as the chain has it: keys, weights, thresholds, operations.

On Tron an account has an owner permission (id 0), which may do anything, and up to eight active ones (from id 2 on), each for
the contract types in its mask. Signatures count when the weights of their keys reach the threshold together.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Self

import msgspec

from core.tron.address import Address, InvalidAddress
from core.tron.chain import ChainAccount, Permission

OWNER: Final = 0
FIRST_ACTIVE: Final = 2
ACTIVES_MAX: Final = 8
KEYS_MAX: Final = 5
"""java-tron's getTotalSignNum."""
WEIGHT_MAX: Final = 1_000_000
"""Far below what java-tron takes: a sum of weights stays a number that a person reads."""
MASK_BYTES: Final = 32
SPOKEN_MAX: Final = 8
"""So many operations are named in a sentence; a new account's permission has forty."""
UPDATE_PERMISSIONS: Final = "AccountPermissionUpdateContract"

OPERATIONS: Final[Mapping[int, str]] = {
    0: "AccountCreateContract",
    1: "TransferContract",
    2: "TransferAssetContract",
    3: "VoteAssetContract",
    4: "VoteWitnessContract",
    5: "WitnessCreateContract",
    6: "AssetIssueContract",
    8: "WitnessUpdateContract",
    9: "ParticipateAssetIssueContract",
    10: "AccountUpdateContract",
    11: "FreezeBalanceContract",
    12: "UnfreezeBalanceContract",
    13: "WithdrawBalanceContract",
    14: "UnfreezeAssetContract",
    15: "UpdateAssetContract",
    16: "ProposalCreateContract",
    17: "ProposalApproveContract",
    18: "ProposalDeleteContract",
    19: "SetAccountIdContract",
    20: "CustomContract",
    30: "CreateSmartContract",
    31: "TriggerSmartContract",
    32: "GetContract",
    33: "UpdateSettingContract",
    41: "ExchangeCreateContract",
    42: "ExchangeInjectContract",
    43: "ExchangeWithdrawContract",
    44: "ExchangeTransactionContract",
    45: "UpdateEnergyLimitContract",
    46: UPDATE_PERMISSIONS,
    48: "ClearABIContract",
    49: "UpdateBrokerageContract",
    51: "ShieldedTransferContract",
    52: "MarketSellAssetContract",
    53: "MarketCancelOrderContract",
    54: "FreezeBalanceV2Contract",
    55: "UnfreezeBalanceV2Contract",
    56: "WithdrawExpireUnfreezeContract",
    57: "DelegateResourceContract",
    58: "UnDelegateResourceContract",
    59: "CancelAllUnfreezeV2Contract",
}
"""java-tron's enum ContractType: what a mask's bits are called."""
NUMBERS: Final = {name: number for number, name in OPERATIONS.items()}


class KeyWeight(msgspec.Struct, frozen=True):
    """The address of a key, and what its signature weighs."""

    address: str
    weight: int = 1

    def __str__(self) -> str:
        return self.address if self.weight == 1 else f"{self.address} (weight {self.weight})"


class Grant(msgspec.Struct, frozen=True):
    """One permission: its id, whose signatures count, what they must weigh together, and for an active one what for."""

    id: int
    threshold: int
    keys: tuple[KeyWeight, ...]
    operations: tuple[str, ...] = ()
    """By java-tron's names, in the order of their numbers; a bit without a name is called `type 7`."""

    @classmethod
    def of(cls, permission: Permission) -> Self:
        """As the chain has it."""
        keys = tuple(KeyWeight(Address(key).base58, weight) for key, weight in permission.keys)
        return cls(permission.id, permission.threshold, keys, _named(permission.operations))

    @property
    def weights(self) -> dict[str, int]:
        return {key.address: key.weight for key in self.keys}

    def allows(self, operation: str) -> bool:
        return self.id == OWNER or operation in self.operations

    def __str__(self) -> str:
        what = f" for {spoken(self.operations)}" if self.id != OWNER else ""
        return f"{self.threshold} of {', '.join(map(str, self.keys)) or 'nobody'}{what}"


class PermissionSet(msgspec.Struct, frozen=True):
    """All of an account's permissions that sign transactions; a witness' is for blocks alone."""

    owner: Grant
    actives: tuple[Grant, ...]

    def __iter__(self) -> Iterator[Grant]:
        yield self.owner
        yield from self.actives

    def grant(self, permission_id: int) -> Grant | None:
        return next((each for each in self if each.id == permission_id), None)


def own_key(address: str) -> Grant:
    """The owner's permission of whoever never gave one."""
    return Grant(OWNER, 1, (KeyWeight(address),))


def problem_of(declared: PermissionSet) -> str:
    """Why no account can, or should, have these permissions; empty where it can."""
    if not 1 <= len(declared.actives) <= ACTIVES_MAX:
        return f"an account has between 1 and {ACTIVES_MAX} active permissions"
    ids = [each.id for each in declared]
    if ids != [OWNER, *range(FIRST_ACTIVE, FIRST_ACTIVE + len(declared.actives))]:
        return "the owner's permission has the id 0, and active ones are counted from 2 on"
    return next(filter(None, map(problem_of_grant, declared)), "")


def problem_of_grant(grant: Grant) -> str:
    """The same of one permission."""
    name = name_of(grant.id)
    if not 1 <= len(grant.keys) <= KEYS_MAX:
        return f"{name} needs between 1 and {KEYS_MAX} keys"
    if len(grant.weights) < len(grant.keys):
        return f"{name} names a key twice"
    for key in grant.keys:
        try:
            Address.from_base58(key.address)
        except InvalidAddress as error:
            return f"{name}: {key.address} is no Tron address: {error}"
        if not 0 < key.weight <= WEIGHT_MAX:
            return f"{name}: a weight is between 1 and {WEIGHT_MAX}"
    if not 0 < grant.threshold <= sum(grant.weights.values()):
        return f"{name}: its keys never weigh {grant.threshold} together"
    if grant.id == OWNER:
        return "the owner may do anything: it has no operations" if grant.operations else ""
    strange = [operation for operation in grant.operations if operation not in NUMBERS]
    if strange:
        return f"{name}: {strange[0]} is no operation of Tron's, such as TransferContract"
    if list(grant.operations) != sorted(set(grant.operations), key=NUMBERS.__getitem__):
        return f"{name}: its operations stand once each, in the order of their numbers"
    if UPDATE_PERMISSIONS in grant.operations:
        return f"{name} may change all permissions by {UPDATE_PERMISSIONS}: that is the owner's alone"
    return ""


def differences(declared: PermissionSet | None, address: Address, account: ChainAccount | None) -> str:
    """In what the chain differs from what is declared of an account, as sentences; empty where it does not.

    Where nothing is declared, any key but the account's own is a difference, and nothing else: masks are as they were born.
    """
    if declared is None:
        return _strangers(address, account)
    if account is None:
        return f"{address} has no account yet, and with it no permissions"
    shown = shown_by(account)
    said: list[str] = []
    for permission_id in sorted({each.id for each in (*shown, *declared)}):
        is_, wanted = shown.grant(permission_id), declared.grant(permission_id)
        if is_ is not None and wanted is not None and _same_keys(is_, wanted):
            said += _other_operations(is_, wanted)
        else:
            said.append(f"{name_of(permission_id)} is {is_ or 'absent'}, declared is {wanted or 'none'}")
    return "; ".join(said)


def _same_keys(one: Grant, other: Grant) -> bool:
    return (one.threshold, one.weights) == (other.threshold, other.weights)


def _other_operations(is_: Grant, wanted: Grant) -> Iterator[str]:
    more, less = (
        [it for it in one.operations if it not in other.operations] for one, other in ((is_, wanted), (wanted, is_))
    )
    if more:
        yield f"{name_of(is_.id)} may do {spoken(more)}, too, which is not declared"
    if less:
        yield f"{name_of(is_.id)} may not do {spoken(less)}, which is declared"


def spoken(operations: Sequence[str]) -> str:
    """Their names, or how many there are."""
    return ", ".join(operations) or "nothing" if len(operations) <= SPOKEN_MAX else f"{len(operations)} operations"


def shown_by(account: ChainAccount) -> PermissionSet:
    """As the chain has them; an account that never had any shows its own key."""
    owner = Grant.of(account.owner) if account.owner else own_key(Address(account.address).base58)
    return PermissionSet(owner, tuple(map(Grant.of, account.actives)))


def _strangers(address: Address, account: ChainAccount | None) -> str:
    if account is None:
        return ""
    permissions = [account.owner_keys, *((key for key, _ in active.keys) for active in account.actives)]
    others = dict.fromkeys(Address(key).base58 for keys in permissions for key in keys if key != address)
    return f"{', '.join(others)} may sign for it, which nobody has declared" if others else ""


def permission_for(declared: PermissionSet | None, address: str, operation: str) -> int | None:
    """The permission by which the account's own key alone signs such a transaction; None where it cannot."""
    if declared is None:
        return OWNER
    alone = (each.id for each in declared if each.allows(operation) and each.weights.get(address, 0) >= each.threshold)
    return next(alone, None)


def name_of(permission_id: int) -> str:
    return "the owner permission" if permission_id == OWNER else f"active permission {permission_id}"


def mask_of(operations: tuple[str, ...]) -> bytes:
    """32 bytes, bit t of byte t/8 for contract type t."""
    return sum(1 << NUMBERS[operation] for operation in operations).to_bytes(MASK_BYTES, "little")


def _named(mask: bytes) -> tuple[str, ...]:
    bits = int.from_bytes(mask, "little")
    return tuple(OPERATIONS.get(bit, f"type {bit}") for bit in range(8 * len(mask)) if bits >> bit & 1)
