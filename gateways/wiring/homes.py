"""Where a signing process may bring coins: its own keys' addresses, and the cold wallet of its settings."""

from typing import Literal

from core.tron.address import Address
from gateways.settings import PREFIX, Settings
from gateways.signer_settings import NO_COLD
from gateways.user_error import UserError
from gateways.wiring.keys import HeldKeys
from gateways.wiring.platform import Platform
from signers.outgoing.homes import Homes


def open_homes(platform: Platform, held: HeldKeys, *, deposits: bool = False) -> Homes:
    """With `deposits` also addresses that are derived from the seed this process has. Raises UserError."""
    wallets: dict[str, Address] = {role: held.wallet(role).address for role in held.wallets}
    keys, cold = held.keys if deposits else None, cold_of(platform.settings)
    return Homes(platform.pool, wallets, keys, cold, own=held.keys, store=platform.store)


def cold_of(settings: Settings) -> Address | Literal["any"] | None:
    """The one cold address, None where there is to be none. Raises UserError on mainnet where nobody has said which.

    An evacuation is no time to learn that coins have nowhere to go.
    """
    said = settings.signer_cold_address
    if not said and settings.network == "mainnet":
        raise UserError(
            f"set {PREFIX}SIGNER_COLD_ADDRESS for the processes that sign: the one address where they may bring coins to cold"
            f" storage, by hand or in an evacuation, whatever the database says; {NO_COLD!r} is a value, too"
        )
    if said in ("", NO_COLD):
        return "any" if not said else None
    return Address.from_base58(said)
