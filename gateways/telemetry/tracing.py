"""Traces of a process: its turns, and what each of them did for a deposit or a payout, recorded in that one's own trace."""

import contextlib
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from core.ledger.events import TOPICS, Recorded
from core.ledger.ledger import Accepted, EventStore, Outcome
from core.streams.deposits import DepositConfirmed, DepositOrphaned, TransferFact
from gateways.settings import Settings
from gateways.steps import Step, Worked
from gateways.telemetry.journeys import Journey, Journeys, journey_of
from gateways.telemetry.spans import Caller, Ids, Kind, Spans, Value, open_spans
from gateways.telemetry.turns import HERE, Turn

LIVE: Final = timedelta(hours=1)
"""Older events are history that is read again, and no journey that anybody waits for."""
SENT_MAX: Final = 10_000


class Tracing:
    """What a process records of itself. Only where there is somebody who collects it: else there is none."""

    def __init__(self, spans: Spans, journeys: Journeys, process: str) -> None:
        self.spans = spans
        self.journeys = journeys
        self._process = process
        self._sent: OrderedDict[str, Journey] = OrderedDict()
        """Whose transactions were broadcast here, by txid."""

    # Turns

    def step(self, step: Step) -> Step:
        """The step, each run of it a turn: recorded when it worked, or failed, with the calls it made."""

        def traced() -> Worked:
            turn = Turn(self.spans.new_ids())
            token = HERE.set(turn)
            busy: Worked = True
            error = None
            try:
                busy = step()
            except BaseException as raised:
                error = type(raised).__name__
                raise
            finally:
                HERE.reset(token)
                if busy:
                    self._relayed(turn)
                    self.tell_turn(turn, f"{self._process} step", "consumer", error=error)
            return busy

        return traced

    def tell_turn(
        self,
        turn: Turn,
        name: str,
        kind: Kind,
        *,
        attributes: Mapping[str, Value] | None = None,
        links: Sequence[Caller] = (),
        error: str | None = None,
    ) -> None:
        """A turn that has ended, and its calls below it."""
        ids = turn.ids
        if not self.spans.keeps(ids.trace_id):
            return
        given = {**(attributes or {}), **({"counterfoil.calls": turn.calls} if turn.calls else {})}
        self.spans.record(
            name, ids, turn.began_ns, time.time_ns(), kind=kind, attributes=given, links=links, error=error
        )
        for part in turn.parts:
            below = self.spans.below(ids.trace_id, ids.span_id)
            self.spans.record(
                part.name, below, part.start_ns, part.end_ns, kind=part.kind, error=part.error, within=True
            )

    # Journeys

    def record(self, journey: Journey, name: str, start_ns: int, *, kind: Kind = "internal", **more: Any) -> None:
        """What this process did for a deposit or a payout, in that one's trace, until now."""
        if self.spans.keeps(journey.trace_id):
            ids = self.spans.below(journey.trace_id, journey.root_id)
            self.spans.record(f"{self._process} {name}", ids, start_ns, time.time_ns(), kind=kind, **more)

    def observed(self, kind: str, fact: TransferFact, start_ns: int) -> None:
        """A transfer was sent on the deposit queue."""
        given: dict[str, Value] = {"counterfoil.block": fact.block_number, "counterfoil.txid": fact.txid}
        self.record(journey_of(fact), f"deposit.{kind}", start_ns, kind="producer", attributes=given)

    def appended(self, outcomes: Iterable[Outcome], start_ns: int) -> None:
        """Commands were decided, and their events are durable."""
        records = [each for outcome in outcomes if isinstance(outcome, Accepted) for each in outcome.events]
        for record, journey in self.journeys.of_records(records):
            txid = getattr(record.event, "txid", None)
            if txid:
                self._sent[txid] = journey
                if len(self._sent) > SENT_MAX:
                    self._sent.popitem(last=False)
            given: dict[str, Value] = {"counterfoil.position": record.position, "counterfoil.batch": len(records)}
            self.record(journey, _name(record), start_ns, kind="consumer", attributes=given)
            if isinstance(record.event, DepositConfirmed | DepositOrphaned):
                self._tell_deposit(record.event, journey)

    def _tell_deposit(self, happened: DepositConfirmed | DepositOrphaned, journey: Journey) -> None:
        """The trace's first span: from the block to its end in the history."""
        fact = happened.transfer
        ids = Ids(journey.trace_id, journey.root_id)
        given: dict[str, Value] = {
            "counterfoil.stream": journey.stream,
            "counterfoil.block": fact.block_number,
            "counterfoil.txid": fact.txid,
            "counterfoil.account_id": happened.account_id,
        }
        error = "orphaned" if isinstance(happened, DepositOrphaned) else None
        begun_ns = fact.block_timestamp_ms * 1_000_000
        self.spans.record("deposit", ids, begun_ns, max(time.time_ns(), begun_ns), attributes=given, error=error)

    def _relayed(self, turn: Turn) -> None:
        for record, journey in self.journeys.of_records(_live(turn.read)):
            self.record(journey, _name(record), turn.began_ns, kind="producer")

    def projected(self, views: Sequence[str], records: Sequence[Recorded]) -> None:
        """Events stand in these views now."""
        turn = HERE.get()
        start_ns = turn.began_ns if turn else time.time_ns()
        for record, journey in self.journeys.of_records(_live(records)):
            given: dict[str, Value] = {"counterfoil.views": " ".join(views), "counterfoil.position": record.position}
            self.record(journey, _name(record), start_ns, attributes=given)

    def broadcast(self, txid: str, start_ns: int, verdict: str) -> None:
        """A transaction was given to a node."""
        journey = self._sent.get(txid)
        if journey is not None:
            given: dict[str, Value] = {"counterfoil.txid": txid, "counterfoil.verdict": verdict}
            self.record(journey, "broadcast", start_ns, kind="client", attributes=given)


def _name(record: Recorded) -> str:
    """deposit.confirmed/1 -> deposit.confirmed"""
    return TOPICS[type(record.event)].partition("/")[0]


def _live(records: Iterable[Recorded]) -> list[Recorded]:
    since = datetime.now(UTC) - LIVE
    return [record for record in records if record.event.occurred_at > since]


@contextlib.contextmanager
def open_tracing(settings: Settings, store: EventStore, process: str) -> Iterator[Tracing | None]:
    """A process's tracing until the end of the block, or None where nobody collects it."""
    with open_spans(settings, process) as spans:
        yield None if spans is None else Tracing(spans, Journeys(store), process)
