"""java-tron's JSON of accounts, their resources, stake and delegations, read as strictly as tron_json.py reads the rest.

"Not found" and "nothing" are the same {} here: an account that was never activated, and one that has no delegation.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from core.tron.chain import (
    AccountResources,
    ChainAccount,
    Delegation,
    DelegationIndex,
    Permission,
    Unfreezing,
)
from gateways.tron.node_json import Answer, address_bytes, hex_bytes

BANDWIDTH: Final = "BANDWIDTH"
ENERGY: Final = "ENERGY"


class KeyAnswer(msgspec.Struct, frozen=True):
    address: str
    weight: int = 0


class PermissionAnswer(msgspec.Struct, frozen=True):
    id: int = 0
    threshold: int = 0
    operations: str = ""
    keys: tuple[KeyAnswer, ...] = ()


class FrozenAnswer(msgspec.Struct, frozen=True):
    """Stake 1.0."""

    frozen_balance: int = 0


class StakeAnswer(msgspec.Struct, frozen=True):
    """One of frozenV2: a stake of 0 has no amount, and BANDWIDTH has no type."""

    type: str = BANDWIDTH
    amount: int = 0


class UnfreezingAnswer(msgspec.Struct, frozen=True):
    type: str = BANDWIDTH
    unfreeze_amount: int = 0
    unfreeze_expire_time: int = 0


class EnergyAccountAnswer(msgspec.Struct, frozen=True):
    """account_resource: what an account has of energy, where bandwidth's counterparts stand beside it."""

    frozen: FrozenAnswer = msgspec.field(name="frozen_balance_for_energy", default=FrozenAnswer())
    delegated_before: int = msgspec.field(name="delegated_frozen_balance_for_energy", default=0)
    delegated: int = msgspec.field(name="delegated_frozenV2_balance_for_energy", default=0)
    acquired: int = msgspec.field(name="acquired_delegated_frozenV2_balance_for_energy", default=0)


class AccountAnswer(Answer, frozen=True):
    """An account, or {} for one that was never activated."""

    address: str = ""
    balance: int = 0
    kind: str = msgspec.field(name="type", default="Normal")
    create_time: int = 0
    owner_permission: PermissionAnswer = PermissionAnswer()
    witness_permission: PermissionAnswer = PermissionAnswer()
    active_permission: tuple[PermissionAnswer, ...] = ()
    stakes: tuple[StakeAnswer, ...] = msgspec.field(name="frozenV2", default=())
    unfreezing: tuple[UnfreezingAnswer, ...] = msgspec.field(name="unfrozenV2", default=())
    delegated: int = msgspec.field(name="delegated_frozenV2_balance_for_bandwidth", default=0)
    acquired: int = msgspec.field(name="acquired_delegated_frozenV2_balance_for_bandwidth", default=0)
    frozen: tuple[FrozenAnswer, ...] = ()
    tron_power: FrozenAnswer = FrozenAnswer()
    delegated_before: int = msgspec.field(name="delegated_frozen_balance_for_bandwidth", default=0)
    energy: EnergyAccountAnswer = msgspec.field(name="account_resource", default=EnergyAccountAnswer())


class ResourcesAnswer(Answer, frozen=True):
    """getaccountresource's names, which are java-tron's own mixture."""

    energy_limit: int = msgspec.field(name="EnergyLimit", default=0)
    energy_used: int = msgspec.field(name="EnergyUsed", default=0)
    net_limit: int = msgspec.field(name="NetLimit", default=0)
    net_used: int = msgspec.field(name="NetUsed", default=0)
    free_net_limit: int = msgspec.field(name="freeNetLimit", default=0)
    free_net_used: int = msgspec.field(name="freeNetUsed", default=0)
    total_energy_limit: int = msgspec.field(name="TotalEnergyLimit", default=0)
    total_energy_weight: int = msgspec.field(name="TotalEnergyWeight", default=0)
    total_net_limit: int = msgspec.field(name="TotalNetLimit", default=0)
    total_net_weight: int = msgspec.field(name="TotalNetWeight", default=0)
    tron_power_limit: int = msgspec.field(name="tronPowerLimit", default=0)
    tron_power_used: int = msgspec.field(name="tronPowerUsed", default=0)


class DelegationAnswer(msgspec.Struct, frozen=True):
    owner: str = msgspec.field(name="from")
    receiver: str = msgspec.field(name="to")
    bandwidth: int = msgspec.field(name="frozen_balance_for_bandwidth", default=0)
    energy: int = msgspec.field(name="frozen_balance_for_energy", default=0)
    bandwidth_expires: int = msgspec.field(name="expire_time_for_bandwidth", default=0)
    energy_expires: int = msgspec.field(name="expire_time_for_energy", default=0)


class DelegationsAnswer(Answer, frozen=True):
    delegations: tuple[DelegationAnswer, ...] = msgspec.field(name="delegatedResource", default=())


class DelegationIndexAnswer(Answer, frozen=True):
    account: str = ""
    owners: tuple[str, ...] = msgspec.field(name="fromAccounts", default=())
    receivers: tuple[str, ...] = msgspec.field(name="toAccounts", default=())


class MaxSizeAnswer(Answer, frozen=True):
    max_size: int = 0


class CountAnswer(Answer, frozen=True):
    count: int = 0


class AmountAnswer(Answer, frozen=True):
    amount: int = 0


class NumberAnswer(Answer, frozen=True):
    num: int = 0


def account_of(answer: AccountAnswer) -> ChainAccount | None:
    if not answer.address:
        return None
    energy = answer.energy
    before = sum(each.frozen_balance for each in (*answer.frozen, answer.tron_power, energy.frozen))
    return ChainAccount(
        address=address_bytes(answer.address),
        balance_sun=answer.balance,
        owner_keys=tuple(address_bytes(key.address) for key in answer.owner_permission.keys),
        is_contract=answer.kind == "Contract",
        created_ms=answer.create_time,
        owner=_permission(answer.owner_permission) if answer.owner_permission.keys else None,
        actives=tuple(_permission(each) for each in answer.active_permission),
        energy_stake_sun=_stake(answer.stakes, ENERGY),
        bandwidth_stake_sun=_stake(answer.stakes, BANDWIDTH),
        delegated_energy_sun=energy.delegated,
        delegated_bandwidth_sun=answer.delegated,
        acquired_energy_sun=energy.acquired,
        acquired_bandwidth_sun=answer.acquired,
        other_stake_sun=_stake(answer.stakes) + before + answer.delegated_before + energy.delegated_before,
        unfreezing=tuple(
            Unfreezing(each.type, each.unfreeze_amount, each.unfreeze_expire_time) for each in answer.unfreezing
        ),
    )


def producer_key_of(answer: AccountAnswer) -> bytes | None:
    """Whose key signs this witness's blocks, as java-tron chooses it: the first key of the witness permission."""
    keys = answer.witness_permission.keys
    return address_bytes(keys[0].address) if keys else None


def resources_of(answer: ResourcesAnswer) -> AccountResources:
    return msgspec.convert(answer, AccountResources, from_attributes=True)


def delegations_of(answer: DelegationsAnswer) -> list[Delegation]:
    return [
        Delegation(
            owner=address_bytes(each.owner),
            receiver=address_bytes(each.receiver),
            energy_sun=each.energy,
            bandwidth_sun=each.bandwidth,
            energy_locked_until_ms=each.energy_expires,
            bandwidth_locked_until_ms=each.bandwidth_expires,
        )
        for each in answer.delegations
    ]


def delegation_index_of(answer: DelegationIndexAnswer) -> DelegationIndex:
    return DelegationIndex(
        receivers=tuple(address_bytes(each) for each in answer.receivers),
        owners=tuple(address_bytes(each) for each in answer.owners),
    )


def _stake(stakes: Sequence[StakeAnswer], resource: str = "") -> int:
    """What is frozen for this resource; for none, what is frozen for neither energy nor bandwidth."""
    if resource:
        return sum(each.amount for each in stakes if each.type == resource)
    return sum(each.amount for each in stakes if each.type not in (ENERGY, BANDWIDTH))


def _permission(answer: PermissionAnswer) -> Permission:
    keys = tuple((address_bytes(key.address), key.weight) for key in answer.keys)
    return Permission(answer.id, answer.threshold, keys, hex_bytes(answer.operations))
