"""An approver's signature lets a payout go that is above the signer's limits; what else stands in the history does not."""

import msgspec
import pytest

from core.ledger.ledger import Accepted, Refused, Repeated
from core.ledger.refusals import DigestDiffers, PayoutNotApprovable
from core.streams.accounts import ChangeAccount
from core.streams.payout.approvals import ApprovePayout, canonical_order, payout_digest
from tests.signers.leash.limited import ANN, BEN, LIMITS, MALLORY, Limited
from tests.signers.outgoing.world import COINS
from tests.support.history import ACTOR, ALICE, order

pytestmark = pytest.mark.fast


@pytest.fixture
def world() -> Limited:
    return Limited()


def test_what_is_signed_is_the_order_as_json() -> None:
    """All fields by name, in the order of the alphabet, without spaces; the digest has a prefix of its own."""
    wished = order("a", "p", 5, 1)
    assert canonical_order(wished) == (
        b'{"account_id":"a","amount_minor":5,"client_reference":"p","currency":"USDT","fee_minor":1,'
        b'"ledger_account":"User_Liability","not_before":null,"payout_id":"%s","priority":"normal","to_address":"%s"}'
        % (wished.payout_id.encode(), wished.to_address.encode())
    )
    others = [msgspec.structs.replace(wished, **{name: "x"}) for name in ("payout_id", "account_id", "to_address")]
    assert len({payout_digest(each) for each in (wished, *others)}) == 4


def test_an_approved_payout_goes_and_counts(world: Limited) -> None:
    """Above each of the limits; what it takes is not there for others in this hour."""
    wished = world.request("large", 900 * COINS)
    world.live(2)
    assert isinstance(world.approve(wished, ANN), Accepted)
    assert isinstance(world.approve(wished, ANN), Repeated)
    world.request("small", 10 * COINS)
    world.live()
    assert world.paid == [900]
    assert isinstance(world.approve(wished, BEN), Refused)


def test_a_payout_that_waits_for_the_hour_may_be_approved(world: Limited) -> None:
    """The approver does not wait for it."""
    world.request("one", 100 * COINS)
    world.request("two", 100 * COINS)
    third = world.request("three", 100 * COINS)
    world.live()
    world.approve(third, BEN)
    world.live()
    assert world.paid == [100, 100, 100]


@pytest.mark.parametrize("forged", ["another's key", "another order", "no signature", "unknown approver"])
def test_no_other_signature_lets_it_go(world: Limited, forged: str) -> None:
    """Not one by a key that is not on the list under that name, of another payout, of nothing, or of somebody unknown."""
    wished = world.request("large", 900 * COINS)
    signature = {
        "another's key": MALLORY.sign(payout_digest(wished)),
        "another order": ANN.sign(payout_digest(order(ALICE, "other", 1))),
        "no signature": b"",
        "unknown approver": ANN.sign(payout_digest(wished)),
    }[forged]
    name = "eve" if forged == "unknown approver" else "ann"
    world.ledger.execute(
        [ApprovePayout(wished, ACTOR, approver=name, digest=payout_digest(wished).hex(), signature=signature.hex())]
    )
    world.live()
    assert world.paid == []


def test_the_digest_of_another_order_is_refused(world: Limited) -> None:
    """Whoever approves is told that what was signed is not this payout; and nothing is approved that is over."""
    wished = world.request("large", 900 * COINS)
    other = world.request("small", 10 * COINS)
    refused = world.approve(wished, ANN, of=other)
    assert isinstance(refused, Refused)
    assert isinstance(refused.refusal, DigestDiffers)
    world.live()
    over = world.approve(other, ANN)
    assert isinstance(over, Refused)
    assert isinstance(over.refusal, PayoutNotApprovable)


def test_two_approvals_are_two_people_s(world: Limited) -> None:
    """Where two are asked for, one person's twice is one."""
    world.limits = msgspec.structs.replace(LIMITS, approvals=2)
    world.start()
    wished = world.request("large", 900 * COINS)
    world.approve(wished, ANN)
    world.live()
    assert world.paid == []
    world.approve(wished, BEN)
    world.live()
    assert world.paid == [900]


@pytest.mark.parametrize("prepared", [False, True], ids=["before the bytes", "before the signature"])
def test_a_suspension_after_the_approval_stops_it(world: Limited, prepared: bool) -> None:
    """An approval lifts the limits and nothing else."""
    wished = world.request("large", 900 * COINS)
    world.approve(wished, ANN)
    if prepared:
        world.worker.step()
    [outcome] = world.ledger.execute([ChangeAccount(ALICE, ACTOR, status="suspended")])
    assert isinstance(outcome, Accepted)
    world.live()
    assert world.paid == []


def test_an_approval_stays_where_an_attempt_died(world: Limited) -> None:
    """It is of the order, not of its bytes: a restart and new bytes ask nobody again."""
    wished = world.request("large", 900 * COINS)
    world.approve(wished, ANN)
    world.worker.step()
    world.node.mine(40)
    world.start()
    world.live()
    assert world.paid == [900]
    assert len(world.payout(wished).attempts.made) == 2
