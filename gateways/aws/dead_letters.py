"""A queue's dead letters, in an SQS queue of their own: why each is there is a message attribute.

Each letter is a group by itself, so that one may be looked at, or sent again, without the others. What SQS has moved here by
itself, after RECEIVES_MAX receives, has no reason and keeps its group.
"""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from core.ports.queues import DeadLetter
from core.ports.unavailable import Unavailable
from gateways.aws.bodies import bytes_of
from gateways.aws.names import MESSAGE_BYTES_MAX
from gateways.aws.outages import code_of, reaching, refuse_failures

log = logging.getLogger(__name__)

LOOK_S: Final = 30
"""Letters that are looked at are hidden from others for so long, if the one who looks dies over it."""
LOOK_POLL_S: Final = 1
"""A short poll asks some of the service's machines: that it finds nothing says nothing. A long one asks all."""
REASON_MAX: Final = 1_000
TOO_LATE: Final = frozenset({"ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"})
"""What a receipt is told that came too late: its message is somebody else's by now, or gone."""
UNKNOWN: Final = "it was received too often without an end: its receivers may have died over it"
_UNPRINTABLE: Final = re.compile("[^\x20-\ud7ff\ue000-\ufffd]")


class TooLarge(ValueError):
    """With its attributes the letter is more than SQS carries."""


class DeadLetters:
    """One queue of dead letters. Its own key for a letter is the message's id: burying twice is burying once."""

    def __init__(self, sqs: Any, url: str, name: str) -> None:
        self._sqs = sqs
        self._url = url
        self._name = name

    def put(self, message_id: str, body: str, group: str, attempts: int, reason: str) -> None:
        given = {"reason": _UNPRINTABLE.sub(" ", reason)[:REASON_MAX] or "-", "group": group}
        attributes = {name: {"DataType": "String", "StringValue": text} for name, text in given.items()}
        attributes["attempts"] = {"DataType": "Number", "StringValue": str(attempts)}
        size = len(body.encode()) + sum(map(_size, attributes.items()))
        if size > MESSAGE_BYTES_MAX:
            raise TooLarge(f"a dead letter of {size} bytes, with its reason, does not fit into a queue")
        with reaching(self._name):
            self._sqs.send_message(
                QueueUrl=self._url,
                MessageBody=body,
                MessageAttributes=attributes,
                MessageGroupId=message_id,
                MessageDeduplicationId=message_id,
            )

    def look(self, limit: int) -> list[DeadLetter]:
        """The oldest ones; they are put back before this returns."""
        found: dict[str, DeadLetter] = {}
        receipts: list[str] = []
        try:
            for letter, receipt in self._all():
                receipts.append(receipt)
                if letter.id in found:
                    break  # looking took so long that the first ones come again
                found[letter.id] = letter
                if len(found) == limit:
                    break
        finally:
            self._put_back(receipts)
        return sorted(found.values(), key=lambda letter: letter.buried_at)

    def take_out(self, ids: Sequence[str], use: Callable[[DeadLetter], None]) -> int:
        """Each of these is used, then gone -> how many there were. One that dies in between is used twice."""
        wanted, taken = set(ids), set[str]()
        others: dict[str, str] = {}
        try:
            for letter, receipt in self._all():
                if letter.id not in wanted:
                    again = letter.id in others
                    others[letter.id] = receipt
                    if again:
                        break  # what is wanted is not here, or would have come
                    continue
                if letter.id not in taken:
                    use(letter)
                    taken.add(letter.id)
                self._remove(receipt)
                if taken == wanted:
                    break
        finally:
            self._put_back(list(others.values()))
        return len(taken)

    def _remove(self, receipt: str) -> None:
        """What took too long comes again, and its repeated use is known by its key."""
        try:
            with reaching(self._name, *TOO_LATE):
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)
        except ClientError as error:
            if code_of(error) not in TOO_LATE:
                raise

    def _all(self) -> Iterator[tuple[DeadLetter, str]]:
        """(letter, receipt), until none is left that nobody looks at."""
        while True:
            with reaching(self._name):
                answer = self._sqs.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=10,
                    VisibilityTimeout=LOOK_S,
                    WaitTimeSeconds=LOOK_POLL_S,
                    MessageSystemAttributeNames=["MessageGroupId", "ApproximateReceiveCount", "SentTimestamp"],
                    MessageAttributeNames=["All"],
                )
            given = answer.get("Messages", [])
            if not given:
                return
            pending = [item["ReceiptHandle"] for item in given]
            try:
                for item in given:
                    yield _letter(item), pending.pop(0)
            finally:
                self._put_back(pending)

    def _put_back(self, receipts: Sequence[str]) -> None:
        """At once; what cannot be put back comes again by itself, LOOK_S after it was looked at."""
        for start in range(0, len(receipts), 10):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for number, receipt in enumerate(receipts[start : start + 10])
            ]
            try:
                with reaching(self._name):
                    answer = self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
                refuse_failures(self._name, answer, forgiven=TOO_LATE)
            except Unavailable as error:
                log.warning("%d dead letters are hidden for %d s: %s", len(receipts) - start, LOOK_S, error)
                return


def _size(attribute: tuple[str, dict[str, str]]) -> int:
    """What SQS counts of an attribute: its name, its type and its value."""
    name, given = attribute
    return len(name.encode()) + sum(len(text.encode()) for text in given.values())


def _letter(item: dict[str, Any]) -> DeadLetter:
    given = {name: value.get("StringValue", "") for name, value in item.get("MessageAttributes", {}).items()}
    system = item["Attributes"]
    return DeadLetter(
        id=item["MessageId"],
        body=bytes_of(item["Body"]),
        group=given.get("group", system["MessageGroupId"]),
        reason=given.get("reason", UNKNOWN),
        attempts=int(given.get("attempts", system["ApproximateReceiveCount"])),
        buried_at=datetime.fromtimestamp(int(system["SentTimestamp"]) / 1000, UTC),
    )
