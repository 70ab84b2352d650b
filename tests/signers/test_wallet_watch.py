"""What the chain says of the system wallets is kept, and a wallet below its floor rings once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from core.streams.treasury import Role
from core.streams.wallet_numbers import Floors, WalletNumbers
from core.tron.resources import units_of
from signers.wallet_watch import EVERY, WalletWatch
from tests.signers.payments import USDT
from tests.support.treasury_world import COINS, SOLID_LAG, TreasuryWorld

pytestmark = pytest.mark.fast


class Board:
    """The port `WalletBoard`."""

    def __init__(self) -> None:
        self.rows: dict[str, WalletNumbers] = {}
        self.puts = 0

    def put(self, numbers: Sequence[WalletNumbers]) -> None:
        self.rows |= {each.role: each for each in numbers}
        self.puts += 1

    def put_former(self, numbers: Sequence[WalletNumbers]) -> None:
        self.former = list(numbers)


class Watched:
    """A world whose wallets are looked at; `look` lets the time pass that lies between two looks."""

    def __init__(self, world: TreasuryWorld, floors: dict[Role, Floors]) -> None:
        self.board, self.now = Board(), datetime(2026, 1, 1, tzinfo=UTC)
        self.rang: list[tuple[str, str]] = []
        self.watch = WalletWatch(
            world.store,
            world.node,
            self.board,
            USDT,
            floors,
            lambda: self.now,
            alarm=lambda name, sentence: self.rang.append((name, sentence)),
        )

    def look(self) -> None:
        self.now += EVERY
        assert not self.watch.step()


def test_the_board_says_what_the_chain_says() -> None:
    """Coins at the solid height; energy to lend and stake of the gas wallet, lent or not."""
    world = TreasuryWorld(stake_trx=20_000)
    watched = Watched(world, {"gas": Floors(trx_sun=7)})
    watched.look()
    hot, gas, cold = (watched.board.rows[role] for role in ("hot", "gas", "cold"))
    assert (hot.usdt_minor, hot.trx_sun) == (world.usdt_of(world.hot), world.sun_of(world.hot))
    assert (cold.usdt_minor, cold.energy_lendable, cold.block_number) == (0, 0, world.node.solid().number)
    assert (gas.trx_sun, gas.trx_floor_sun) == (world.sun_of(world.gas), 7)
    assert (gas.staked_sun, gas.delegated_sun) == (20_000 * COINS, 0)
    network = world.node.resources(world.gas)
    stake_sun = world.node.delegatable_sun(world.gas, "ENERGY")
    assert gas.energy_lendable == units_of(stake_sun, network.total_energy_limit, network.total_energy_weight) > 0
    world.deposits(120)
    world.until("fuelled")
    watched.look()
    lent = watched.board.rows["gas"]
    assert lent.delegated_sun > 0
    assert lent.staked_sun == gas.staked_sun
    assert lent.energy_lendable < gas.energy_lendable


def test_between_two_looks_the_node_is_left_alone() -> None:
    """Thirty seconds lie between them."""
    watched = Watched(TreasuryWorld(), {})
    watched.look()
    watched.now += EVERY - timedelta(microseconds=1)
    watched.watch.step()
    assert watched.board.puts == 1
    watched.look()
    assert watched.board.puts == 2


def test_a_wallet_below_a_floor_rings_once_and_again_after_it_was_above() -> None:
    """Each floor has its alarm, which names the wallet, what it has and its floor."""
    world = TreasuryWorld(hot_usdt=100, gas_trx=50)
    floors: dict[Role, Floors] = {
        "hot": Floors(usdt_minor=200 * COINS, trx_sun=COINS),
        "gas": Floors(trx_sun=60 * COINS, energy=65_000),
    }
    watched = Watched(world, floors)
    for _ in range(2):
        watched.look()
        assert sorted(name for name, _ in watched.rang) == [
            "gas_wallet_low_on_energy",
            "gas_wallet_low_on_trx",
            "hot_wallet_below_floor",
        ]
    sentences = dict(watched.rang)
    assert sentences["hot_wallet_below_floor"] == (
        f"the hot wallet {world.hot} has 100.000000 USDT, its floor is 200.000000"
    )
    watched.rang.clear()
    world.give(world.hot, usdt=100)
    world.mine(SOLID_LAG + 1)
    watched.look()
    assert watched.rang == []
    world.devnet.chain.state.apply({("slot", USDT, "balance", world.hot.evm): 7})
    watched.look()
    assert [name for name, _ in watched.rang] == ["hot_wallet_below_floor"]
