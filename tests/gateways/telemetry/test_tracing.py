"""What a process tells of its turns and journeys, and that it tells nothing where nobody listens."""

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.trace import StatusCode

from core.ledger.events import Recorded
from core.ports.clients import Delivery
from core.ports.queues import Message
from core.ports.unavailable import Unavailable
from core.streams.deposits import DepositConfirmed, DepositDetected, TransferFact
from gateways.settings import Settings
from gateways.telemetry.journeys import Journeys, journey, journey_of
from gateways.telemetry.spans import Ids, open_spans
from gateways.telemetry.turns import PARTS_MAX, Noted, trace_id_here
from gateways.wiring.traced import TracedDeposits, traced
from scanners import facts
from tests.support.http_server import Answered, Asked, serving
from tests.support.memory import MemoryQueue
from tests.support.patience import HANG_S
from tests.support.spans import KeptSpans

pytestmark = pytest.mark.fast

FACT = TransferFact("ab" * 32, 0, "T" * 34, "T" * 34, 1_000_000, "USDT", "payin", 7, "cd" * 32, 1_700_000_000_123)
KEY = b"k" * 32


def test_a_journeys_trace_follows_from_its_name_and_begins_with_its_time() -> None:
    """Two processes find the same trace; another deposit, or another block of the same, is another one."""
    found = journey_of(FACT)
    assert found == journey(FACT.stream, 1_700_000_000)
    assert found.trace_id >> 96 == 1_700_000_000
    assert found.root_id != 0
    other, elsewhere = msgspec.structs.replace(FACT, log_index=1), msgspec.structs.replace(FACT, block_timestamp_ms=1)
    assert len({journey_of(each).trace_id for each in (FACT, other, elsewhere)}) == 3


def test_turns_that_did_nothing_are_not_told() -> None:
    """An idle worker makes no spans; one that worked tells its turn and, below it, the calls it made."""
    kept, answers = KeptSpans(), iter([False, True])
    queue = Noted(MemoryQueue(), "deposits")

    def step() -> bool:
        queue.receive(1)
        return next(answers)

    traced_step = kept.tracing.step(step)
    assert traced_step() is False
    assert kept.told == []
    assert traced_step() is True
    turn, call = kept.told
    assert (turn.name, call.name) == ("record step", "deposits.receive")
    assert call.parent is not None
    assert turn.context is not None
    assert (call.parent.trace_id, call.parent.span_id) == (turn.context.trace_id, turn.context.span_id)


def test_a_turn_that_failed_says_by_which_error_and_not_what_it_said() -> None:
    """The error's class is told, on the call and on the turn; its sentence may hold a stranger's words (I13)."""
    kept = KeptSpans()

    class Shut:
        def receive(self) -> None:
            raise Unavailable("postgres://user:password@host is shut")

    queue = Noted(Shut(), "deposits")
    with pytest.raises(Unavailable):
        kept.tracing.step(lambda: bool(queue.receive()))()
    assert {span.status.status_code for span in kept.told} == {StatusCode.ERROR}
    assert {(span.attributes or {})["error.type"] for span in kept.told} == {"Unavailable"}
    assert "password" not in "".join(span.to_json() for span in kept.told)


def test_a_turn_of_many_calls_tells_some_and_counts_all() -> None:
    """A scan of a thousand blocks is one span with its first calls below it."""
    kept, queue = KeptSpans(), Noted(MemoryQueue(), "deposits")
    kept.tracing.step(lambda: all(queue.receive(1) == [] for _ in range(PARTS_MAX * 2)))()
    assert len(kept.told) == 1 + PARTS_MAX
    assert (kept.told[0].attributes or {})["counterfoil.calls"] == PARTS_MAX * 2


def test_the_log_knows_the_trace_of_the_turn() -> None:
    """Within a step there is a trace id to log; between two steps there is none."""
    kept, seen = KeptSpans(), []
    kept.tracing.step(lambda: seen.append(trace_id_here()) is None)()
    [turn] = kept.told
    assert turn.context is not None
    assert seen == [f"{turn.context.trace_id:032x}"]
    assert trace_id_here() is None


def test_what_the_observer_tells_is_in_the_deposits_trace() -> None:
    """A report's span is in the trace that its transfer names; a sent message is the same as without tracing."""
    kept, queue = KeptSpans(process="observe"), MemoryQueue()
    message = facts.message(facts.Report("confirmed", FACT), KEY)
    TracedDeposits(queue, "deposit-events", kept.tracing).send([message])
    assert queue.sent == [message]
    [span] = kept.told
    assert span.context is not None
    assert (span.name, span.context.trace_id) == ("observe deposit.confirmed", journey_of(FACT).trace_id)


def test_a_trace_is_kept_by_all_processes_or_by_none() -> None:
    """With a ratio of a half about half of the traces are kept, and each process keeps the same ones."""
    one, other = KeptSpans(process="observe", ratio=0.5), KeptSpans(process="record", ratio=0.5)
    found = [journey_of(msgspec.structs.replace(FACT, log_index=index)) for index in range(400)]
    kept = [each for each in found if one.spans.keeps(each.trace_id)]
    assert kept == [each for each in found if other.spans.keeps(each.trace_id)]
    assert 120 < len(kept) < 280
    for each in found:
        one.tracing.record(each, "told", time.time_ns())
    assert len(one.told) == len(kept)


class Histories:
    """A store that counts how often it is asked."""

    def __init__(self, found: dict[str, list[Recorded]]) -> None:
        self.found = found
        self.asked: list[list[str]] = []

    def histories(self, streams: list[str]) -> dict[str, list[Recorded]]:
        self.asked.append(streams)
        return {stream: self.found[stream] for stream in streams if stream in self.found}


def delivery(fact: TransferFact, **data: Any) -> Delivery:
    told = {"tx_hash": fact.txid, "log_index": fact.log_index, "block_number": fact.block_number, **data}
    body, now = msgspec.json.encode({"data": told}), datetime(2026, 11, 26, tzinfo=UTC)
    return Delivery("a", "event", "deposit.confirmed", "deposit-x", 1, body, "pending", 0, now)


def test_a_webhook_is_in_the_trace_of_the_block_it_tells_of() -> None:
    """A deposit that a fork moved was told twice: each webhook goes to the trace of its own block."""
    moved = msgspec.structs.replace(FACT, block_number=8, block_timestamp_ms=1_700_000_003_000)
    common = {"occurred_at": datetime(2026, 11, 26, tzinfo=UTC), "actor": "a", "account_id": "a", "ledger_account": "b"}
    events = [DepositDetected(transfer=FACT, **common), DepositConfirmed(transfer=moved, postings=(), **common)]
    history = [Recorded(n, FACT.stream, n, event) for n, event in enumerate(events, start=1)]
    journeys = Journeys(Histories({FACT.stream: history}))  # type: ignore[arg-type]
    assert journeys.of_deliveries([delivery(FACT)]) == {"event": journey_of(FACT)}
    assert journeys.of_deliveries([delivery(moved)]) == {"event": journey_of(moved)}


def test_a_shut_store_costs_a_trace_and_no_webhook() -> None:
    """Where the history cannot be asked there is no trace; nothing is raised."""

    class Shut:
        def histories(self, _: list[str]) -> dict[str, list[Recorded]]:
            raise Unavailable("shut")

    assert Journeys(Shut()).of_deliveries([delivery(FACT)]) == {}  # type: ignore[arg-type]


def test_where_nobody_listens_there_is_no_tracing_and_no_opentelemetry() -> None:
    """Without a collector and a daemon a process gets its own ports back, and the libraries are not loaded."""
    with open_spans(Settings(), "record") as spans:
        assert spans is None
    platform: Any = object()
    assert traced(platform, "counterfoil_recorder", None) is platform
    look = "import sys, gateways.processes, gateways.http.app; print([m for m in sys.modules if 'opentelemetry' in m])"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", look], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_collector_that_does_not_answer_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends gives its last spans one chance; it ends although the collector never answers."""
    monkeypatch.setattr("gateways.telemetry.spans.EXPORT_TIMEOUT_S", 0.2)
    hanging, answered = threading.Event(), []

    def never(_: Asked) -> Answered:
        hanging.wait(HANG_S)
        answered.append(1)
        return Answered()

    with serving(never) as collector:
        with open_spans(Settings(otlp_endpoint=collector.url), "record") as spans:
            assert spans is not None
            for _ in range(2_000):
                spans.record("told", spans.new_ids(), 1, 2)
        assert collector.asked
        assert not answered
        hanging.set()


def test_callers_are_believed_only_what_could_be() -> None:
    """W3C's header goes before X-Ray's; what is malformed, or names no span, is nobody."""
    spans = KeptSpans().spans
    w3c = {b"traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    xray = {b"x-amzn-trace-id": b"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"}
    alone = {b"x-amzn-trace-id": b"Root=1-5759e988-bd862e3fe1be46a994272793"}
    first = spans.caller({**w3c, **xray})
    assert first is not None
    assert f"{first.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    second = spans.caller(xray)
    assert second is not None
    assert f"{second.trace_id:032x}" == "5759e988bd862e3fe1be46a994272793"
    for nobody in ({}, alone, {b"traceparent": b"00-zz-\xff-01"}, {b"x-amzn-trace-id": b"Root=;Parent"}):
        assert spans.caller(nobody) is None


def test_headers_name_the_span_for_both_worlds() -> None:
    """What is sent along is what the same code reads again."""
    spans = KeptSpans().spans
    headers = spans.headers(Ids(journey_of(FACT).trace_id, 5))
    assert set(headers) == {"traceparent", "X-Amzn-Trace-Id"}
    for name, value in headers.items():
        caller = spans.caller({name.lower().encode(): value.encode()})
        assert caller == (journey_of(FACT).trace_id, 5)


def test_a_forged_message_is_none_of_tracings_business() -> None:
    """Notices, which tell of no transfer, pass through and tell nothing."""
    kept, queue = KeptSpans(), MemoryQueue()
    notice = Message(body=b'{"report":{"type":"x","kind":"paused"},"mac":""}', group="notices", key="k")
    TracedDeposits(queue, "deposit-events", kept.tracing).send([notice])
    assert queue.sent == [notice]
    assert kept.told == []
