"""Another seed for deposit addresses: new ones come from it, those that are out keep their keys."""

import threading
from functools import partial
from pathlib import Path

import pytest

from core.ledger.ledger import Ledger, Refused
from core.streams.deposit_seed import SEED, AskSeedRotation, SeedRotated
from signers.addresses import Addresses
from signers.keys.derivation import deposit_path
from signers.keys.followed import FollowedKeystore, KeystoreMaker
from signers.keys.keys import KeyNotHeld
from signers.keys.keystore import DEPOSIT_SEED, GAS, HOT, Keystore, KeystoreUnusable
from signers.rotation.seed import SeedRotation
from tests.signers.test_addresses import SECRETS, Pool
from tests.support.history import ACTOR, TickingClock, execute
from tests.support.memory import MemoryStore
from tests.support.patience import HANG_S

pytestmark = pytest.mark.fast

PASSPHRASE = "test passphrase"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Keystore.create(tmp_path / "keystore.json", PASSPHRASE, SECRETS, scrypt_n=2)
    return tmp_path / "keystore.json"


class World:
    def __init__(self, path: Path) -> None:
        self.keys = FollowedKeystore(partial(Keystore.open, path, PASSPHRASE))
        self.pool, self.store = Pool(), MemoryStore()
        self.ledger = Ledger(self.store, TickingClock())
        self.addresses = Addresses(self.keys, self.pool, want=3)
        self.rotation = SeedRotation(self.ledger, self.store, self.addresses, KeystoreMaker(self.keys))

    def step(self) -> None:
        while self.rotation.step() | self.addresses.step():
            pass


def test_new_addresses_come_from_the_new_seed_and_old_keys_stay(path: Path) -> None:
    """The ids name the seed, both seeds' keys sign, a process that starts again goes on with the new one."""
    world = World(path)
    world.step()
    old = [world.pool.take() for _ in range(3)]
    execute(world.ledger, AskSeedRotation(ACTOR))
    world.step()
    world.step()
    new = [world.pool.take() for _ in range(3)]
    assert [it.key_id for it in new if it] == [f"derived:2:{deposit_path(index)}" for index in range(3)]
    for each in (*old, *new):
        assert each is not None
        assert world.keys.key(each.key_id).address.base58 == each.base58
    again = World(path)
    again.pool, again.store = world.pool, world.store
    later = Addresses(again.keys, again.pool, want=1)
    SeedRotation(again.ledger, again.store, later, KeystoreMaker(again.keys)).step()
    later.step()
    assert [it.key_id for it in again.pool.waiting] == [f"derived:2:{deposit_path(3)}"]


def test_a_seed_is_made_once_whatever_dies(path: Path) -> None:
    """Whoever dies between making it and saying so takes the same one afterwards; a second wish waits for the first."""
    world = World(path)
    execute(world.ledger, AskSeedRotation(ACTOR))
    assert isinstance(world.ledger.execute([AskSeedRotation(ACTOR)])[0], Refused)
    prefix = KeystoreMaker(world.keys).make_seed(2)
    first = world.keys.key(f"{prefix}{deposit_path(0)}").address
    again = World(path)
    again.store, again.ledger = world.store, world.ledger
    SeedRotation(again.ledger, again.store, again.addresses, KeystoreMaker(again.keys)).step()
    assert again.keys.key(f"{prefix}{deposit_path(0)}").address == first
    [rotated] = [it.event for it in world.store.events if isinstance(it.event, SeedRotated)]
    assert (rotated.number, rotated.prefix) == (2, "derived:2:")
    assert world.store.histories([SEED])[SEED][-1].event == rotated


def test_a_running_process_finds_the_key_that_another_has_added(path: Path) -> None:
    """It opens the file again where it lacks a key, and only if the file is another one."""
    one, other = (FollowedKeystore(partial(Keystore.open, path, PASSPHRASE)) for _ in range(2))
    key_id = KeystoreMaker(one).make("hot", 2, "")
    assert key_id == "keystore:hot_2"
    assert other.key(key_id).address == one.key(key_id).address
    with pytest.raises(KeyNotHeld):
        other.key("keystore:hot_3")
    with pytest.raises(KeyNotHeld, match="no KMS here"):
        KeystoreMaker(one).make("hot", 3, "alias/hot")


def test_of_two_who_add_at_once_none_loses_its_key(path: Path) -> None:
    """The file is written under a lock: the second sees what the first wrote, and is refused until it has read it."""
    names = [f"gas_{number}" for number in range(2, 10)]

    def add(name: str) -> None:
        follower = FollowedKeystore(partial(Keystore.open, path, PASSPHRASE))
        while True:
            try:
                follower.made(name, 32)
            except KeystoreUnusable:
                continue
            return

    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)
    assert set(Keystore.open(path, PASSPHRASE).names) == {*names, HOT, GAS, DEPOSIT_SEED}
