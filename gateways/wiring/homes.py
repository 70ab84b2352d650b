"""Where a signing process may bring coins: its own keys' addresses, and the cold wallet of its settings."""

from typing import Literal

from core.tron.address import Address
from gateways.settings import Settings
from gateways.wiring.keys import HeldKeys
from gateways.wiring.platform import Platform
from signers.outgoing.homes import Homes


def open_homes(platform: Platform, held: HeldKeys, *, deposits: bool = False) -> Homes:
    """With `deposits` also addresses that are derived from the seed this process has."""
    wallets: dict[str, Address] = {role: held.wallet(role).address for role in held.wallets}
    keys, cold = held.keys if deposits else None, cold_of(platform.settings)
    return Homes(platform.pool, wallets, keys, cold, own=held.keys, store=platform.store)


def cold_of(settings: Settings) -> Address | Literal["any"] | None:
    """The one cold address; on mainnet none where nobody has named it."""
    if settings.signer_cold_address:
        return Address.from_base58(settings.signer_cold_address)
    return None if settings.network == "mainnet" else "any"
