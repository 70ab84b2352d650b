"""Coins that move between wallets of ours: each end is booked by who sees it, and meets the other in In_Transit_Asset."""

from collections.abc import Mapping

import pytest

from core.ledger import books
from core.ledger.journal import TREASURY
from core.ledger.ledger import Accepted
from core.streams.attempts import Attempt, BroadcastAttempt, PrepareAttempt, SignAttempt
from core.streams.deposits import DepositConfirmed
from core.streams.instructions import GiveInstruction, Instruction, SendToken, SendTrx
from core.streams.notices import FundsDestroyed
from core.tron.address import Address
from tests.scanners.test_notices import destroyed
from tests.scanners.world import HOT, THEM, US, World
from tests.support.chain import SOLID_LAG, Included, person, token_call, trx_transfer, usdt_transfer

pytestmark = pytest.mark.fast

GAS, COLD = person(21), person(22)
ACTOR = "system:test"


@pytest.fixture
def world() -> World:
    world = World()
    for role, address in (("gas", GAS), ("cold", COLD)):
        world.pool.add_wallet(role, address.base58, None)
    return world


def instruct(world: World, instruction: Instruction, included: Included, *, signed: bool = True) -> None:
    """The instruction is out as the transaction that the chain is about to include."""
    txid = included.transaction.txid
    tried = Attempt(1, txid, "00", 10**13, 0, "00" * 32, 1, 0, instruction.owner)
    commands = [
        GiveInstruction(instruction, ACTOR),
        PrepareAttempt(instruction, ACTOR, attempt=tried),
        SignAttempt(instruction, ACTOR, txid=txid, signature="00" * 65),
        BroadcastAttempt(instruction, ACTOR, txid=txid),
    ]
    outcomes = world.ledger.execute(commands if signed else commands[:2])
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)


def solid(world: World, *included: Included) -> None:
    world.chain.mine(*included)
    world.chain.mine(blocks=SOLID_LAG)
    world.settle()


def booked(world: World) -> Mapping[tuple[str, str], int]:
    """The treasury's balances as debits less credits."""
    sums: dict[tuple[str, str], int] = {}
    for recorded in world.store.events:
        for line in getattr(recorded.event, "postings", ()):
            if line.book == TREASURY:
                amount = line.amount_minor if line.side == "debit" else -line.amount_minor
                sums[line.account, line.currency] = sums.get((line.account, line.currency), 0) + amount
    return sums


def test_a_sweep_reaches_the_hot_wallet_out_of_transit(world: World) -> None:
    """What an instruction sent is no unexplained inbound, and stops no signing."""
    included = usdt_transfer(1, HOT, 5_000_000, sender=US)
    instruct(world, Instruction("i", "sweep", "", US.base58, "payin", SendToken(HOT.base58, 5_000_000)), included)
    solid(world, included)
    assert booked(world) == {(books.HOT_WALLET, "USDT"): 5_000_000, (books.IN_TRANSIT, "USDT"): -5_000_000}
    assert world.alarms == []
    [confirmed] = [it.event for it in world.store.events if isinstance(it.event, DepositConfirmed)]
    assert (confirmed.account_id, confirmed.ledger_account) == (TREASURY, books.IN_TRANSIT)
    assert confirmed.transfer.from_wallet == "payin"


def test_trx_for_a_sweep_reaches_a_deposit_address_out_of_transit(world: World) -> None:
    """It is the operator's and not the client's, whose address it is."""
    included = trx_transfer(1, US, 7_000_000, sender=GAS)
    instruct(world, Instruction("i", "fuel", "", GAS.base58, "gas", SendTrx(US.base58, 7_000_000)), included)
    solid(world, included)
    assert booked(world) == {(books.PAYIN_WALLETS, "TRX"): 7_000_000, (books.IN_TRANSIT, "TRX"): -7_000_000}
    assert world.balance() == 0


def test_what_left_by_a_foreign_transaction_is_unexplained(world: World) -> None:
    """Another transaction than the instructed one, from our key to our wallet, is a thief at work: Suspense, and a stop."""
    instructed, seen = (usdt_transfer(salt, HOT, 5_000_000, sender=US) for salt in (1, 2))
    instruct(world, Instruction("i", "sweep", "", US.base58, "payin", SendToken(HOT.base58, 5_000_000)), instructed)
    solid(world, seen)
    assert booked(world) == {(books.HOT_WALLET, "USDT"): 5_000_000, (books.SUSPENSE, "USDT"): -5_000_000}
    assert [name for name, _ in world.alarms] == ["outgoing_unexplained"]


def test_bytes_that_were_never_signed_here_explain_nothing(world: World) -> None:
    """Prepared is not signed: whoever signed it, it was not this program (I8)."""
    included = usdt_transfer(1, HOT, 5_000_000, sender=US)
    intent = Instruction("i", "sweep", "", US.base58, "payin", SendToken(HOT.base58, 5_000_000))
    instruct(world, intent, included, signed=False)
    solid(world, included)
    assert [name for name, _ in world.alarms] == ["outgoing_unexplained"]


def test_the_cold_wallets_owner_sends_by_hand(world: World) -> None:
    """Cold to hot without an instruction: the coins change wallets in the books, too, and nobody is alarmed."""
    solid(world, usdt_transfer(1, HOT, 5_000_000, sender=COLD))
    assert booked(world) == {(books.HOT_WALLET, "USDT"): 5_000_000, (books.COLD_WALLET, "USDT"): -5_000_000}
    assert world.alarms == []


def test_a_stranger_cannot_look_like_a_wallet_of_ours(world: World) -> None:
    """Whose the sender is, the pool says; coins from elsewhere stay unexplained."""
    solid(world, usdt_transfer(1, HOT, 5_000_000, sender=THEM))
    assert booked(world) == {(books.HOT_WALLET, "USDT"): 5_000_000, (books.SUSPENSE, "USDT"): -5_000_000}


@pytest.mark.parametrize(("address", "account"), [(US, books.PAYIN_WALLETS), (HOT, books.HOT_WALLET)])
def test_destroyed_funds_leave_the_books_at_once(world: World, address: Address, account: str) -> None:
    """The issuer's act has no Transfer log: the books follow its own event, against Suspense (TRON 12.16)."""
    solid(world, token_call(1, destroyed(address)))
    [happened] = [it.event for it in world.store.events if isinstance(it.event, FundsDestroyed)]
    assert booked(world) == {(account, "USDT"): -7_000_000, (books.SUSPENSE, "USDT"): 7_000_000}
    assert happened.notice.address == address.base58
