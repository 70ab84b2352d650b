"""One queue for all views: each is given every message, for one call, and none waits for another."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.ports.queues import Message, Received
from core.ports.unavailable import Unavailable
from gateways.aws.receivers.received_ahead import ReceivedAhead
from gateways.aws.receivers.shared_queue import KEPT_MAX, Reader, SharedQueue
from tests.support.memory import MemoryQueue
from tests.support.patience import HANG_S, until

pytestmark = pytest.mark.fast


class Waited(MemoryQueue):
    """A queue whose receives wait for a message, or until the poll is `over`."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()
        self.calls: list[str] = []
        self.failure: Exception | None = None

    def receive(self, limit: int) -> list[Received]:
        self.calls.append("receive")
        until(lambda: self.waiting or self.over.is_set() or self.failure, "a poll ends")
        if self.failure is not None:
            raise self.failure
        return super().receive(limit)

    def delete(self, receipts: Sequence[str]) -> None:
        self.calls.append("delete")
        super().delete(receipts)


def put(queue: MemoryQueue, *bodies: bytes) -> None:
    queue.send([Message(body, body.decode(), body.decode()) for body in bodies])


def bodies(received: Sequence[Received]) -> list[bytes]:
    return [each.body for each in received]


def test_ten_readers_are_given_a_message_by_one_receive_and_one_delete() -> None:
    """They wait together for one answer, whoever asks; the first who is done with it deletes it, for all."""
    queue = Waited()
    shared = SharedQueue(queue)
    readers = [shared.reader() for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(reader.receive, 10) for reader in readers]
        until(lambda: queue.calls, "one of them asks")
        put(queue, b"1", b"2")
        given = [each.result(HANG_S) for each in asked]
    assert [bodies(each) for each in given] == [[b"1", b"2"]] * 10
    for reader, received in zip(readers, given, strict=True):
        reader.delete([each.receipt for each in received])
    assert (queue.calls, queue.depth()) == (["receive", "delete"], 0)


def test_a_poll_that_brings_nothing_ends_for_all() -> None:
    """Each can look after itself then; nobody waits for two polls."""
    queue = Waited()
    shared = SharedQueue(queue)
    readers = [shared.reader() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(reader.receive, 10) for reader in readers]
        until(lambda: queue.calls, "one of them asks")
        queue.over.set()
        assert [each.result(HANG_S) for each in asked] == [[]] * 4


def test_a_reader_that_is_slow_or_dead_holds_up_nobody() -> None:
    """The others go on, what they are done with is gone; the slow one has the newest that were kept for it."""
    queue = MemoryQueue()
    shared = SharedQueue(queue)
    quick, slow = shared.reader(), shared.reader()
    for number in range(KEPT_MAX + 5):
        put(queue, f"{number}".encode())
        [received] = quick.receive(10)
        assert received.body == f"{number}".encode()
        quick.delete([received.receipt])
    assert queue.depth() == 0
    kept: list[Received] = []
    while more := slow.receive(10):
        kept += more
    assert bodies(kept) == [f"{number}".encode() for number in range(5, KEPT_MAX + 5)]
    slow.delete([each.receipt for each in kept])  # they are gone: nothing happens


def test_what_nobody_is_done_with_comes_again() -> None:
    """A process that dies over a message has deleted nothing."""
    queue = MemoryQueue()
    readers = [SharedQueue(queue).reader() for _ in range(2)]
    put(queue, b"1")
    assert bodies(readers[0].receive(10)) == [b"1"]
    queue.timeout()
    assert bodies(readers[1].receive(10)) == [b"1"]  # of another process


def test_poison_is_buried_once() -> None:
    """Every reader finds that it is none; the first says so to the queue."""
    queue = MemoryQueue()
    shared = SharedQueue(queue)
    readers: list[Reader] = [shared.reader() for _ in range(3)]
    put(queue, b"poison")
    for reader in readers:
        [received] = reader.receive(10)
        reader.bury(received.receipt, "no segment")
    assert len(queue.buried) == 1


def test_an_outage_is_the_askers_and_the_others_ask_themselves() -> None:
    """Whoever asked backs off; who waited looks after itself and asks the next time."""
    queue = Waited()
    shared = SharedQueue(queue)
    readers = [shared.reader() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(reader.receive, 10) for reader in readers]
        until(lambda: queue.calls, "one of them asks")
        queue.failure = Unavailable("shut by the test")
        failed = [each.exception(HANG_S) for each in asked]
    assert Unavailable in map(type, failed)
    queue.failure = None
    put(queue, b"1")
    assert [bodies(reader.receive(10)) for reader in readers] == [[b"1"]] * 3


def test_a_receiver_with_other_work_is_not_held_up() -> None:
    """It asks and goes on; what came meanwhile is given at once when it asks again, and one receive is under way at a time."""
    queue = Waited()
    ahead = ReceivedAhead(queue)
    assert [ahead.receive(10) for _ in range(5)] == [[]] * 5
    put(queue, b"1")
    received = until(lambda: ahead.receive(10), "what came is given")
    assert bodies(received) == [b"1"]
    assert queue.calls == ["receive"] * 2  # the second is under way
    queue.over.set()


def test_an_outage_of_what_is_under_way_is_raised_where_it_is_asked_for() -> None:
    """And the next one is under way."""
    queue = Waited()
    ahead = ReceivedAhead(queue)
    queue.failure = Unavailable("shut by the test")
    assert ahead.receive(10) == []
    with pytest.raises(Unavailable):
        until(lambda: ahead.receive(10), "the outage is raised")
    queue.failure = None
    put(queue, b"1")

    def again() -> list[Received]:
        try:
            return ahead.receive(10)
        except Unavailable:  # of the one that was under way already
            return []

    assert bodies(until(again, "what came is given")) == [b"1"]
    queue.over.set()
