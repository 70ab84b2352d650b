"""Dead letters on AWS when something is in the way: none is lost, none stops its queue, and looking at them ends."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from core.ports.queues import Message
from gateways.aws import session
from gateways.aws.bodies import sent_bytes
from gateways.aws.dead_letters import DeadLetters
from gateways.aws.names import MESSAGE_BYTES_MAX, queue_name
from gateways.aws.queue import SqsQueue
from gateways.aws.session import Aws
from gateways.postgres.connections import Connections
from gateways.postgres.set_aside_letters import SetAsideLetters
from gateways.settings import Settings, load
from tests.support.aws import CREDENTIALS, NAMED, REAL, REGION, made_queues, refusing
from tests.support.http_server import Answered, Asked, serving
from tests.support.postgres import Database

NAME = "deposit-events"


@pytest.fixture
def aws(aws_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    if REAL or NAMED:
        pytest.skip("nobody fails on command")
    monkeypatch.setattr(session, "TRIES_MAX", 1)
    services = Aws(aws_settings)
    with made_queues(services, (NAME,)):
        yield services


@pytest.fixture
def queue(aws: Aws, database: Database) -> Iterator[SqsQueue]:
    """As the recorder has it, with its own login."""
    with contextlib.closing(Connections(database.role_urls["counterfoil_recorder"])) as connections:
        yield SqsQueue(aws, NAME, aside=SetAsideLetters(connections, NAME))


def put_by_a_stranger(aws: Aws, body: str) -> None:
    url = aws.client("sqs").get_queue_url(QueueName=queue_name(aws.prefix, NAME))["QueueUrl"]
    aws.client("sqs").send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId="k")


def test_what_sqs_cannot_take_with_its_reason_lies_in_the_database(aws: Aws, queue: SqsQueue) -> None:
    """A stranger's message of the full size: it is shown, counted and sent again like any other letter."""
    body = "{" + "x" * (MESSAGE_BYTES_MAX - 2) + "}"
    put_by_a_stranger(aws, body)
    [item] = queue.receive(10)
    queue.bury(item.receipt, "no deposit")
    queue.bury(item.receipt, "no deposit")
    assert (queue.depth(), queue.dead_depth()) == (0, 1)
    [letter] = queue.dead(10)
    assert (letter.body, letter.group) == (body.encode(), "g")
    assert letter.reason.startswith("no deposit [set aside here: a dead letter of 10")
    assert queue.redrive(["no-such-letter", letter.id]) == 1
    assert queue.dead_depth() == 0
    assert [received.body for received in queue.receive(10)] == [body.encode()]


def test_what_cannot_be_sent_again_stays(aws: Aws, queue: SqsQueue) -> None:
    """A stranger's text of the full size, which is no JSON, would have to travel in base64."""
    put_by_a_stranger(aws, "x" * MESSAGE_BYTES_MAX)
    queue.bury(queue.receive(10)[0].receipt, "no deposit")
    [letter] = queue.dead(10)
    assert queue.redrive([letter.id]) == 0
    assert queue.dead_depth() == 1


@pytest.mark.parametrize("code", ["InvalidParameterValue", "InvalidMessageContents"])
def test_what_sqs_refuses_for_what_it_is_lies_in_the_database(
    aws: Aws, queue: SqsQueue, aws_url: str, code: str
) -> None:
    """Whatever its reason: the process that buries it goes on."""
    queue.send([Message(b"{}", "g", "k")])
    [item] = queue.receive(10)
    with refusing(aws_url, "sqs", code, operation="SendMessage"):
        queue.bury(item.receipt, "poison")
    assert queue.depth() == 0
    [letter] = queue.dead(10)
    assert (letter.body, code in letter.reason) == (b"{}", True)


def test_a_letter_that_nobody_puts_back_comes_back_by_itself(aws: Aws, queue: SqsQueue, aws_url: str) -> None:
    """Looking succeeds all the same: SQS hides it for half a minute."""
    queue.send([Message(b"{}", "g", "k")])
    queue.bury(queue.receive(10)[0].receipt, "poison")
    for code in ("ThrottlingException", "AccessDeniedException"):
        with refusing(aws_url, "sqs", code, operation="ChangeMessageVisibilityBatch"):
            assert len(queue.dead(10)) <= 1


@pytest.mark.fast
def test_a_size_is_measured_as_it_is_sent() -> None:
    """One character that SQS does not take makes a body a third larger."""
    body = b'{"note":"' + b"x" * 807_080 + b'"}'
    assert sent_bytes(body) == len(body)
    spoiled = body[:-2] + "\uffff".encode() + body[-2:]
    assert sent_bytes(spoiled) > MESSAGE_BYTES_MAX


# A service that promises less than it seems to


@contextlib.contextmanager
def letters_at(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str, Any], Any]) -> Iterator[DeadLetters]:
    """Dead letters of a service that answers so: (operation, what was asked) -> the answer."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(session, "TRIES_MAX", 1)

    def answered(request: Asked) -> Answered:
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        told = answer(operation, msgspec.json.decode(request.body))
        status = 400 if "__type" in told else 200
        return Answered(status, msgspec.json.encode(told), {"content-type": "application/x-amz-json-1.0"})

    with serving(answered) as server:
        aws = Aws(load({}, mode="aws", aws_endpoint_url=server.url, aws_region=REGION))
        yield DeadLetters(aws.client("sqs"), "http://queue", "dead")


def sent(message_id: str) -> dict[str, Any]:
    system = {"MessageGroupId": "g", "ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000"}
    return {"MessageId": message_id, "ReceiptHandle": f"r-{message_id}", "Body": "{}", "Attributes": system}


@pytest.mark.fast
def test_an_empty_short_poll_is_no_empty_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters are looked for with long polls, which ask all of the service's machines."""
    left = [sent("1"), sent("2")]

    def answer(operation: str, asked: Any) -> Any:
        if operation == "ReceiveMessage" and asked["WaitTimeSeconds"] > 0 and left:
            return {"Messages": [left.pop(0)]}
        return {}

    with letters_at(monkeypatch, answer) as letters:
        assert [letter.id for letter in letters.look(10)] == ["1", "2"]


@pytest.mark.fast
@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"])
def test_who_looks_for_too_long_is_forgiven(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Letters that come again end the look; what cannot be put back or taken out any more is somebody else's."""

    def answer(operation: str, asked: Any) -> Any:
        if operation == "ReceiveMessage":
            return {"Messages": [sent("1"), sent("2")]}
        if operation == "ChangeMessageVisibilityBatch":
            failed = [{"Id": it["Id"], "Code": code, "SenderFault": True} for it in asked["Entries"]]
            return {"Successful": [], "Failed": failed}
        return {"__type": f"com.amazonaws.sqs#{code}", "message": "too late"}

    used: list[str] = []
    with letters_at(monkeypatch, answer) as letters:
        assert [letter.id for letter in letters.look(10)] == ["1", "2"]
        assert letters.take_out(["1", "3"], lambda letter: used.append(letter.id)) == 1
    assert used == ["1"]
