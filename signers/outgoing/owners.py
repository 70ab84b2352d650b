"""Who may sign for our wallets: the wallet's own key, alone. Anything else means that a key of ours is in other hands."""

from core.ports.chain import Node
from core.tron.address import Address


class WalletHijacked(Exception):
    """Another key may sign for a wallet of ours: signing stops until a person has looked (FAILURES 22)."""


def check_owner(node: Node, address: Address) -> None:
    """Raises WalletHijacked unless the address alone may sign, as owner and in every active permission."""
    account = node.account(address)
    if account is None:
        return
    permissions = [account.owner_keys, *((key for key, _ in active.keys) for active in account.actives)]
    others = dict.fromkeys(key for keys in permissions for key in keys if key != address)
    if others:
        named = ", ".join(Address(key).base58 for key in others)
        raise WalletHijacked(
            f"{named} may sign for {address}, a wallet of ours: nothing is signed until a person has looked"
        )
