"""Deposit addresses are ready before anybody asks, and known to the scanner before anybody can pay to them (I6)."""

from collections.abc import Mapping, Sequence
from unittest.mock import patch

import pytest

from core.ledger.events import Event
from core.ledger.history import recorded
from core.ledger.ledger import Ledger
from core.ports.unavailable import Unavailable
from core.ports.wallets import ReadyAddress
from core.streams.set_aside import SettleEvent
from core.streams.treasury import SystemWalletRegistered, Wallet, wallet_stream
from core.tron.address import Address
from signers.addresses import BATCH, Addresses, WrongKeys, register_wallets, wallet_registration
from signers.keys.derivation import deposit_path
from signers.keys.keys import KeyNotHeld
from signers.keys.keystore import DEPOSIT_SEED, GAS, HOT, Keystore
from tests.support.high_water import MemoryGivenIndexes
from tests.support.history import TickingClock
from tests.support.memory import MemoryStore

pytestmark = pytest.mark.fast

WALLETS: Mapping[str, str] = {"hot": "keystore:hot", "gas": "keystore:gas"}
SECRETS = {DEPOSIT_SEED: bytes(range(32)), HOT: bytes([1]) * 32, GAS: bytes([2]) * 32}


class Pool:
    """The port `AddressPool` in memory."""

    def __init__(self) -> None:
        self.rows: dict[bytes, tuple[str, str | None]] = {}
        self.waiting: list[ReadyAddress] = []

    def take(self) -> ReadyAddress | None:
        return self.waiting.pop(0) if self.waiting else None

    def add(self, addresses: Sequence[ReadyAddress]) -> None:
        for item in addresses:
            evm = Address.from_base58(item.base58).evm
            if evm not in self.rows:
                self.rows[evm] = ("payin", item.key_id)
                self.waiting.append(item)

    def keep(self, addresses: Sequence[ReadyAddress]) -> None:
        for item in addresses:
            self.add_wallet("payin", item.base58, item.key_id)

    def add_wallet(self, role: str, base58: str, key_id: str | None) -> None:
        self.rows.setdefault(Address.from_base58(base58).evm, (role, key_id))

    def ready(self) -> int:
        return len(self.waiting)

    def highest_index(self, prefix: str) -> int:
        made = [key_id for _, key_id in self.rows.values() if key_id and key_id.startswith(prefix)]
        return max((int(key_id.removeprefix(prefix)) for key_id in made), default=-1)

    def ours(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        return {evm: self.rows[evm][0] for evm in evm_addresses if evm in self.rows}


def keystore(tmp_path_factory: pytest.TempPathFactory, secrets: Mapping[str, bytes]) -> Keystore:
    path = tmp_path_factory.mktemp("keys") / "keystore.json"
    return Keystore.create(path, "test passphrase", secrets, scrypt_n=2)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keystore:
    return keystore(tmp_path_factory, SECRETS)


@pytest.fixture
def pool() -> Pool:
    return Pool()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def ledger(store: MemoryStore) -> Ledger:
    return Ledger(store, TickingClock())


def test_the_pool_is_filled_in_batches_and_then_left_alone(keys: Keystore, pool: Pool) -> None:
    """Steps add at most BATCH addresses each until as many wait as are wanted; then there is nothing to do."""
    addresses = Addresses(keys, pool, want=BATCH + 10)
    assert addresses.step()
    assert pool.ready() == BATCH
    assert addresses.step()
    assert pool.ready() == BATCH + 10
    assert not addresses.step()


def test_every_ready_address_belongs_to_the_key_it_names(keys: Keystore, pool: Pool) -> None:
    """Each address is that of the key under its id, in both spellings, and indexes run from 0 without a gap."""
    Addresses(keys, pool, want=20).step()
    assert [item.key_id for item in pool.waiting] == [f"derived:{deposit_path(index)}" for index in range(20)]
    for item in pool.waiting:
        address = keys.key(item.key_id).address
        assert (item.base58, item.hex) == (address.base58, address.hex())


def test_a_taken_address_is_replaced_by_a_new_one(keys: Keystore, pool: Pool) -> None:
    """Indexes go on after the highest ever made, by a later process too: no address is ready twice (I6)."""
    Addresses(keys, pool, want=5).step()
    taken = [pool.take() for _ in range(3)]
    assert Addresses(keys, pool, want=5).step()
    assert pool.ready() == 5
    assert not {item.base58 for item in taken if item} & {item.base58 for item in pool.waiting}
    assert pool.highest_index("derived:m/44'/195'/0'/0/") == 7


def test_two_at_once_add_each_address_once(keys: Keystore, pool: Pool) -> None:
    """Both derive the same indexes, and the pool keeps what it knows."""
    one, other = Addresses(keys, pool, want=10), Addresses(keys, pool, want=10)
    stale = pool.highest_index("derived:m/44'/195'/0'/0/")
    one.step()
    pool.highest_index = lambda _: stale
    pool.ready, ready = lambda: 0, pool.ready
    other.step()
    assert ready() == 10


def two_copies(keys: Keystore) -> list[set[str]]:
    """The addresses that a pool and its older copy come to have ready, whose indexes are counted beside the keys."""
    indexes, pools = MemoryGivenIndexes(), [Pool(), Pool()]
    for pool in pools:
        addresses = Addresses(keys, pool, want=10, indexes=indexes)
        while addresses.step():
            pass
    return [{it.base58 for it in pool.waiting} for pool in pools]


def test_no_two_copies_have_one_address_ready(keys: Keystore) -> None:
    """An older copy lacks what was made since, and makes others: the count beside the keys is nobody's copy (I16)."""
    one, other = two_copies(keys)
    assert (len(one), len(other)) == (10, 10)
    assert not one & other


def test_copies_that_count_by_themselves_are_found(keys: Keystore) -> None:
    """Without the count beside the keys both make the same ones."""
    with (
        patch.object(Addresses, "_kept", lambda _: 0),
        patch.object(MemoryGivenIndexes, "reserve", lambda _self, _prefix, least, _count: least),
    ):
        one, other = two_copies(keys)
    assert one == other


def test_another_seed_than_the_pools_is_refused(
    keys: Keystore, pool: Pool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A keystore that would give the pool's key ids to other keys makes no address, and the error names the first."""
    Addresses(keys, pool, want=5).step()
    stranger = keystore(tmp_path_factory, {**SECRETS, DEPOSIT_SEED: bytes(32)})
    with pytest.raises(WrongKeys, match="open the keystore that this pool was filled from"):
        Addresses(stranger, pool, want=10).step()
    assert pool.ready() == 5


def test_a_keystore_without_a_seed_makes_no_address(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It says which key it does not hold."""
    seedless = keystore(tmp_path_factory, {HOT: SECRETS[HOT]})
    with pytest.raises(KeyNotHeld, match="derived:m/44'/195'/0'/0/0"):
        Addresses(seedless, pool, want=1).step()


def registered(store: MemoryStore) -> dict[str, SystemWalletRegistered]:
    events: list[Event] = [recorded.event for recorded in store.events]
    return {happened.role: happened for happened in events if isinstance(happened, SystemWalletRegistered)}


def test_wallets_are_registered_once(keys: Keystore, pool: Pool, ledger: Ledger, store: MemoryStore) -> None:
    """Each role has its address in the pool and in one event, however often the process starts."""
    for _ in range(3):
        register_wallets(ledger, pool, keys, WALLETS)
    assert store.head() == 2
    for role, key_id in WALLETS.items():
        address = keys.key(key_id).address
        assert pool.ours([address.evm]) == {address.evm: role}
        assert (registered(store)[role].address, registered(store)[role].key_id) == (address.base58, key_id)


def test_a_wallets_row_stands_before_its_event(keys: Keystore, pool: Pool, ledger: Ledger, store: MemoryStore) -> None:
    """When the event makes the address known, the scanner already watches it (I6)."""
    known = []
    append = store.append

    def observed(*args: object) -> None:
        known.append(sorted(role for role, _ in pool.rows.values()))
        append(*args)

    store.append = observed
    register_wallets(ledger, pool, keys, WALLETS)
    assert known == [["gas", "hot"]]


def test_a_wallet_s_stopped_stream_is_waited_for(
    keys: Keystore, pool: Pool, ledger: Ledger, store: MemoryStore
) -> None:
    """No key is wrong for a row that nobody can read: the process waits until an operator has settled it."""
    register_wallets(ledger, pool, keys, WALLETS)
    stream = wallet_stream("gas")
    store.events.append(recorded(store.head() + 1, stream, 2, "wallet.registered/1", "{"))
    with pytest.raises(Unavailable, match="wallet-gas"):
        register_wallets(ledger, pool, keys, WALLETS)
    ledger.execute([SettleEvent(store.head(), stream, (), "looked at", "operator:a")])
    register_wallets(ledger, pool, keys, WALLETS)


def test_a_wallet_s_stopped_stream_keeps_nobody_from_a_deposit_address(
    keys: Keystore, pool: Pool, ledger: Ledger, store: MemoryStore
) -> None:
    """Addresses are made beside it, and the wallet is registered once its stream is settled."""
    stream = wallet_stream("gas")
    store.events.append(recorded(store.head() + 1, stream, 1, "wallet.registered/1", "{"))
    stopped_at = store.head()
    register = wallet_registration(ledger, pool, keys, WALLETS)
    register()
    assert "gas" not in registered(store)
    ledger.execute([SettleEvent(stopped_at, stream, (), "looked at", "operator:a")])
    register()
    assert registered(store)["gas"].address == keys.key("keystore:gas").address.base58


def test_a_role_played_by_another_address_is_an_error(
    keys: Keystore, pool: Pool, ledger: Ledger, store: MemoryStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The wrong keystore is named as such and the registered wallet stays."""
    register_wallets(ledger, pool, keys, WALLETS)
    stranger = keystore(tmp_path_factory, {HOT: bytes([3]) * 32, GAS: SECRETS[GAS]})
    with pytest.raises(WrongKeys, match=keys.key("keystore:hot").address.base58):
        register_wallets(ledger, pool, stranger, WALLETS)
    wallet = Wallet()
    for record in store.histories([wallet_stream("hot")])[wallet_stream("hot")]:
        wallet = wallet.evolve(record.event)
    assert wallet.registered == registered(store)["hot"]
    assert registered(store)["hot"].address == keys.key("keystore:hot").address.base58


def test_one_address_plays_one_role(pool: Pool, ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same key for hot and gas is refused: their coins could not be told apart."""
    same = keystore(tmp_path_factory, {HOT: SECRETS[HOT], GAS: SECRETS[HOT]})
    with pytest.raises(WrongKeys, match="give the gas wallet a key of its own"):
        register_wallets(ledger, pool, same, WALLETS)
