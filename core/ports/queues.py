"""The port to queues: what is sent at least once, in order per group, and what becomes of that which nobody can handle."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

import msgspec


class Message(msgspec.Struct, frozen=True):
    """What a queue is given: `group` keeps its order, `key` makes repeats within the queue's window vanish."""

    body: bytes
    group: str
    key: str


class Received(msgspec.Struct, frozen=True):
    """What a queue gives: the body, how often it was given before, and the receipt that deletes it."""

    body: bytes
    group: str
    receipt: str
    attempts: int


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that nobody could handle, why, and after how many tries."""

    id: str
    body: bytes
    group: str
    reason: str
    attempts: int
    buried_at: datetime


class Queue(Protocol):
    """FIFO per group, at least once. What is not deleted within its visibility timeout comes again."""

    def send(self, messages: Sequence[Message]) -> None:
        """Returns when all are durable, in order. Raises Unavailable: then any prefix may have been taken."""

    def receive(self, limit: int) -> Sequence[Received]:
        """Up to `limit` messages, none of a group that has one in flight. Waits at most the adapter's poll time."""

    def delete(self, receipts: Sequence[str]) -> None: ...

    def release(self, receipts: Sequence[str]) -> None:
        """Give them back at once instead of at the visibility timeout."""

    def hold(self, receipts: Sequence[str]) -> AbstractContextManager[None]:
        """While the block runs, these stay in flight, however long their work takes."""

    def bury(self, receipt: str, reason: str) -> None:
        """Move one poison message to the dead letters, with its reason."""

    def dead(self, limit: int) -> Sequence[DeadLetter]:
        """Up to `limit` dead letters, the oldest first, which stay where they are."""

    def redrive(self, ids: Sequence[str]) -> int:
        """Send these dead letters again, behind what waits and with no attempt before -> how many there were."""

    def dead_depth(self) -> int:
        """About how many dead letters there are."""

    def depth(self) -> int:
        """About how many messages wait or are in flight."""

    def oldest_s(self) -> int | None:
        """For how many seconds the oldest message has been here, 0 without any; None where only the platform's own
        monitoring knows."""

    def purge(self) -> None: ...


class Overdue(msgspec.Struct, frozen=True):
    """A message that was sent `times` times and is not recorded yet."""

    message: Message
    times: int


class Outstanding(Protocol):
    """What the observer sent the recorder, until it is recorded: a queue that loses everything loses nothing (I11)."""

    def keep(self, messages: Sequence[Message], due_at: int) -> None:
        """Before they are sent. `due_at` is the solid height from which they count as lost; known keys stay as they are."""

    def overdue(self, height: int, limit: int) -> Sequence[Overdue]:
        """What is due at this solid height, in the order in which it was sent first."""

    def known(self, keys: Sequence[str]) -> Collection[str]:
        """Those of the keys under which something is kept."""

    def told_again(self, keys: Sequence[str], due_at: int) -> None:
        """They were sent once more: due again at another height."""

    def numbers(self) -> tuple[int, int] | None:
        """The numbers of the first and the last of those that wait, in the order in which they were sent; None without any."""

    def settle(self, keys: Sequence[str]) -> None:
        """They are recorded, or need not be any more. Unknown keys change nothing."""
