"""Bundles: a few messages for many reports, and no report lost, swapped with its neighbours' order, or held up by them."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ports.queues import Message, Received
from gateways.aws.bundles import BYTES_MAX, PARTS_MAX, SHARDS, BundledQueue, bundled, shard_of, unbundled
from gateways.aws.queue import SqsQueue
from gateways.aws.session import Aws
from gateways.settings import Settings
from scanners import facts
from scanners.facts import Report
from scanners.recorder import Recorder
from tests.bench import sqs
from tests.scanners.test_recorder import fact
from tests.scanners.world import KEY, World
from tests.support.aws import made_queues
from tests.support.chain import person
from tests.support.memory import MemoryQueue


def message(group: str, number: int) -> Message:
    return Message(f'{{"n":{number}}}'.encode(), group, f"{group}/{number}")


def parts_of(messages: list[Message]) -> list[Message]:
    return [part for it in messages for part in unbundled(Received(it.body, it.group, "r", 1))]


@pytest.mark.fast
@given(st.lists(st.tuples(st.sampled_from("abcdefghijkl"), st.integers(0, 9)), max_size=60))
def test_every_report_comes_out_as_it_went_in(sent: list[tuple[str, int]]) -> None:
    """All of them, in order for each group, each in the shard of its group."""
    messages = [message(group, number) for group, number in sent]
    given_back = parts_of(bundled(messages))
    for group in "abcdefghijkl":
        assert [it.body for it in given_back if it.group == group] == [it.body for it in messages if it.group == group]
    assert len(given_back) == len(messages)
    for bundle in bundled(messages):
        assert {shard_of(part.group) for part in parts_of([bundle])} == {bundle.group}


@pytest.mark.fast
def test_a_bundle_has_its_limits() -> None:
    """As many reports as one may have and no more bytes; as many shards as one call carries."""
    many = [message("a", number) for number in range(2 * PARTS_MAX + 1)]
    assert [len(parts_of([it])) for it in bundled(many)] == [PARTS_MAX, PARTS_MAX, 1]
    large = [Message(b'"' + b"x" * 50_000 + b'"', "a", str(number)) for number in range(5)]
    assert [len(parts_of([it])) for it in bundled(large)] == [2, 2, 1]
    assert all(len(it.body) < BYTES_MAX + 1_000 for it in bundled(large))
    assert SHARDS <= 10
    assert SHARDS * BYTES_MAX < 1_048_576
    assert {shard_of(str(number)) for number in range(1_000)} == {f"shard-{number}" for number in range(SHARDS)}
    assert bundled([]) == []


@pytest.mark.fast
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"[1]", b'[["a"]]', b"\xff", b'{"a":1}', b'[["a",{}]'])
def test_what_is_no_bundle_is_a_report(body: bytes) -> None:
    """One that was sent again from the dead letters, or a stranger's: the recorder judges it."""
    [part] = unbundled(Received(body, "g", "r", 1))
    assert (part.body, part.group) == (body, "g")


@pytest.mark.long
@pytest.mark.fast
@settings(max_examples=200)
@given(st.data())
def test_whatever_is_decided_no_report_is_lost(data: st.DataObject) -> None:
    """Deleted, given back, buried, left to its timeout, in any order and mixture: in the end each is deleted or buried."""
    inner = MemoryQueue()
    queue = BundledQueue(inner)
    sent = [message(data.draw(st.sampled_from("abcde")), number) for number in range(data.draw(st.integers(1, 12)))]
    queue.send(sent)
    deleted: set[bytes] = set()
    for turn in range(60):
        if not inner.depth():
            break
        received = queue.receive(1_000)
        calls: defaultdict[str, list[Received]] = defaultdict(list)
        for item in received:
            choice = "delete" if turn > 20 else data.draw(st.sampled_from(["delete", "release", "bury", "leave"]))
            calls[choice].append(item)
        for name in data.draw(st.permutations(["delete", "release", "bury"])):
            if name == "bury":
                for item in calls["bury"]:
                    queue.bury(item.receipt, "poison")
            else:
                getattr(queue, name)([item.receipt for item in calls[name]])
        deleted |= {item.body for item in calls["delete"]}
        if calls["leave"]:
            inner.timeout()
    assert inner.depth() == 0
    assert deleted | {body for body, _ in inner.buried} == {item.body for item in sent}


@pytest.mark.fast
def test_what_comes_again_holds_up_nobody() -> None:
    """One report of a bundle that is given back comes by itself; the others are gone with their bundle."""
    inner = MemoryQueue()
    queue = BundledQueue(inner)
    queue.send([message("a", number) for number in range(3)])
    first, second, third = queue.receive(1_000)
    queue.delete([first.receipt, third.receipt])
    assert inner.depth() == 1
    queue.release([second.receipt])
    assert queue.receive(1_000) == []  # what gave less than was asked for is not asked again at once
    [again] = queue.receive(1_000)
    assert (again.body, again.group, inner.depth()) == (second.body, "a", 1)
    queue.release([again.receipt])
    queue.delete(["unknown", "unknown 7", again.receipt])
    assert inner.depth() == 1


@pytest.mark.fast
def test_the_recorder_knows_nothing_of_bundles() -> None:
    """A forged and a defective report among good ones are buried by themselves, and the good ones recorded once."""
    world = World()
    queue = BundledQueue(world.queue)
    recorder = Recorder(
        queue,
        world.ledger,
        world.store,
        world.recorder._attempts,
        world.recorder._outstanding,
        key=KEY,
        alarm=world.recorder._alarm,
    )
    reports = [Report("confirmed", fact(number)) for number in range(1, 21)]
    broken = Report("confirmed", fact(99, wallet="no such role", to_address=person(30).base58))
    forged = facts.message(Report("confirmed", fact(98, amount_minor=10**15)), b"somebody else's")
    queue.send([*(facts.message(report, KEY) for report in (*reports, broken)), forged])
    assert world.queue.depth() <= SHARDS
    for _ in range(12):
        recorder.step()
        world.queue.timeout()
    assert world.balance() == 20 * 5
    assert Counter("proof" in reason for _, reason in world.queue.buried) == {True: 1, False: 1}
    assert forged.body in [body for body, _ in world.queue.buried]
    assert world.queue.depth() == 0


# On SQS


@pytest.fixture
def aws(aws_settings: Settings) -> Iterator[Aws]:
    services = Aws(aws_settings)
    with made_queues(services, ("deposit-events",)):
        yield services


def test_a_thousand_deposits_cost_few_calls(aws: Aws) -> None:
    """Told at the head and again when solid, in ten blocks, received, recorded and deleted: at most 250 calls."""
    calls = sqs.for_a_thousand(aws, per_block=100)
    assert (len(calls.received), set(calls.received.values())) == (2_000, {1})
    assert sum(calls.made.values()) <= 250, calls.made


def test_a_poison_part_is_a_dead_letter_that_can_be_sent_again(aws: Aws) -> None:
    """With its own group and body; sent again, it is a report by itself."""
    queue = BundledQueue(SqsQueue(aws, "deposit-events"))
    queue.send([message("a", 1), message("a", 2)])
    good, poison = queue.receive(1_000)
    queue.bury(poison.receipt, "poison")
    queue.delete([good.receipt])
    assert queue.depth() == 0
    [letter] = queue.dead(10)
    assert (letter.body, letter.group, letter.reason) == (poison.body, "a", "poison")
    assert queue.redrive([letter.id]) == 1
    received = [item for _ in range(3) for item in queue.receive(1_000)]
    assert [(item.body, item.group) for item in received] == [(poison.body, "a")]


@pytest.mark.fast
def test_a_bundle_can_be_read_by_a_person() -> None:
    """It is JSON: pairs of an address and its report."""
    [bundle] = bundled([message("a", 1), message("a", 2)])
    assert msgspec.json.decode(bundle.body) == [["a", {"n": 1}], ["a", {"n": 2}]]
