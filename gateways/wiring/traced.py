"""Ports that note what passes through them. The composition root puts them around a platform's own, where tracing is on."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from core.ledger.events import Recorded
from core.ledger.ledger import Command, Outcome
from core.ports.clients import Delivery
from core.ports.queues import Message
from core.streams.deposits import TransferFact
from core.tron.chain import BroadcastAnswer
from core.tron.protobuf import MalformedProtobuf
from core.tron.transactions import SIGNED, txid_of
from gateways.postgres.roles import RELAY
from gateways.queues import DEPOSIT_EVENTS
from gateways.telemetry.journeys import Journey
from gateways.telemetry.tracing import Tracing
from gateways.telemetry.turns import HERE, Noted

if TYPE_CHECKING:
    from gateways.wiring.platform import Platform


DELIVERIES_MAX: Final = 10_000


class _Report(msgspec.Struct, frozen=True):
    """What of a message on the deposit queue says which trace it is, if it is any's. Its proof is the recorder's business."""

    kind: str = ""
    transfer: TransferFact | None = None


class _Envelope(msgspec.Struct, frozen=True):
    report: _Report


_ENVELOPES: Final = msgspec.json.Decoder(_Envelope)


class TracedDeposits(Noted):
    """The deposit queue as the observer fills it."""

    def __init__(self, port: Any, name: str, tracing: Tracing) -> None:
        super().__init__(port, name)
        self._tracing = tracing

    def send(self, messages: Sequence[Message]) -> None:
        turn = HERE.get()
        began_ns = turn.began_ns if turn else time.time_ns()
        self._noted(f"{self._name}.send", self._port.send)(messages)
        for message in messages:
            report = _ENVELOPES.decode(message.body).report
            if report.transfer is not None:
                self._tracing.observed(report.kind, report.transfer, began_ns)


class TracedLedger(Noted):
    """The write path: what it appends for a deposit or a payout is recorded in that one's trace."""

    def __init__(self, port: Any, tracing: Tracing) -> None:
        super().__init__(port, "ledger")
        self._tracing = tracing

    def execute(self, commands: Sequence[Command]) -> list[Outcome]:
        turn = HERE.get()
        began_ns = turn.began_ns if turn else time.time_ns()
        outcomes: list[Outcome] = self._noted("ledger.execute", self._port.execute)(commands)
        self._tracing.appended(outcomes, began_ns)
        return outcomes


class TracedStore(Noted):
    """The history as the relay reads it."""

    def __init__(self, port: Any) -> None:
        super().__init__(port, "store")

    def read(self, after: int, limit: int) -> Sequence[Recorded]:
        records: Sequence[Recorded] = self._noted("store.read", self._port.read)(after, limit)
        turn = HERE.get()
        if turn is not None:
            turn.read += records
        return records


class TracedNode(Noted):
    """Nodes, and whose transaction it is that they are given."""

    def __init__(self, port: Any, tracing: Tracing) -> None:
        super().__init__(port, "node", "client")
        self._tracing = tracing

    def broadcast(self, signed: bytes) -> BroadcastAnswer:
        began_ns = time.time_ns()
        answer: BroadcastAnswer = self._noted("node.broadcast", self._port.broadcast)(signed)
        self._tracing.broadcast(_txid(signed), began_ns, answer.verdict)
        return answer


class TracedOutbox(Noted):
    """The outbox, which learns the traces of deliveries when they come in and when they are handed out."""

    def __init__(self, port: Any, tracing: Tracing) -> None:
        super().__init__(port, "outbox")
        self._tracing = tracing
        self.journeys: OrderedDict[str, Journey] = OrderedDict()

    def put(self, deliveries: Sequence[Delivery]) -> None:
        turn = HERE.get()
        began_ns = turn.began_ns if turn else time.time_ns()
        self._noted("outbox.put", self._port.put)(deliveries)
        self._learn(deliveries)
        for delivery in deliveries:
            if delivery.event_id in self.journeys:
                journey = self.journeys[delivery.event_id]
                self._tracing.record(journey, f"queue {delivery.event_type}", began_ns, kind="producer")

    def due(self, *args: Any, **options: Any) -> Sequence[Delivery]:
        found: Sequence[Delivery] = self._port.due(*args, **options)
        self._learn(found)
        return found

    def _learn(self, deliveries: Sequence[Delivery]) -> None:
        unknown = [delivery for delivery in deliveries if delivery.event_id not in self.journeys]
        self.journeys.update(self._tracing.journeys.of_deliveries(unknown) if unknown else {})
        while len(self.journeys) > DELIVERIES_MAX:
            self.journeys.popitem(last=False)


def traced(platform: "Platform", role: str, tracing: Tracing | None) -> "Platform":
    """The platform with its ports noted; the same platform where nobody collects it."""
    if tracing is None:
        return platform
    queues = {name: cast("Any", Noted(queue, name)) for name, queue in platform.queues.items()}
    queues[DEPOSIT_EVENTS] = TracedDeposits(platform.queues[DEPOSIT_EVENTS], DEPOSIT_EVENTS, tracing)
    return replace(
        platform,
        tracing=tracing,
        queues=queues,
        node=cast("Any", TracedNode(platform.node, tracing)),
        ledger=cast("Any", TracedLedger(platform.ledger, tracing)),
        outbox=cast("Any", TracedOutbox(platform.outbox, tracing)),
        store=cast("Any", TracedStore(platform.store) if role == RELAY else Noted(platform.store, "store")),
        pool=cast("Any", Noted(platform.pool, "pool")),
        cursors=cast("Any", Noted(platform.cursors, "cursors")),
        bookmarks=cast("Any", Noted(platform.bookmarks, "bookmarks")),
        solid_log=cast("Any", Noted(platform.solid_log, "solid_log")),
        outstanding=cast("Any", Noted(platform.outstanding, "outstanding")),
        attempt_index=cast("Any", Noted(platform.attempt_index, "attempts")),
    )


def _txid(signed: bytes) -> str:
    """Of a signed transaction's bytes; of none that can be read, nobody's."""
    try:
        return txid_of(SIGNED.decode(signed)["raw_data"])
    except (MalformedProtobuf, KeyError):
        return ""
