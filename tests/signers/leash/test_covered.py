"""What the signer's own reading of the history covers, over a store in memory that anybody can append to."""

from typing import Any

import msgspec
import pytest

from core.ledger import books
from core.ledger.events import Event, Recorded
from core.ledger.journal import credit, debit
from core.ledger.seals import SealedPage, canonical
from core.proofs.merkle import Frontier, leaf_hash
from core.streams.accounts import AccountSuspendedEvent, account_stream
from core.streams.deposits import DepositConfirmed
from core.streams.payouts import PayoutOrder, PayoutPrepared, PayoutRequested, PayoutSigned
from core.streams.signing import SIGNING, Signing
from core.streams.treasury import AdjustmentPosted
from signers.leash.limits import SignerLimits
from signers.leash.reading import KnownRoot, SealedReading
from tests.signers.leash.limited import Limited
from tests.signers.outgoing.world import COINS
from tests.support.history import ALICE, PAYEE, TickingClock, address, order, transfer
from tests.support.memory import MemorySealedHistory

pytestmark = pytest.mark.fast
BY: dict[str, Any] = {"occurred_at": TickingClock()(), "actor": "api-key:1"}


def append(world: Limited, stream: str, event: Event) -> None:
    """Past the ledger, as who has a login can."""
    version = 1 + sum(record.stream == stream for record in world.store.events)
    world.store.events.append(Recorded(len(world.store.events) + 1, stream, version, event))


def requested(wished: PayoutOrder, **changes: Any) -> PayoutRequested:
    entry = books.payout_requested(wished.account_id, wished.ledger_account, wished.total_minor)
    return msgspec.structs.replace(PayoutRequested(order=wished, postings=entry, **BY), **changes)


def causes(world: Limited) -> tuple[str, ...]:
    signing = Signing()
    for recorded in world.store.histories([SIGNING]).get(SIGNING, ()):
        signing = signing.evolve(recorded.event)
    return signing.causes


@pytest.mark.parametrize("how", ["more", "nobody", "clearing", "an entry of less"])
def test_what_is_not_covered_is_not_paid(how: str) -> None:
    """More than the account has, an account that is none, the reserve of others, an entry that reserves less: it rings once."""
    world = Limited(SignerLimits())
    world.node.fund(world.worker._key.address, usdt_minor=5_000 * COINS)
    wished = {
        "more": order(ALICE, "p", 2_500 * COINS),
        "nobody": order("48396bd4-b0ce-5f24-ab09-93e0db8d2728", "p", COINS),
        "clearing": msgspec.structs.replace(order(ALICE, "p", COINS), ledger_account=books.CLEARING),
        "an entry of less": order(ALICE, "p", 100 * COINS),
    }[how]
    if how == "clearing":
        lines = (credit(ALICE, books.CLEARING, 5 * COINS, "USDT"), debit(ALICE, books.CLIENT_ASSET, 5 * COINS, "USDT"))
        append(world, "adjustment-x", AdjustmentPosted(adjustment_id="x", reason="x", postings=lines, **BY))
    less = books.payout_requested(ALICE, books.USER_LIABILITY, 1)
    append(world, wished.stream, requested(wished, **({"postings": less} if how == "an entry of less" else {})))
    for _ in range(5):
        world.worker.step()
    assert world.events(PayoutPrepared) == []
    assert world.alarms == ["payout_not_covered"]
    assert wished.payout_id in world.sentences[0]
    assert causes(world) == ("payout_not_covered",)


def test_what_is_paid_is_gone() -> None:
    """Two requests of the same coins: the first is paid, the second is not covered."""
    world = Limited(SignerLimits())
    for name in ("one", "two"):
        append(world, order(ALICE, name, 1).stream, requested(order(ALICE, name, 1_500 * COINS)))
    world.node.fund(world.worker._key.address, usdt_minor=5_000 * COINS)
    world.worker.step()
    assert [asked.order.client_reference for asked in world.worker._leash.uncovered.values()] == ["two"]


def test_a_refund_is_there_again_as_it_was() -> None:
    """A payout that fails gives back what it took, proven as it was: the next needs no approval."""
    world = Limited()
    world.node.blacklist(PAYEE)
    world.request("fails", 90 * COINS)
    world.live()
    world.request("again", 90 * COINS, to=address("another payee"))
    world.live()
    assert world.paid == [90]
    assert world.alarms == []


def test_a_suspended_account_is_not_paid_by_the_leash_alone() -> None:
    """The signer's own reading says so, whatever the worker's does."""
    world = Limited(SignerLimits())
    world.request("p1", 10 * COINS)
    append(world, account_stream(ALICE), AccountSuspendedEvent(account_id=ALICE, **BY))
    world.worker._lanes.held = lambda _: None  # type: ignore[method-assign]
    world.worker.step()
    wish = next(iter(world.worker._open)).wish
    assert isinstance(wish, PayoutOrder)
    objection = world.worker._leash.objection(wish)
    assert objection is not None
    assert objection.cause == "account"


def test_a_changed_event_stops_signing() -> None:
    """A row is not the one that its seal covers: nothing is signed, it rings, and a person's word alone changes nothing."""
    world = Limited(SignerLimits())
    history = MemorySealedHistory(world.store)

    class Changed:
        def read(self, after: int) -> SealedPage:
            page = history.read(after)
            rows = [(*row[:4], row[4].replace(b"1000000000", b"9000000000")) for row in page.records]
            return SealedPage(rows, page.seals)

    world.worker._leash._reading = SealedReading(Changed(), world.worker._leash._reading._kinds, lambda: None)
    world.request("p1", 10 * COINS)
    world.live(3)
    assert world.node.sent == []
    assert world.alarms == ["history_not_sealed"]
    assert causes(world) == ("history_not_sealed",)


def test_the_hour_is_asked_before_each_signature() -> None:
    """Bytes that were prepared while there was room are not signed once there is none."""
    world = Limited(SignerLimits(hour_max=100 * COINS))
    world.request("one", 90 * COINS)
    world.worker.step()
    key = world.worker._key.address.base58
    world.totals.save(
        key, msgspec.structs.replace(world.kept, version=1, slots={int(world.time().timestamp()): 50 * COINS})
    )
    world.worker._leash._kept.clear()
    world.live(3)
    assert world.events(PayoutSigned) == []


def test_an_entry_that_nobody_decided_rings() -> None:
    """A deposit whose entry says more than its transfer is left out of account."""
    world = Limited(SignerLimits())
    fact = transfer("never", PAYEE, 1)
    entry = books.deposit_confirmed(ALICE, books.USER_LIABILITY, 10**12)
    came = DepositConfirmed(account_id=ALICE, ledger_account=books.USER_LIABILITY, transfer=fact, postings=entry, **BY)
    append(world, fact.stream, came)
    append(world, order(ALICE, "p", 1).stream, requested(order(ALICE, "p", 3_000 * COINS)))
    world.live(3)
    assert world.alarms == ["entry_not_covered", "payout_not_covered"]
    assert world.paid == []


@pytest.mark.parametrize("true", [True, False])
def test_a_rewritten_history_is_not_the_checkpoint_s(true: bool) -> None:
    """Events with seals that fit, told anew by whoever owns the database: the newest checkpoint outside it says otherwise."""
    world = Limited(SignerLimits())
    size = len(world.store.events)
    rows = MemorySealedHistory(world.store).read(0).records
    leaves = [leaf_hash(canonical(row)) for row in rows]
    tree = Frontier()
    for leaf in leaves if true else [*leaves[:-1], leaf_hash(b"")]:
        tree.add(leaf)
    world.worker._leash._reading._newest = lambda: KnownRoot(size, tree.root())
    world.request("p1", 10 * COINS)
    world.live(3)
    assert bool(world.node.sent) is true
    assert world.alarms == ([] if true else ["history_not_sealed"])
