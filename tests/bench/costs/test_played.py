"""What a deposit costs in calls to AWS, with every process of an installation running."""

from collections import Counter

from tests.bench.costs.played import play_alone
from tests.bench.costs.table import calls


def test_a_deposit_that_comes_alone_is_twelve_calls_to_sqs_and_two_to_dynamodb() -> None:
    """Sent, received and deleted, for recorder and for all views together, at the head and when solid; and two webhooks."""
    found = play_alone()
    assert calls(found, "sqs") == 12
    looks = "GetItem"  # twice a minute, whatever happens
    table = Counter({call.operation: count.calls for call, count in found.items() if call.resource == "webhook_events"})
    del table[looks]
    assert table == {"PutItem": 2}
