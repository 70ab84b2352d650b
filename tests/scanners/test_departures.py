"""After a restore, what left our wallets is booked from the blocks; what this program never does still stops signing."""

import msgspec
import pytest

from core.ledger import books
from core.ledger.journal import TREASURY
from core.streams.attempts import PrepareAttempt
from core.streams.lost_outgoing import LeftInLostHistory, OutgoingOfLostHistory, lost_stream
from core.streams.restores import RestoreStore
from core.tron.address import TRANSFER_SELECTOR, Address
from scanners.recorder import ACTOR
from tests.scanners.test_notices import causes, owned, solid
from tests.scanners.world import ACCOUNT, HOT, THEM, US, World
from tests.support.chain import Included, person, transfer_log, trx_transfer
from tests.support.history import attempt, execute, fund, order, request_payout

pytestmark = pytest.mark.fast

TRIGGER = 31
BURNED = 345_000
ISSUER = person(21)
"""Whom the token pays its fee."""


def sent_at_a_fee(owner: Address, to: Address, net: int, taken: int, *, ordered: int | None = None) -> Included:
    """A call of the token's `transfer` while it takes a fee: the payee's log is net, a second one pays the issuer."""
    whole = net + taken if ordered is None else ordered
    data = TRANSFER_SELECTOR + bytes(12) + to.evm + whole.to_bytes(32, "big")
    logs = transfer_log(owner, to, net), transfer_log(owner, ISSUER, taken)
    return owned(1, owner, TRIGGER, "SUCCESS", *logs, data=data)


def costing(included: Included) -> Included:
    """The same with a fee that was burned."""
    return Included(included.transaction, msgspec.structs.replace(included.receipt, fee_sun=BURNED))


def restored() -> World:
    """A world whose history was taken from a copy that knew the chain up to block 0."""
    world = World()
    execute(world.ledger, RestoreStore(world.store.head(), None, 0, 0, "the machine burnt down", ACTOR))
    return world


def left(world: World) -> list[LeftInLostHistory]:
    return [it.event.left for it in world.store.events if isinstance(it.event, OutgoingOfLostHistory)]


def moved(world: World, account: str, currency: str = "USDT") -> int:
    """Debits less credits in the treasury's book."""
    return sum(
        line.amount_minor if line.side == "debit" else -line.amount_minor
        for recorded in world.store.events
        for line in getattr(recorded.event, "postings", ())
        if (line.book, line.account, line.currency) == (TREASURY, account, currency)
    )


def test_a_payment_of_lost_history_is_booked_once() -> None:
    """Out of the hot wallet into Lost_History, with what it burned; it rings as such, and no other cause stops signing."""
    world = restored()
    solid(world, costing(owned(1, HOT, TRIGGER, "SUCCESS", transfer_log(HOT, THEM, 7))))
    [one] = left(world)
    assert (one.to, one.amount_minor, one.currency, one.burned_sun) == (THEM.base58, 7, "USDT", BURNED)
    assert moved(world, books.LOST_HISTORY) == 7
    assert moved(world, books.HOT_WALLET) == -7
    assert moved(world, books.HOT_WALLET, "TRX") == -BURNED
    assert causes(world) == ("restored",)
    assert [name for name, _ in world.alarms] == ["lost_outgoing"]
    before = world.store.head()
    list(world.observer.rescan(1, 1))
    world.settle()
    assert world.store.head() == before


def test_a_payout_to_an_address_of_ours_is_a_payment_too() -> None:
    """One client was paid to another's deposit address: the first may ask again, so the payment waits to be attributed."""
    world = restored()
    solid(world, owned(1, HOT, TRIGGER, "SUCCESS", transfer_log(HOT, US, 7)))
    [one] = left(world)
    assert one.was_payout
    assert (one.to, one.stream) == (US.base58, lost_stream(US.base58, 7))
    assert moved(world, books.LOST_HISTORY) == 7


def test_a_payment_that_the_token_took_a_fee_of_is_what_was_ordered() -> None:
    """A payout of the whole amount finds it and waits, though the payee has less: the rest is the issuer's."""
    world = restored()
    solid(world, costing(sent_at_a_fee(HOT, THEM, 6, 1)))
    [one] = left(world)
    assert (one.was_payout, one.to, one.amount_minor) == (True, THEM.base58, 7)
    assert one.stream == lost_stream(THEM.base58, 7)
    assert (moved(world, books.LOST_HISTORY), moved(world, books.HOT_WALLET)) == (7, -7)
    assert causes(world) == ("restored",)


def test_of_a_sweep_that_the_token_took_a_fee_of_the_fee_is_an_expense() -> None:
    """The hot wallet has the rest, and Suspense is as it was."""
    world = restored()
    solid(world, sent_at_a_fee(US, HOT, 6, 1))
    assert [it.was_payout for it in left(world)] == [False]
    assert moved(world, books.SUSPENSE) == 0
    assert moved(world, books.NETWORK_FEE) == 1
    assert (moved(world, books.PAYIN_WALLETS), moved(world, books.HOT_WALLET)) == (-7, 6)


def test_a_sweep_of_lost_history_leaves_suspense_as_it_was() -> None:
    """The hot wallet has what the deposit address had, and nobody is asked about it."""
    world = restored()
    solid(world, costing(owned(1, US, TRIGGER, "SUCCESS", transfer_log(US, HOT, 7))))
    assert [it.was_payout for it in left(world)] == [False]
    assert moved(world, books.SUSPENSE) == 0
    assert (moved(world, books.PAYIN_WALLETS), moved(world, books.HOT_WALLET)) == (-7, 7)
    assert world.alarms == []


@pytest.mark.parametrize(
    ("included", "account", "sun"),
    [
        (owned(1, HOT, TRIGGER, "REVERT"), books.NETWORK_FEE, BURNED),
        (owned(1, HOT, 54, frozen_balance=5), books.STAKED, 5),
        (owned(1, HOT, 57, balance=5, receiver_address=bytes(US)), books.NETWORK_FEE, BURNED),
        (trx_transfer(1, US, 5, sender=HOT), books.PAYIN_WALLETS, 5),
    ],
    ids=["a failed call", "a freeze", "lent energy", "TRX for a deposit address"],
)
def test_what_our_wallets_do_beside_paying_is_booked(included: Included, account: str, sun: int) -> None:
    """Fees, stake and coins between our own wallets, and nothing of it is open."""
    world = restored()
    solid(world, costing(included))
    assert [it.was_payout for it in left(world)] == [False]
    assert moved(world, account, "TRX") == sun
    assert causes(world) == ("restored",)


@pytest.mark.parametrize(
    "included",
    [
        owned(1, HOT, TRIGGER, "SUCCESS"),
        owned(1, HOT, TRIGGER, "SUCCESS", transfer_log(HOT, THEM, 5), transfer_log(HOT, US, 5)),
        sent_at_a_fee(HOT, THEM, 6, 1, ordered=8),
        owned(1, US, TRIGGER, "SUCCESS", transfer_log(US, THEM, 5)),
        trx_transfer(1, THEM, 5, sender=HOT),
        owned(1, HOT, 59),
    ],
    ids=[
        "an approval",
        "two at once",
        "two that are not what was ordered",
        "a deposit address's coins to a stranger",
        "TRX to a stranger",
        "unfreezes called off",
    ],
)
def test_what_this_program_never_does_is_no_lost_history(included: Included) -> None:
    """Somebody else has a key, restored or not."""
    world = restored()
    solid(world, included)
    assert left(world) == []
    assert causes(world) == ("restored", "outgoing_unexplained")


def test_a_payout_that_was_prepared_before_the_copy_ends_as_ever() -> None:
    """Its bytes were signed after the copy was made: they are its own, and neither lost nor unexplained."""
    payment = owned(1, HOT, TRIGGER, "SUCCESS", transfer_log(HOT, THEM, 1_000_000))
    world, wished = World(), order(ACCOUNT, "p1", 1_000_000)
    prepared = msgspec.structs.replace(attempt(wished), txid=payment.transaction.txid)
    execute(
        world.ledger,
        fund(ACCOUNT, 10_000_000, "a"),
        request_payout(wished),
        PrepareAttempt(wished, ACTOR, attempt=prepared),
        RestoreStore(9, None, 0, 0, "the machine burnt down", ACTOR),
    )
    solid(world, payment)
    assert left(world) == []
    assert causes(world) == ("restored",)


def test_bytes_of_ours_that_another_copy_signed_are_booked_by_their_own_end_alone() -> None:
    """They stop signing, as nobody here signed them; the payout's own receipt books them, and nothing does so twice."""
    payment = owned(1, HOT, TRIGGER, "SUCCESS", transfer_log(HOT, THEM, 1_000_000))
    world, wished = World(), order(ACCOUNT, "p1", 1_000_000)
    prepared = msgspec.structs.replace(attempt(wished), txid=payment.transaction.txid)
    execute(
        world.ledger,
        fund(ACCOUNT, 10_000_000, "a"),
        request_payout(wished),
        PrepareAttempt(wished, ACTOR, attempt=prepared),
    )
    solid(world, payment)
    assert left(world) == []
    assert causes(world) == ("outgoing_unexplained",)


def test_what_the_copy_knew_is_no_lost_history() -> None:
    """A transaction in a block that the copy had read was unexplained then, and is now; either way it is booked."""
    world = World()
    execute(world.ledger, RestoreStore(world.store.head(), None, 9, 0, "the machine burnt down", ACTOR))
    solid(world, owned(1, HOT, TRIGGER, "SUCCESS", transfer_log(HOT, THEM, 7)))
    assert causes(world) == ("restored", "outgoing_unexplained")
    assert moved(world, books.LOST_HISTORY) == 7


def test_without_a_restore_it_stops_signing_and_is_booked_all_the_same() -> None:
    """The same payment, in a history that is whole, is a sign of theft: booked, and rung as that alone."""
    world = World()
    solid(world, owned(1, HOT, TRIGGER, "SUCCESS", transfer_log(HOT, Address.from_evm(bytes([9]) * 20), 7)))
    assert causes(world) == ("outgoing_unexplained",)
    assert (moved(world, books.LOST_HISTORY), moved(world, books.HOT_WALLET)) == (7, -7)
    assert [name for name, _ in world.alarms] == ["outgoing_unexplained"]
