"""The cost table counts every process and every service, at the prices of its file."""

import pytest

from tests.bench.costs.played import Call, Count, Counts, Played
from tests.bench.costs.table import COLUMNS, DAY_S, SERVICES, USD_PER_MILLION, aims, kind_of, lines, markdown, usd

pytestmark = pytest.mark.fast

SEND = Call("relay", "sqs", "SendMessageBatch", "project-views.fifo", False)
RECEIVE = Call("project", "sqs", "ReceiveMessage", "project-views.fifo", False)
POLL = Call("project", "sqs", "ReceiveMessage", "project-views.fifo", True)
PUT = Call("webhooks", "dynamodb", "PutItem", "webhook_events", False)


def played(alone: Counts) -> Played:
    return Played({POLL: Count(0.05, 0.05)}, alone, {}, {}, {})


def test_every_call_of_every_process_is_in_the_table() -> None:
    """By service and by who calls it; what is idle by the day."""
    text = "\n".join(lines(played({SEND: Count(2, 2), RECEIVE: Count(2, 3), PUT: Count(1, 1)})))
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert (rows["SQS"], rows["relay"], rows["webhooks"]) == (["4", "4,320"], ["2"], ["1"])
    assert rows["project"] == ["2", f"{0.05 * DAY_S:,.0f}"]


def test_what_a_call_carries_is_paid_for() -> None:
    """Units, not calls: a message of two chunks is two requests."""
    assert usd({RECEIVE: Count(1, 2)}) == pytest.approx(2 * USD_PER_MILLION["sqs"] / 1_000_000)


def test_an_aim_that_is_missed_says_so() -> None:
    """Twelve calls are within it, the thirteenth is not."""
    assert [next(iter(aims(played({SEND: Count(count, 1)})))).held for count in (12, 13)] == [True, False]
    assert any(line.startswith("MISSED: calls to SQS") for line in lines(played({SEND: Count(13, 1)})))


def test_every_service_has_a_price() -> None:
    """No kind of call is free by being forgotten."""
    for service in SERVICES:
        for operation in ("PutItem", "GetItem", "PUT", "GET", "Sign", "Decrypt"):
            assert kind_of(Call("api", service, operation, "", False)) in USD_PER_MILLION


def test_the_document_has_what_the_terminal_has() -> None:
    """The same rows, and 80 columns are enough for them."""
    told = played({SEND: Count(2, 2)})
    assert all(column in markdown(told) for column in COLUMNS)
    assert all(len(line) <= 80 for line in lines(told) if not line.startswith(("prices", "held", "MISSED")))
