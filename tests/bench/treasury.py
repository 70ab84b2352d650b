"""TRX burned per 1,000 deposits: ours beside what other gateways do, on the same deposits and the devnet's exact rules.

The references make their transactions with the same keys on a chain of their own, and what they burn is read from the
receipts. Deposits of mixed sizes come in rounds, six hours of chain time apart; after each round every method sweeps.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from core.streams.sweeps import SweepConfirmed
from core.tron.address import SUN_PER_TRX, Address
from core.tron.chain import BlockRef
from core.tron.resources import stake_for
from core.tron.secp256k1 import sha256
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.state.transaction import decode
from signers.keys.keys import Key
from signers.sweeps.worth import SweepRules
from signers.transactions.build import (
    DelegateResource,
    Intent,
    Trc20Transfer,
    TrxTransfer,
    UndelegateResource,
    assemble,
    build,
    envelope_for,
)
from tests.support.treasury_world import COINS, RULES, SOLID_LAG, TreasuryWorld

DEPOSITS: Final = 1_000
ADDRESSES: Final = 250
ROUNDS: Final = 10
ROUND_MS: Final = 6 * 3_600_000
PRICES: Final = (100, 210, 420)
STAKE_TRX: Final = 2_000_000
BANDWIDTH_TRX: Final = 200_000
FIXED_TRX: Final = 40
THRESHOLD_MINOR: Final = 50 * COINS
SETTINGS: Final[SweepRules] = msgspec.structs.replace(
    RULES, threshold_minor=THRESHOLD_MINOR, cost_max_percent=2, open_max=100, gas_daily_max_sun=10**15
)
"""The defaults of gateways/settings.py, but for the limits that bound a day."""


class Result(NamedTuple):
    """What a method did with the deposits of one run."""

    name: str
    burned_sun: int
    on_addresses_sun: int
    """TRX that stand on deposit addresses in the end."""
    sweeps: int
    swept_minor: int
    left_minor: int
    ended: Counter[str]
    """contractRet of every transaction of ours."""
    refused: int = 0
    """Transactions that no node took: for want of bandwidth, mostly."""


def deposits(seed: int) -> list[list[tuple[int, int]]]:
    """Rounds of (address, minor units): from 2 to 5,000 USDT, many small and few large."""
    draw = random.Random(seed)
    made = [(draw.randrange(ADDRESSES), int(2 * COINS * 2_500 ** draw.random())) for _ in range(DEPOSITS)]
    size = DEPOSITS // ROUNDS
    return [made[at : at + size] for at in range(0, DEPOSITS, size)]


def ours(price: int, *, stake: bool, seed: int = 1) -> tuple[Result, TreasuryWorld]:
    """The product's own workers."""
    world = _world(stake=stake, interval_ms=10**12)
    world.decree(getEnergyFee=price)
    burned = world.burned_sun
    for made in deposits(seed):
        _pay(world, made)
        world.sweeps._planned_ms = 0
        world.settle()
        world.sweeps._planned_ms = 0  # what the limit on sweeps under way had left over
        world.settle()
        world.devnet.advance(ROUND_MS)
        world.now_ms = world.devnet.chain.head.timestamp_ms
    world.settle()
    moved = [it.amount_minor for it in world.events(SweepConfirmed)]
    name = "ours, with stake" if stake else "ours, without stake"
    return _result(name, world, world.burned_sun - burned, len(moved), sum(moved)), world


def fixed_pump(price: int, *, threshold_minor: int, seed: int = 1) -> Result:
    """40 TRX to every address before each of its sweeps, whatever is there."""

    def sweep(naive: "Naive", addresses: Sequence[Address]) -> None:
        for address in addresses:
            naive.make(naive.gas, TrxTransfer(naive.gas.address, address, FIXED_TRX * SUN_PER_TRX))
        naive.mine()
        naive.transfer(addresses)

    kind = "fixed pump of 40 TRX" + (", same threshold" if threshold_minor > 1 else ", every deposit")
    return _reference(kind, price, sweep, threshold_minor=threshold_minor, stake=False, seed=seed)


def naive_delegation(price: int, *, threshold_minor: int, seed: int = 1) -> Result:
    """Activate, lend, sweep, take back, address by address and without a look at what it costs."""

    def sweep(naive: "Naive", addresses: Sequence[Address]) -> None:
        node, gas = naive.world.node, naive.gas.address
        for address in addresses:
            if node.account(address) is None:
                naive.make(naive.gas, TrxTransfer(gas, address, 1))
        naive.mine()
        resources = node.resources(gas)
        stake_sun = stake_for(70_000, resources.total_energy_limit, resources.total_energy_weight)
        for address in addresses:
            naive.make(naive.gas, DelegateResource(gas, address, stake_sun, "ENERGY"))
        naive.mine()
        naive.transfer(addresses)
        for address in addresses:
            naive.make(naive.gas, UndelegateResource(gas, address, stake_sun, "ENERGY"))
        naive.mine()

    kind = "naive delegation" + (", same threshold" if threshold_minor > 1 else ", every deposit")
    return _reference(kind, price, sweep, threshold_minor=threshold_minor, stake=True, seed=seed)


class Naive:
    """Makes transactions without any of the product's care: signed, sent, mined."""

    def __init__(self, world: TreasuryWorld) -> None:
        self.world = world
        self.gas = world.keys.key("keystore:gas")
        self.sweeps = self.refused = 0
        self._made = 0

    def make(self, key: Key, intent: Intent, fee_limit_sun: int = 0) -> None:
        self._made += 1
        chain = self.world.devnet.chain
        solid = BlockRef(chain.solid.number, chain.solid.block_id, "", chain.solid.timestamp_ms)
        envelope = envelope_for(
            self._made.to_bytes(16, "big"),
            0,
            solid,
            chain_time_ms=chain.head.timestamp_ms,
            lifetime_ms=600_000,
            fee_limit_sun=fee_limit_sun,
        )
        raw_data = build(intent, envelope)
        signed = assemble(raw_data, key.sign_digest(sha256(raw_data)))
        self.refused += not self.world.devnet.broadcast(decode(signed)[0]).accepted

    def transfer(self, addresses: Sequence[Address]) -> None:
        for address in addresses:
            held = self.world.usdt_of(address)
            key = self.world.keys.key(f"derived:{self.world.addresses.index(address)}")
            self.make(key, Trc20Transfer(address, USDT, self.world.hot, held), 60 * SUN_PER_TRX)
            self.sweeps += 1
        self.mine()

    def mine(self) -> None:
        """Until nothing waits."""
        while len(self.world.devnet.chain.pool):
            self.world.mine()


def _reference(
    name: str,
    price: int,
    sweep: Callable[[Naive, Sequence[Address]], None],
    *,
    threshold_minor: int,
    stake: bool,
    seed: int,
) -> Result:
    world = _world(stake=stake, interval_ms=0)
    world.decree(getEnergyFee=price)
    first, swept = world.devnet.chain.head.number + 1, 0
    naive = Naive(world)
    for made in deposits(seed):
        _pay(world, made, record=False)
        before = world.usdt_of(world.hot)
        sweep(naive, [it for it in world.addresses if world.usdt_of(it) >= threshold_minor])
        swept += world.usdt_of(world.hot) - before
        world.devnet.advance(ROUND_MS)
        world.now_ms = world.devnet.chain.head.timestamp_ms
    ours = {bytes(world.gas), *map(bytes, world.addresses)}
    burned = sum(
        each.outcome.fee_sun
        for block in world.devnet.chain.blocks[first:]
        for each in block.included
        if each.transaction.owner in ours
    )
    return _result(name, world, burned, naive.sweeps, swept)._replace(refused=naive.refused)


def _world(*, stake: bool, interval_ms: int) -> TreasuryWorld:
    world = TreasuryWorld(
        stake_trx=STAKE_TRX if stake else 0,
        bandwidth_trx=BANDWIDTH_TRX if stake else 0,
        gas_trx=200_000,
        cold=False,
        rules=SETTINGS,
        interval_ms=interval_ms,
    )
    for _ in range(ADDRESSES):
        world.payin()
    return world


def _pay(world: TreasuryWorld, made: Sequence[tuple[int, int]], *, record: bool = True) -> None:
    for number, amount in made:
        assert world.devnet.give_usdt(world.addresses[number], amount).accepted
    world.mine(SOLID_LAG + 2)
    if record:
        world.record()


def _result(name: str, world: TreasuryWorld, burned_sun: int, sweeps: int, swept_minor: int) -> Result:
    left, stuck = sum(map(world.usdt_of, world.addresses)), sum(map(world.sun_of, world.addresses))
    return Result(name, burned_sun, stuck, sweeps, swept_minor, left, Counter(world.results()))


def table(prices: Sequence[int] = PRICES) -> list[tuple[int, list[Result]]]:
    """Every method at every price."""
    return [
        (
            price,
            [
                fixed_pump(price, threshold_minor=1),
                fixed_pump(price, threshold_minor=THRESHOLD_MINOR),
                naive_delegation(price, threshold_minor=1),
                naive_delegation(price, threshold_minor=THRESHOLD_MINOR),
                ours(price, stake=False)[0],
                ours(price, stake=True)[0],
            ],
        )
        for price in prices
    ]


def lines(found: Sequence[tuple[int, list[Result]]]) -> list[str]:
    """The table as text; shares are of the first and of the second row of the same price."""
    head = f"{'':<38}{'TRX burned':>12}{'of 1st':>8}{'of 2nd':>11}{'TRX left there':>16}"
    head += f"{'sweeps':>8}{'failed':>8}{'refused':>9}{'USDT left':>11}"
    told = [f"treasury: TRX burned per {DEPOSITS:,} deposits on {ADDRESSES} addresses", head]
    for price, results in found:
        told.append(f"energy at {price} sun")
        first, second = results[0].burned_sun, results[1].burned_sun
        for it in results:
            failed = sum(it.ended.values()) - it.ended["SUCCESS"]
            told.append(
                f"  {it.name:<36}{it.burned_sun / SUN_PER_TRX:>12,.0f}{it.burned_sun / first:>8.0%}"
                f"{it.burned_sun / second:>11.0%}{it.on_addresses_sun / SUN_PER_TRX:>16,.0f}{it.sweeps:>8}{failed:>8}"
                f"{it.refused:>9}{it.left_minor / COINS:>11,.0f}"
            )
    return told


if __name__ == "__main__":
    print("\n".join(lines(table())))
