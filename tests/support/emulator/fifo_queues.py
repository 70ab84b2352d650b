"""FIFO queues that keep SQS' promises, over moto's: keys outlive messages, groups keep their order, old receipts do nothing."""

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from moto.sqs import models
from moto.sqs.exceptions import ReceiptHandleIsInvalid, SQSException
from moto.sqs.models import Message, Queue, SQSBackend

DEDUPLICATION_MS: Final = 300_000


class Expired(SQSException):
    def __init__(self, receipt: str) -> None:
        super().__init__(
            "InvalidParameterValue",
            f"Value {receipt} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
        )


class FifoQueue(Queue):
    """moto's queue with an order, a memory and a lock."""

    __module__ = Queue.__module__  # moto reads the service's name from it

    def __init__(self, *args: Any, **more: Any) -> None:
        self._known: dict[tuple[str | None, str | None], float] = {}
        self._changed = threading.Condition()
        super().__init__(*args, **more)

    # moto counts anew, message by message, for every attribute that it looks up
    approximate_number_of_messages_delayed = 0

    @property
    def approximate_number_of_messages_not_visible(self) -> int:
        now_ms = time.time() * 1000
        return sum(message.visible_at > now_ms for message in self._messages)

    @property
    def approximate_number_of_messages(self) -> int:
        return len(self._messages) - self.approximate_number_of_messages_not_visible

    def add_message(self, message: Message) -> None:
        with self._changed:
            scope = message.group_id if self.deduplication_scope == "messageGroup" else None
            key = (scope, message.deduplication_id)
            now_ms = time.time() * 1000
            if now_ms - self._known.get(key, 0) < DEDUPLICATION_MS:
                return
            self._known[key] = now_ms
            self._messages.append(message)
            self._changed.notify_all()

    def take(self, count: int, wait_s: int, visibility_s: int) -> list[Message]:
        deadline = time.monotonic() + wait_s
        with self._changed:
            while True:
                taken = self._next(count)
                for message in taken:
                    message.mark_received(visibility_timeout=visibility_s)
                left_s = deadline - time.monotonic()
                if taken or left_s <= 0:
                    return taken
                self._changed.wait(min(left_s, 0.1))

    def _next(self, count: int) -> list[Message]:
        now_ms = time.time() * 1000
        flying = {each.group_id for each in self._messages if each.receipt_handle and each.visible_at > now_ms}
        taken: list[Message] = []
        most = int(self.redrive_policy["maxReceiveCount"]) if self.redrive_policy else None
        for message in list(self._messages):
            if message.group_id in flying:
                continue
            if most is not None and message.approximate_receive_count >= most:
                self._messages.remove(message)
                assert self.dead_letter_queue is not None
                self.dead_letter_queue.add_message(message)
                continue
            taken.append(message)
            if len(taken) == count:
                break
        return taken

    def _held(self, receipt: str) -> Message:
        """The message that is in flight under this receipt."""
        for message in self._messages:
            if message.receipt_handle == receipt and message.visible_at > time.time() * 1000:
                return message
        if any(message.had_receipt_handle(receipt) for message in self._messages):
            raise Expired(receipt)
        raise ReceiptHandleIsInvalid

    def delete_message(self, receipt_handle: str) -> None:
        with self._changed:
            if receipt_handle not in self.deleted_messages:
                self._messages.remove(self._held(receipt_handle))
                self.deleted_messages.add(receipt_handle)
            self._changed.notify_all()

    def show(self, receipt_handle: str, visibility_s: int) -> None:
        with self._changed:
            self._held(receipt_handle).change_visibility(visibility_s)
            self._changed.notify_all()


def receive_message(
    self: SQSBackend, queue_name: str, count: int, wait: int, visibility: int, names: Sequence[str] | None = None
) -> list[Message]:
    queue = self.get_queue(queue_name)
    assert isinstance(queue, FifoQueue)
    return queue.take(count, wait, visibility)


def each(entries: Sequence[dict[str, Any]], work: Any) -> tuple[list[str], list[dict[str, Any]]]:
    done: list[str] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            work(entry)
            done.append(entry["Id"])
        except SQSException as error:
            told = {"Code": error.code, "Message": error.message, "SenderFault": True}
            failed.append({"Id": entry["Id"], **told})
    return done, failed


def delete_batch(self: SQSBackend, queue_name: str, receipts: list[dict[str, Any]]) -> Any:
    return each(receipts, lambda entry: self.delete_message(queue_name, entry["ReceiptHandle"]))


def change(self: SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
    queue = self.get_queue(queue_name)
    assert isinstance(queue, FifoQueue)
    queue.show(receipt_handle, int(visibility_timeout))


def change_batch(self: SQSBackend, queue_name: str, entries: list[dict[str, Any]]) -> Any:
    return each(entries, lambda it: change(self, queue_name, it["ReceiptHandle"], int(it["VisibilityTimeout"])))


def mended_sqs() -> None:
    """moto's queues are these from now on."""
    models.Queue = FifoQueue  # type: ignore[misc]
    SQSBackend.receive_message = receive_message  # type: ignore[method-assign, assignment]
    SQSBackend.delete_message_batch = delete_batch  # type: ignore[method-assign]
    SQSBackend.change_message_visibility = change  # type: ignore[method-assign]
    SQSBackend.change_message_visibility_batch = change_batch  # type: ignore[method-assign]
