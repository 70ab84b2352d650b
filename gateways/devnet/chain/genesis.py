"""A devnet's beginning: keys derived from a seed, funded accounts, deployed contracts, block 0.

The same seed gives the same keys on every devnet; the `network` name, kept with the data, makes each chain its own.
The keys are public knowledge: they guard nothing.
"""

from typing import Final

import coincurve

from core.tron.address import SUN_PER_TRX, USDT_MAINNET, Address
from core.tron.secp256k1 import CURVE_ORDER, address_of, sha256
from gateways.devnet.machine import energy, tether
from gateways.devnet.machine.forwarder import Forwarder
from gateways.devnet.machine.machine import Code
from gateways.devnet.machine.misbehave import Misbehaving
from gateways.devnet.machine.multisend import Multisend
from gateways.devnet.machine.successor import Successor
from gateways.devnet.machine.tether import TetherToken
from gateways.devnet.state import accounts, committee, decrees
from gateways.devnet.state.accounts import Account
from gateways.devnet.state.parameters import MAINNET
from gateways.devnet.state.state import Overlay

DEFAULT_SEED: Final = "counterfoil devnet"
PRODUCERS: Final = 27
ACCOUNTS: Final = 10
ACCOUNT_SUN: Final = 1_000_000 * SUN_PER_TRX
ACCOUNT_USDT_MINOR: Final = 10_000_000 * 10**6
TREASURY_SUN: Final = 10_000_000_000 * SUN_PER_TRX
USDT_SUPPLY_MINOR: Final = 60_000_000_000 * 10**6
WORLD_ENERGY: Final = 2 * MAINNET["getDynamicEnergyThreshold"]
"""What the rest of the world uses of USDT in every maintenance cycle: mainnet's never cools."""

GENESIS_MS: Final = 1_700_000_001_000
"""Chain time of block 0: past, and a multiple of three seconds."""

USDT: Final = Address.from_base58(USDT_MAINNET)


class Key:
    """A key pair of the devnet's own."""

    def __init__(self, seed: str, role: str) -> None:
        digest = sha256(f"{seed}/{role}".encode())
        self.secret = ((int.from_bytes(digest, "big") % (CURVE_ORDER - 1)) + 1).to_bytes(32, "big")
        self._private = coincurve.PrivateKey(self.secret)
        self.address = address_of(self._private.public_key.format())

    def sign(self, digest: bytes) -> bytes:
        """65 bytes over a 32-byte digest, low s, recovery id 0 or 1."""
        return bytes(self._private.sign_recoverable(digest, hasher=None))


class Genesis:
    """Everything a chain has before its first block."""

    def __init__(self, seed: str = DEFAULT_SEED, network: str = "", factor: int = energy.DEFAULT_FACTOR) -> None:
        self.seed = seed
        self.network = network
        self.factor = factor
        self.producers = [Key(seed, f"producer {number}") for number in range(PRODUCERS)]
        self.accounts = [Key(seed, f"account {number}") for number in range(ACCOUNTS)]
        self.treasury = Key(seed, "treasury")
        """Owns the tokens, and pays what the faucet gives."""
        self.fake_usdt = Key(seed, "contract fake_usdt").address
        self.multisend = Key(seed, "contract multisend").address
        self.misbehaving = Key(seed, "contract misbehaving").address
        self.forwarder = Key(seed, "contract forwarder").address
        self.successor = Key(seed, "contract successor").address
        """What USDT forwards to when its owner deprecates it in favour of this."""
        self.contracts: dict[bytes, Code] = {
            USDT: TetherToken("Tether USD", "USDT", 6),
            self.fake_usdt: TetherToken("Tether USD", "USDT", 6),
            self.multisend: Multisend(),
            self.misbehaving: Misbehaving(),
            self.forwarder: Forwarder(),
            self.successor: Successor(USDT, "Tether USD", "USDT", 6),
        }
        self.parent = sha256(f"counterfoil devnet/{seed}/{network}/{factor}".encode())
        """Block 0's parentHash: no block's id, and different for every network."""

    def key_of(self, address: bytes) -> Key | None:
        """The key of one of our own accounts."""
        return next((key for key in (self.treasury, *self.accounts) if key.address == address), None)

    def write(self, state: Overlay) -> None:
        """The first state: balances, tokens, producers that have produced nothing."""
        accounts.credit(state, self.treasury.address, TREASURY_SUN, GENESIS_MS)
        committee.begin(state, MAINNET, GENESIS_MS)
        decrees.apply(state, {f"{decrees.FACTOR}{USDT.hex()}": self.factor}, GENESIS_MS)
        decrees.apply(state, {f"{decrees.WORLD}{USDT.hex()}": WORLD_ENERGY}, GENESIS_MS)
        for token in (USDT, self.fake_usdt):
            tether.deploy(state, token, self.treasury.address, USDT_SUPPLY_MINOR)
        state.set(("slot", self.successor, "deprecated"), 0)
        supply = USDT_SUPPLY_MINOR
        for key in self.accounts:
            accounts.credit(state, key.address, ACCOUNT_SUN, GENESIS_MS)
            for token in (USDT, self.fake_usdt):
                state.set(("slot", token, "balance", key.address.evm), ACCOUNT_USDT_MINOR)
            supply -= ACCOUNT_USDT_MINOR
        for token in (USDT, self.fake_usdt):
            state.set(("slot", token, "balance", self.treasury.address.evm), supply)
        for producer in self.producers:
            accounts.credit(state, producer.address, 0, GENESIS_MS)
        for contract in self.contracts:
            accounts.save(state, Account(contract, GENESIS_MS, is_contract=True))
