"""What a process counts, and what is looked up when its numbers are asked for."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from core.ledger.ledger import Ledger
from core.ports.clients import Backlog
from core.ports.scanning import Cursor
from core.ports.unavailable import Unavailable
from core.tron.chain import BlockRef
from gateways.postgres.gauges import Installation, QueueGauges, WebhookGauges, reader_of
from gateways.processes.up import free_port
from gateways.telemetry.numbers import Numbers
from gateways.user_error import UserError
from gateways.wiring.counted import CountedLedger, WatchedChain, WatchedCursors, WatchedNode
from tests.support.history import ALICE, order, register, request_payout
from tests.support.numbers import Samples, samples
from tests.support.patience import HANG_S


def told(numbers: Numbers) -> Samples:
    return samples(numbers.text().decode())


@pytest.mark.fast
def test_steps_are_counted_by_what_came_of_them() -> None:
    """Work, rest, a shut door and a defect are told apart; only work is timed."""
    numbers, began = Numbers(), time.time()

    def fails(error: Exception) -> bool:
        raise error

    for step in (lambda: True, lambda: False, lambda: False):
        numbers.step(step)()
    for error in (Unavailable("shut"), ValueError("a defect")):
        with pytest.raises(type(error)):
            numbers.step(lambda: fails(error))()  # noqa: B023
    found = told(numbers)
    outcomes = {"worked": 1, "idle": 2, "unavailable": 1, "failed": 1}
    assert {name: found[f"counterfoil_steps_total{{outcome={name}}}"] for name in outcomes} == outcomes
    assert found["counterfoil_step_seconds_count"] == 1
    assert began <= found["counterfoil_last_step_timestamp_seconds"] <= time.time()


def test_batches_are_counted_by_what_was_decided(ledger: Ledger) -> None:
    """Size and time of each batch; events by their kind, and refusals by their code."""
    numbers = Numbers()
    counted = CountedLedger(ledger, numbers)
    wished = order(ALICE, "a payout", 5)
    counted.execute([register(ALICE, "Alice"), request_payout(wished)])
    counted.execute([])
    found = told(numbers)
    assert found["counterfoil_ledger_batch_commands_sum"] == 2
    assert found["counterfoil_ledger_batch_seconds_count"] == 1
    assert found["counterfoil_events_appended_total{event=account.registered}"] == 1
    assert found["counterfoil_events_appended_total{event=payout.refused}"] == 1
    assert not [name for name in found if "commands_rejected" in name]  # refused by an event, not by the ledger
    counted.execute([request_payout(order("2f6e0f0c-0000-4000-8000-000000000000", "nobody's", 5))])
    assert told(numbers)["counterfoil_commands_rejected_total{code=account_not_found}"] == 1


@pytest.mark.fast
def test_the_observer_tells_how_many_blocks_it_lags() -> None:
    """The node's solid height less its own; what follows the head is none of it."""
    numbers = Numbers()
    chain = WatchedChain(numbers)

    class Chain:
        cursor = Cursor(90, "a")

        def solid(self) -> BlockRef:
            return BlockRef(100, "b", "c", 0)

        def load(self, _: str) -> Cursor:
            return self.cursor

        def save(self, name: str, cursor: Cursor) -> None:
            """Nothing to keep."""

    node, cursors = WatchedNode(Chain(), chain), WatchedCursors(Chain(), chain)
    assert node.solid().number == 100
    cursors.load("solid")
    assert told(numbers)["counterfoil_scanner_lag_blocks"] == 10
    cursors.save("head", Cursor(100, "x"))
    cursors.save("solid", Cursor(95, "x"))
    assert told(numbers)["counterfoil_scanner_lag_blocks"] == 5
    assert told(numbers)["counterfoil_chain_solid_block"] == 100


@pytest.mark.fast
def test_what_cannot_be_looked_up_is_not_told() -> None:
    """A queue or an outbox behind a shut door has no numbers, and the others have theirs."""

    class Shut:
        def depth(self) -> int:
            raise Unavailable("shut")

        def backlog(self, *_: object) -> Backlog:
            raise Unavailable("shut")

    class Open:
        def depth(self) -> int:
            return 3

        def dead_depth(self) -> int:
            return 1

        def oldest_s(self) -> float | None:
            return None

    numbers = Numbers()
    queues: Any = {"shut": Shut(), "open": Open()}
    numbers.registry.register(QueueGauges(queues))
    outbox: Any = Shut()
    numbers.registry.register(WebhookGauges(outbox, lambda: datetime.now(UTC)))
    found = told(numbers)
    ours = {name: value for name, value in found.items() if "queue" in name or "webhook" in name}
    assert ours == {"counterfoil_queue_messages{queue=open}": 3, "counterfoil_queue_dead_letters{queue=open}": 1}


@pytest.mark.fast
def test_a_backlog_is_as_old_as_its_first_webhook() -> None:
    """Without one it is 0 s old."""
    now = datetime(2026, 11, 26, tzinfo=UTC)

    class Outbox:
        answer = Backlog(2, now - timedelta(seconds=90))

        def backlog(self, *_: object) -> Backlog:
            return self.answer

    numbers, outbox = Numbers(), Outbox()
    anything: Any = outbox
    numbers.registry.register(WebhookGauges(anything, lambda: now))
    assert (told(numbers)["counterfoil_webhook_backlog"], told(numbers)["counterfoil_webhook_backlog_seconds"]) == (
        2,
        90,
    )
    outbox.answer = Backlog(0, None)
    assert told(numbers)["counterfoil_webhook_backlog_seconds"] == 0


@pytest.mark.fast
def test_numbers_are_told_on_a_port_of_their_own() -> None:
    """Prometheus asks without a key; a port that is taken is a sentence; without a port nobody listens."""
    numbers, port = Numbers(), free_port()
    numbers.step(lambda: True)()
    with numbers.served("127.0.0.1", 0), numbers.served("127.0.0.1", port):
        answer = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=HANG_S)
        assert samples(answer.text)["counterfoil_steps_total{outcome=worked}"] == 1
        with pytest.raises(UserError, match="COUNTERFOIL_METRICS_PORT"), Numbers().served("127.0.0.1", port):
            pass
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=HANG_S)


@pytest.mark.fast
def test_a_database_that_is_shut_leaves_the_processs_own_numbers() -> None:
    """Whoever cannot look anything up says so, and still tells what it counted itself."""
    numbers = Numbers()
    reader = reader_of("host=127.0.0.1 port=1 dbname=none connect_timeout=1")
    numbers.registry.register(Installation(reader))
    numbers.step(lambda: True)()
    found = told(numbers)
    reader.close()
    assert found["counterfoil_database_reachable"] == 0
    assert found["counterfoil_steps_total{outcome=worked}"] == 1
    assert not [name for name in found if "lag" in name or "alarms_total" in name]
