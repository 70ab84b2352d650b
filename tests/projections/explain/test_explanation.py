"""Why a deposit or a payout is where it is: each place has its code, and its story is that of its events."""

from collections.abc import Iterator, Sequence

import msgspec
import psycopg
import pytest

from core.ledger import books
from core.ledger.journal import TREASURY, credit, debit
from core.ledger.ledger import Command, Ledger
from core.streams.accounts import ChangeAccount
from core.streams.payout.ends import CancelPayout, FailPayout
from core.streams.payouts import payout_stream
from core.streams.quarantine import QuarantineAddress
from core.streams.signing import ResumeSigning
from core.streams.sweeps import PlanSweep
from core.streams.treasury import PostAdjustment
from gateways.postgres.event_store import PostgresEventStore
from projections.audit.export import snapshot
from projections.engine.tracking import ViewTracking
from projections.explain.deposits import deposits_named, explain_deposit
from projections.explain.explanation import Explanation, NoSuchThing
from projections.explain.payouts import FAILURES, explain_payout
from signers.outgoing.settlement import FAILURE_CODES
from tests.support.history import (
    ACTOR,
    ALICE,
    ALICE_ADDRESS,
    BOB,
    HOT_WALLET,
    USDT,
    attempt,
    confirm,
    confirm_payout,
    detect,
    execute,
    expire,
    fund,
    notice,
    order,
    orphan,
    payin,
    register,
    request_payout,
    send,
    transfer,
    txid,
    wallet,
)
from tests.support.postgres import Database
from tests.support.treasury import sweep_order
from tests.support.views import project

SEEN = transfer("seen", ALICE_ADDRESS, 10 * USDT, block=100)
PAID = order(ALICE, "one", 2 * USDT, 100_000)


class Asked:
    """Alice with an address; commands are appended, the chain is read up to a block, and the question asked."""

    def __init__(self, database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking) -> None:
        self.store, self.ledger, self.tracking = store, ledger, tracking
        self.owner = psycopg.connect(database.owner_url, autocommit=True)
        self.reader = psycopg.connect(database.reader_url)
        execute(ledger, register(ALICE, "Alice Ltd"), register(BOB, "Bob GmbH"), payin(ALICE, ALICE_ADDRESS, "one"))
        execute(ledger, wallet("hot", HOT_WALLET))

    def read_chain(self, *, head: int, solid: int, solid_time_ms: int = 0) -> None:
        """The scanner's cursors, and its log of the last solid block."""
        for name, number in (("head", head), ("solid", solid)):
            self.owner.execute(
                "INSERT INTO chain_cursors (id, last_block_number, last_block_id) VALUES (%s, %s, '')"
                " ON CONFLICT (id) DO UPDATE SET last_block_number = excluded.last_block_number",
                (name, number),
            )
        self.owner.execute(
            "INSERT INTO solid_blocks VALUES (%s, %s, %s, %s)", (solid, "0" * 64, "0" * 64, solid_time_ms)
        )

    def deposit(self, *commands: Command, name: str = txid("seen")) -> Explanation:
        self.append(*commands)
        with snapshot(self.reader):
            [stream] = deposits_named(self.reader, name)
            return explain_deposit(self.reader, stream)

    def payout(self, *commands: Command, payout_id: str = PAID.payout_id) -> Explanation:
        self.append(*commands)
        with snapshot(self.reader):
            return explain_payout(self.reader, payout_id)

    def append(self, *commands: Command) -> None:
        if commands:
            execute(self.ledger, *commands)
        project(self.store, self.tracking)

    def close(self) -> None:
        self.owner.close()
        self.reader.close()


@pytest.fixture
def asked(database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking) -> Iterator[Asked]:
    made = Asked(database, ledger, store, tracking)
    yield made
    made.close()


def told(found: Explanation) -> list[str]:
    return [step.sentence for step in found.story]


def in_trx(amount_sun: int) -> PostAdjustment:
    lines = (
        debit(TREASURY, books.HOT_WALLET, amount_sun, "TRX"),
        credit(TREASURY, books.OPERATOR_CAPITAL, amount_sun, "TRX"),
    )
    return PostAdjustment("some TRX", "for fees", lines, ACTOR)


# Deposits


def test_a_deposit_waits_for_its_block_to_be_solid(asked: Asked) -> None:
    """How many blocks are missing is told; then that the recorder has it; nothing is said that was not read."""
    found = asked.deposit(detect(SEEN))
    assert (found.state, found.now.code, found.account_id) == ("detected", "nothing_solid_read", ALICE)
    asked.read_chain(head=103, solid=90)
    found = asked.deposit()
    assert found.now.code == "confirmations_missing"
    assert found.now.about == {"block_number": 100, "head_block": 103, "solid_block": 90, "blocks_missing": 10}
    assert "4 blocks confirm it" in found.now.sentence
    assert "10 more blocks must become solid" in found.now.sentence
    asked.read_chain(head=120, solid=100)
    assert asked.deposit().now.code == "being_recorded"
    waiting = msgspec.structs.replace(SEEN, waits_for="one_node")
    found = asked.deposit(detect(waiting))
    assert (found.state, found.now.code, found.now.about["waits_for"]) == ("detected", "one_node", "one_node")
    assert "one node alone shows" in found.story[-1].sentence
    assert told(found)[0].startswith("Seen at the head of the chain in block 100: 10.000000 USDT from ")


def test_a_deposit_that_left_the_chain_and_came_back(asked: Asked) -> None:
    """Each block it stood in is told, in order."""
    elsewhere, back = (transfer("seen", ALICE_ADDRESS, 10 * USDT, block=number) for number in (101, 105))
    found = asked.deposit(detect(SEEN), detect(elsewhere), orphan(elsewhere))
    assert (found.state, found.now.code) == ("orphaned", "left_the_chain")
    assert told(found)[1:] == [
        "Seen in another block 101: the chain has replaced the block 100 it was seen in.",
        "Its block 101 left the chain, and the transaction is in no other: no longer pending.",
    ]
    found = asked.deposit(detect(back))
    assert told(found)[-1] == "Seen again: the transaction stands in block 105 now, and waits like a new one."
    found = asked.deposit(confirm(back, ALICE, books.USER_LIABILITY))
    assert told(found)[-1] == "Block 105 is solid: 10.000000 USDT were booked to its User_Liability."
    assert (found.state, found.now.code) == ("confirmed", "credited")
    assert [step.data["block_number"] for step in found.story] == [100, 101, 101, 105, 105]


def test_the_coins_of_a_credited_deposit(asked: Asked) -> None:
    """They wait on their address, are being swept, or the address is set aside."""
    found = asked.deposit(confirm(SEEN, ALICE, books.USER_LIABILITY))
    assert told(found) == [
        "Found there without having been seen before: block 100 is solid: 10.000000 USDT were booked to its User_Liability."
    ]
    assert f"Its coins lie on {ALICE_ADDRESS} until" in found.now.then
    found = asked.deposit(PlanSweep(sweep_order(), ACTOR))
    assert found.now.about["sweep_state"] == "planned"
    assert "Sweep 1 of its address is planned" in found.now.sentence
    found = asked.deposit(QuarantineAddress(ALICE_ADDRESS.base58, "blacklisted", "the token says so", ACTOR))
    assert found.now.code == "credited_address_quarantined"
    assert "set aside (blacklisted: the token says so)" in found.now.sentence


def test_coins_of_nobody(asked: Asked) -> None:
    """What reaches a wallet of ours without a reason waits in Suspense for an operator."""
    stray = transfer("stray", HOT_WALLET, 4 * USDT, wallet="hot")
    found = asked.deposit(confirm(stray), name=txid("stray"))
    assert (found.account_id, found.now.code) == (TREASURY, "unexplained")


def test_trx_by_a_contract(asked: Asked) -> None:
    """It says that a contract handed it on, and the transaction's id finds each of several."""
    shares = [transfer("gift", HOT_WALLET, 4 * USDT, log_index=index, wallet="hot") for index in (-1, -2, -200)]
    asked.append(*(confirm(share) for share in shares))
    with snapshot(asked.reader):
        assert deposits_named(asked.reader, txid("gift")) == [share.stream for share in shares]
    found = asked.deposit(name=shares[1].stream)
    assert shares[1].stream == f"deposit-{txid('gift')}--2"
    assert (found.account_id, found.now.code) == (TREASURY, "unexplained")
    assert "4.000000 TRX, handed on by a contract, were booked to the treasury's Suspense" in found.story[0].sentence


def test_a_deposit_is_found_by_each_of_its_names(asked: Asked) -> None:
    """Its id, its transaction id, its stream; a transaction that pays twice has two."""
    second = transfer("seen", ALICE_ADDRESS, 5 * USDT, log_index=1)
    asked.append(detect(SEEN), detect(second))
    with snapshot(asked.reader):
        assert deposits_named(asked.reader, SEEN.txid) == [SEEN.stream, second.stream]
        [(name,)] = asked.reader.execute(
            "SELECT id FROM observed_transactions WHERE log_index = 1 AND tx_hash = %s", (SEEN.txid,)
        )
        assert deposits_named(asked.reader, str(name)) == [second.stream]
        assert deposits_named(asked.reader, second.stream) == [second.stream]
        for nobody in ("nothing", ALICE, txid("never seen")):
            with pytest.raises(NoSuchThing, match="no deposit"):
                deposits_named(asked.reader, nobody)
        with pytest.raises(NoSuchThing, match="the history has no deposit-x"):
            explain_deposit(asked.reader, "deposit-x")


# Payouts


def test_a_payout_waits(asked: Asked) -> None:
    """For coins, for TRX, for its turn, for signing, for its account; then it is the next."""
    before = order(ALICE, "before", 1 * USDT)
    asked.append(fund(ALICE, 100 * USDT, "opening"), request_payout(before), request_payout(PAID))
    found = asked.payout()
    assert (found.state, found.now.code) == ("requested", "waiting_for_trx")
    found = asked.payout(in_trx(50 * USDT))
    assert (found.now.code, found.now.about["ahead"]) == ("waiting_for_its_turn", 1)
    assert "1 payout of its account" in found.now.sentence
    found = asked.payout(*send(before))
    assert (found.now.code, found.now.about["in_flight_minor"]) == ("next", 1 * USDT)
    asked.append(notice("address_blacklisted"))
    found = asked.payout()
    assert (found.now.code, found.now.about) == ("signing_stopped", {"causes": ["hot_wallet_blacklisted"]})
    asked.append(ResumeSigning(causes=("hot_wallet_blacklisted",), reason="looked", actor=ACTOR))
    assert asked.payout(ChangeAccount(ALICE, ACTOR, status="suspended")).now.code == "account_suspended"
    asked.append(ChangeAccount(ALICE, ACTOR, status="active"))
    away = (
        credit(TREASURY, books.HOT_WALLET, 98 * USDT, "USDT"),
        debit(TREASURY, books.COLD_WALLET, 98 * USDT, "USDT"),
    )
    found = asked.payout(PostAdjustment("away", "moved by hand", away, ACTOR))
    assert found.now.code == "waiting_for_coins"
    assert "2.000000 USDT in the books, of which 1.000000 USDT are promised, so 1.000001 USDT are missing" in (
        found.now.sentence
    )


def test_a_payout_under_way(asked: Asked) -> None:
    """Prepared, with the network, mined, dead: each from its events and from our log of solid blocks."""
    prepared, signed, broadcast = send(PAID)
    asked.append(fund(ALICE, 100 * USDT, "opening"), request_payout(PAID))
    assert asked.payout(prepared).now.code == "being_signed"
    assert asked.payout(signed).now.code == "being_signed"
    asked.read_chain(head=103, solid=90, solid_time_ms=attempt(PAID).expiration_ms - 1)
    assert asked.payout(broadcast).now.code == "in_flight"
    asked.read_chain(head=120, solid=101, solid_time_ms=attempt(PAID).expiration_ms)
    assert asked.payout().now.code == "being_proven_dead"
    found = asked.payout(expire(PAID))
    assert found.now.code == "waiting_for_trx"
    assert "after 1 attempt that can never be mined" in found.now.sentence
    asked.append(*send(PAID, 2))
    asked.owner.execute("INSERT INTO solid_transactions VALUES (%s, 101, 'SUCCESS')", (attempt(PAID, 2).txid,))
    found = asked.payout()
    assert (found.now.code, found.now.about["block_number"]) == ("being_settled", 101)
    found = asked.payout(confirm_payout(PAID, 2, burned_sun=345_000))
    assert (found.state, found.now.code) == ("confirmed", "paid")
    assert told(found) == [
        f"Asked for 2.000000 USDT to {PAID.to_address}: 2.100000 USDT, fee included, were reserved of User_Liability.",
        f"Attempt 1 was fixed as {attempt(PAID).txid}: it may be mined until 2026-01-01 00:01:00 UTC.",
        "Its bytes were checked against the order and signed.",
        "It was given to the network.",
        "The attempt can never be mined: its time is over, and solid blocks 101 to 150 do not hold it.",
        f"Attempt 2 was fixed as {attempt(PAID, 2).txid}: it may be mined until 2026-01-01 00:01:00 UTC.",
        "Its bytes were checked against the order and signed.",
        "It was given to the network.",
        "Paid: solid block 120 has the transfer; 0.345000 TRX were burned.",
    ]
    assert "signature" not in {name for step in found.story for name in step.data}


def failed(code: str) -> FailPayout:
    return FailPayout(PAID, ACTOR, failure_code=code, txid=None, burned_sun=0)


ENDS: dict[str, tuple[Sequence[Command], str, str]] = {
    "failed": (
        [failed("payee_blacklisted")],
        "failed",
        "Failed with payee_blacklisted (the token's issuer has blacklisted",
    ),
    "cancelled": (
        [CancelPayout(PAID, ACTOR)],
        "cancelled",
        "Cancelled before anything was prepared: 2.100000 USDT came back",
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_payout_that_gives_back(asked: Asked, end: str) -> None:
    """Why, and that the reserve came back."""
    commands, code, sentence = ENDS[end]
    asked.append(fund(ALICE, 100 * USDT, "opening"), request_payout(PAID))
    found = asked.payout(*commands)
    assert found.now.code == code
    assert told(found)[-1].startswith(sentence)


def test_a_refused_payout(asked: Asked) -> None:
    """The code and the sentence of the refusal stand in its story."""
    found = asked.payout(request_payout(PAID))
    assert (found.state, found.now.code) == ("refused", "refused")
    assert found.story[0].data["code"] == "insufficient_funds"
    assert "User_Liability holds 0.000000 USDT, and 2.100000 is needed" in told(found)[0]


def test_what_is_not_there_is_named(asked: Asked) -> None:
    """A payout that nobody asked for."""
    for name in (PAID.payout_id, "nothing", payout_stream(PAID.payout_id)):
        with pytest.raises(NoSuchThing):
            asked.payout(payout_id=name)


@pytest.mark.fast
def test_every_failure_of_ours_has_a_meaning() -> None:
    """Those that a settlement names, too."""
    assert set(FAILURE_CODES.values()) <= set(FAILURES)
    assert {"not_mined", "payee_blacklisted", "transfer_log_missing"} <= set(FAILURES)
