"""A payout's life on the devnet's real rules: at most one transfer (I7), whatever happens and in whatever order."""

from collections import Counter

import msgspec
import pytest

from core.ledger import books
from core.ledger.journal import TREASURY
from core.streams.attempts import Attempt
from core.streams.payouts import (
    PayoutBroadcast,
    PayoutExpired,
    PayoutFailed,
    PayoutPrepared,
    PayoutSigned,
)
from core.tron.chain import BroadcastAnswer
from signers.outgoing.hot_wallet import KEPT_MINOR
from signers.outgoing.outgoing import REBROADCAST_MS
from signers.outgoing.settlement import proof_of_death
from tests.signers.outgoing.world import AMOUNT, ANSWERS, COINS, FEE, HOT, LIFE_BLOCKS, RULES, World
from tests.support.devnet import BLOCK_MS, SOLID_LAG, Fate
from tests.support.history import ALICE, PAYEE
from tests.support.memory import Crash, Fuse

pytestmark = [pytest.mark.fast, pytest.mark.long]


def solid_as_old(world: World, attempt: Attempt) -> str:
    """The id of the first block as old as the expiration."""
    blocks = world.node.devnet.chain.blocks
    return next(block.block_id for block in blocks if block.timestamp_ms >= attempt.expiration_ms)


def test_a_payout_is_prepared_signed_broadcast_and_confirmed_once_solid(world: World) -> None:
    """The payee gets the exact amount, the client pays amount and fee, the TRX burned are the operator's cost."""
    wished = world.request("p1")
    world.work()
    assert world.payout(wished).state == "broadcasted"
    world.node.mine(2)
    world.work()
    assert world.payout(wished).state == "broadcasted"  # in a block, not yet solid
    world.live(SOLID_LAG)
    assert world.payout(wished).state == "confirmed"
    assert world.node.usdt_of(PAYEE) == AMOUNT
    assert world.balance(ALICE, books.USER_LIABILITY) == -(1_000 * COINS - AMOUNT - FEE)
    assert world.balance(TREASURY, books.FEE_REVENUE) == -FEE
    assert world.balance(TREASURY, books.NETWORK_FEE, "TRX") == world.funded[1] - world.node.sun_of(HOT) > 0
    kinds = [type(recorded.event).__name__ for recorded in world.store.events][-5:]
    assert kinds == ["PayoutRequested", "PayoutPrepared", "PayoutSigned", "PayoutBroadcast", "PayoutConfirmed"]
    world.assert_books_are_the_chain()


def test_nothing_is_broadcast_before_its_signature_is_durable(world: World) -> None:
    """When bytes reach the node, the event with their signature already stands in the history (TRON 12.27)."""
    wished = world.request("p1")
    seen = []
    broadcast = world.node.broadcast

    def observed(signed: bytes) -> BroadcastAnswer:
        seen.append((len(world.events(PayoutSigned)), len(world.events(PayoutBroadcast))))
        return broadcast(signed)

    world.node.broadcast = observed
    world.work()
    assert seen == [(1, 1)]
    signature = world.payout(wished).attempts.signature
    assert signature is not None
    assert bytes.fromhex(signature) in world.node.sent[0]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.code or answer.verdict)
@pytest.mark.parametrize("fate", ["mined", "reverted", "never mined", "mined at the last moment"])
def test_no_answer_to_a_broadcast_decides_anything(world: World, answer: BroadcastAnswer, fate: str) -> None:
    """Whatever a node says and whatever becomes of the bytes: at most one transfer, and the state that the chain shows."""
    wished = world.request("p1")
    world.node.fate = Fate(arrives=fate == "mined", kept=fate != "mined", answer=answer)
    world.work()
    first = world.attempt(wished)
    if fate == "reverted":
        world.node.owner_calls("pause()")
        world.node.deliver()
    elif fate == "mined at the last moment":
        while world.node.head().timestamp_ms + 2 * BLOCK_MS <= first.expiration_ms:
            world.node.mine()
            world.work()
        del world.node.kept[1:]
        world.node.deliver()
    world.live()
    if fate == "never mined":
        assert [event.txid for event in world.events(PayoutExpired)] == [first.txid]
        world.node.fate = Fate()
        world.live()
        assert world.attempt(wished).number > 1
    payout = world.payout(wished)
    assert payout.state == ("failed" if fate == "reverted" else "confirmed")
    transfers = world.node.transfers_from(HOT)
    assert [amount for _, amount in transfers] == ([] if fate == "reverted" else [AMOUNT])
    if fate == "reverted":
        assert [event.failure_code for event in world.events(PayoutFailed)] == ["reverted"]
    world.assert_books_are_the_chain()


def _calls_of_a_life() -> int:
    """How many calls a payout takes, from the request to its end."""
    counter = Fuse(at=1_000_000)
    world = World()
    wished = world.request("p1")
    world.start(counter)
    while world.payout(wished).state != "confirmed":
        world.work()
        world.node.mine()
    return counter.passed


@pytest.mark.long
def test_a_crash_between_any_two_calls_is_a_restart() -> None:
    """Die before and after every call of store, node, queue and bookmarks: the restarted worker pays exactly once."""
    calls = _calls_of_a_life()
    assert calls > 60
    for at in range(calls):
        world = World()
        wished = world.request("p1")
        world.start(Fuse(at))
        with pytest.raises(Crash):
            world.live()
        world.start()
        world.live()
        assert world.payout(wished).state == "confirmed", at
        assert [amount for _, amount in world.node.transfers_from(HOT)] == [AMOUNT], at
        world.assert_books_are_the_chain()


def test_a_prepared_payout_is_signed_again_to_the_same_bytes(world: World) -> None:
    """A worker that died between prepared and signed leaves bytes that the next one signs as they are."""
    wished = world.request("p1")
    world.worker.step()
    prepared = world.attempt(wished)
    assert world.payout(wished).attempts.signature is None
    world.start()
    world.live()
    assert world.payout(wished).txid == prepared.txid
    assert len(world.events(PayoutPrepared)) == 1


def test_the_same_bytes_go_out_again_until_they_are_seen_or_dead(world: World) -> None:
    """A node that forgot them gets them every 30 s of chain time, and never after the expiration."""
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    world.work()
    attempt = world.attempt(wished)
    while world.node.head().timestamp_ms < attempt.expiration_ms:
        world.node.mine()
        world.work()
    sent = Counter(world.node.sent)
    assert len(sent) == 1
    assert sum(sent.values()) == -(-RULES.lifetime_ms // REBROADCAST_MS)


def test_expired_bytes_are_not_replaced_before_a_solid_block_is_as_old(world: World) -> None:
    """Chain time at the head proves nothing: a second attempt needs a solid block at or after the expiration (I7)."""
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    world.work()
    first = world.attempt(wished)
    while world.node.solid().timestamp_ms < first.expiration_ms:
        assert world.attempt(wished) == first
        world.node.mine()
        world.work()
    assert world.attempt(wished).number == 2
    [proof] = world.events(PayoutExpired)
    assert isinstance(proof, PayoutExpired)
    assert proof.proof.last_timestamp_ms >= first.expiration_ms
    blocks = world.node.devnet.chain.blocks[first.ref_block_number + 1 : proof.proof.last_block_number + 1]
    assert proof.proof.blocks == len(blocks)
    assert (proof.proof.first_block_id, proof.proof.last_block_id) == (blocks[0].block_id, blocks[-1].block_id)
    assert all(block.timestamp_ms < first.expiration_ms for block in blocks[:-1])


@pytest.mark.parametrize("older_ms", [-BLOCK_MS, -1, 0, BLOCK_MS])
@pytest.mark.parametrize("included", [True, False])
def test_death_is_proven_by_age_and_absence_together(world: World, older_ms: int, included: bool) -> None:
    """A solid block as old as the expiration, and a log without the txid: one without the other proves nothing (I7)."""
    world.node.fate = Fate(arrives=included)
    wished = world.request("p1")
    world.work()
    world.node.mine(LIFE_BLOCKS)
    solid, attempt = world.node.solid(), world.attempt(wished)
    attempt = msgspec.structs.replace(attempt, expiration_ms=solid.timestamp_ms - older_ms)
    proof = proof_of_death(world.log, attempt)
    assert (proof is not None) == (older_ms >= 0 and not included)
    assert proof is None or (proof.covers(attempt) and proof.last_block_id == solid_as_old(world, attempt))


def test_a_new_attempt_is_broadcast_at_once() -> None:
    """When the last bytes went out decides nothing about the next ones, even where blocks become solid within a second."""
    world = World(rules=msgspec.structs.replace(RULES, lifetime_ms=20_000), block_ms=100)
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    while len(world.events(PayoutBroadcast)) < 2:
        world.work()
        world.node.mine()
    world.work()
    assert world.attempt(wished).number == 2
    assert len(set(world.node.sent)) == 2


def test_a_prepared_payout_that_expired_unsigned_is_prepared_anew(world: World) -> None:
    """Bytes that lay too long are never signed: they are proven dead first, as if they had been out."""
    wished = world.request("p1")
    world.worker.step()
    stale = world.attempt(wished)
    world.node.mine(LIFE_BLOCKS)
    world.start()
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert world.payout(wished).txid != stale.txid
    assert len(world.events(PayoutSigned)) == 1


def test_a_payout_that_is_never_mined_fails_after_proof_of_every_attempt() -> None:
    """The client gets its coins back only when each attempt is proven dead (FAILURES 30)."""
    world = World(rules=msgspec.structs.replace(RULES, attempts_max=2))
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    world.live(3 * LIFE_BLOCKS)
    assert world.payout(wished).state == "failed"
    assert len(world.events(PayoutExpired)) == 2
    assert [event.failure_code for event in world.events(PayoutFailed)] == ["not_mined"]
    assert world.balance(ALICE, books.USER_LIABILITY) == -1_000 * COINS
    world.assert_books_are_the_chain()


def test_equal_payouts_have_different_txids_and_all_arrive(world: World) -> None:
    """Sixty equal payouts on one block are sixty transactions and sixty transfers (FAILURES 27)."""
    orders = [world.request(f"p{number}", COINS) for number in range(60)]
    world.live()
    assert {world.payout(wished).state for wished in orders} == {"confirmed"}
    assert len({world.payout(wished).txid for wished in orders}) == len(orders)
    assert len({world.attempt(wished).ref_block_id for wished in orders}) <= 2
    assert world.node.usdt_of(PAYEE) == len(orders) * COINS
    world.assert_books_are_the_chain()


def test_payouts_of_one_step_are_one_append(world: World) -> None:
    """Throughput is not one commit per payout: thirty are prepared in one append, signed and broadcast in the next."""
    for number in range(30):
        world.request(f"p{number}", COINS)
    appends = []
    append = world.store.append
    world.store.append = lambda *args: (appends.append(args[0]), append(*args))
    world.work()
    assert len(world.events(PayoutBroadcast)) == 30
    assert len(appends) == 2


def test_payouts_wait_in_order_for_the_hot_wallet() -> None:
    """What the wallet cannot pay waits and does not fail; what comes after waits behind it, even if it is small."""
    world = World(usdt_minor=30 * COINS)
    first, second, third = (world.request(name, units * COINS) for name, units in (("a", 20), ("b", 20), ("c", 5)))
    world.live()
    assert [world.payout(wished).state for wished in (first, second, third)] == ["confirmed", "requested", "requested"]
    world.node.fund(HOT, usdt_minor=15 * COINS)
    world.live()
    assert [world.payout(wished).state for wished in (second, third)] == ["confirmed", "requested"]  # a unit is kept
    world.node.fund(HOT, usdt_minor=KEPT_MINOR)
    world.funded = (world.funded[0] + 15 * COINS + KEPT_MINOR, world.funded[1])
    world.live()
    assert world.payout(third).state == "confirmed"
    assert world.node.usdt_of(HOT) == KEPT_MINOR
    assert set(world.alarms) == {"hot_wallet_short"}
    world.assert_books_are_the_chain()


def test_what_is_in_flight_is_not_spent_twice() -> None:
    """Two payouts that the wallet can make only one of: the second waits until the first is settled, and never reverts."""
    world = World(usdt_minor=30 * COINS)
    first, second = world.request("a", 20 * COINS), world.request("b", 20 * COINS)
    world.work()
    assert [world.payout(wished).state for wished in (first, second)] == ["broadcasted", "requested"]
    world.start()
    world.work()
    assert world.payout(second).state == "requested"


def test_payouts_wait_for_trx(caplog: pytest.LogCaptureFixture) -> None:
    """Without TRX for the fee limit nothing is prepared and the log says once what lacks; with it, the payout is made."""
    world = World(sun=5 * COINS)
    wished = world.request("p1")
    world.live(5)
    assert world.payout(wished).state == "requested"
    [told] = [record.getMessage() for record in caplog.records if "waits" in record.getMessage()]
    assert told.startswith(f"payout {wished.payout_id} waits, and all behind it: it lacks 10.")
    world.node.fund(HOT, sun=50 * COINS)
    world.live()
    assert world.payout(wished).state == "confirmed"
