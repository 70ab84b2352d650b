"""Nothing is believed, signed or promised that was not ordered."""

import logging
from collections.abc import Callable

import msgspec
import pytest

from core.ports.queues import Message
from core.streams.attempts import PrepareAttempt
from core.streams.payout.ends import CancelPayout
from core.streams.payout.work import PayoutWork
from core.streams.payouts import PayoutExpired, PayoutFailed, payout_stream
from core.tron.chain import Log, Receipt
from projections.explain.signing import holding
from signers.keys.keys import SoftwareKey
from signers.outgoing.settlement import UnexplainedTransfer
from signers.transactions.signer import SignatureRefused
from tests.signers.outgoing.world import AMOUNT, COINS, HOT, LIFE_BLOCKS, ShutKey, World
from tests.signers.payments import STRANGER
from tests.support.history import ACTOR, ALICE, PAYEE, execute, order

pytestmark = [pytest.mark.fast, pytest.mark.long]


def test_a_receipt_without_the_transfer_log_is_a_failure(world: World) -> None:
    """SUCCESS alone pays nobody: without coins leaving the wallet the client is refunded (FAILURES 14)."""
    wished = world.request("p1")
    _change_receipt(world, lambda logs: ())
    world.live()
    assert world.payout(wished).state == "failed"
    assert [event.failure_code for event in world.events(PayoutFailed)] == ["transfer_log_missing"]


def test_a_zero_value_log_is_no_transfer(world: World) -> None:
    """Anybody can make the token log a transfer of 0 out of our wallet: it proves nothing (FAILURES 10)."""
    wished = world.request("p1")
    _change_receipt(world, lambda logs: tuple(msgspec.structs.replace(log, data=bytes(32)) for log in logs))
    world.live()
    assert world.payout(wished).state == "failed"


def test_coins_that_left_otherwise_than_ordered_stop_the_worker(world: World) -> None:
    """Neither confirmed nor refunded: a person has to look."""
    wished = world.request("p1")
    _change_receipt(
        world, lambda logs: tuple(msgspec.structs.replace(log, data=(AMOUNT + 1).to_bytes(32, "big")) for log in logs)
    )
    with pytest.raises(UnexplainedTransfer):
        world.live()
    assert world.payout(wished).state == "broadcasted"


def _change_receipt(world: World, change: Callable[[tuple[Log, ...]], tuple[Log, ...]]) -> None:
    """The node lies about the logs of solid receipts."""
    truth = world.node.solid_receipt

    def lie(txid: str) -> Receipt | None:
        receipt = truth(txid)
        return receipt and msgspec.structs.replace(receipt, logs=change(receipt.logs))

    world.node.solid_receipt = lie


def test_another_transactions_receipt_is_not_believed(world: World) -> None:
    """A node that answers with the wrong receipt is an alarm, not news; the other payout is settled meanwhile."""
    wished = world.request("p1")
    other = world.request("p2")
    world.work()
    truth = world.node.solid_receipt
    txids = {world.attempt(wished).txid: world.attempt(other).txid}
    world.node.solid_receipt = lambda txid: truth(txids.get(txid, txid))
    world.live()
    assert (world.payout(wished).state, world.payout(other).state) == ("broadcasted", "confirmed")
    assert world.alarms == ["payout_disputed"]


def test_a_hijacked_wallet_signs_nothing(world: World) -> None:
    """Another key in the owner permission stops signing, with a cause of its own that names the key (FAILURES 22)."""
    wished = world.request("p1")
    world.node.hijack(HOT, STRANGER)
    world.work()
    world.work()
    assert [each.cause for each in holding(world.store)] == ["wallet_permission_changed"]
    assert STRANGER.base58 in holding(world.store)[0].sentence
    assert world.payout(wished).attempts.signature is None
    assert world.node.sent == []
    assert world.alarms == ["wallet_permissions_differ"]


def test_recorded_bytes_that_differ_from_the_order_get_no_signature(world: World) -> None:
    """The prepared event says one thing and the order another: refused, and the worker stops (I8)."""
    wished, other = world.request("p1"), world.request("p2", 2 * AMOUNT)
    world.worker.step()
    forged = msgspec.structs.replace(world.attempt(other), number=1)
    poisoned = World()
    victim = poisoned.request("p1")
    execute(poisoned.ledger, PrepareAttempt(victim, ACTOR, attempt=forged))
    assert victim == wished
    with pytest.raises(SignatureRefused):
        poisoned.work()
    assert poisoned.payout(victim).attempts.signature is None


def test_bytes_of_another_wallet_are_left_to_die(world: World) -> None:
    """After a change of the hot wallet the old one's unsigned bytes are proven dead, then the new one pays."""
    wished = world.request("p1")
    world.worker.step()
    old = world.attempt(wished)
    successor = SoftwareKey(bytes([2]) * 32)
    world.node.fund(successor.address, usdt_minor=100 * COINS, sun=100 * COINS)
    world.start(key=successor)
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert world.attempt(wished).from_address == successor.address.base58
    assert [event.txid for event in world.events(PayoutExpired)] == [old.txid]
    assert world.node.transfers_from(HOT) == []


def test_a_key_out_of_reach_delays_and_nothing_else(world: World) -> None:
    """A remote key that does not answer leaves the payout prepared; the same bytes are signed once it does."""
    wished = world.request("p1")
    world.start(key=ShutKey())
    for _ in range(4):
        world.worker.step()
    assert world.payout(wished).attempts.signature is None
    prepared = world.attempt(wished)
    world.start()
    world.live()
    assert world.payout(wished).txid == prepared.txid


def test_a_cancelled_payout_is_never_prepared(world: World) -> None:
    """The client was faster than the worker."""
    wished = world.request("p1")
    execute(world.ledger, CancelPayout(wished, "api-key:1"))
    world.live(3)
    assert world.payout(wished).state == "cancelled"
    assert world.node.sent == []


def test_two_workers_at_once_pay_once(world: World) -> None:
    """They read the same history and take turns: the second's commands are refused or already done."""
    orders = [world.request(f"p{number}", COINS) for number in range(5)]
    one, other = world.start(), world.start()
    for _ in range(LIFE_BLOCKS):
        for worker in (one, other, other, one):
            worker.step()
        world.node.mine()
    assert {world.payout(wished).state for wished in orders} == {"confirmed"}
    assert len(world.node.transfers_from(HOT)) == len(orders)
    world.assert_books_are_the_chain()


def test_the_queue_is_only_a_prompt(world: World) -> None:
    """A forged message pays nobody, an unreadable one is buried, and with no message at all the payout is made (I11, I14)."""
    work = msgspec.json.encode(PayoutWork(order(ALICE, "never requested", AMOUNT).payout_id, ALICE))
    world.queue.send([Message(work, "a", "1"), Message(b"\xff{", "b", "2"), Message(b'{"pay": 1}', "c", "3")])
    assert world.worker.step()
    assert world.queue.depth() == 0
    assert [body for body, _ in world.queue.buried] == [b"\xff{", b'{"pay": 1}']
    wished = world.request("p1")
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert world.node.usdt_of(PAYEE) == AMOUNT


def test_an_idle_worker_asks_the_node_nothing(world: World) -> None:
    """Without open payouts a step costs one look at the queue and one at the history."""
    world.work()
    world.node.head = None
    assert not world.worker.step()


def test_the_bookmark_stays_below_every_open_payout(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart reads from the oldest open payout on, not from the beginning, and misses none (I9)."""
    monkeypatch.setattr("signers.open_streams.SAVE_EVERY", 1)
    world.request("done")
    world.live()
    open_one = world.request("open")
    world.work()
    position = next(r.position for r in world.store.events if r.stream == payout_stream(open_one.payout_id))
    assert world.bookmarks.rows == {"payouts": position - 1}
    world.start()
    world.live()
    assert world.payout(open_one).state == "confirmed"


def test_a_worker_behind_the_history_promises_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until all that is in flight is known, the node is not asked and nothing is prepared from the same coins."""
    world.request("p1")
    head = world.store.head()
    monkeypatch.setattr("signers.open_streams.PAGE_EVENTS", head)
    with monkeypatch.context() as deaf:
        deaf.setattr(world.node, "solid", None)
        assert world.worker.step()
    assert world.store.head() == head
    world.live()
    assert len(world.node.transfers_from(HOT)) == 1


def test_no_secret_and_every_step_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The log tells each transition with its position, and holds neither a signature nor signed bytes (I13)."""
    with caplog.at_level(logging.INFO):
        wished = world.request("p1")
        world.live()
    for kind in ("PayoutPrepared", "PayoutSigned", "PayoutBroadcast", "PayoutConfirmed"):
        assert f"{payout_stream(wished.payout_id)}: {kind} at" in caplog.text
    signature = world.payout(wished).attempts.signature
    assert signature is not None
    assert signature not in caplog.text
