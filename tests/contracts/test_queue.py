"""What every Queue promises: order per group, at least once, taken once, nothing lost."""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence

import pytest

from core.ports.queues import Message, Queue, Received
from tests.contracts.conftest import Backend
from tests.support.patience import HANG_S, until

LONG_S = 60.0


@pytest.fixture
def queue(backend: Backend) -> Queue:
    return backend.queue("deposit-events", LONG_S)


def message(group: str, number: int) -> Message:
    return Message(body=f"{group}{number}".encode(), group=group, key=f"{group}/{number}")


def bodies(received: Sequence[Received]) -> list[str]:
    return [item.body.decode() for item in received]


def receive_until(queue: Queue, wanted: int) -> list[Received]:
    """Ask until so many came: what may be received is given sooner or later."""
    found: list[Received] = []

    def came() -> bool:
        found.extend(queue.receive(10))
        return len(found) >= wanted

    until(came, f"that {wanted} messages come")
    return found


@pytest.mark.asks("sqs")
class TestQueue:
    def test_messages_of_a_group_come_in_order_and_none_while_one_is_in_flight(self, queue: Queue) -> None:
        """What follows in a group waits until what was given is deleted; other groups go on."""
        queue.send([message("a", 1), message("a", 2), message("a", 3), message("b", 1)])
        first = queue.receive(2)
        assert bodies(first) == ["a1", "a2"]
        assert bodies(queue.receive(10)) == ["b1"]
        queue.delete([first[0].receipt])
        assert queue.receive(10) == []
        queue.delete([first[1].receipt])
        assert bodies(queue.receive(10)) == ["a3"]

    def test_what_is_not_deleted_comes_again(self, backend: Backend) -> None:
        """After its visibility timeout a message is given again, with another receipt and one attempt more."""
        hasty, queue = backend.queue("deposit-events", 0.3), backend.queue("deposit-events", LONG_S)
        queue.send([message("a", 1), message("a", 2)])
        first = hasty.receive(10)
        again = receive_until(queue, 2)
        assert bodies(again) == bodies(first) == ["a1", "a2"]
        assert [item.attempts for item in (*first, *again)] == [1, 1, 2, 2]
        queue.delete([item.receipt for item in first])
        assert queue.depth() == 2  # an old receipt deletes nothing: the message is somebody else's now
        queue.delete([item.receipt for item in again])
        assert queue.depth() == 0

    def test_what_is_released_comes_at_once(self, queue: Queue) -> None:
        """Given back, a message is the first of its group again."""
        queue.send([message("a", 1), message("a", 2)])
        queue.release([item.receipt for item in queue.receive(10)])
        again = queue.receive(10)
        assert bodies(again) == ["a1", "a2"]
        assert [item.attempts for item in again] == [2, 2]

    def test_a_message_sent_twice_is_taken_once(self, queue: Queue) -> None:
        """Within the window a key counts once: in one call, in two, and after its message was deleted."""
        queue.send([message("a", 1), message("a", 1)])
        queue.send([message("a", 1), message("a", 2)])
        received = receive_until(queue, 2)
        queue.delete([item.receipt for item in received])
        queue.send([message("a", 1)])
        assert bodies(received) == ["a1", "a2"]
        assert queue.depth() == 0

    def test_a_poison_message_is_buried_and_its_group_goes_on(self, queue: Queue) -> None:
        """A buried message is out of the way of those behind it."""
        queue.send([message("a", 1), message("a", 2)])
        [poison] = queue.receive(1)
        queue.bury(poison.receipt, "it cannot be read")
        assert bodies(queue.receive(10)) == ["a2"]
        assert queue.depth() == 1

    def test_purging_empties_this_queue_only(self, backend: Backend, queue: Queue) -> None:
        """What waits and what is in flight is gone; other queues keep theirs."""
        other = backend.queue("payout-requests", LONG_S)
        queue.send([message("a", 1), message("b", 1)])
        other.send([message("a", 1)])
        queue.receive(1)
        queue.purge()
        assert queue.depth() == 0
        assert queue.receive(10) == []
        assert bodies(other.receive(10)) == ["a1"]
        queue.send([message("a", 2)])
        assert bodies(queue.receive(10)) == ["a2"]

    def test_the_oldest_message_has_an_age_where_the_platform_tells_it(self, queue: Queue) -> None:
        """None without any; on AWS, CloudWatch alone knows."""
        before = queue.oldest_s()
        queue.send([message("a", 1)])
        after = queue.oldest_s()
        assert (before, after) == (None, None) or (before == 0 and after is not None and 0 <= after < 60)

    def test_nothing_is_no_message(self, queue: Queue) -> None:
        """Empty calls do nothing; unknown receipts are forgiven."""
        queue.send([])
        queue.delete([])
        queue.release([])
        queue.delete(["6b1f6f0e-0f0c-5d5b-9a55-7a1c1b7f3c11"])
        assert queue.receive(10) == []
        assert queue.depth() == 0

    def test_a_body_is_bytes(self, queue: Queue) -> None:
        """Every byte comes back, up to the size that a segment may have."""
        body = bytes(range(256)) * 900
        queue.send([Message(body, "a", "k")])
        assert queue.receive(1)[0].body == body

    def test_two_receivers_at_once_keep_the_order_of_every_group(self, queue: Queue) -> None:
        """However receivers meet, each group is handled in order, each message once, and no group by two at a time."""
        groups, each = 6, 40
        queue.send([message(str(group), number) for number in range(each) for group in range(groups)])
        handled: dict[str, list[bytes]] = defaultdict(list)
        busy: set[str] = set()
        collisions: list[str] = []
        lock = threading.Lock()

        def work() -> None:
            while sum(map(len, handled.values())) < groups * each and not collisions:
                received = queue.receive(5)
                mine = {item.group for item in received}
                with lock:
                    collisions.extend(mine & busy)
                    busy.update(mine)
                    for item in received:
                        handled[item.group].append(item.body)
                    busy.difference_update(mine)
                queue.delete([item.receipt for item in received])

        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(HANG_S)
        assert collisions == []
        assert handled == {str(g): [f"{g}{n}".encode() for n in range(each)] for g in range(groups)}

    def test_senders_at_once_lose_nothing(self, queue: Queue) -> None:
        """Four senders with overlapping keys: every key is taken exactly once."""
        threads = [
            threading.Thread(
                target=lambda o=offset: [queue.send([message("a", (n + o) % 50), message("a", n)]) for n in range(50)]
            )
            for offset in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_S)
        assert queue.depth() == 50

    def test_a_long_backlog_of_one_group_drains_steadily(self, backend: Backend, queue: Queue) -> None:
        """The last messages of thousands take about as long as the first: no receive reads the whole backlog."""
        total, step = backend.backlog, 50
        queue.send([message("a", number) for number in range(total)])
        order: list[str] = []
        seconds: list[float] = []
        while len(order) < total:
            started = time.perf_counter()
            received = queue.receive(step)
            queue.delete([item.receipt for item in received])
            seconds.append(time.perf_counter() - started)
            order += bodies(received)
        assert order == [f"a{number}" for number in range(total)]
        quarter = len(seconds) // 4
        assert sorted(seconds[:quarter])[quarter // 2] < 20 * sorted(seconds[-quarter:])[quarter // 2] + 0.05

    def test_what_is_held_does_not_come_again(self, backend: Backend) -> None:
        """Work may take longer than the visibility timeout, for one that is held; when it ends the timeout runs again."""
        queue = backend.queue("deposit-events", 2)
        queue.send([message("a", 1), message("b", 1)])
        received = {item.group: item for item in receive_until(queue, 2)}
        with queue.hold([received["a"].receipt]):
            assert bodies(receive_until(queue, 1)) == ["b1"]
        again = {item.body.decode() for item in receive_until(queue, 2)}
        assert again == {"a1", "b1"}

    def test_what_was_done_while_it_was_held_is_done(self, queue: Queue) -> None:
        """Nothing needs to be held to the end; a defect in the work comes through."""
        queue.send([message("a", 1)])
        [item] = queue.receive(1)
        with queue.hold([item.receipt]):
            queue.delete([item.receipt])
        assert queue.depth() == 0
        with pytest.raises(ZeroDivisionError), queue.hold([]):
            raise ZeroDivisionError


@pytest.mark.asks("sqs")
class TestDeadLetters:
    def bury(self, queue: Queue, *messages: Message) -> None:
        queue.send(messages)
        for item in receive_until(queue, len(messages)):
            queue.bury(item.receipt, f"{item.body.decode()} is no deposit\x00\n" + "x" * 2_000)

    def test_a_dead_letter_says_why_it_is_there(self, queue: Queue) -> None:
        """Body, group, reason and attempts are kept; looking changes nothing."""
        self.bury(queue, message("a", 1), message("a", 2), message("b", 1))
        found = queue.dead(10)
        assert sorted((letter.body, letter.group) for letter in found) == [(b"a1", "a"), (b"a2", "a"), (b"b1", "b")]
        assert all(letter.reason.startswith(f"{letter.body.decode()} is no deposit") for letter in found)
        assert {letter.attempts for letter in found} == {1}
        assert {letter.id for letter in queue.dead(10)} == {letter.id for letter in found}
        assert len(queue.dead(2)) == 2
        assert queue.dead_depth() == 3
        assert queue.depth() == 0

    def test_what_is_redriven_is_a_message_again(self, queue: Queue) -> None:
        """Only those that were named, once each, although the queue has seen their keys a moment ago."""
        self.bury(queue, message("a", 1), message("a", 2), message("b", 1))
        chosen = [letter.id for letter in queue.dead(10) if letter.body in (b"a1", b"b1")]
        assert queue.redrive(chosen) == 2
        received = receive_until(queue, 2)
        assert sorted((item.body, item.group, item.attempts) for item in received) == [(b"a1", "a", 1), (b"b1", "b", 1)]
        assert [letter.body for letter in queue.dead(10)] == [b"a2"]
        assert queue.redrive(chosen) == 0
        assert queue.redrive(["no-such-letter"]) == 0
        assert queue.dead_depth() == 1
        queue.delete([item.receipt for item in received])
        assert queue.depth() == 0

    def test_what_was_redriven_can_be_buried_again(self, queue: Queue) -> None:
        """Poison stays poison: it is a dead letter anew, and can be sent anew."""
        self.bury(queue, message("a", 1))
        for _ in range(2):
            assert queue.redrive([letter.id for letter in queue.dead(10)]) == 1
            [item] = receive_until(queue, 1)
            queue.bury(item.receipt, "still none")
            [letter] = queue.dead(10)
            assert (letter.reason, letter.attempts) == ("still none", 1)

    def test_dead_letters_are_their_queues_own(self, backend: Backend, queue: Queue) -> None:
        """Purging leaves them, and another queue has none of them."""
        self.bury(queue, message("a", 1))
        queue.purge()
        other = backend.queue("payout-requests", LONG_S)
        assert (other.dead(10), other.dead_depth()) == ([], 0)
        assert other.redrive([letter.id for letter in queue.dead(10)]) == 0
        assert queue.dead_depth() == 1
