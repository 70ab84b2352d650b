"""DynamoDB's own ways: what stands in the tables, what becomes of a table that lost everything, and of a busy service."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError

from core.ports.clients import AuditEntry, Delivery
from core.ports.unavailable import Unavailable
from gateways.aws import dynamodb, names, session, webhook_outbox
from gateways.aws.api_keys import DynamoApiKeys
from gateways.aws.audit_log import DynamoAuditLog
from gateways.aws.dynamodb import Cancelled, Items, seconds, stamp, time_of
from gateways.aws.idempotency_keys import DynamoIdempotencyKeys
from gateways.aws.session import Aws
from gateways.aws.webhook_outbox import DynamoWebhookOutbox
from gateways.postgres.connections import Connections
from gateways.postgres.unsettled_webhooks import UnsettledWebhooks
from gateways.settings import load
from tests.contracts.tables import HASH, LATER, NOW, api_key, delivery, tried
from tests.support.aws import CREDENTIALS, REGION, emptied
from tests.support.history import ALICE, BOB
from tests.support.http_server import Answered, Asked, HttpServer, serving
from tests.support.postgres import Database

pytestmark = pytest.mark.asks("dynamodb")


@pytest.fixture
def aws(tables: Aws) -> Aws:
    return tables


@pytest.fixture
def outbox(aws: Aws, database: Database) -> Iterator[DynamoWebhookOutbox]:
    with (
        closing(Connections(database.role_urls["counterfoil_webhooks"])) as connections,
        closing(DynamoWebhookOutbox(aws, UnsettledWebhooks(connections))) as opened,
    ):
        yield opened


def all_of(aws: Aws, table: names.Table) -> list[dict[str, Any]]:
    found = aws.client("dynamodb").scan(TableName=aws.prefix + table.name)["Items"]
    return [dynamodb.values_of(item) for item in found]


def test_an_api_keys_item(aws: Aws) -> None:
    """The specified attributes; it expires with its key."""
    DynamoApiKeys(aws).put(HASH, api_key("one"))
    DynamoApiKeys(aws).used(HASH, NOW)
    [item] = all_of(aws, names.API_KEYS)
    specified = {"api_key_hash", "account_id", "name", "permissions", "status", "last_used_at", "expires_at", "ttl"}
    assert item.keys() == specified | {"id", "created_at"}
    assert item["ttl"] == seconds(NOW + timedelta(days=1))


def test_an_idempotency_keys_item(aws: Aws) -> None:
    """The specified attributes; it expires after 24 hours."""
    keys = DynamoIdempotencyKeys(aws)
    keys.begin(ALICE, "payins", "k", {"a": "h"}, NOW)
    keys.complete(ALICE, "payins", "k", b"answer")
    [item] = all_of(aws, names.IDEMPOTENCY_KEYS)
    specified = {"key", "account_id", "scope", "request_hash", "response", "status", "created_at", "ttl"}
    assert item.keys() == specified
    assert item["ttl"] == seconds(NOW + timedelta(hours=24))


def test_a_webhook_events_item(aws: Aws, outbox: DynamoWebhookOutbox) -> None:
    """The specified attributes; it expires after 30 days, and only what is due stands in the index."""
    outbox.put([delivery("one"), delivery("two", 2)])
    [item] = outbox.due(LATER, 10)
    outbox.record(tried(item, "pending", retry_s=10))
    first, second, *_ = sorted(all_of(aws, names.WEBHOOK_EVENTS), key=lambda it: it.get("sequence", 9))
    specified = {"account_id", "event_id", "event_type", "payload", "status", "attempts"}
    specified |= {"last_attempt_at", "last_error", "next_retry_at", "ttl"}
    assert first.keys() == specified | {"subject", "sequence", "created_at"}
    assert first["ttl"] == seconds(item.created_at + timedelta(days=30))
    assert (second["status"], second.get("next_retry_at")) == ("pending", None)


def test_an_audit_logs_item(aws: Aws) -> None:
    """The specified attributes; it expires after 90 days."""
    DynamoAuditLog(aws).add([AuditEntry(ALICE, NOW, "a.b", "o", "operator", {"x": 1}, "192.0.2.1", "r")])
    [item] = [it for it in all_of(aws, names.AUDIT_LOGS) if it["account_id"] == ALICE]
    specified = {"account_id", "timestamp", "action", "actor_id", "actor_type", "data", "ip_address", "ttl"}
    assert item.keys() == specified | {"request_id"}
    assert item["timestamp"].startswith("2026-11-22T13:00:00.000000Z#")
    assert item["ttl"] == seconds(NOW + timedelta(days=90))


def test_nobody_pages_through_what_is_no_accounts(aws: Aws) -> None:
    """How everybody's entries are kept is nothing that can be asked for as an account."""
    log = DynamoAuditLog(aws)
    log.add([AuditEntry(ALICE, NOW, "a.b", "o", "operator", {})])
    assert log.page("all#2026-11-22", None, 10) == log.page("all#days", None, 10) == []
    with pytest.raises(ValueError, match="no-cursor"):
        log.page(None, "no-cursor", 10)


def test_an_outbox_that_lost_everything_is_mended(aws: Aws, outbox: DynamoWebhookOutbox, database: Database) -> None:
    """What was pending is due again, in order, and with its body; what was settled is not (I11)."""
    outbox.put([delivery("done"), delivery("tried", 2), delivery("waits", 3), delivery("bob's", 4, account_id=BOB)])
    given = {item.payload: item for item in outbox.due(LATER, 10)}
    assert outbox.record(tried(given[b"done"], "delivered"))
    [second] = outbox.due(LATER, 10)
    assert outbox.record(tried(second, "pending", retry_s=3_600))
    emptied(aws, names.WEBHOOK_EVENTS)
    with (
        closing(Connections(database.role_urls["counterfoil_webhooks"])) as connections,
        closing(DynamoWebhookOutbox(aws, UnsettledWebhooks(connections))) as restarted,
    ):
        again = {item.payload: item for item in restarted.due(LATER, 10)}
        assert again.keys() == {b"tried", b"bob's"}
        assert restarted.record(tried(again[b"tried"], "delivered"))
        assert [item.payload for item in restarted.due(LATER, 10)] == [b"waits"]


def test_a_running_outbox_looks_for_its_mark(
    aws: Aws, outbox: DynamoWebhookOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs no restart to see that everything is gone; an attempt that was under way records nothing."""
    monkeypatch.setattr(webhook_outbox, "MARK_EVERY_S", 0)
    outbox.put([delivery("one")])
    [item] = outbox.due(LATER, 10)
    emptied(aws, names.WEBHOOK_EVENTS)
    assert not outbox.record(tried(item, "delivered"))
    [again] = outbox.due(LATER, 10)
    assert (again.payload, again.attempts) == (b"one", 0)
    assert outbox.record(tried(again, "delivered"))
    emptied(aws, names.WEBHOOK_EVENTS)
    assert outbox.due(LATER, 10) == []


def test_what_is_redelivered_is_not_settled(aws: Aws, outbox: DynamoWebhookOutbox) -> None:
    """A repetition that somebody asked for is mended like the first delivery."""
    outbox.put([delivery("one")])
    [item] = outbox.due(LATER, 10)
    outbox.record(tried(item, "delivered"))
    assert outbox.redeliver(ALICE, item.event_id, LATER) is not None
    emptied(aws, names.WEBHOOK_EVENTS)
    outbox._marked_s = None
    assert [again.payload for again in outbox.due(LATER, 10)] == [b"one"]


def test_busy_accounts_hide_nobody(outbox: DynamoWebhookOutbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many events a busy account has before the others', a few looks find theirs."""
    monkeypatch.setattr(webhook_outbox, "PAGE", 10)
    monkeypatch.setattr(webhook_outbox, "PAGES_MAX", 2)
    outbox.put([delivery(str(number), number, subject=f"payout-{number}") for number in range(60)])
    outbox.put([delivery("bob's", 90, account_id=BOB)])
    looks = [[item.payload for item in outbox.due(LATER + timedelta(hours=1), 10, busy=[ALICE])] for _ in range(4)]
    assert looks == [[], [], [], [b"bob's"]]
    assert len(outbox.due(LATER + timedelta(hours=1), 10)) == 10


def test_a_key_that_lost_its_note_is_free(aws: Aws) -> None:
    """The answer of a request whose note is gone is kept nowhere; the next one is the first, and finds what was made."""
    keys = DynamoIdempotencyKeys(aws)
    assert keys.begin(ALICE, "payins", "k", {}, NOW) is None
    emptied(aws, names.IDEMPOTENCY_KEYS)
    keys.complete(ALICE, "payins", "k", b"answer")
    assert keys.begin(ALICE, "payins", "k", {}, NOW) is None


@pytest.mark.fast
def test_times_sort_as_text() -> None:
    """One width, UTC, microseconds; and back."""
    times = [NOW, NOW + timedelta(microseconds=1), NOW + timedelta(seconds=1), NOW + timedelta(days=40)]
    assert sorted(map(stamp, times)) == [stamp(at) for at in times]
    assert [time_of(stamp(at)) for at in times] == times
    assert stamp(datetime(2026, 11, 26, 1, 2, 3, tzinfo=UTC)) == "2026-11-26T01:02:03.000000Z"
    assert seconds(datetime.fromtimestamp(1.5, UTC)) == 2


@pytest.mark.fast
def test_what_is_no_attribute_is_a_defect() -> None:
    """A float has no business in a table."""
    with pytest.raises(TypeError, match="float"):
        dynamodb.item_of({"amount": 1.5})


# A service that is busy


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(session, "TRIES_MAX", 1)
    monkeypatch.setattr(dynamodb.time, "sleep", lambda _: None)
    with serving(lambda _: answer({})) as server:
        yield server


def answer(body: dict[str, Any], status: int = 200) -> Answered:
    return Answered(status, msgspec.json.encode(body), {"content-type": "application/x-amz-json-1.0"})


def items_at(server: HttpServer) -> Items:
    return Items(Aws(load({}, mode="aws", aws_endpoint_url=server.url, aws_region=REGION)), names.AUDIT_LOGS)


@pytest.mark.fast
def test_what_a_batch_left_over_is_asked_for_again(service: HttpServer) -> None:
    """Until all of it is written, or the service has had its chances."""
    written: list[str] = []

    def one_at_a_time(asked: Asked) -> Answered:
        first, *others = msgspec.json.decode(asked.body)["RequestItems"]["audit_logs"]
        written.append(first["PutRequest"]["Item"]["timestamp"]["S"])
        return answer({"UnprocessedItems": {"audit_logs": others} if others else {}})

    service.answer = one_at_a_time
    items = items_at(service)
    items.put_all([{"account_id": "a", "timestamp": str(number)} for number in range(4)])
    assert written == ["0", "1", "2", "3"]
    with pytest.raises(Unavailable, match="takes no more for now"):
        items.put_all([{"account_id": "a", "timestamp": str(number)} for number in range(20)])


@pytest.mark.fast
@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_that_was_throttled_is_a_shut_door(service: HttpServer, code: str) -> None:
    """It is no condition that failed."""
    reasons = [{"Code": "None"}, {"Code": code}]
    body = {"__type": "com.amazonaws.dynamodb#TransactionCanceledException", "CancellationReasons": reasons}
    service.answer = lambda _: answer({**body, "Message": "cancelled"}, 400)
    items = items_at(service)
    with pytest.raises(Unavailable, match=code):
        items.transact([items.deleting(items.key("a", "b"), "attribute_exists(#account_id)")])


def cancelled(service: HttpServer, *codes: str) -> Callable[[], None]:
    """A transaction that is cancelled for these reasons."""
    reasons = [{"Code": code, **({"Message": f"why {code}"} if code != "None" else {})} for code in codes]
    body = {"__type": "com.amazonaws.dynamodb#TransactionCanceledException", "CancellationReasons": reasons}
    service.answer = lambda _: answer({**body, "Message": "cancelled"}, 400)
    items = items_at(service)
    return lambda: items.transact(
        [items.deleting(items.key("a", "b"), "attribute_exists(#account_id)")] * max(1, len(codes))
    )


@pytest.mark.fast
@pytest.mark.parametrize(
    ("codes", "error", "told"),
    [
        (("None", "ConditionalCheckFailed"), Cancelled, r"\[1\]"),
        (("TransactionConflict", "None"), Cancelled, r"\[\]"),
        (("ConditionalCheckFailed", "TransactionConflict"), Cancelled, r"\[0\]"),
        (("ConditionalCheckFailed", "ThrottlingError"), Unavailable, "ThrottlingError why ThrottlingError"),
        (("None", "AccessDenied"), Unavailable, "AccessDenied why .*policy of this process' role"),
        (("ThrottlingError", "KMSInvalidStateException"), Unavailable, "KMSInvalidStateException .*enable it in KMS"),
        (("None", "NobodyKnows"), Unavailable, "NobodyKnows .*does not know"),
        (("None", "None"), Unavailable, "for no reason that it names"),
        ((), Unavailable, "for no reason that it names"),
        (("ConditionalCheckFailed", "ValidationError"), ClientError, "cancelled"),
        (("AccessDenied", "ItemCollectionSizeLimitExceeded"), ClientError, "cancelled"),
    ],
)
def test_why_a_transaction_was_cancelled_is_read_reason_by_reason(
    service: HttpServer, codes: tuple[str, ...], error: type[Exception], told: str
) -> None:
    """What our bytes cause is a defect, before what a person mends, before what passes, before a condition."""
    with pytest.raises(error, match=told):
        cancelled(service, *codes)()


@pytest.mark.fast
def test_a_subject_that_others_are_at_all_the_time_is_a_shut_door(service: HttpServer) -> None:
    """Whoever records an outcome tries again, and not for ever."""
    reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]
    body = {"__type": "com.amazonaws.dynamodb#TransactionCanceledException", "CancellationReasons": reasons}

    def conflict(asked: Asked) -> Answered:
        if asked.headers["x-amz-target"].endswith("BatchGetItem"):
            return answer({"Responses": {"webhook_events": []}, "UnprocessedKeys": {}})
        return answer({**body, "Message": "cancelled"}, 400)

    service.answer = conflict
    aws = Aws(load({}, mode="aws", aws_endpoint_url=service.url, aws_region=REGION))
    outbox = DynamoWebhookOutbox(aws, NothingKept())  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="others are at payout-1"):
        outbox.record(tried(delivery("one"), "delivered"))


class NothingKept:
    """UnsettledWebhooks without a database."""

    def keep(self, deliveries: list[Delivery]) -> None: ...

    def settle(self, deliveries: list[Delivery]) -> None: ...
