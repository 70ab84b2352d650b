"""What a transfer of the token takes in energy: what a trial says of it, and the most that it can be once it is mined.

A node's trial answers from its pending state, and whoever is paid can empty or fill a wallet before the block comes: the
receiver's balance slot, absent or not, decides whether the transfer costs about twice as much (FAILURES 17, 74, 75). So the
same transfer is also tried to an address that nobody has ever heard of. The dearer of the two is the most that the token's
code takes for it, whatever the receiver does: the sender's slot costs the same whether it stays or is cleared.
"""

import secrets
from typing import Final

import msgspec

from core.ports.chain import Node
from core.tron.address import Address
from signers.outgoing.funds import Prices
from signers.transactions.abi import transfer_call

FACTOR_UNIT: Final = 10_000


class TokenRefuses(Exception):
    """The token would revert this transfer: the sender is blacklisted, or the token paused."""


class Trial(msgspec.Struct, frozen=True):
    """Energy of one transfer: as the state of this moment has it, and the most that it may be by the time it is mined."""

    energy: int
    energy_most: int


def trial_of(
    node: Node,
    prices: Prices,
    owner: Address,
    token: Address,
    to: Address,
    amount_minor: int,
    *,
    beyond_maintenance: bool,
) -> Trial:
    """Ask the node. `beyond_maintenance`: it may be mined under another energy factor. Raises TokenRefuses, Unavailable.

    Within a maintenance period the factor stays as it is (TRON.md 6.5); in a later one it may be at the chain's ceiling.
    """
    energy, _ = _tried(node, owner, token, to, amount_minor)
    strangers, penalty = _tried(node, owner, token, _stranger(), amount_minor)
    most = max(energy, strangers)
    if beyond_maintenance:
        most = max(most, -(-(most - penalty) * (FACTOR_UNIT + prices.factor_max) // FACTOR_UNIT))
    return Trial(energy, most)


def _tried(node: Node, owner: Address, token: Address, to: Address, amount_minor: int) -> tuple[int, int]:
    """The energy that a transfer takes now, and the part of it that the contract's factor added."""
    trial = node.call(owner, token, transfer_call(to, amount_minor))
    if trial.reverted:
        raise TokenRefuses(trial.message or "reverted")
    return trial.energy_used, trial.energy_penalty


def _stranger() -> Address:
    """An address without the token. It is drawn anew each time: one that is known beforehand could be given some."""
    return Address.from_evm(secrets.token_bytes(20))
