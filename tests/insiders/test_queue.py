"""Whoever can write into the queues: a message is a hint or carries a proof, and moves nothing by itself."""

import msgspec

from core.ledger.ledger import Ledger
from core.ports.queues import Message
from core.streams.payout.work import PayoutWork
from gateways.postgres.alarms import Alarms
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.outstanding import PostgresOutstanding
from gateways.postgres.roles import RECORDER
from gateways.postgres.solid_log import PostgresAttemptIndex
from scanners import facts
from scanners.recorder import Recorder
from tests.insiders.world import COINS, Insiders
from tests.support.history import ALICE, BOB, TickingClock, address, order, transfer
from tests.support.memory import MemoryQueue


def test_payout_messages_are_believed_nothing(world: Insiders) -> None:
    """A payout that nobody asked for, another's account, and no payout at all: nothing leaves but what was asked for."""
    wished = world.asked("honest", 50 * COINS)
    bodies = [
        msgspec.json.encode(PayoutWork(order(BOB, "never", COINS).payout_id, BOB)),
        msgspec.json.encode(PayoutWork(wished.payout_id, BOB)),
        b'{"payout_id":"x","account_id":"y","amount_minor":1}',
        b"\x00 pay me",
    ]
    world.queue.send([Message(body, f"group {place}", f"key {place}") for place, body in enumerate(bodies)])
    world.live()
    assert world.paid_minor == 50 * COINS
    assert [body for body, _ in world.queue.buried] == [b"\x00 pay me"]


def test_deposit_facts_without_the_observer_s_proof_are_buried(world: Insiders) -> None:
    """A transfer sealed with another key, and one whose amount was changed: nothing is credited, and it rings."""
    connections = Connections(world.database.role_urls[RECORDER], connections_max=2)
    store = PostgresEventStore(datastore(world.database.role_urls[RECORDER]))
    queue = MemoryQueue()
    recorder = Recorder(
        queue,
        Ledger(store, TickingClock()),
        store,
        PostgresAttemptIndex(connections),
        PostgresOutstanding(connections),
        key=b"the observer's key of 32 bytes..",
        alarm=Alarms(connections),
    )
    report = msgspec.json.encode(facts.Report("confirmed", transfer("never", address(f"{ALICE}'s"), 10**9 * COINS)))
    forged = facts.seal(report, b"somebody else's key of 32 bytes.")
    changed = facts.seal(report, b"the observer's key of 32 bytes..").replace(b"1000000000000000", b"9000000000000000")
    queue.send([Message(forged, "a", "a"), Message(changed, "b", "b")])
    head = world.books.head()
    while recorder.step():
        pass
    assert world.books.head() == head
    assert len(queue.buried) == 2
    assert "forged" in world.alarms()["deposit_fact_forged"]
    store.close()
    connections.close()
