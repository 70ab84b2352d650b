"""What strangers send and this program never does: votes, account names, rewards. Votes give nothing here."""

from typing import Final

import msgspec

from gateways.devnet.execution.outcome import Context, Outcome, address_of, invalid, owner_account
from gateways.devnet.machine.machine import SUCCESS
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Account
from gateways.devnet.state.shares import SUN_PER_TRX
from gateways.devnet.state.state import Overlay, State
from gateways.devnet.state.transaction import Transaction

VOTES_MAX: Final = 30
NAME_BYTES_MAX: Final = 200


def power_sun(account: Account) -> int:
    """What an account may vote with: all its stake, lent or not."""
    return sum(share.frozen_sun + share.delegated_sun for share in (account.bandwidth, account.energy))


def is_producer(state: State, address: bytes) -> bool:
    return state.get(("produced", address)) is not None


def vote(state: Overlay, transaction: Transaction, _: Context) -> Outcome:
    """Raises Refused."""
    address_of(transaction.owner, "Invalid address")
    votes = transaction.parameter.get("votes", [])
    if not votes:
        raise invalid("VoteNumber must more than 0")
    if len(votes) > VOTES_MAX:
        raise invalid(f"VoteNumber more than maxVoteNumber {VOTES_MAX}")
    for each in votes:
        candidate = address_of(each.get("vote_address", b""), "Invalid vote address!")
        if each.get("vote_count", 0) <= 0:
            raise invalid("vote count must be greater than 0")
        if not is_producer(state, candidate):
            raise invalid(f"Witness[{candidate.hex()}] not exists")
    account = owner_account(state, transaction)
    total_sun = sum(each["vote_count"] for each in votes) * SUN_PER_TRX
    if total_sun > power_sun(account):
        raise invalid(f"The total number of votes[{total_sun}] is greater than the tronPower[{power_sun(account)}]")
    return Outcome(SUCCESS)


def update_account(state: Overlay, transaction: Transaction, _: Context) -> Outcome:
    """A name is given once, and to one account. Raises Refused."""
    name: bytes = transaction.parameter.get("account_name", b"")
    if len(name) > NAME_BYTES_MAX:
        raise invalid("Invalid accountName")
    address_of(transaction.owner, "Invalid ownerAddress")
    account = accounts.find(state, transaction.owner)
    if account is None:
        raise invalid("Account does not exist")
    if account.name:
        raise invalid("This account name is already existed")
    if state.get(("account name", name)):
        raise invalid("This name is existed")
    state.set(("account name", name), transaction.owner)
    accounts.save(state, msgspec.structs.replace(account, name=name))
    return Outcome(SUCCESS)


def withdraw_reward(state: Overlay, transaction: Transaction, _: Context) -> Outcome:
    """There is never a reward. Raises Refused."""
    owner = address_of(transaction.owner, "Invalid address")
    if accounts.find(state, owner) is None:
        raise invalid(f"Account[{owner.hex()}] not exists")
    if is_producer(state, owner):
        words = "is a guard representative and is not allowed to withdraw Balance"
        raise invalid(f"Account[{owner.hex()}] {words}")
    raise invalid("witnessAccount does not have any reward")
