"""SQS FIFO as the port `Queue`: batches of ten, long polls, and the dead letters of each queue beside it.

Messages are deleted when their work is durable, never before. A receipt that came too late deletes nothing: its message is
somebody else's then, and is only done twice.
"""

import logging
import math
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from core.ports.queues import DeadLetter, Message, Received
from gateways.aws.bodies import bytes_of, key_of, text_of
from gateways.aws.dead_letters import TOO_LATE, DeadLetters, TooLarge
from gateways.aws.names import BODY_BYTES_MAX, MESSAGE_BYTES_MAX, VISIBILITY_S, dead_queue_name, queue_name
from gateways.aws.outages import reaching, refuse_failures
from gateways.aws.session import Aws
from gateways.lease import held
from gateways.postgres.set_aside_letters import SetAsideLetters
from gateways.telemetry.turns import trace_header

log = logging.getLogger(__name__)

BATCH_MAX: Final = 10
"""Entries of one call."""
ASIDE_MAX: Final = 1_000
"""Letters in the database that one look for some of them reads."""
RENEWALS: Final = 3
"""How often a message is held anew within its visibility timeout."""


class _InFlight(NamedTuple):
    """What was received and is still to be deleted, by its receipt."""

    message_id: str
    body: str
    group: str
    attempts: int
    until_s: float


class SqsQueue:
    """The port `Queue`. Where nothing is, each receive waits `poll_s`: a short one costs as much, and may miss what is."""

    def __init__(
        self,
        aws: Aws,
        name: str,
        *,
        visibility_s: float = VISIBILITY_S,
        poll_s: int = 0,
        aside: SetAsideLetters | None = None,
    ) -> None:
        self._sqs = aws.client("sqs")
        self._name = queue_name(aws.prefix, name)
        self._dead_name = dead_queue_name(aws.prefix, name)
        self._visibility_s = math.ceil(visibility_s)
        self._poll_s = poll_s
        self._aside = aside
        self._lock = threading.Lock()
        self._urls: dict[str, str] = {}
        self._flying: dict[str, _InFlight] = {}

    def send(self, messages: Sequence[Message]) -> None:
        header = trace_header()
        traced = {"AWSTraceHeader": {"DataType": "String", "StringValue": header}} if header else {}
        entries = [
            {
                "MessageBody": text_of(item.body),
                "MessageGroupId": item.group,
                "MessageDeduplicationId": key_of(item.key),
                "MessageSystemAttributes": traced,
            }
            for item in messages
        ]
        for batch in _batches(entries):
            self._send(batch)

    def receive(self, limit: int) -> list[Received]:
        asked_s = time.monotonic()
        with reaching(self._name):
            answer = self._sqs.receive_message(
                QueueUrl=self._url(self._name),
                MaxNumberOfMessages=min(limit, BATCH_MAX),
                VisibilityTimeout=self._visibility_s,
                WaitTimeSeconds=self._poll_s,
                MessageSystemAttributeNames=["MessageGroupId", "ApproximateReceiveCount"],
                # botocore's own retries repeat it: an answer that got lost is given again, not hidden for a minute
                ReceiveRequestAttemptId=str(uuid.uuid4()),
            )
        given = answer.get("Messages", [])
        with self._lock:
            self._flying = {receipt: kept for receipt, kept in self._flying.items() if kept.until_s > asked_s}
            return [self._take(item, asked_s + self._visibility_s) for item in given]

    def _take(self, item: dict[str, Any], until_s: float) -> Received:
        group, attempts = item["Attributes"]["MessageGroupId"], int(item["Attributes"]["ApproximateReceiveCount"])
        receipt = item["ReceiptHandle"]
        self._flying[receipt] = _InFlight(item["MessageId"], item["Body"], group, attempts, until_s)
        return Received(body=bytes_of(item["Body"]), group=group, receipt=receipt, attempts=attempts)

    def delete(self, receipts: Sequence[str]) -> None:
        self._for_each(receipts, "delete_message_batch")
        self._forget(receipts)

    def release(self, receipts: Sequence[str]) -> None:
        self._for_each(receipts, "change_message_visibility_batch", VisibilityTimeout=0)
        self._forget(receipts)

    def hold(self, receipts: Sequence[str]) -> AbstractContextManager[None]:
        def renew() -> None:
            self._for_each(receipts, "change_message_visibility_batch", VisibilityTimeout=self._visibility_s)
            until_s = time.monotonic() + self._visibility_s
            with self._lock:
                held = {each: self._flying[each]._replace(until_s=until_s) for each in receipts if each in self._flying}
                self._flying.update(held)

        return held(renew, self._visibility_s / RENEWALS)

    def bury(self, receipt: str, reason: str) -> None:
        """A message that is not in flight here any more is somebody else's to bury."""
        with self._lock:
            poison = self._flying.get(receipt)
        if poison is not None:
            self._lay_down(poison.message_id, poison.body, poison.group, poison.attempts, reason)
            self.delete([receipt])

    def bury_part(self, receipt: str, part: int, body: bytes, group: str, reason: str) -> None:
        """A part of a message that is in flight; the message stays there."""
        with self._lock:
            whole = self._flying.get(receipt)
        if whole is not None:
            self._lay_down(f"{whole.message_id}-{part}", text_of(body), group, whole.attempts, reason)

    def _lay_down(self, message_id: str, body: str, group: str, attempts: int, reason: str) -> None:
        """Into the dead letters; into the database where SQS does not take it for what it is: it would come for ever."""
        try:
            self._dead.put(message_id, body, group, attempts, reason)
        except (TooLarge, ClientError) as refused:
            if self._aside is None:
                raise
            self._aside.put(message_id, bytes_of(body), group, attempts, f"{reason} [set aside here: {refused}]")

    def dead(self, limit: int) -> list[DeadLetter]:
        """Those in SQS, then those that it does not take."""
        found = self._dead.look(limit)
        return found + (self._aside.look(limit - len(found)) if self._aside and len(found) < limit else [])

    def redrive(self, ids: Sequence[str]) -> int:
        """The key is a new one: under its old one SQS would take a message of the last minutes for a repeated one."""
        sent = self._redrive_aside(frozenset(ids))
        left = [each for each in ids if each not in sent]
        return len(sent) + (self._dead.take_out(left, self._again) if left else 0)

    def _again(self, letter: DeadLetter) -> None:
        entry = {"MessageBody": text_of(letter.body), "MessageGroupId": letter.group}
        self._send([{"Id": "0", **entry, "MessageDeduplicationId": f"redrive:{letter.id}"}])

    def _redrive_aside(self, wanted: frozenset[str]) -> set[str]:
        """Of those in the database -> the ids of what SQS took; the rest stays there."""
        sent: set[str] = set()
        if self._aside is None:
            return sent
        for letter in self._aside.look(ASIDE_MAX):
            if letter.id not in wanted:
                continue
            try:
                self._again(letter)
            except (ClientError, ValueError) as refused:
                log.warning("the dead letter %s stays in the database: %s", letter.id, refused)
                continue
            self._aside.remove(letter.id)
            sent.add(letter.id)
        return sent

    def dead_depth(self) -> int:
        return self._depth(self._dead_name) + (self._aside.depth() if self._aside else 0)

    def depth(self) -> int:
        return self._depth(self._name)

    def oldest_s(self) -> None:
        """CloudWatch alone knows: ApproximateAgeOfOldestMessage, which is alarmed and scaled by there."""

    def purge(self) -> None:
        with reaching(self._name):
            self._sqs.purge_queue(QueueUrl=self._url(self._name))
        with self._lock:
            self._flying.clear()

    @property
    def _dead(self) -> DeadLetters:
        return DeadLetters(self._sqs, self._url(self._dead_name), self._dead_name)

    def _send(self, batch: Sequence[dict[str, Any]]) -> None:
        with reaching(self._name):
            answer = self._sqs.send_message_batch(QueueUrl=self._url(self._name), Entries=batch)
        refuse_failures(self._name, answer)

    def _for_each(self, receipts: Sequence[str], operation: str, **more: Any) -> None:
        """What SQS has already given to somebody else is left to them."""
        for start in range(0, len(receipts), BATCH_MAX):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt, **more}
                for number, receipt in enumerate(receipts[start : start + BATCH_MAX])
            ]
            with reaching(self._name):
                answer = getattr(self._sqs, operation)(QueueUrl=self._url(self._name), Entries=entries)
            refuse_failures(self._name, answer, forgiven=TOO_LATE)

    def _forget(self, receipts: Iterable[str]) -> None:
        with self._lock:
            for receipt in receipts:
                self._flying.pop(receipt, None)

    def _depth(self, name: str) -> int:
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with reaching(name):
            answer = self._sqs.get_queue_attributes(QueueUrl=self._url(name), AttributeNames=wanted)
        return sum(int(answer["Attributes"][attribute]) for attribute in wanted)

    def _url(self, name: str) -> str:
        if name not in self._urls:
            with reaching(name):
                self._urls[name] = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        return self._urls[name]


def _batches(entries: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Ten at most, and no more than one call may carry. Raises ValueError for a message that could not be buried."""
    batch: list[dict[str, Any]] = []
    room = MESSAGE_BYTES_MAX
    for entry in entries:
        size = len(entry["MessageBody"].encode())
        if size > BODY_BYTES_MAX:
            raise ValueError(f"a message of {size} bytes does not fit into a queue")
        if len(batch) == BATCH_MAX or size > room:
            yield batch
            batch, room = [], MESSAGE_BYTES_MAX
        batch.append({"Id": str(len(batch)), **entry})
        room -= size
    if batch:
        yield batch
