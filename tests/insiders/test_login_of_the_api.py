"""The API's database login alone, with every right it has and seals that fit: no coin leaves that the chain did not bring.

What the API itself decides, its login can append: a payout of what a client really has is a request like any other to the
signer. For that there are the signer's own limits, and the last test here measures them.
"""

import msgspec
import pytest

from core.ledger import books
from core.ledger.journal import TREASURY, credit, debit
from core.ledger.ledger import Refused
from core.streams.addresses import AddressAssigned, address_stream
from core.streams.payout.approvals import PayoutApproved, payout_digest
from core.streams.payout.ends import CancelPayout
from core.streams.payouts import PayoutCancelled, PayoutConfirmed
from core.streams.signing import SIGNING, SigningResumed
from core.streams.transfers import InternalTransferPosted
from core.streams.treasury import AdjustmentPosted
from gateways.postgres.roles import API
from signers.outgoing.outgoing import NOT_BOOKED_BLOCKS
from tests.insiders.world import COINS, Insiders, forged, request_of
from tests.signers.leash.limited import LIMITS, MALLORY
from tests.support.history import ALICE, BOB, TickingClock, address, confirm, order, payin, register, transfer

NOW = TickingClock()()
BY = {"occurred_at": NOW, "actor": "api-key:1"}


@pytest.mark.parametrize(
    ("account_id", "amount"), [(ALICE, 1_500), (BOB, 1_000)], ids=["more than it has", "no such account"]
)
def test_a_forged_request_is_not_paid(world: Insiders, account_id: str, amount: int) -> None:
    """One PayoutRequested of an account that has less, or is none: nothing leaves, signing stops, and it rings."""
    wished = order(account_id, "forged", amount * COINS)
    world.append_as(API, request_of(wished))
    position = world.books.head()
    world.live()
    assert world.paid_minor == 0
    rung = world.alarms()["payout_not_covered"]
    assert wished.payout_id in rung
    assert account_id in rung
    assert f"asked for at position {position} " in rung
    assert world.causes() == ("payout_not_covered",)


def test_resuming_signing_pays_nothing_of_it(world: Insiders) -> None:
    """The login that forged the request settles the stop, too: others are paid again, the forged one is not."""
    world.append_as(API, request_of(order(ALICE, "forged", 1_500 * COINS)))
    world.live()
    world.append_as(API, forged(SIGNING, 2, SigningResumed(causes=("payout_not_covered",), reason="ok", **BY)))
    world.asked("honest", 50 * COINS)
    world.live()
    assert world.paid_minor == 50 * COINS


def test_a_forged_request_is_no_operator_s_trap(world: Insiders) -> None:
    """Taking it back would release what was never reserved: it is refused in words, and nothing ends for it."""
    wished = order(ALICE, "forged", 1_500 * COINS)
    world.append_as(API, request_of(wished))
    [outcome] = world.ledger.execute([CancelPayout(wished, "operator:1")])
    assert isinstance(outcome, Refused)
    assert "reserved nothing" in outcome.refusal.detail


def test_an_entry_that_reserves_less_is_not_paid(world: Insiders) -> None:
    """The order says 800, the entry debits 1: an entry counts only if it is its event's own."""
    wished = order(ALICE, "forged", 80 * COINS)
    world.append_as(API, request_of(wished, postings=books.payout_requested(ALICE, books.USER_LIABILITY, 1)))
    world.live()
    assert world.paid_minor == 0
    assert "entry" in world.alarms()["payout_not_covered"]


def test_a_second_request_in_a_stream_is_not_paid(world: Insiders) -> None:
    """Nor is a request in another payout's stream."""
    paid = world.asked("honest", 50 * COINS)
    world.live()
    version = len(world.books.histories([paid.stream])[paid.stream]) + 1
    again = request_of(paid)._replace(version=version)
    other = request_of(order(ALICE, "other", 60 * COINS))._replace(stream="payout-x")
    world.append_as(API, again, other)
    world.live()
    assert world.paid_minor == 50 * COINS
    assert "payout_not_covered" in world.alarms()


def test_what_an_adjustment_brings_waits_for_an_approver(world: Insiders) -> None:
    """A million credited by an AdjustmentPosted: the signer pays nothing of it by itself, and rings."""
    lines = (
        debit(ALICE, books.CLIENT_ASSET, 10**12, "USDT"),
        credit(ALICE, books.USER_LIABILITY, 10**12, "USDT"),
        debit(TREASURY, books.HOT_WALLET, 10**12, "USDT"),
        credit(TREASURY, books.CUSTODY_CONTROL, 10**12, "USDT"),
    )
    adjusted = AdjustmentPosted(adjustment_id="x", reason="x", postings=lines, **BY)
    world.do(register(BOB, "Bob"))
    bobs = [msgspec.structs.replace(line, book=BOB) if line.book == ALICE else line for line in lines]
    world.append_as(API, forged("adjustment-x", 1, msgspec.structs.replace(adjusted, postings=tuple(bobs))))
    world.append_as(API, *(request_of(order(BOB, f"p{number}", 90 * COINS)) for number in range(3)))
    world.live()
    assert world.paid_minor == 0
    assert "adjustment" in world.alarms()["above_signer_limit"]


def test_a_transfer_of_what_nobody_has_counts_nothing(world: Insiders) -> None:
    """Bob, who has none, moves coins to Alice: the transfer is left out of account and rings, what rests on it is not paid."""
    world.do(register(BOB, "Bob"))
    moved = InternalTransferPosted(
        transfer_id="x",
        account_id=BOB,
        from_ledger_account=books.USER_LIABILITY,
        to_account_id=ALICE,
        to_ledger_account=books.USER_LIABILITY,
        amount_minor=500 * COINS,
        currency="USDT",
        postings=books.internal_transfer(BOB, books.USER_LIABILITY, ALICE, books.USER_LIABILITY, 500 * COINS),
        **BY,
    )
    world.append_as(API, forged("transfer-x", 1, moved), request_of(order(ALICE, "forged", 1_000 * COINS)))
    world.live()
    assert world.paid_minor == 0
    assert "transfer-x" in world.alarms()["entry_not_covered"]
    assert "payout_not_covered" in world.alarms()


def test_a_cancellation_after_the_bytes_gives_nothing_back(world: Insiders) -> None:
    """The payout is with the network when it is cancelled by force: its coins are not there for another."""
    world.start(msgspec.structs.replace(LIMITS, payout_max=None, hour_max=None, day_max=None))
    wished = world.asked("honest", 900 * COINS)
    world.live(2)
    version = len(world.books.histories([wished.stream])[wished.stream]) + 1
    released = books.payout_released(ALICE, books.USER_LIABILITY, 900 * COINS, 0)
    cancelled = PayoutCancelled(payout_id=wished.payout_id, account_id=ALICE, postings=released, **BY)
    world.append_as(API, forged(wished.stream, version, cancelled), request_of(order(ALICE, "again", 900 * COINS)))
    world.live()
    assert world.paid_minor == 900 * COINS
    assert {"entry_not_covered", "payout_not_covered"} <= world.alarms().keys()


def test_a_raised_guard_row_pays_nothing(world: Insiders) -> None:
    """The row that the API decides by is its own to write: it accepts the request, and the signer does not."""
    world.move_guard(API, ALICE, books.USER_LIABILITY, 10**12)
    world.asked("rich", 5_000 * COINS)
    world.live()
    assert world.paid_minor == 0
    assert "payout_not_covered" in world.alarms()


def test_a_covered_request_that_reserved_nothing_waits_alone(world: Insiders) -> None:
    """Of what Alice has, and the guard was not moved: its end cannot be booked, which rings, and holds up nobody else."""
    wished = order(ALICE, "forged", 90 * COINS)
    world.append_as(API, request_of(wished))
    world.live()
    assert wished.payout_id in world.alarms()["payout_not_booked"]
    world.do(register(BOB, "Bob"), payin(BOB, address("Bob's"), "b"))
    world.do(confirm(transfer("bob", address("Bob's"), 70 * COINS), BOB, books.USER_LIABILITY))
    honest = world.asked("honest", 60 * COINS, BOB)
    world.live()
    assert isinstance(world.books.histories([honest.stream])[honest.stream][-1].event, PayoutConfirmed)
    world.move_guard(API, ALICE, books.CLEARING, 90 * COINS)  # as its owner does who has looked
    world.live(NOT_BOOKED_BLOCKS)
    assert isinstance(world.books.histories([wished.stream])[wished.stream][-1].event, PayoutConfirmed)


def test_forged_approvals_lift_nothing(world: Insiders) -> None:
    """Under an approver's name and by another key, and under a name that is on no list."""
    wished = world.asked("large", 800 * COINS)
    digest = payout_digest(wished)
    said = PayoutApproved(
        payout_id=wished.payout_id,
        account_id=ALICE,
        approver="ann",
        digest=digest.hex(),
        signature=MALLORY.sign(digest).hex(),
        **BY,
    )
    nobody = msgspec.structs.replace(said, approver="eve")
    world.append_as(API, forged(wished.stream, 2, said), forged(wished.stream, 3, nobody))
    world.live()
    assert world.paid_minor == 0
    assert wished.payout_id in world.alarms()["above_signer_limit"]


def test_a_second_assignment_brings_another_s_coins_to_nobody(world: Insiders) -> None:
    """Alice's address is given to Bob by force: what comes to it is Alice's all the same."""
    world.do(register(BOB, "Bob"))
    to = address(f"{ALICE}'s")
    taken = AddressAssigned(
        address=to.base58,
        address_hex=to.hex(),
        account_id=BOB,
        ledger_account=books.USER_LIABILITY,
        payin_id="x",
        key_id="x",
        **BY,
    )
    world.append_as(API, forged(address_stream(to.base58), 2, taken))
    world.do(confirm(transfer("next", to, 50 * COINS), ALICE, books.USER_LIABILITY))


@pytest.mark.parametrize("payout_max", [100, 0])
def test_what_a_client_really_has_leaves_within_the_limits_only(world: Insiders, payout_max: int) -> None:
    """Requests of Alice's own coins to the thief, as if by her key: what an hour lets go, and with 0 a payout nothing."""
    world.start(msgspec.structs.replace(LIMITS, payout_max=payout_max * COINS))
    requests = [request_of(order(ALICE, f"p{number}", 90 * COINS)) for number in range(9)]
    world.append_as(API, *requests)
    world.move_guard(API, ALICE, books.USER_LIABILITY, -810 * COINS)
    world.move_guard(API, ALICE, books.CLEARING, 810 * COINS)
    world.live()
    assert world.paid_minor == (180 * COINS if payout_max else 0)
    assert "above_signer_limit" in world.alarms()
