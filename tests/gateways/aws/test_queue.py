"""What SqsQueue makes of the service's own ways: limits, batches, polls, refusals, shut doors."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from core.ports.queues import Message
from core.ports.unavailable import Unavailable
from gateways.aws import session
from gateways.aws.bodies import bytes_of, key_of, text_of
from gateways.aws.dead_letters import REASON_MAX, UNKNOWN
from gateways.aws.names import BODY_BYTES_MAX, VISIBILITY_S, queue_name
from gateways.aws.queue import SqsQueue
from gateways.aws.session import Aws
from gateways.settings import Settings, load
from gateways.telemetry.spans import Ids
from gateways.telemetry.turns import HERE, Turn
from gateways.user_error import UserError
from tests.support.aws import CREDENTIALS, REGION, made_queues
from tests.support.http_server import Answered, Asked, HttpServer, serving

pytestmark = pytest.mark.asks("sqs")

NAME = "deposit-events"


class Counted:
    """A queue of the test's own, and how often each operation was called."""

    def __init__(self, aws: Aws, **more: Any) -> None:
        self.aws = aws
        self.calls: Counter[str] = Counter()
        aws.client("sqs").meta.events.register("before-call.sqs", self._count)
        self.queue = SqsQueue(aws, NAME, **more)
        self.queue.depth()  # it knows its URL from here on
        self.calls.clear()

    def _count(self, model: Any, **_: Any) -> None:
        self.calls[model.name] += 1


@pytest.fixture
def aws(aws_settings: Settings) -> Iterator[Aws]:
    services = Aws(aws_settings)
    with made_queues(services, (NAME,)):
        yield services


def message(number: int, size: int = 2, group: str = "a") -> Message:
    return Message(b"{" + b"x" * (size - 2) + b"}", group, f"k{number}")


def test_ten_messages_are_one_call(aws: Aws) -> None:
    """Sending, receiving, deleting and releasing a hundred takes ten calls each."""
    counted = Counted(aws)
    queue = counted.queue
    queue.send([message(number, group=str(number)) for number in range(100)])
    for _ in range(2):
        receipts: list[str] = []
        while len(receipts) < 100:
            receipts += [item.receipt for item in queue.receive(1_000)]
        queue.release(receipts)
    receipts = []
    while len(receipts) < 100:
        receipts += [item.receipt for item in queue.receive(1_000)]
    queue.delete(receipts)
    assert counted.calls == {
        "SendMessageBatch": 10,
        "ReceiveMessage": 30,
        "ChangeMessageVisibilityBatch": 20,
        "DeleteMessageBatch": 10,
    }


def test_a_message_tells_x_ray_which_step_sent_it(aws: Aws) -> None:
    """In the attribute that AWS passes on, as it writes ids; outside of a step there is none. (The emulator drops it.)"""
    sent: list[dict[str, Any]] = []
    aws.client("sqs").meta.events.register(
        "provide-client-params.sqs.SendMessageBatch", lambda params, **_: sent.extend(params["Entries"])
    )
    queue = SqsQueue(aws, NAME)
    turn = HERE.set(Turn(Ids(0x5F84C7A1_0123456789ABCDEF01234567, 0x89ABCDEF01234567)))
    queue.send([message(1, group="a")])
    HERE.reset(turn)
    queue.send([message(2, group="b")])
    within, outside = (entry["MessageSystemAttributes"] for entry in sent)
    header = "Root=1-5f84c7a1-0123456789abcdef01234567;Parent=89abcdef01234567;Sampled=1"
    assert (within, outside) == ({"AWSTraceHeader": {"DataType": "String", "StringValue": header}}, {})


def test_a_call_carries_no_more_than_it_may(aws: Aws) -> None:
    """Messages as large as may be buried go one by one, smaller ones together up to what a call carries."""
    counted = Counted(aws)
    queue = counted.queue
    queue.send([message(1, BODY_BYTES_MAX), message(2, BODY_BYTES_MAX), message(3, 400_000), message(4, 600_000)])
    assert counted.calls == {"SendMessageBatch": 3}
    received = queue.receive(10)
    assert [len(item.body) for item in received] == [BODY_BYTES_MAX, BODY_BYTES_MAX, 400_000, 600_000]
    with pytest.raises(ValueError, match=f"{BODY_BYTES_MAX + 1} bytes does not fit"):
        queue.send([message(5, BODY_BYTES_MAX + 1)])
    assert counted.calls["SendMessageBatch"] == 3


def test_what_was_sent_can_be_buried_with_its_reason(aws: Aws) -> None:
    """However large it is, and whatever letters the reason has."""
    queue = SqsQueue(aws, NAME)
    queue.send([message(1, BODY_BYTES_MAX, group="g" * 128)])
    [item] = queue.receive(10)
    queue.bury(item.receipt, "\u20ac" * 2_000)
    [letter] = queue.dead(10)
    assert (len(letter.body), letter.reason) == (BODY_BYTES_MAX, "\u20ac" * REASON_MAX)


def test_every_receive_waits(aws: Aws) -> None:
    """No short poll is paid for, whatever the receive before has found."""
    waits: list[int] = []
    aws.client("sqs").meta.events.register(
        "before-parameter-build.sqs.ReceiveMessage", lambda params, **_: waits.append(params["WaitTimeSeconds"])
    )
    queue = SqsQueue(aws, NAME, poll_s=1)
    queue.send([message(1)])
    assert [len(queue.receive(10)) for _ in range(4)] == [1, 0, 0, 0]
    assert waits == [1] * 4


def test_what_sqs_gave_up_by_itself_is_a_dead_letter_like_the_others(aws: Aws) -> None:
    """Received too often, it is moved without a reason; it is shown with what is known, and can be sent again."""
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=queue_name(aws.prefix, NAME))["QueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    patience = msgspec.json.decode(policy) | {"maxReceiveCount": 2}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": msgspec.json.encode(patience).decode()})
    queue = SqsQueue(aws, NAME)
    queue.send([message(1, group="g")])
    for _ in range(2):
        queue.release([item.receipt for item in queue.receive(10)])
    assert queue.receive(10) == []
    [letter] = queue.dead(10)
    assert (letter.body, letter.group, letter.reason) == (b"{}", "g", UNKNOWN)
    assert queue.redrive([letter.id]) == 1
    assert [item.group for item in queue.receive(10)] == ["g"]


def test_what_came_too_late_to_be_buried_is_left_to_its_new_receiver(aws: Aws) -> None:
    """A receipt that this process no longer holds moves nothing."""
    queue = SqsQueue(aws, NAME)
    queue.send([message(1)])
    [item] = queue.receive(10)
    queue.release([item.receipt])
    queue.bury(item.receipt, "too late")
    assert queue.dead(10) == []
    assert len(queue.receive(10)) == 1


def test_a_queue_that_is_not_there_is_a_sentence(aws_settings: Settings) -> None:
    """Terraform was not run, the prefix is another one, or somebody took it away: it is waited for."""
    with pytest.raises(Unavailable, match=rf"^{aws_settings.aws_prefix}deposit-events\.fifo .* terraform makes it"):
        SqsQueue(Aws(aws_settings), NAME).depth()


READABLE = (b"{}", b'{"a":"\xc3\xa9\\u0000"}', b"[1]")


@pytest.mark.fast
@pytest.mark.parametrize("body", [*READABLE, b"", b"plain", b"{\x00}", b"\xff{", b"[\xff\xfe]"])
def test_every_body_comes_back(body: bytes) -> None:
    """JSON travels as it is, everything else in base64."""
    text = text_of(body)
    assert bytes_of(text) == body
    assert text.startswith("base64:") == (body not in READABLE)
    assert "\x00" not in text


@pytest.mark.fast
def test_what_a_stranger_sends_is_given_as_it_is() -> None:
    """Text that only looks like ours is no defect here: its reader refuses it."""
    assert bytes_of("base64:???") == b"base64:???"


@pytest.mark.fast
def test_a_key_is_short_enough_and_one_to_one() -> None:
    """A key that SQS takes stays readable; others become their hash."""
    assert key_of("confirmed:deposit-1") == "confirmed:deposit-1"
    long, spaced = "k" * 129, "with space"
    assert {len(key_of(long)), len(key_of(spaced))} == {64}
    assert key_of(long) != key_of(long + "k")


# A service that fails


def failing(status: int, code: str) -> Answered:
    body = msgspec.json.encode({"__type": f"com.amazonaws.sqs#{code}", "message": "of the test"})
    return Answered(status, body, {"content-type": "application/x-amz-json-1.0"})


def good(**answer: Any) -> Answered:
    return Answered(200, msgspec.json.encode(answer), {"content-type": "application/x-amz-json-1.0"})


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(session, "TRIES_MAX", 1)
    with serving(lambda _: failing(500, "InternalFailure")) as server:
        yield server


def queue_at(server: HttpServer) -> SqsQueue:
    return SqsQueue(Aws(load({}, mode="aws", aws_endpoint_url=server.url, aws_region=REGION)), NAME)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "InternalFailure"), (503, "Anything"), (400, "ThrottlingException"), (400, "RequestThrottled")],
)
def test_a_service_that_is_down_or_busy_is_a_shut_door(service: HttpServer, status: int, code: str) -> None:
    """What passes by itself is Unavailable."""
    service.answer = lambda _: failing(status, code)
    with pytest.raises(Unavailable, match=r"deposit-events\.fifo refuses for now"):
        queue_at(service).depth()


@pytest.mark.fast
def test_a_service_that_cannot_be_reached_is_a_shut_door(service: HttpServer) -> None:
    """No connection, or one that is cut."""
    service.answer = lambda _: Answered(cut=True)
    queue = queue_at(service)
    with pytest.raises(Unavailable, match="cannot be reached"):
        queue.depth()
    service.close()
    with pytest.raises(Unavailable, match="cannot be reached"):
        queue.receive(1)


def answers(**by_operation: Answered) -> Any:
    def answer(asked: Asked) -> Answered:
        operation = asked.headers["x-amz-target"].rpartition(".")[2]
        return by_operation.get(operation, good(QueueUrl="http://queue"))

    return answer


@pytest.mark.fast
def test_a_batch_that_was_taken_in_part_is_a_shut_door(service: HttpServer) -> None:
    """The sender sends all of it again; the keys make the repeated ones vanish."""
    part = {"Successful": [], "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}]}
    service.answer = answers(SendMessageBatch=good(**part))
    with pytest.raises(Unavailable, match="failed 1 entries"):
        queue_at(service).send([message(1), message(2)])


@pytest.mark.fast
def test_an_entry_that_is_refused_is_a_defect(service: HttpServer) -> None:
    """Sending it again would be refused again."""
    refused = {"Successful": [], "Failed": [{"Id": "0", "Code": "InvalidMessageContents", "SenderFault": True}]}
    service.answer = answers(SendMessageBatch=good(**refused))
    with pytest.raises(ValueError, match="InvalidMessageContents"):
        queue_at(service).send([message(1)])


@pytest.mark.fast
def test_nobody_asks_without_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the setting."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(UserError, match="COUNTERFOIL_AWS_REGION"):
        SqsQueue(Aws(load({}, mode="aws")), NAME)


@pytest.mark.fast
def test_a_receive_outlives_a_lost_answer(service: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's own retry carries the same attempt id, so that what the lost answer held is given again at once."""
    monkeypatch.setattr(session, "TRIES_MAX", 2)
    asked: list[dict[str, Any]] = []

    def answer(request: Asked) -> Answered:
        if not request.headers["x-amz-target"].endswith("ReceiveMessage"):
            return good(QueueUrl="http://queue")
        asked.append(msgspec.json.decode(request.body))
        return good() if len(asked) > 1 else Answered(cut=True)

    service.answer = answer
    assert queue_at(service).receive(10) == []
    assert len({request["ReceiveRequestAttemptId"] for request in asked}) == 1
    assert len(asked) == 2
    assert asked[0]["VisibilityTimeout"] == VISIBILITY_S
