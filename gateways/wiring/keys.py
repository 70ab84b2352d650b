"""Which keys the signers hold, on one machine and on AWS: the wallets' by role, the deposit addresses' by their ids."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from core.streams.treasury import Role
from gateways.aws.seed import open_seed
from gateways.settings import Settings
from gateways.steps import Step
from gateways.wiring.platform import Platform
from signers.keys.keys import Key, Keys

if TYPE_CHECKING:
    from gateways.aws.kms import Kms
    from signers.keys.keystore import Keystore


class HeldKeys(NamedTuple):
    """All keys of a process by id, and which id each system wallet's key has."""

    keys: Keys
    wallets: Mapping[Role, str]

    def wallet(self, role: Role) -> Key:
        return self.keys.key(self.wallets[role])


def open_keys(platform: Platform, *, deposits: bool = False) -> HeldKeys:
    """The wallets' keys, and with `deposits` those of deposit addresses, for which AWS must unwrap a seed.

    Raises KeystoreUnusable, KeyNotHeld, UserError.
    """
    if platform.settings.mode == "aws":
        return _in_kms(platform.settings, deposits=deposits)
    from signers.keys.keystore import GAS, HOT

    wallets: dict[Role, str] = {"hot": f"keystore:{HOT}", "gas": f"keystore:{GAS}"}
    return HeldKeys(open_keystore(platform.settings), wallets)


def open_keystore(settings: Settings) -> "Keystore":
    """The keystore with the passphrase from its setting or its file. Raises KeystoreUnusable."""
    from signers.keys.keystore import Keystore

    return Keystore.open(settings.keystore_path, settings.passphrase())


def register(platform: Platform, held: HeldKeys) -> None:
    """The hot and the gas wallet, known to the history and to the scanner."""
    from signers.addresses import register_wallets

    register_wallets(platform.ledger, platform.pool, held.keys, held.wallets)


def deposit_addresses(platform: Platform, held: HeldKeys) -> Step:
    """The step that keeps addresses ready: derived from the seed, or, by a setting, each with a KMS key of its own."""
    from signers.addresses import DERIVED, Addresses, KeyedAddresses

    settings = platform.settings
    if settings.payin_keys == "kms":
        return KeyedAddresses(_kms(settings), held.keys, platform.pool, settings.address_pool).step
    prefix = DERIVED
    if settings.mode == "aws":
        from signers.keys.kms import KmsKeys

        assert isinstance(held.keys, KmsKeys)
        prefix = held.keys.derived_prefix
    return Addresses(held.keys, platform.pool, settings.address_pool, prefix=prefix).step


def _kms(settings: Settings) -> "Kms":
    from gateways.aws.kms import Kms
    from gateways.aws.session import Aws

    return Kms(Aws(settings))


def _in_kms(settings: Settings, *, deposits: bool) -> HeldKeys:
    from gateways.aws.names import GAS, HOT, key_alias
    from signers.keys.kms import PREFIX, KmsKeys

    kms = _kms(settings)
    hot = PREFIX + kms.key_id(settings.hot_kms_key or key_alias(settings.aws_prefix, HOT))
    gas = PREFIX + kms.key_id(settings.gas_kms_key or key_alias(settings.aws_prefix, GAS))
    if deposits and settings.payin_keys == "derived":
        seed = open_seed(settings, kms)
        return HeldKeys(KmsKeys(kms, seed.seed_id, seed.secret), {"hot": hot, "gas": gas})
    return HeldKeys(KmsKeys(kms), {"hot": hot, "gas": gas})
