"""What one transfer out of a deposit address takes, at the prices and in the state of this very moment.

Energy for this sender and this receiver (a receiver without the token costs twice, FAILURES 17), bytes, and how much of
both the address has: energy that its own and lent stake give, the free allowance, its TRX. A margin on top covers what may
change until the block. What is estimated here is what signers/outgoing/instructions.py asks for again before it signs.

The fee limit always covers the dearest way through the token's code (signers/outgoing/trials.py): what is not used is not
burned. What the address must have is the dearest way, too, but for one receiver: the hot wallet, which holds coins where
blocks are solid and never pays out the last of them. There the trial's energy is enough, and TRX that no sweep will burn
do not lie on thousands of deposit addresses.
"""

from typing import Final, Self

import msgspec

from core.ports.chain import Node
from core.tron.address import Address
from core.tron.chain import AccountResources, ChainAccount
from core.tron.resources import units_in_machine
from signers.outgoing.funds import Prices, usdt_of
from signers.outgoing.trials import Trial, trial_of
from signers.transactions.abi import is_blacklisted_call, read_bool
from signers.transactions.build import fee_limit_for

TRANSFER_BYTES: Final = 346
"""Bandwidth of a token transfer with a fee limit of up to 2^35 sun: 345 bytes, one more from 2^28 sun on."""
SIGNATURE_FIELD_BYTES: Final = 67
"""Of each signature beyond the first."""
PERMISSION_FIELD_BYTES: Final = 2


class Payer(msgspec.Struct, frozen=True):
    """What an address has to pay with: whether there is an account at all, TRX, energy and bytes."""

    exists: bool
    balance_sun: int
    energy: int
    staked_bytes: int
    free_bytes: int

    @classmethod
    def of(cls, account: ChainAccount | None, solid: ChainAccount | None, resources: AccountResources) -> Self:
        """TRX, the account itself and stake count once they are solid, and while they are still there.

        The head's answer holds what is pending and may never be (FAILURES 75). Energy is as the virtual machine counts it.
        """
        if account is None or solid is None:
            return cls(exists=False, balance_sun=0, energy=0, staked_bytes=0, free_bytes=0)
        stake_sun = min(each.energy_stake_sun + each.acquired_energy_sun for each in (account, solid))
        limit = units_in_machine(stake_sun, resources.total_energy_limit, resources.total_energy_weight)
        return cls(
            exists=True,
            balance_sun=min(account.balance_sun, solid.balance_sun),
            energy=max(0, min(limit, resources.energy_limit) - resources.energy_used),
            staked_bytes=resources.net_left,
            free_bytes=resources.free_net_left,
        )

    @classmethod
    def look(cls, node: Node, address: Address) -> Self:
        return cls.of(node.account(address), node.solid_account(address), node.resources(address))

    def bytes_cost_sun(self, size: int, price_sun: int) -> int:
        """What is burned for so many bytes: one source pays for all of them, stake, the allowance or TRX."""
        return 0 if size <= max(self.staked_bytes, self.free_bytes) else size * price_sun


class Need(msgspec.Struct, frozen=True):
    """What the transfer takes of its address. Margins are added to the trial's numbers where they are asked for."""

    trial: Trial
    payer: Payer
    prices: Prices
    margin_percent: int
    receiver_keeps: bool
    """The receiver holds the token and will go on to: the transfer will take what the trial took."""
    size: int = TRANSFER_BYTES
    flat_sun: int = 0
    """The fee for more than one signature."""

    @property
    def energy(self) -> int:
        """What it most probably takes."""
        return self.trial.energy

    @property
    def energy_wanted(self) -> int:
        """What the address must have for it."""
        energy = self.trial.energy if self.receiver_keeps else self.trial.energy_most
        return with_margin(energy, self.margin_percent)

    @property
    def energy_short(self) -> int:
        """What its stake does not cover."""
        return max(0, self.energy_wanted - self.payer.energy)

    @property
    def bytes_sun(self) -> int:
        return self.payer.bytes_cost_sun(self.size, self.prices.bandwidth_sun)

    def fee_limit_sun(self, ceiling_sun: int) -> int:
        """The most that the transfer may cost, its staked energy at the same price: java-tron counts it so (FAILURES 16).

        Raises FeeAboveCeiling.
        """
        most, price_sun = self.trial.energy_most, self.prices.energy_sun
        return fee_limit_for(most, price_sun, margin_percent=self.margin_percent, ceiling_sun=ceiling_sun)

    @property
    def short_sun(self) -> int:
        """TRX that the address lacks to pay for all of it by burning; 0 means that it can be sent now."""
        need_sun = self.energy_short * self.prices.energy_sun + self.bytes_sun + self.flat_sun
        return max(0, need_sun - self.payer.balance_sun) if self.payer.exists else max(1, need_sun)

    @property
    def short_beside_energy_sun(self) -> int:
        """The same where somebody lends all the energy: an account, and bytes."""
        return max(0, self.bytes_sun - self.payer.balance_sun) if self.payer.exists else max(1, self.bytes_sun)

    @property
    def burns_sun(self) -> int:
        """What the transfer itself will burn if nobody lends energy."""
        return max(0, self.energy - self.payer.energy) * self.prices.energy_sun + self.bytes_sun


def need_of(
    node: Node,
    prices: Prices,
    owner: Address,
    token: Address,
    to: Address,
    amount_minor: int,
    margin_percent: int,
    *,
    to_hot: bool = False,
    beyond_maintenance: bool = False,
    signatures: int = 1,
) -> Need:
    """Ask the node. `to_hot`: the receiver is our hot wallet; `signatures`: at most so many.

    Raises TokenRefuses, Unavailable."""
    trial = trial_of(node, prices, owner, token, to, amount_minor, beyond_maintenance=beyond_maintenance)
    payer = Payer.look(node, owner)
    if not payer.exists:
        # What a first TRX transfer will give it: the free allowance of an account that has used none.
        payer = msgspec.structs.replace(payer, free_bytes=node.chain_parameters()["getFreeNetLimit"])
    receiver_keeps = to_hot and usdt_of(node, to, token) > 0
    if signatures == 1:
        return Need(trial, payer, prices, margin_percent, receiver_keeps)
    size = TRANSFER_BYTES + PERMISSION_FIELD_BYTES + (signatures - 1) * SIGNATURE_FIELD_BYTES
    return Need(trial, payer, prices, margin_percent, receiver_keeps, size=size, flat_sun=prices.multi_sign_sun)


def is_blacklisted(node: Node, token: Address, owner: Address) -> bool:
    """The token's own word, pending or not: only its owner can make it so, and a person releases. False for no word."""
    answer = node.call(owner, token, is_blacklisted_call(owner))
    return bool(not answer.reverted and read_bool(answer.returned))


def with_margin(amount: int, percent: int) -> int:
    """Rounded up."""
    return -(-amount * (100 + percent) // 100)
