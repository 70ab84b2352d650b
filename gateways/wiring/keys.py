"""Which keys the signers hold, on one machine and on AWS: the wallets' by role, the deposit addresses' by their ids."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from core.ledger.ledger import EventStore, state_of
from core.ports.high_water import GivenIndexes
from core.ports.unavailable import Unavailable
from core.streams.treasury import WALLET_STREAMS, Role, SystemWalletRegistered, wallet_stream
from core.streams.wallet.rotation import NOBODY, RotatedRole
from core.tron.address import Address
from gateways.aws.seed import open_seeds
from gateways.embedded.high_water import FileGivenIndexes
from gateways.settings import Settings
from gateways.steps import Step
from gateways.user_error import NotReady
from gateways.wiring.platform import Platform
from signers.keys.awaited import AwaitedKeys
from signers.keys.keys import Key, KeyNotHeld, Keys

if TYPE_CHECKING:
    from gateways.aws.kms import Kms
    from signers.fence import Fence
    from signers.keys.keystore import Keystore
    from signers.rotation.begin import WalletKeyMaker
    from signers.rotation.seed import SeedMaker


log = logging.getLogger(__name__)


class HeldKeys(NamedTuple):
    """All keys of a process by id, and which id each system wallet's key has."""

    keys: Keys
    wallets: Mapping[Role, str]

    def wallet(self, role: Role) -> Key:
        return self.keys.key(self.wallets[role])


def open_keys(platform: Platform, *, deposits: bool = False, awaited: bool = False) -> HeldKeys:
    """The wallets' keys, and with `deposits` those of deposit addresses, for which AWS must unwrap a seed.

    With `awaited` keys that cannot be opened now are opened where they first sign, if the wallets are known from before:
    who has them watches what was sent meanwhile. Raises KeystoreUnusable, UserError, Unavailable: on AWS also for a key that is
    not there.
    """
    if platform.settings.mode == "aws":
        opening = partial(_in_kms, platform.settings, deposits=deposits)
        try:
            return _as_rotated(platform.store, opening())
        except (Unavailable, NotReady, KeyNotHeld) as error:
            known = registered_wallets(platform.store)
            if not awaited or not {"hot", "gas"} <= known.keys():
                if isinstance(
                    error, KeyNotHeld
                ):  # KMS knows a new key and its alias after a while, or somebody makes it
                    raise Unavailable(str(error)) from error
                raise
            log.warning("the keys cannot be opened yet, what was sent is seen through meanwhile: %s", error)
            addresses = dict(known.values())
            return HeldKeys(
                AwaitedKeys(lambda: opening().keys, addresses), {role: key_id for role, (key_id, _) in known.items()}
            )
    from signers.keys.followed import FollowedKeystore
    from signers.keys.keystore import GAS, HOT

    wallets: dict[Role, str] = {"hot": f"keystore:{HOT}", "gas": f"keystore:{GAS}"}
    keystore = FollowedKeystore(partial(open_keystore, platform.settings))
    return _as_rotated(platform.store, HeldKeys(keystore, wallets))


def _as_rotated(store: EventStore, held: HeldKeys) -> HeldKeys:
    """With the keys that play the roles now. The ones that are configured played them before, or nothing is known of them."""
    wallets = dict(held.wallets)
    for role, key_id in held.wallets.items():
        known = state_of(store, wallet_stream(role), NOBODY)
        if known.playing is not None and known.playing.key_id and len(known.registered) > 1:
            address = held.keys.key(key_id).address.base58
            if address in {it.address for it in known.registered}:
                wallets[role] = known.playing.key_id
    return HeldKeys(held.keys, wallets)


def begin_rotation(platform: Platform, held: HeldKeys, role: RotatedRole, actor: str, fence: "Fence") -> Step:
    """The step that makes the key which an operator has asked for, of a wallet that this process signs for."""
    from signers.rotation.begin import BeginRotation

    maker, ports = _maker(platform.settings, held), (platform.ledger, platform.store, platform.pool)
    begin = BeginRotation(*ports, held.keys, role, maker, actor, alarm=platform.alarm, fence=fence)
    return begin.step


def _maker(settings: Settings, held: HeldKeys) -> "WalletKeyMaker":
    from signers.keys.followed import FollowedKeystore, KeystoreMaker

    if isinstance(held.keys, FollowedKeystore):
        return KeystoreMaker(held.keys)
    from gateways.aws.wallet_keys import NamedKeys

    return NamedKeys(lambda: _kms(settings))


def registered_wallets(store: EventStore) -> Mapping[Role, tuple[str, Address]]:
    """Role -> (key id, address) of each system wallet that has a key of ours, as the history has them."""
    found: dict[Role, tuple[str, Address]] = {}
    for recorded in chain.from_iterable(store.histories(WALLET_STREAMS).values()):
        wallet = recorded.event
        if isinstance(wallet, SystemWalletRegistered) and wallet.key_id is not None:
            found[wallet.role] = (wallet.key_id, Address.from_base58(wallet.address))
    return found


def open_keystore(settings: Settings) -> "Keystore":
    """The keystore with the passphrase from its setting or its file. Raises KeystoreUnusable."""
    from signers.keys.keystore import Keystore

    return Keystore.open(settings.keystore_path, settings.passphrase())


def register(platform: Platform, held: HeldKeys) -> None:
    """The hot and the gas wallet, known to the history and to the scanner."""
    from signers.addresses import register_wallets

    register_wallets(platform.ledger, platform.pool, held.keys, held.wallets)


def registration(platform: Platform, held: HeldKeys) -> Step:
    """The same as a step, for who needs no wallet: one that is stopped is registered later."""
    from signers.addresses import wallet_registration

    return wallet_registration(platform.ledger, platform.pool, held.keys, held.wallets)


class DepositAddresses(NamedTuple):
    """The step that keeps addresses ready, the one that takes another seed, and the index that no copy has come to."""

    make: Step
    rotate: Step
    first_free: Callable[[], int]


def deposit_addresses(platform: Platform, held: HeldKeys) -> DepositAddresses:
    """Derived from a seed, or, by a setting, each with a KMS key of its own."""
    from signers.addresses import DERIVED, Addresses, KeyedAddresses
    from signers.rotation.seed import SeedRotation

    settings = platform.settings
    if settings.payin_keys == "kms":
        keyed = KeyedAddresses(
            _kms(settings), held.keys, platform.pool, settings.address_pool, door=platform.address_door
        )
        return DepositAddresses(keyed.step, lambda: False, lambda: 0)
    prefix, maker = DERIVED, _seed_maker(held)
    if settings.mode == "aws":
        from signers.keys.kms import KmsKeys

        assert isinstance(held.keys, KmsKeys)
        prefix = held.keys.first_prefix
    addresses = Addresses(
        held.keys,
        platform.pool,
        settings.address_pool,
        prefix=prefix,
        door=platform.address_door,
        indexes=open_given_indexes(settings),
    )
    rotation = SeedRotation(platform.ledger, platform.store, addresses, maker)
    return DepositAddresses(addresses.step, rotation.step, addresses.first_free)


def open_given_indexes(settings: Settings) -> GivenIndexes:
    """Where this platform keeps how far addresses were derived: beside the keystore, or in the signers' own table."""
    if settings.mode == "aws":
        from gateways.aws.high_water import DynamoGivenIndexes
        from gateways.aws.session import Aws

        return DynamoGivenIndexes(Aws(settings))
    return FileGivenIndexes(settings.keystore_path.resolve().parent)


def _seed_maker(held: HeldKeys) -> "SeedMaker":
    from signers.keys.followed import FollowedKeystore, KeystoreMaker
    from signers.keys.kms import KmsKeys

    if isinstance(held.keys, FollowedKeystore):
        return KeystoreMaker(held.keys)
    from gateways.aws.wallet_keys import PutSeed

    assert isinstance(held.keys, KmsKeys)
    return PutSeed(held.keys)


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
        newest, *older = open_seeds(settings, kms)
        keys = KmsKeys(kms, newest.seed_id, newest.secret, {each.seed_id: each.secret for each in older})
        return HeldKeys(keys, {"hot": hot, "gas": gas})
    return HeldKeys(KmsKeys(kms), {"hot": hot, "gas": gas})
