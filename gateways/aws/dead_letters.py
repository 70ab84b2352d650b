"""A queue's dead letters, in an SQS queue of their own: why each is there is a message attribute.

Each letter is a group by itself, so that one may be looked at, or sent again, without the others. What SQS has moved here by
itself, after RECEIVES_MAX receives, has no reason and keeps its group.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from core.ports.queues import DeadLetter
from gateways.aws.bodies import bytes_of
from gateways.aws.outages import reaching

LOOK_S: Final = 30
"""Letters that are looked at are hidden from others for so long, if the one who looks dies over it."""
REASON_MAX: Final = 1_000
UNKNOWN: Final = "it was received too often without an end: its receivers may have died over it"
_UNPRINTABLE: Final = re.compile("[^\x20-\ud7ff\ue000-\ufffd]")


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
        found: list[DeadLetter] = []
        receipts: list[str] = []
        try:
            for letter, receipt in self._all():
                receipts.append(receipt)
                found.append(letter)
                if len(found) == limit:
                    break
        finally:
            self._put_back(receipts)
        return sorted(found, key=lambda letter: letter.buried_at)

    def take_out(self, ids: Sequence[str], use: Callable[[DeadLetter], None]) -> int:
        """Each of these is used, then gone -> how many there were. One that dies in between is used twice."""
        wanted, taken = set(ids), 0
        others: list[str] = []
        try:
            for letter, receipt in self._all():
                if letter.id not in wanted:
                    others.append(receipt)
                    continue
                use(letter)
                with reaching(self._name):
                    self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)
                taken += 1
                if taken == len(wanted):
                    break
        finally:
            self._put_back(others)
        return taken

    def _all(self) -> Iterator[tuple[DeadLetter, str]]:
        """(letter, receipt), until none is left that nobody looks at."""
        while True:
            with reaching(self._name):
                answer = self._sqs.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=10,
                    VisibilityTimeout=LOOK_S,
                    WaitTimeSeconds=0,
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
        for receipt in receipts:
            with reaching(self._name):
                self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=0)


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
