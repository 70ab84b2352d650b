"""Which trace a deposit or a payout is: it follows from what names it, so nothing has to carry it.

The observer, the recorder, projectors and the webhook process find the same trace without a word between them. A queue may
lose, repeat or invent messages, a process may start again: the trace is the same. An X-Ray id begins with a time, which is
the block's for a deposit and the request's for a payout; a deposit that a fork moves to another block begins another trace.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from core.ledger.events import Recorded
from core.ledger.ledger import EventStore
from core.ports.clients import Delivery
from core.ports.unavailable import Unavailable
from core.streams.deposits import TransferFact, deposit_stream

DEPOSIT: Final = "deposit-"
DATED_BY_FIRST_EVENT: Final = ("payout-", "instruction-", "sweep-")
"""Streams that begin with what somebody asked for: the trace begins when that was recorded."""
KNOWN_MAX: Final = 20_000


class Journey(NamedTuple):
    """One trace: its id, the id of its first span, and the stream whose life it is."""

    trace_id: int
    root_id: int
    stream: str


@lru_cache(maxsize=KNOWN_MAX)
def journey(stream: str, began_s: int) -> Journey:
    """The trace of a stream that began at this time (Unix seconds, the first 32 bits of an X-Ray id)."""
    digest = sha256(f"counterfoil {stream}".encode()).digest()
    trace_id = (began_s & 0xFFFFFFFF) << 96 | int.from_bytes(digest[:12], "big")
    return Journey(trace_id, int.from_bytes(digest[12:20], "big") | 1, stream)


def journey_of(fact: TransferFact) -> Journey:
    """A deposit's, in the block where it stands."""
    return journey(fact.stream, fact.block_timestamp_ms // 1000)


class _Told(msgspec.Struct, frozen=True):
    """What of a webhook's data says which trace it belongs to."""

    tx_hash: str | None = None
    log_index: int | None = None
    block_number: int | None = None
    created_at: datetime | None = None


class _Body(msgspec.Struct, frozen=True):
    data: _Told


_BODIES: Final = msgspec.json.Decoder(_Body)


class Journeys:
    """Finds traces. What an event does not say by itself is looked up in the history, many streams at once, and remembered."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._known: OrderedDict[str, int] = OrderedDict()
        """When streams began, the last ones used at the end."""

    def of_records(self, records: Iterable[Recorded], *, look_up: bool = True) -> list[tuple[Recorded, Journey]]:
        """The events that belong to a trace, with it; without `look_up` only those that are known."""
        found = []
        for record in records:
            if record.stream.startswith((DEPOSIT, *DATED_BY_FIRST_EVENT)):
                found.append(record)
                if record.version == 1 and not record.stream.startswith(DEPOSIT):
                    self._remember(record.stream, record.event.occurred_at)
        began = self._began([each.stream for each in found if not each.stream.startswith(DEPOSIT)], look_up=look_up)
        return [(each, made) for each in found if (made := _made(each, began)) is not None]

    def of_deliveries(self, deliveries: Sequence[Delivery]) -> dict[str, Journey]:
        """By event id. What is about no deposit and no payout has none."""
        found: dict[str, Journey] = {}
        deposits: dict[str, tuple[str, int | None]] = {}
        for delivery in deliveries:
            try:
                body = _BODIES.decode(delivery.payload).data
            except msgspec.DecodeError:
                continue
            if delivery.subject.startswith(DEPOSIT) and body.tx_hash is not None:
                deposits[delivery.event_id] = deposit_stream(body.tx_hash, body.log_index), body.block_number
            elif delivery.subject.startswith(DATED_BY_FIRST_EVENT) and body.created_at is not None:
                found[delivery.event_id] = journey(delivery.subject, int(body.created_at.timestamp()))
        blocks = self._block_times([stream for stream, _ in deposits.values()]) if deposits else {}
        for event_id, (stream, number) in deposits.items():
            if (stream, number) in blocks:
                found[event_id] = journey(stream, blocks[stream, number])
        return found

    def _block_times(self, streams: Sequence[str]) -> dict[tuple[str, int | None], int]:
        """When the blocks were made in which these deposits stand, by stream and height."""
        times: dict[tuple[str, int | None], int] = {}
        for stream, records in self._histories(streams).items():
            for record in records:
                fact: Any = getattr(record.event, "transfer", None)
                if fact is not None:
                    times[stream, fact.block_number] = fact.block_timestamp_ms // 1000
        return times

    def _began(self, streams: Iterable[str], *, look_up: bool = True) -> dict[str, int]:
        wanted = dict.fromkeys(streams)
        unknown = [stream for stream in wanted if stream not in self._known]
        for stream, records in (self._histories(unknown) if unknown and look_up else {}).items():
            if records:
                self._remember(stream, records[0].event.occurred_at)
        return {stream: self._known[stream] for stream in wanted if stream in self._known}

    def _remember(self, stream: str, began: datetime) -> None:
        self._known[stream] = int(began.timestamp())
        self._known.move_to_end(stream)
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)

    def _histories(self, streams: Sequence[str]) -> dict[str, list[Recorded]]:
        """Nothing where the store is shut: work is not held up for a trace of it."""
        try:
            return self._store.histories(list(dict.fromkeys(streams)))
        except Unavailable:
            return {}


def _made(record: Recorded, began: dict[str, int]) -> Journey | None:
    fact: Any = getattr(record.event, "transfer", None)
    if record.stream.startswith(DEPOSIT):
        return journey_of(fact) if isinstance(fact, TransferFact) else None
    return journey(record.stream, began[record.stream]) if record.stream in began else None
