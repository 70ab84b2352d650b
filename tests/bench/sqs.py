"""What a thousand deposits cost in calls to SQS: told at the head and again when solid, received, recorded and deleted."""

from collections import Counter
from typing import NamedTuple

import msgspec

from core.streams.deposits import TransferFact
from gateways.aws.bundles import BundledQueue
from gateways.aws.queue import SqsQueue
from gateways.aws.session import Aws
from scanners import facts
from scanners.facts import Report
from tests.bench import recorder

DEPOSITS = 1_000
KEY = b"the key of this count: 32 bytes."


class Calls(NamedTuple):
    """By operation, and how often each report was received."""

    made: Counter[str]
    received: Counter[bytes]


def for_a_thousand(aws: Aws, *, per_block: int) -> Calls:
    """Calls for DEPOSITS deposits of `per_block` to a block, on the queue deposit-events, which must be empty."""
    made: Counter[str] = Counter()
    aws.client("sqs").meta.events.register("before-call.sqs", lambda model, **_: made.update([model.name]))
    queue = BundledQueue(SqsQueue(aws, "deposit-events"))
    queue.depth()
    made.clear()
    received: Counter[bytes] = Counter()
    for start in range(0, DEPOSITS, per_block):
        deposits = [_fact(number) for number in range(start, min(DEPOSITS, start + per_block))]
        for kind in ("detected", "confirmed"):
            queue.send([facts.message(Report(kind, each), KEY) for each in deposits])
            while given := queue.receive(1_000):
                received.update(item.body for item in given)
                queue.delete([item.receipt for item in given])
    return Calls(Counter(made), received)


def _fact(number: int) -> TransferFact:
    return msgspec.structs.replace(recorder.fact(number), to_address=recorder.address(number % 60).base58)
