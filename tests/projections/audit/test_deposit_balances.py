"""A deposit address that holds on chain what the books do not say rings, says what may be behind it, and ends by itself."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from core.streams.holdings import movements
from core.streams.wallet_numbers import WalletDifference
from core.tron.address import SUN_PER_TRX, Address
from projections.audit.deposit_balances import ADDRESSES_PER_ROUND, SUSPECTS_MAX, DepositBalances, Held
from projections.audit.on_chain import OnChain
from projections.audit.wallet_balances import EVERY, SOON
from signers.transactions.abi import balance_of_call, read_uint256
from tests.signers.payments import USDT
from tests.support.treasury_world import SOLID_LAG, TreasuryWorld

pytestmark = [pytest.mark.fast, pytest.mark.long]


class Sight:
    """The port `DepositSight` of a world. `gifts` are TRX that no block shows; `behind` is what the view has not read."""

    def __init__(self, world: TreasuryWorld) -> None:
        self.world = world
        self.gifts: defaultdict[str, int] = defaultdict(int)
        self.reached = True
        self.behind = 0
        self.asked: list[str] = []

    def addresses(self, after: str, limit: int) -> Sequence[str]:
        paid = {moved.address for record in self.world.store.events for moved in movements(record.event)}
        return sorted(address for address in paid if address > after)[:limit]

    def at(self, addresses: Sequence[str]) -> Sequence[OnChain]:
        node, found = self.world.node, []
        self.asked = list(addresses)
        for base58 in addresses:
            address, at = Address.from_base58(base58), node.solid().number
            account = node.solid_account(address)
            held = read_uint256(node.call(address, USDT, balance_of_call(address), solid=True).returned) or 0
            sun = (account.balance_sun if account else 0) + self.gifts[base58]
            found.append(OnChain("payin", base58, at, held, sun))
        return found

    def has_reached(self, block_number: int) -> bool:
        return self.reached

    def held(self, addresses: Sequence[str]) -> Held:
        position = self.world.store.head() - self.behind
        amounts: defaultdict[tuple[str, str], int] = defaultdict(int)
        for record in self.world.store.events[:position]:
            for moved in movements(record.event):
                if moved.address in addresses:
                    amounts[moved.address, moved.currency] += moved.delta_minor
        return Held(position, dict(amounts))


class Board:
    """The port `AddressBoard`."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], WalletDifference] = {}

    def standing(self) -> Sequence[WalletDifference]:
        return list(self.rows.values())

    def differ_at(self, addresses: Sequence[str], differences: Sequence[WalletDifference]) -> None:
        self.rows = {key: row for key, row in self.rows.items() if key[0] not in addresses}
        self.rows |= {(row.address, row.currency): row for row in differences}


class Watched:
    """A world whose deposit addresses are held against its books."""

    def __init__(self, kind: type[DepositBalances] = DepositBalances) -> None:
        self.world, self.board, self.kind = TreasuryWorld(), Board(), kind
        self.sight, self.now = Sight(self.world), datetime(2026, 1, 1, tzinfo=UTC)
        self.rang: list[str] = []
        self.restart()

    def restart(self) -> None:
        self.watch = self.kind(self.world.store, self.sight, self.board, lambda: self.now, alarm=self._ring)

    def _ring(self, name: str, sentence: str) -> None:
        assert name == "deposit_address_differs"
        self.rang.append(sentence)

    def look(self, times: int = 1, after: timedelta = EVERY) -> None:
        for _ in range(times):
            self.now += after
            assert not self.watch.step()


def test_what_deposits_and_sweeps_do_is_no_difference() -> None:
    """Coins that come, fuel that is sent, sweeps and what they burn, looked at in every block."""
    watched = Watched()
    watched.world.deposits(500, 40)
    for _ in range(60):
        watched.world.live(1)
        watched.look()
    assert watched.world.orders()
    assert (watched.rang, watched.board.rows) == ([], {})


@pytest.mark.parametrize("behind", [0, 1, 5, 30])
def test_views_behind_the_history_and_blocks_ahead_are_no_difference(behind: int) -> None:
    """The chain is asked; more coins come and are booked; the view has some of it. What is compared is the block asked for."""
    watched = Watched()
    [address] = watched.world.deposits(500)
    watched.sight.behind = behind
    for _ in range(3):
        watched.sight.reached = False
        watched.look()
        watched.world.give(address, usdt=3)
        watched.world.live(SOLID_LAG + 3)
        watched.sight.reached = True
        watched.look(after=SOON)
    assert (watched.rang, watched.board.rows) == ([], {})


class NoBlocks(DepositBalances):
    """Broken: what the view has now is held against what the chain had then."""

    def _books(self, look):  # type: ignore[no-untyped-def]
        return defaultdict(int, self._sight.held([each.address for each in look.found]).amounts)


def test_without_the_block_what_moved_meanwhile_would_ring() -> None:
    """The broken variant rings for coins that came between question and comparison."""
    watched = Watched(NoBlocks)
    [address] = watched.world.deposits(5)
    for _ in range(2):
        watched.sight.reached = False
        watched.look()
        watched.world.give(address, usdt=3)
        watched.world.live(SOLID_LAG + 3)
        watched.sight.reached = True
        watched.look(after=SOON)
    assert watched.rang


def test_trx_that_a_contract_moved_rings_once_and_ends_when_it_is_explained() -> None:
    """FAILURES 41: a second look soon after rings, later ones and a restart do not; then it is over, and begins anew."""
    watched = Watched()
    [address, _] = watched.world.deposits(5, 6)
    watched.look()
    watched.sight.gifts[address.base58] = 2 * SUN_PER_TRX
    watched.look()
    assert watched.rang == []
    watched.look(after=SOON)
    [sentence] = watched.rang
    assert sentence.startswith(
        f"Payin_Wallets_Asset {address.base58}: the ledger has 0.000000 TRX, the chain 2.000000 at block"
    )
    assert "2.000000 TRX came in a way that no transaction of a block shows" in sentence
    [row] = watched.board.rows.values()
    assert (row.address, row.currency, row.found - row.booked) == (address.base58, "TRX", 2 * SUN_PER_TRX)
    watched.look(3)
    watched.restart()
    watched.look(3)
    assert len(watched.rang) == 1
    watched.sight.gifts[address.base58] = 0
    watched.look()
    assert watched.board.rows == {}
    watched.sight.gifts[address.base58] = 3 * SUN_PER_TRX
    watched.look(2)
    assert len(watched.rang) == 2


def test_coins_that_left_otherwise_than_ordered_are_told_so() -> None:
    """What is less than in the books is another sentence."""
    watched = Watched()
    [address] = watched.world.deposits(5)
    watched.sight.gifts[address.base58] = -7
    watched.look(2)
    assert "0.000007 TRX left otherwise than ordered" in watched.rang[0]


def test_a_round_is_bounded_and_every_address_has_its_turn() -> None:
    """Of many addresses each round takes some, whoever was off among them; all were asked after as many rounds as they fill."""
    watched = Watched()
    paid = watched.world.deposits(*[1] * (2 * ADDRESSES_PER_ROUND + 5))
    asked: set[str] = set()
    for _ in range(3):
        watched.look()
        assert len(watched.sight.asked) <= ADDRESSES_PER_ROUND
        asked |= set(watched.sight.asked)
    assert asked == {address.base58 for address in paid}
    for address in paid:
        watched.sight.gifts[address.base58] = SUN_PER_TRX
    for _ in range(12):
        watched.look()
        assert len(watched.sight.asked) <= ADDRESSES_PER_ROUND + SUSPECTS_MAX
    assert len(watched.rang) == len(paid)


def test_nothing_is_compared_before_the_history_has_come_as_far() -> None:
    """A scanner that stands rings for itself."""
    watched = Watched()
    watched.world.deposits(5)
    watched.world.give(watched.world.addresses[0], usdt=70)
    watched.world.mine(SOLID_LAG + 1)
    watched.sight.reached = False
    watched.look(5)
    assert (watched.rang, watched.board.rows) == ([], {})
