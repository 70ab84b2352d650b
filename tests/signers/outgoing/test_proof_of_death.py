"""A payout is paid again only when our own log of solid blocks shows that the first bytes are dead (I7, FAILURES 20, 28-30)."""

from collections.abc import Callable, Sequence

import msgspec
import pytest

from core.ledger.events import decode, encode
from core.ledger.ledger import Refused
from core.ports.chain import Disagreement, NoSecondOpinion
from core.ports.unavailable import Unavailable
from core.streams.attempts import Attempt, ExpireAttempt, ProofOfDeath
from core.streams.payouts import PayoutExpired, PayoutOrder
from core.tron.chain import BlockRef, BroadcastAnswer, Receipt
from signers.outgoing.outgoing import KEPT_ANYWAY_BLOCKS
from signers.outgoing.payouts import Payouts
from signers.outgoing.settlement import PROOF_MS_MAX, UNSOLID_BLOCKS_MAX, BrokenLog, proof_of_death, reference_block
from tests.signers.outgoing.world import AMOUNT, ANSWERS, HOT, LIFE_BLOCKS, World
from tests.signers.payments import KEY
from tests.support.devnet import BLOCK_MS, SOLID_LAG, USDT, Fate, ref_of
from tests.support.history import ACTOR
from tests.support.leash import leash

pytestmark = [pytest.mark.fast, pytest.mark.long]


@pytest.fixture
def world() -> World:
    return World()


def hide(world: World, *answers: str) -> None:
    """The node answers {} or [] where it should show a receipt."""
    for name in answers:
        empty = [] if name == "solid_receipts" else None
        setattr(world.node, name, lambda _, empty=empty: empty)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.code or answer.verdict)
def test_a_node_that_hides_a_mined_payout_never_leads_to_a_second(world: World, answer: BroadcastAnswer) -> None:
    """It denies every receipt for ever: the payout waits, is paid once, and an alarm rings once."""
    hide(world, "receipt", "solid_receipt", "solid_receipts")
    wished = world.request("p1")
    world.node.fate = Fate(answer=answer)
    world.live(LIFE_BLOCKS + 2 * UNSOLID_BLOCKS_MAX)
    assert world.payout(wished).state == "broadcasted"
    assert len(world.payout(wished).attempts.made) == 1
    assert [amount for _, amount in world.node.transfers_from(HOT)] == [AMOUNT]
    assert world.events(PayoutExpired) == []
    assert world.alarms == ["receipt_hidden"]


def test_a_receipt_denied_by_its_id_is_found_in_its_block(world: World) -> None:
    """Our log says which block holds the payout, and that block's receipts settle it."""
    hide(world, "receipt", "solid_receipt")
    wished = world.request("p1")
    world.live()
    assert world.payout(wished).state == "confirmed"
    world.assert_books_are_the_chain()


def test_not_found_is_no_proof_while_the_log_lags(world: World) -> None:
    """The node says {} long after the expiration; until our log reaches it nothing is paid again (FAILURES 28)."""
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    world.work()
    world.log.last = world.attempt(wished).ref_block_number + 3
    world.live(PROOF_MS_MAX // BLOCK_MS + 2 * LIFE_BLOCKS)
    assert len(world.payout(wished).attempts.made) == 1
    assert world.alarms == ["proof_lacks"]
    world.log.last, world.node.fate = None, Fate()
    world.live(2 * LIFE_BLOCKS)
    assert world.payout(wished).state == "confirmed"
    assert [len(world.node.transfers_from(HOT)), len(world.events(PayoutExpired))] == [1, 1]


@pytest.mark.parametrize("gap", [1, 2, 10])
def test_a_log_with_a_gap_proves_nothing(world: World, gap: int) -> None:
    """Each block between the reference block and the expiration must be there: the payment could stand in any of them."""
    attempt = unmined(world)
    assert proof_of_death(world.log, attempt) is not None
    world.log.missing = {attempt.ref_block_number + gap}
    assert proof_of_death(world.log, attempt) is None


def test_a_log_that_begins_later_proves_nothing(world: World) -> None:
    """After a fresh install the blocks before the first scanned one are unknown."""
    attempt = unmined(world)
    world.log.first = attempt.ref_block_number + 2
    assert proof_of_death(world.log, attempt) is None
    world.log.first = attempt.ref_block_number + 1
    assert proof_of_death(world.log, attempt) is not None


def test_a_log_of_another_chain_stops_the_worker(world: World) -> None:
    """Where our log does not continue from the attempt's reference block, two chains claim to be solid."""
    attempt = unmined(world)
    with pytest.raises(BrokenLog):
        proof_of_death(world.log, msgspec.structs.replace(attempt, ref_block_id="ab" * 32))
    blocks = world.log.blocks(attempt.ref_block_number + 1, attempt.expiration_ms)
    blocks[5] = msgspec.structs.replace(blocks[5], block_id="cd" * 32)
    world.log.blocks = lambda first, until_ms: blocks
    with pytest.raises(BrokenLog):
        proof_of_death(world.log, attempt)


def test_bytes_build_on_a_block_of_our_own_log(world: World) -> None:
    """A node calls a block solid that may yet be forked away: bytes that build on it could never be proven dead (I21)."""
    world.log.last = world.node.solid().number - 5
    wished = world.request("p1")
    world.work()
    assert world.attempt(wished).ref_block_number == world.log.last


def test_bytes_build_on_what_the_node_knows_too(world: World) -> None:
    """A node that is behind our log is not sent what it cannot check."""
    solid, newest = world.node.solid(), world.log.newest()
    assert newest is not None
    lagging = world.node.devnet.chain.blocks[solid.number - 3]
    assert reference_block(world.log, BlockRef(lagging.number, "", "", 0)) == ref_of(lagging)
    assert reference_block(world.log, solid) == newest
    world.log.missing = {lagging.number}
    assert reference_block(world.log, BlockRef(lagging.number, "", "", 0)) is None


def test_without_a_log_nothing_is_made(world: World) -> None:
    """Before the observer has read its first block no end could be proven: the payout waits."""
    world.log.first = world.node.solid().number + 3
    wished = world.request("p1")
    world.work()
    assert world.payout(wished).attempts.made == ()
    world.live(5 + LIFE_BLOCKS)
    assert world.payout(wished).state == "confirmed"


def test_the_block_as_old_as_the_expiration_may_hold_the_payment(world: World) -> None:
    """A block's timestamp may exceed a contained transaction's expiration: it is looked into as well (TRON 12.30)."""
    wished = world.request("p1")
    world.work()
    world.live(SOLID_LAG + 3)
    attempt = world.attempt(wished)
    mined = world.log.find(attempt.txid)
    assert mined is not None
    at_ms = world.node.devnet.chain.blocks[mined[0]].timestamp_ms
    for expiration_ms in (at_ms - 1, at_ms):
        assert proof_of_death(world.log, msgspec.structs.replace(attempt, expiration_ms=expiration_ms)) is None


LIES: list[Callable[[ProofOfDeath], ProofOfDeath]] = [
    lambda proof: msgspec.structs.replace(proof, first_block_number=proof.first_block_number + 1),
    lambda proof: msgspec.structs.replace(proof, blocks=proof.blocks - 1),
    lambda proof: msgspec.structs.replace(proof, last_block_number=proof.last_block_number + 1),
    lambda proof: msgspec.structs.replace(proof, last_timestamp_ms=proof.last_timestamp_ms - 10 * BLOCK_MS),
    lambda proof: msgspec.structs.replace(proof, blocks=0, last_block_number=proof.first_block_number - 1),
]


@pytest.mark.parametrize("lie", LIES)
def test_a_proof_that_does_not_cover_the_attempts_life_is_refused(
    world: World, lie: Callable[[ProofOfDeath], ProofOfDeath]
) -> None:
    """The decision itself compares the proof with the attempt; the whole proof is recorded."""
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    world.work()
    world.node.mine(LIFE_BLOCKS)
    attempt = world.attempt(wished)
    proof = proof_of_death(world.log, attempt)
    assert proof is not None
    [outcome] = world.ledger.execute([ExpireAttempt(wished, ACTOR, txid=attempt.txid, proof=lie(proof))])
    assert isinstance(outcome, Refused)
    world.ledger.execute([ExpireAttempt(wished, ACTOR, txid=attempt.txid, proof=proof)])
    [expired] = world.events(PayoutExpired)
    assert isinstance(expired, PayoutExpired)
    assert expired.proof == proof


def test_an_expiry_of_version_1_is_read_as_one_without_blocks(world: World) -> None:
    """The older event named only its last block: today's form says that no log stood behind it."""
    state = (
        b'{"occurred_at":"2026-01-01T00:00:00Z","actor":"system:payouts","payout_id":"p","account_id":"a",'
        b'"txid":"t","solid_block_number":7,"solid_block_id":"id","solid_timestamp_ms":9}'
    )
    expired = decode("payout.expired/1", state)
    assert isinstance(expired, PayoutExpired)
    assert expired.proof == ProofOfDeath(7, "id", 7, "id", 9, 0)
    assert encode(expired)[0] == "payout.expired/2"


def test_the_log_is_told_to_keep_what_an_old_attempt_needs(world: World) -> None:
    """An attempt that has waited for long holds the log's blocks until it is over; nothing else holds any."""
    hide(world, "receipt", "solid_receipt", "solid_receipts")
    wished = world.request("p1")
    world.work()
    assert world.log.kept_from is None
    solid = world.node.solid()
    world.node.solid = lambda: msgspec.structs.replace(solid, number=solid.number + KEPT_ANYWAY_BLOCKS + 1)
    world.work()
    assert world.log.kept_from == world.attempt(wished).ref_block_number


def unmined(world: World) -> Attempt:
    """An attempt that never reached the chain and is past its time."""
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    world.work()
    world.node.mine(LIFE_BLOCKS)
    return world.attempt(wished)


def test_a_forged_receipt_of_a_payout_held_back_refunds_nobody(world: World) -> None:
    """The node says REVERTED in a solid block, keeps the bytes and has them mined later: paid once, refunded never."""
    world.node.fate = Fate(arrives=False, kept=True)
    wished = world.request("p1")
    world.work()
    attempt = world.attempt(wished)
    truth = world.node.solid_receipt
    solid = world.node.solid()
    world.node.solid_receipt = lambda txid: Receipt(txid, solid.number, solid.timestamp_ms, 345_000, "REVERT", True, ())
    world.node.mine(3)
    world.live(3)
    assert world.payout(wished).state == "broadcasted"
    del world.node.kept[1:]
    world.node.deliver()
    world.node.mine(SOLID_LAG + 2)
    world.live(1)
    assert world.payout(wished).state == "broadcasted"
    assert world.alarms == ["payout_disputed"]
    world.node.solid_receipt = truth
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert world.node.transfers_from(HOT) == [(attempt.txid, AMOUNT)]
    world.assert_books_are_the_chain()


class Doubt:
    """A second node that does not confirm the ends of these payouts' attempts: it contradicts the first, or cannot say."""

    def __init__(self, world: World, *doubted: PayoutOrder, error: type[Unavailable] = Disagreement) -> None:
        self.doubted = doubted
        self.asked: set[str] = set()
        self._world = world
        self._error = error
        world.worker = Payouts(
            world.ledger,
            world.store,
            world.bookmarks,
            world.queue,
            world.node,
            world.log,
            world.pool,
            KEY,
            USDT,
            world.rules,
            leash=leash(world.store, world._ring),
            alarm=world._ring,
            opinion=self,
        )

    def agree_on_solid(self, number: int) -> str:
        raise NotImplementedError

    def agree_on_receipts(self, number: int, receipts: Sequence[Receipt]) -> None:
        self._answer("receipts", receipts[0].txid)

    def agree_on_absence(self, txid: str, solid: BlockRef) -> None:
        self._answer("absence", txid)

    def _answer(self, subject: str, txid: str) -> None:
        self.asked.add(subject)
        if txid in {self._world.attempt(order).txid for order in self.doubted}:
            raise self._error(f"no two nodes agree on the {subject} of {txid}")


@pytest.mark.parametrize(("error", "alarms"), [(Disagreement, ["payout_disputed"]), (NoSecondOpinion, [])])
@pytest.mark.parametrize(("arrives", "subject"), [(True, "receipts"), (False, "absence")])
def test_no_end_is_recorded_before_a_second_node_says_the_same(
    world: World, arrives: bool, subject: str, error: type[Unavailable], alarms: list[str]
) -> None:
    """Confirmed, failed and dead are final: each waits until two nodes agree, and a dispute rings once (I14)."""
    wished = world.request("p1")
    doubt = Doubt(world, wished, error=error)
    world.node.fate = Fate(arrives=arrives)
    world.work()
    first = world.attempt(wished)
    world.live(LIFE_BLOCKS + 3)
    assert world.payout(wished).state == "broadcasted"
    assert world.attempt(wished) == first
    assert (doubt.asked, world.alarms) == ({subject}, alarms)
    doubt.doubted, world.node.fate = (), Fate()
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert len(world.node.transfers_from(HOT)) == 1


@pytest.mark.parametrize("error", [Disagreement, NoSecondOpinion])
def test_a_disputed_payout_holds_up_no_other(world: World, error: type[Unavailable]) -> None:
    """Those requested before, beside and after it are paid and confirmed while it waits; settled, it is paid once."""
    before, disputed, beside = (world.request(name) for name in ("p1", "p2", "p3"))
    doubt = Doubt(world, disputed, error=error)
    world.live()
    after = world.request("p4")
    world.live()
    assert [world.payout(each).state for each in (before, disputed, beside, after)] == [
        "confirmed",
        "broadcasted",
        "confirmed",
        "confirmed",
    ]
    doubt.doubted = ()
    world.live()
    assert world.payout(disputed).state == "confirmed"
    assert len(world.node.transfers_from(HOT)) == 4
    world.assert_books_are_the_chain()
