"""The log of solid blocks and the index of our attempts, on Postgres, as the roles that use them."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from core.ledger.ledger import Ledger
from core.streams.notices import Notice
from core.tron.chain import BlockRef
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.outstanding import PostgresOutstanding
from gateways.postgres.roles import OBSERVER, RECORDER, SIGNER
from gateways.postgres.solid_log import KEPT_BLOCKS, PRUNE_EVERY_BLOCKS, PostgresAttemptIndex, PostgresSolidLog
from scanners import facts
from scanners.recorder import Recorder
from tests.support.history import ALICE, HOT_WALLET, USDT, TickingClock, append_history, attempt, order, txid
from tests.support.memory import MemoryQueue
from tests.support.postgres import Database

Login = Callable[[str], Connections]


@pytest.fixture
def login(database: Database) -> Iterator[Login]:
    opened: list[Connections] = []

    def open_as(role: str) -> Connections:
        opened.append(Connections(database.role_urls[role]))
        return opened[-1]

    yield open_as
    for connections in opened:
        connections.close()


def ref(number: int) -> BlockRef:
    return BlockRef(number, f"{number:064x}", f"{number - 1:064x}", 3_000 * number)


def test_what_the_observer_wrote_the_signer_reads(login: Login) -> None:
    """Blocks come in order up to the first as old as asked for, and none while none is so old."""
    written, read = PostgresSolidLog(login(OBSERVER)), PostgresSolidLog(login(SIGNER))
    for number in (12, 10, 11, 14):
        written.append(ref(number), {txid(str(number)): "SUCCESS"})
    assert read.blocks(10, 3_000 * 11) == [ref(10), ref(11)]
    assert read.blocks(10, 3_000 * 12 - 1) == [ref(10), ref(11), ref(12)]
    assert read.blocks(11, 3_000 * 13) == [ref(11), ref(12), ref(14)]
    assert read.blocks(10, 3_000 * 14 + 1) == []
    assert [read.find(txid(name)) for name in ("12", "13")] == [(12, "SUCCESS"), None]


def test_the_newest_block_is_the_highest(login: Login) -> None:
    """Whichever came last; none while there is none."""
    written, read = PostgresSolidLog(login(OBSERVER)), PostgresSolidLog(login(SIGNER))
    assert read.newest() is None
    for number in (12, 10):
        written.append(ref(number), {})
    assert read.newest() == ref(12)


def test_a_block_that_is_known_stays_as_it_is(login: Login) -> None:
    """Scanned again, a block adds nothing; another block of its height does not replace it."""
    log = PostgresSolidLog(login(OBSERVER))
    log.append(ref(10), {txid("a"): "REVERT"})
    log.append(ref(10), {txid("a"): "REVERT"})
    log.append(BlockRef(10, "ab" * 32, "cd" * 32, 1), {txid("b"): "SUCCESS"})
    assert log.blocks(10, 0) == [ref(10)]
    assert [log.find(txid(name)) for name in "ab"] == [(10, "REVERT"), None]


def test_the_log_is_bounded_by_what_is_needed(login: Login) -> None:
    """A week of blocks stays, and all from the height that the signer holds on to; releasing it prunes the rest."""
    log, signer = PostgresSolidLog(login(OBSERVER)), PostgresSolidLog(login(SIGNER))
    tip = KEPT_BLOCKS + 100 * PRUNE_EVERY_BLOCKS
    for number in (5, 6, 7, tip - KEPT_BLOCKS, tip - 1):
        log.append(ref(number), {txid(str(number)): "SUCCESS"})
    signer.keep_from("payouts", 6)
    log.append(ref(tip), {})
    assert [log.find(txid(str(number))) is None for number in (5, 6, 7)] == [True, False, False]
    signer.keep_from("payouts", None)
    log.append(ref(tip + PRUNE_EVERY_BLOCKS), {})
    assert [log.find(txid(str(number))) is None for number in (6, 7, tip - 1)] == [True, True, False]


def test_only_the_observer_writes_the_log(database: Database) -> None:
    """A signer that is taken over cannot write the proof that it wants (I14)."""
    for role, url in database.role_urls.items():
        with psycopg.connect(url, autocommit=True) as conn:
            try:
                conn.execute("INSERT INTO solid_blocks VALUES (1, %s, %s, 1)", ("0" * 64, "0" * 64))
                written = True
            except psycopg.errors.InsufficientPrivilege:
                written = False
            except psycopg.errors.UniqueViolation:
                written = True
        assert written == (role in (OBSERVER, "counterfoil_writer")), role


def test_every_prepared_txid_is_found_and_no_other(login: Login, ledger: Ledger) -> None:
    """The recorder learns a transaction's payout from the history itself, by an index."""
    append_history(ledger)
    attempts = PostgresAttemptIndex(login(RECORDER))
    paid, expired = order(ALICE, "p1", 2 * USDT), order(ALICE, "p2", 2 * USDT)
    ours = {attempt(expired, number).txid: f"payout-{expired.payout_id}" for number in (1, 2)}
    ours[attempt(paid).txid] = f"payout-{paid.payout_id}"
    assert attempts.streams_of([*ours, txid("somebody else's")]) == ours
    assert attempts.streams_of([]) == {}


def test_the_index_of_prepared_txids_serves_the_question(database: Database) -> None:
    """The recorder's question uses the partial index, so its price does not grow with the history."""
    question = (
        "EXPLAIN SELECT originator_id FROM events"
        " WHERE topic = 'payout.prepared/1' AND state::jsonb -> 'attempt' ->> 'txid' = ANY(ARRAY['a', 'b'])"
    )
    with psycopg.connect(database.owner_url) as conn:
        conn.execute("SET enable_seqscan = off")
        plan = "\n".join(row[0] for row in conn.execute(question).fetchall())
    assert "events_prepared_txid" in plan


def test_the_recorder_tells_our_payouts_from_thefts(login: Login, ledger: Ledger, database: Database) -> None:
    """With its own login: a signed payout's transaction adds nothing, any other stops signing."""
    append_history(ledger)
    events = PostgresEventStore(datastore(database.role_urls[RECORDER]))
    queue, rung = MemoryQueue(), []
    recorder = Recorder(
        queue,
        Ledger(events, TickingClock()),
        events,
        PostgresAttemptIndex(login(RECORDER)),
        PostgresOutstanding(login(RECORDER)),
        key=b"key",
        alarm=lambda name, sentence: rung.append(name),
    )
    paid = attempt(order(ALICE, "p1", 2 * USDT)).txid
    try:
        for name, expected in ((paid, []), (txid("theft"), ["outgoing_unexplained"])):
            notice = Notice("outgoing", name, None, 7, "cd" * 32, 1, HOT_WALLET.base58, "hot")
            queue.send([facts.message(notice, b"key")])
            assert recorder.step()
            assert rung == expected
    finally:
        events.close()
