"""A system wallet that holds on chain what the books do not say rings, says what may be behind it, and ends by itself."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from core.ledger import books
from core.ledger.events import postings_of
from core.ledger.journal import TREASURY, credit, debit
from core.streams.treasury import PostAdjustment
from core.streams.wallet_numbers import WalletDifference, WalletNumbers
from core.tron.address import SUN_PER_TRX
from projections.audit.on_chain import OnChain
from projections.audit.wallet_balances import EVERY, SOON, Balances, WalletBalances
from signers.transactions.abi import balance_of_call, read_uint256
from tests.signers.payments import USDT
from tests.support.history import ACTOR, execute
from tests.support.treasury_world import SOLID_LAG, TreasuryWorld

pytestmark = [pytest.mark.fast, pytest.mark.long]


class Sight:
    """The port `Sight` of a world. `gifts` are TRX that no block shows, by role; `behind` is what the view has not read."""

    def __init__(self, world: TreasuryWorld) -> None:
        self.world = world
        self.gifts: dict[str, int] = {}
        self.reached = True
        self.behind = 0

    def wallets(self) -> Sequence[OnChain]:
        node, at = self.world.node, self.world.node.solid().number
        found = []
        for role, address in (("hot", self.world.hot), ("gas", self.world.gas), ("cold", self.world.cold)):
            account = node.solid_account(address)
            trx_sun = account.balance_sun if account else 0
            staked_sun = account.owned_sun - trx_sun if account else 0
            held = node.call(address, USDT, balance_of_call(address), solid=True)
            usdt_minor = read_uint256(held.returned) or 0
            found.append(OnChain(role, address.base58, at, usdt_minor, trx_sun + self.gifts.get(role, 0), staked_sun))
        return found

    def has_reached(self, block_number: int) -> bool:
        return self.reached

    def balances(self) -> Balances:
        position = self.world.store.head() - self.behind
        amounts: defaultdict[tuple[str, str], int] = defaultdict(int)
        for record in self.world.store.events[:position]:
            for line in postings_of(record.event):
                if line.book == TREASURY:
                    amounts[line.account, line.currency] += (
                        line.amount_minor if line.side == "debit" else -line.amount_minor
                    )
        return Balances(position, dict(amounts))


class Board:
    """The port `WalletBoard`, as far as it is about differences."""

    def __init__(self) -> None:
        self.differences: Sequence[WalletDifference] = ()

    def put(self, numbers: Sequence[WalletNumbers]) -> None:
        raise NotImplementedError

    def differ(self, differences: Sequence[WalletDifference]) -> None:
        self.differences = differences


class Watched:
    """A world whose wallets are held against its books."""

    def __init__(self, kind: type[WalletBalances] = WalletBalances) -> None:
        self.world, self.board = TreasuryWorld(), Board()
        self.sight, self.now = Sight(self.world), datetime(2026, 1, 1, tzinfo=UTC)
        self.rang: list[str] = []
        self.watch = kind(self.world.store, self.sight, self.board, lambda: self.now, alarm=self._ring)

    def _ring(self, name: str, sentence: str) -> None:
        assert name == "wallet_differs"
        self.rang.append(sentence)

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += EVERY
            assert not self.watch.step()


def test_what_our_wallets_do_is_no_difference() -> None:
    """Deposits, sweeps, payouts and stake, looked at in every block: books and chain agree at each solid block."""
    watched = Watched()
    watched.world.deposits(500, 40)
    watched.world.pay_out("p1", 20)
    for _ in range(60):
        watched.world.live(1)
        watched.look()
    assert (watched.rang, watched.board.differences) == ([], [])


@pytest.mark.parametrize("behind", [0, 1, 5, 30])
def test_views_behind_the_history_and_blocks_ahead_are_no_difference(behind: int) -> None:
    """The chain is asked; more blocks come and are booked; the view has some of it. What is compared is the block asked for."""
    watched = Watched()
    watched.sight.behind = behind
    watched.sight.reached = False
    watched.look()
    watched.world.give(watched.world.hot, usdt=70, trx=9)
    watched.world.live(SOLID_LAG + 3)
    watched.sight.reached = True
    watched.now += SOON
    watched.watch.step()
    watched.now += SOON
    watched.sight.reached = False
    watched.watch.step()
    watched.world.give(watched.world.hot, usdt=3)
    watched.world.live(SOLID_LAG + 3)
    watched.sight.reached = True
    watched.watch.step()
    assert (watched.rang, watched.board.differences) == ([], [])


class NoBlocks(WalletBalances):
    """Broken: what the view has now is held against what the chain had then."""

    def _books(self, look):  # type: ignore[no-untyped-def]
        return defaultdict(int, self._sight.balances().amounts)


def test_without_the_block_what_moved_meanwhile_would_ring() -> None:
    """The broken variant rings for coins that came between two looks at the same wallet."""
    watched = Watched(NoBlocks)
    for _ in range(2):
        watched.sight.reached = False
        watched.look()
        watched.world.give(watched.world.hot, usdt=70)
        watched.world.live(SOLID_LAG + 3)
        watched.sight.reached = True
        watched.watch.step()
    assert watched.rang


def test_trx_that_a_contract_moved_rings_once_and_ends_when_it_is_booked() -> None:
    """FAILURES 41: no block's transaction shows them; the second look rings, later ones do not, and the adjustment ends it."""
    watched = Watched()
    watched.look()
    watched.sight.gifts["hot"] = 5 * SUN_PER_TRX
    watched.look()
    assert watched.rang == []
    watched.look(3)
    [sentence] = watched.rang
    assert sentence.startswith(
        f"Hot_Wallet_Asset {watched.world.hot.base58}: the ledger has 1000.000000 TRX, the chain 1005."
    )
    assert "5.000000 TRX came in a way that no transaction of a block shows" in sentence
    [row] = watched.board.differences
    assert (row.account, row.currency, row.found - row.booked) == (books.HOT_WALLET, "TRX", 5 * SUN_PER_TRX)
    lines = (
        debit(TREASURY, books.HOT_WALLET, 5 * SUN_PER_TRX, "TRX"),
        credit(TREASURY, books.SUSPENSE, 5 * SUN_PER_TRX, "TRX"),
    )
    execute(watched.world.ledger, PostAdjustment("a1", "a contract paid us", lines, ACTOR))
    watched.look()
    assert (len(watched.rang), watched.board.differences) == (1, [])


def test_another_amount_is_another_difference() -> None:
    """Who has read the first alarm is told of the next coins, too."""
    watched = Watched()
    watched.sight.gifts["gas"] = SUN_PER_TRX
    watched.look(2)
    watched.sight.gifts["gas"] = -3 * SUN_PER_TRX
    watched.look(2)
    assert len(watched.rang) == 2
    assert "3.000000 TRX left otherwise than ordered" in watched.rang[1]


def test_nothing_is_compared_before_the_history_has_come_as_far() -> None:
    """A scanner that stands rings for itself; what it has not read is no difference."""
    watched = Watched()
    watched.world.give(watched.world.hot, usdt=70)
    watched.world.mine(SOLID_LAG + 1)
    watched.sight.reached = False
    watched.look(5)
    assert (watched.rang, watched.board.differences) == ([], ())


def test_a_wallet_that_was_touched_is_looked_at_within_half_a_minute() -> None:
    """Between the looks of every ten minutes, events that move a wallet's account bring the next look."""
    watched = Watched()
    watched.look()
    watched.sight.gifts["hot"] = SUN_PER_TRX
    for _ in range(3):
        watched.now += SOON
        watched.watch.step()
    assert watched.rang == []
    watched.world.give(watched.world.hot, usdt=1)
    watched.world.live(SOLID_LAG + 1)
    for _ in range(2):
        watched.now += SOON
        watched.watch.step()
    assert len(watched.rang) == 1
