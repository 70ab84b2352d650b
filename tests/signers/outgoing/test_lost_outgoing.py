"""A restored history: what may be paid already is not paid again, until an operator says what left was."""

from unittest.mock import patch

import msgspec
import pytest

from core.ledger import books
from core.ledger.journal import TREASURY
from core.ledger.ledger import Accepted, Command, Refused
from core.ledger.refusals import (
    AlreadyAttributed,
    MayBePaidAlready,
    PayoutNotAttributable,
    PayoutNotCancellable,
    RestoreNotSettled,
)
from core.streams.attempts import PrepareAttempt
from core.streams.lost_ends import AttributeLost, WriteOffLost
from core.streams.lost_outgoing import LeftInLostHistory
from core.streams.notices import Notice, OutgoingUnexplained, RecordNotice
from core.streams.payout.ends import CancelPayout
from core.streams.payouts import PayoutOrder, PayoutWaiting
from core.streams.restores import RestoreStore
from core.streams.signing import ResumeSigning, Settlement
from signers.outgoing.open_payouts import OpenPayouts
from tests.signers.outgoing.world import AMOUNT, COINS, FEE, HOT, World
from tests.signers.payments import STRANGER
from tests.support.history import ACTOR, ALICE, PAYEE, attempt

pytestmark = pytest.mark.fast

LOST = LeftInLostHistory(
    txid="ab" * 32,
    wallet="hot",
    address=HOT.base58,
    block_number=8,
    block_timestamp_ms=1,
    burned_sun=345_000,
    to=PAYEE.base58,
    amount_minor=AMOUNT,
    currency="USDT",
)
SETTLED = Settlement(lost=(LOST.stream,), waits_for="")


class Restored(World):
    """A hot wallet that paid PAYEE once in history that a restore lost: the chain has it, the books have not."""

    def __init__(self) -> None:
        whole = 1_000 * COINS
        super().__init__(usdt_minor=whole - AMOUNT, sun=whole - LOST.burned_sun)
        self.funded = (whole, whole)
        self.do(RestoreStore(self.store.head(), None, 7, 0, "the machine burnt down", ACTOR))
        self.do(self.report(LOST))

    def report(self, left: LeftInLostHistory, sent_by: str | None = None) -> RecordNotice:
        """What the recorder hears of it."""
        told = Notice("outgoing", left.txid, None, left.block_number, "cd" * 32, 1, HOT.base58, "hot")
        return RecordNotice(told, sent_by, ACTOR, left)

    def do(self, command: Command) -> None:
        [outcome] = self.ledger.execute([command])
        assert isinstance(outcome, Accepted), outcome

    def refuses(self, command: Command, refusal: type) -> None:
        [outcome] = self.ledger.execute([command])
        assert isinstance(outcome, Refused), outcome
        assert isinstance(outcome.refusal, refusal)

    def resume(self) -> ResumeSigning:
        return ResumeSigning(("restored",), "looked", ACTOR, SETTLED)

    def states(self, *wished: PayoutOrder) -> list[str]:
        return [self.payout(each).state for each in wished]


@pytest.fixture
def world() -> Restored:
    return Restored()


def test_what_left_is_booked_and_does_not_stop_signing_once_more(world: Restored) -> None:
    """The coins and the TRX are out of the hot wallet's accounts, nothing is unexplained, and a second report adds nothing."""
    assert world.balance(TREASURY, books.LOST_HISTORY) == AMOUNT
    assert world.balance(TREASURY, books.NETWORK_FEE, "TRX") == LOST.burned_sun
    head = world.store.head()
    world.ledger.execute([world.report(LOST)])
    assert world.store.head() == head
    assert world.events(OutgoingUnexplained) == []
    assert world.balance(TREASURY, books.HOT_WALLET) == world.node.usdt_of(HOT)
    assert world.balance(TREASURY, books.HOT_WALLET, "TRX") == world.node.sun_of(HOT) - world.funded[1]


def test_a_payout_that_may_be_paid_waits_and_others_are_paid(world: Restored) -> None:
    """Only the same payee and amount waits, whoever asks; its account's others go on, and its client is told why."""
    asked_again, other = world.request("p1"), world.request("p2", to=STRANGER)
    world.do(AttributeLost(LOST.stream, LOST.txid, world.request("first").payout_id, ACTOR))
    world.do(world.resume())
    world.live()
    assert world.states(asked_again, other) == ["confirmed", "confirmed"]

    open_again = msgspec.structs.replace(LOST, txid="cd" * 32)
    world.do(RestoreStore(world.store.head(), None, 7, 0, "and again", ACTOR))
    world.do(world.report(open_again))
    asked, also = world.request("p3"), world.request("p4", to=STRANGER)
    world.live()
    assert world.states(asked, also) == ["requested", "requested"]
    assert {it.reason for it in world.events(PayoutWaiting) if it.payout_id == asked.payout_id} == {
        "may_be_paid_already"
    }


def test_attributed_the_payout_ends_as_confirmed_and_nothing_leaves(world: Restored) -> None:
    """It has the lost transaction's id, its fee is charged, and coins move in the books alone, while signing is stopped."""
    wished = world.request("p1")
    world.do(AttributeLost(LOST.stream, LOST.txid, wished.payout_id, ACTOR))
    world.live(3)
    assert world.payout(wished).state == "confirmed"
    assert world.payout(wished).txid == LOST.txid
    assert world.balance(TREASURY, books.LOST_HISTORY) == 0
    assert world.balance(TREASURY, books.FEE_REVENUE) == -FEE
    assert world.node.transfers_from(HOT) == []
    assert world.balance(ALICE, books.CLEARING) == 0


def test_of_two_equal_payouts_one_is_what_left_and_the_other_is_paid(world: Restored) -> None:
    """Both wait until the transfer is said to be the first; then the second is made, once."""
    first, second = world.request("p1"), world.request("p2")
    world.do(AttributeLost(LOST.stream, LOST.txid, first.payout_id, ACTOR))
    world.do(world.resume())
    world.live()
    assert world.states(first, second) == ["confirmed", "confirmed"]
    assert [amount for _, amount in world.node.transfers_from(HOT)] == [AMOUNT]


def test_written_off_the_operator_bears_it_and_the_payout_is_made(world: Restored) -> None:
    """Out of Lost_History into Operator_Capital, once."""
    wished = world.request("p1")
    world.do(WriteOffLost(LOST.stream, LOST.txid, "paid by hand, no client knows it", ACTOR))
    world.refuses(AttributeLost(LOST.stream, LOST.txid, wished.payout_id, ACTOR), AlreadyAttributed)
    world.do(world.resume())
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert world.balance(TREASURY, books.OPERATOR_CAPITAL) == AMOUNT


def test_the_signers_own_decision_refuses_the_bytes(world: Restored) -> None:
    """Whatever its worker believes, no bytes of such a payout are made or signed, and it is not cancelled either."""
    wished = world.request("p1")
    world.ledger.execute([ResumeSigning(("restored",), "looked", ACTOR, Settlement(lost=(), waits_for=""))])
    world.refuses(PrepareAttempt(wished, ACTOR, attempt=attempt(wished)), MayBePaidAlready)
    world.refuses(CancelPayout(wished, ACTOR), PayoutNotCancellable)


def test_a_transfer_is_only_a_payout_that_fits(world: Restored) -> None:
    """Same payee and amount, still open, no bytes of its own alive; and each payout is one transfer."""
    other = world.request("p1", to=STRANGER)
    world.refuses(AttributeLost(LOST.stream, LOST.txid, other.payout_id, ACTOR), PayoutNotAttributable)
    wished = world.request("p2")
    world.do(AttributeLost(LOST.stream, LOST.txid, wished.payout_id, ACTOR))
    world.refuses(AttributeLost(LOST.stream, LOST.txid, other.payout_id, ACTOR), AlreadyAttributed)


def test_trx_that_left_were_no_payout_of_as_many_minor_units(world: Restored) -> None:
    """Same payee and the same number, of another currency: nobody was paid USDT by it."""
    in_trx = msgspec.structs.replace(LOST, txid="ef" * 32, currency="TRX")
    world.do(world.report(in_trx))
    wished = world.request("p1")
    world.refuses(AttributeLost(in_trx.stream, in_trx.txid, wished.payout_id, ACTOR), PayoutNotAttributable)


def test_signing_is_not_resumed_while_anything_is_open(world: Restored) -> None:
    """Nor before anybody has looked at the chain, nor while a transfer is open, whatever else is resumed with it."""
    world.refuses(ResumeSigning(("restored",), "looked", ACTOR), RestoreNotSettled)
    world.refuses(world.resume(), RestoreNotSettled)
    world.do(WriteOffLost(LOST.stream, LOST.txid, "nobody's", ACTOR))
    world.refuses(ResumeSigning(("restored",), "looked", ACTOR, Settlement(waits_for="blocks")), RestoreNotSettled)
    world.do(world.resume())


def test_resuming_pays_no_open_payout_that_an_unexplained_transfer_resembles() -> None:
    """Without any restore: what nobody here signed may have been this payout, so it waits, after a restart, too."""
    world = World()
    wished = world.request("p1")
    told = Notice("outgoing", LOST.txid, None, 3, "cd" * 32, 1, HOT.base58, "hot")
    [outcome] = world.ledger.execute([RecordNotice(told, None, ACTOR, LOST)])
    assert isinstance(outcome, Accepted)
    assert len(world.events(OutgoingUnexplained)) == 1
    world.live(3)
    world.ledger.execute([ResumeSigning(("outgoing_unexplained",), "looked", ACTOR)])
    world.live()
    world.start()
    other = world.request("p2", to=STRANGER)
    world.live()
    assert [world.payout(each).state for each in (wished, other)] == ["requested", "confirmed"]
    attributed = AttributeLost(LOST.stream, LOST.txid, wished.payout_id, ACTOR)
    assert isinstance(world.ledger.execute([attributed])[0], Accepted)
    world.live(2)
    assert world.payout(wished).state == "confirmed"
    assert len(world.node.transfers_from(HOT)) == 1


@pytest.mark.parametrize("guard", ["core.streams.payouts.may_be_paid", "core.streams.payout.ends.may_be_paid"])
def test_without_its_guard_what_may_be_paid_is_paid_or_taken_back(guard: str, world: Restored) -> None:
    """The decisions hold it, whatever the worker believes: each look taken away is missed."""
    wished = world.request("p1")
    world.ledger.execute([ResumeSigning(("restored",), "looked", ACTOR, Settlement(lost=(), waits_for=""))])
    with patch(guard, lambda *_: None), patch.object(OpenPayouts, "_may_lack", False):
        world.live()
        world.ledger.execute([CancelPayout(wished, ACTOR)])
    assert world.payout(wished).state in ("confirmed", "cancelled")


def test_a_worker_that_knows_of_no_loss_is_refused_by_the_decision(world: Restored) -> None:
    """Nothing leaves for it."""
    wished = world.request("p1")
    world.ledger.execute([ResumeSigning(("restored",), "looked", ACTOR, Settlement(lost=(), waits_for=""))])
    with patch.object(OpenPayouts, "_may_lack", False):
        for _ in range(5):
            world.worker.step()
    assert world.payout(wished).state == "requested"
    assert world.node.sent == []
