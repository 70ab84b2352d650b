"""Many reports in one SQS message, so that a thousand deposits cost a few calls: the deposit queue of MODE=aws.

Reports of one address stay in order: each address belongs to one of SHARDS, and a shard is a group. Observer and recorder
send, receive and delete reports as ever. What this queue does not do is to take a repeated report once: the bundles around it
differ. The recorder knows a report by its stream, so a repetition changes nothing.

A bundle is deleted when all of its reports are done with. A report that must come again is sent by itself first, and a poison
one is buried by itself: neither holds up its neighbours.
"""

import secrets
import time
import zlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Final, Protocol

import msgspec

from core.ports.queues import Message, Queue, Received
from gateways.aws.receivers.queue_over import QueueOver

SHARDS: Final = 8
"""As many bundles as one call carries, with two to spare; and as many recorders as can work at the same time."""
PARTS_MAX: Final = 100
BYTES_MAX: Final = 120_000
"""Of one bundle: eight of them fit into one call."""
FORGET_S: Final = 3_600.0
"""A bundle that nobody has decided on for so long is somebody else's by now."""

_Part = tuple[str, msgspec.Raw]
"""(group, body)"""
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODER: Final = msgspec.json.Decoder(list[_Part])


class BuriesParts(Queue, Protocol):
    """A queue that can bury a part of a message."""

    def bury_part(self, receipt: str, part: int, body: bytes, group: str, reason: str) -> None:
        """Put a part of a message that is in flight into the dead letters; the message stays in flight."""


class _Bundle(msgspec.Struct):
    """What was received in one message, and what has become of it so far."""

    parts: list[Message]
    since_s: float
    undecided: set[int]
    again: list[int] = []


class BundledQueue(QueueOver[BuriesParts]):
    """The port `Queue` over another one. `receive` gives whole bundles, and so may give more than it was asked for."""

    def __init__(self, queue: BuriesParts) -> None:
        super().__init__(queue)
        self._bundles: dict[str, _Bundle] = {}
        self._drained = False

    def send(self, messages: Sequence[Message]) -> None:
        self._queue.send(bundled(messages))

    def receive(self, limit: int) -> list[Received]:
        """A receive that gave something is an append's worth: the next one asks nobody, instead of waiting for more."""
        if self._drained:
            self._drained = False
            return []
        wanted = max(1, min(10, limit // PARTS_MAX))
        given = self._queue.receive(wanted)
        self._drained = bool(given)
        now_s = time.monotonic()
        self._bundles = {it: known for it, known in self._bundles.items() if now_s - known.since_s < FORGET_S}
        received = []
        for bundle in given:
            parts = unbundled(bundle)
            self._bundles[bundle.receipt] = _Bundle(parts, now_s, set(range(len(parts))))
            received += [
                Received(part.body, part.group, f"{bundle.receipt} {number}", bundle.attempts)
                for number, part in enumerate(parts)
            ]
        return received

    def delete(self, receipts: Sequence[str]) -> None:
        for receipt in receipts:
            self._decide(receipt, again=False)
        self._finish(receipts)

    def release(self, receipts: Sequence[str]) -> None:
        for receipt in receipts:
            self._decide(receipt, again=True)
        self._finish(receipts)

    def hold(self, receipts: Sequence[str]) -> AbstractContextManager[None]:
        return self._queue.hold(_whole(receipts))

    def bury(self, receipt: str, reason: str) -> None:
        whole, number = _split(receipt)
        bundle = self._bundles.get(whole)
        if bundle is not None and number in bundle.undecided:
            part = bundle.parts[number]
            self._queue.bury_part(whole, number, part.body, part.group, reason)
            self.delete([receipt])

    def depth(self) -> int:
        """In bundles."""
        return self._queue.depth()

    def purge(self) -> None:
        super().purge()
        self._bundles.clear()

    def _decide(self, receipt: str, *, again: bool) -> None:
        whole, number = _split(receipt)
        bundle = self._bundles.get(whole)
        if bundle is not None and number in bundle.undecided:
            bundle.undecided.remove(number)
            if again:
                bundle.again.append(number)

    def _finish(self, receipts: Iterable[str]) -> None:
        """Let go of the bundles that are decided. What comes again is durable by itself before its bundle is deleted."""
        decided = [it for it in _whole(receipts) if it in self._bundles and not self._bundles[it].undecided]
        back = [it for it in decided if len(self._bundles[it].again) == len(self._bundles[it].parts)]
        gone = [it for it in decided if it not in back]
        alone = [self._bundles[it].parts[number] for it in gone for number in sorted(self._bundles[it].again)]
        if alone:
            self._queue.send([_bundle([part], f"again:{secrets.token_hex(16)}") for part in alone])
        if gone:
            self._queue.delete(gone)
        if back:
            self._queue.release(back)
        for it in decided:
            self._bundles.pop(it, None)


def bundled(messages: Sequence[Message]) -> list[Message]:
    """The same reports in as few messages as may be, in order for every group."""
    shards: dict[str, list[list[Message]]] = {}
    sizes: dict[str, int] = {}
    for message in messages:
        shard = shard_of(message.group)
        bundles = shards.setdefault(shard, [[]])
        size = sizes.get(shard, 0) + len(message.body)
        if bundles[-1] and (len(bundles[-1]) == PARTS_MAX or size > BYTES_MAX):
            bundles.append([])
            size = len(message.body)
        bundles[-1].append(message)
        sizes[shard] = size
    return [
        _bundle(parts, sha256("\n".join(part.key for part in parts).encode()).hexdigest())
        for bundles in shards.values()
        for parts in bundles
    ]


def unbundled(message: Received) -> list[Message]:
    """The reports in a message; one that is no bundle, because it was sent again or by a stranger, is a report itself."""
    try:
        parts = _DECODER.decode(message.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        parts = []
    if not parts:
        return [Message(message.body, message.group, "")]
    return [Message(bytes(body), group, "") for group, body in parts]


def shard_of(group: str) -> str:
    return f"shard-{zlib.crc32(group.encode()) % SHARDS}"


def _bundle(parts: Sequence[Message], key: str) -> Message:
    body = _ENCODE([(part.group, msgspec.Raw(part.body)) for part in parts])
    return Message(body, shard_of(parts[0].group), key)


def _split(receipt: str) -> tuple[str, int]:
    whole, _, number = receipt.rpartition(" ")
    return whole, int(number) if number.isdigit() else -1


def _whole(receipts: Iterable[str]) -> list[str]:
    """The receipts of their bundles, once each."""
    return list(dict.fromkeys(_split(receipt)[0] for receipt in receipts))
