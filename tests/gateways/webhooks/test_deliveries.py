"""From a client's event to its endpoint: signed, in order per object, retried until it arrives, and alone in its delays."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from core.ledger.ledger import Command
from core.ports.clients import WEBHOOK_LEASE, Delivery
from core.ports.unavailable import Unavailable
from core.streams.accounts import ChangeAccount, RotateWebhookSecret, WebhookDisabled, account_stream
from core.streams.addresses import RequestPayin
from core.streams.deposits import ConfirmDeposit, DetectDeposit, TransferFact
from gateways.webhooks.deliveries import BOOKMARK, RETRIES
from gateways.webhooks.post import Poster
from gateways.webhooks.signatures import verify, webhook_secret
from tests.gateways.webhooks.world import ACME, MASTER, QUIET, SLOW, Post
from tests.support.chain import person
from tests.support.http_server import Answered, Asked, HttpServer
from tests.support.views import project


def deposit(account_id: str, number: int = 1) -> tuple[list[Command], TransferFact]:
    """Commands that make an account's deposit: an address, detected, confirmed."""
    address = person(1_000 + number)
    fact = TransferFact(
        txid=f"{number:064x}",
        log_index=0,
        from_address=person(1).base58,
        to_address=address.base58,
        amount_minor=12_500_000,
        currency="USDT",
        wallet="payin",
        block_number=7,
        block_id="cd" * 32,
        block_timestamp_ms=1_700_000_000_000,
    )
    key = f"0190f0aa-0000-7000-a000-{number:012d}"
    request = RequestPayin(
        key, account_id, address.base58, address.hex(), "key", "User_Liability", None, "api-key:test"
    )
    confirm = ConfirmDeposit(fact, "system:recorder", account_id=account_id, ledger_account="User_Liability")
    return [request, DetectDeposit(fact, "system:recorder"), confirm], fact


def test_a_deposit_s_events_arrive_signed_and_in_order(post: Post, server: HttpServer) -> None:
    """Detected, then confirmed: each a POST whose signature the account's secret verifies, with the event as its body."""
    post.register(ACME, f"{server.url}/hook")
    post.register(QUIET, None)
    commands, fact = deposit(ACME)
    post.do(*commands, *deposit(QUIET, 2)[0])
    project(post.store, post.tracking)
    assert post.feed.step()
    assert not post.feed.step()
    post.now = datetime.now(UTC)
    post.deliver()
    secret = webhook_secret(MASTER, ACME, 1)
    for asked in server.asked:
        assert asked.path == "/hook"
        assert asked.headers["content-type"] == "application/json"
        verify(secret, asked.headers, asked.body, int(post.now.timestamp()))
    bodies = [json.loads(asked.body) for asked in server.asked]
    assert [(body["type"], body["sequence"]) for body in bodies] == [("deposit.detected", 1), ("deposit.confirmed", 2)]
    assert bodies[1]["data"]["tx_hash"] == fact.txid
    assert bodies[1]["data"]["amount_minor"] == 12_500_000
    assert bodies[1]["timestamp"].endswith("Z")
    kept = post.outbox.page(ACME, "delivered", None, 10)
    assert [delivery.attempts for delivery in kept] == [1, 1]
    assert {delivery.event_id for delivery in kept} == {asked.headers["webhook-id"] for asked in server.asked}
    assert post.outbox.page(QUIET, None, None, 10) == []


def test_a_feed_that_died_before_its_bookmark_repeats_nothing(post: Post, server: HttpServer) -> None:
    """Events that were put into the outbox already stay as they are when the feed comes by again."""
    post.register(ACME, server.url)
    post.do(*deposit(ACME)[0])
    project(post.store, post.tracking)
    post.feed.step()
    post.deliver()
    assert len(server.asked) == 2
    with post.own_tables.transaction() as conn:
        conn.execute("UPDATE bookmarks SET position = 0 WHERE name = %s", (BOOKMARK,))
    assert post.feed.step()
    post.deliver()
    assert len(server.asked) == 2


def test_a_shut_outbox_holds_the_feed(post: Post, server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the outbox takes nothing the bookmark waits, and nothing is lost (I9)."""

    def shut(deliveries: Sequence[Delivery]) -> None:
        raise Unavailable("the outbox is shut")

    post.register(ACME, server.url)
    post.do(*deposit(ACME)[0])
    project(post.store, post.tracking)
    with monkeypatch.context() as patch:
        patch.setattr(post.outbox, "put", shut)
        with pytest.raises(Unavailable):
            post.feed.step()
    assert post.bookmarks.load(BOOKMARK) == 0
    post.feed.step()
    post.deliver()
    assert len(server.asked) == 2


def test_the_retry_schedule(post: Post, server: HttpServer) -> None:
    """A failing endpoint is tried ten times at the promised distances, not before them, with one id; then it is exhausted."""
    server.answer = lambda asked: Answered(500)
    post.register(ACME, server.url)
    event_id = post.due(ACME, "deposit-1")
    for attempt, delay in enumerate(RETRIES, start=1):
        post.deliver()
        kept = post.of(ACME, event_id)
        assert (kept.status, kept.attempts, kept.last_error) == ("pending", attempt, "the endpoint answered 500")
        assert kept.last_attempt_at == post.now
        assert kept.next_retry_at == post.now + delay * 1.1
        post.now = kept.next_retry_at - timedelta(seconds=1)
        post.deliver()
        assert len(server.asked) == attempt
        post.now = kept.next_retry_at
    post.deliver()
    kept = post.of(ACME, event_id)
    assert (kept.status, kept.attempts, kept.next_retry_at) == ("exhausted", 10, None)
    assert {asked.headers["webhook-id"] for asked in server.asked} == {event_id}
    assert [delay.total_seconds() for delay in RETRIES] == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    post.now += timedelta(days=30)
    post.deliver()
    assert len(server.asked) == 10


@pytest.mark.parametrize("status", [300, 302, 400, 404, 429, 503])
def test_what_is_not_2xx_is_tried_again(post: Post, server: HttpServer, status: int) -> None:
    """Any status but 2xx and 410 leaves the delivery pending, and a later 2xx ends it."""
    server.answer = lambda asked: Answered(status, b"", {"location": "/elsewhere"})
    post.register(ACME, server.url)
    event_id = post.due(ACME, "deposit-1")
    post.deliver()
    assert post.of(ACME, event_id).status == "pending"
    assert [asked.path for asked in server.asked] == ["/"]
    server.answer = lambda asked: Answered(200)
    post.now += timedelta(seconds=6)
    post.deliver()
    assert post.of(ACME, event_id).status == "delivered"


def test_gone_disables_the_endpoint(post: Post, server: HttpServer) -> None:
    """410 disables the account's URL, and what was still to come is not posted."""
    server.answer = lambda asked: Answered(410)
    post.register(ACME, server.url)
    first, second = post.due(ACME, "deposit-1", 1), post.due(ACME, "deposit-1", 2)
    post.deliver()
    assert [post.of(ACME, event_id).status for event_id in (first, second)] == ["disabled", "disabled"]
    assert len(server.asked) == 1
    last = post.store.histories([account_stream(ACME)])[account_stream(ACME)][-1].event
    assert isinstance(last, WebhookDisabled)
    assert (last.webhook_url, last.actor) == (server.url, "system:webhooks")


def test_gone_does_not_remove_a_url_that_was_set_meanwhile(post: Post, server: HttpServer) -> None:
    """A 410 from the old URL leaves the new one as it is."""
    post.register(ACME, f"{server.url}/old")

    def gone(asked: Asked) -> Answered:
        post.do(ChangeAccount(ACME, "operator:test", webhook_url=f"{server.url}/new"))
        return Answered(410)

    server.answer = gone
    post.due(ACME, "deposit-1")
    post.deliver()
    server.answer = lambda asked: Answered(200)
    event_id = post.due(ACME, "deposit-2")
    post.deliver()
    assert [asked.path for asked in server.asked] == ["/old", "/new"]
    assert post.of(ACME, event_id).status == "delivered"


def test_the_order_of_an_object_is_kept(post: Post, server: HttpServer) -> None:
    """While an object's first event is not delivered its second waits; another object's events do not."""
    server.answer = lambda asked: Answered(500 if asked.headers["webhook-id"] == first else 204)
    post.register(ACME, server.url)
    first, second = post.due(ACME, "deposit-1", 1), post.due(ACME, "deposit-1", 2)
    other = post.due(ACME, "deposit-2", 3)
    post.deliver()
    assert [asked.headers["webhook-id"] for asked in server.asked].count(second) == 0
    assert post.of(ACME, other).status == "delivered"
    server.answer = lambda asked: Answered(204)
    post.now += timedelta(seconds=10)
    post.deliver()
    assert [asked.headers["webhook-id"] for asked in server.asked][-2:] == [first, second]


def test_a_process_that_died_while_posting_loses_nothing(post: Post, server: HttpServer) -> None:
    """What was handed out and never recorded is posted again by the next process, with the same id."""
    post.register(ACME, server.url)
    event_id = post.due(ACME, "deposit-1")
    assert [delivery.event_id for delivery in post.outbox.due(post.now, 10)] == [event_id]
    post.restarted()
    post.deliver()
    assert server.asked == []
    post.now += WEBHOOK_LEASE
    post.deliver()
    assert [asked.headers["webhook-id"] for asked in server.asked] == [event_id]


def test_the_slower_of_two_processes_changes_nothing(post: Post, server: HttpServer) -> None:
    """When another process has recorded the attempt already, its word stands."""

    def answer(asked: Asked) -> Answered:
        known = post.of(ACME, event_id)
        post.outbox.record(msgspec.structs.replace(known, status="delivered", attempts=1, next_retry_at=None))
        return Answered(500)

    server.answer = answer
    post.register(ACME, server.url)
    event_id = post.due(ACME, "deposit-1")
    post.deliver()
    assert post.of(ACME, event_id).status == "delivered"


def test_during_rotation_both_secrets_sign(post: Post, server: HttpServer) -> None:
    """For 24 hours after a rotation receivers with either secret believe a delivery; afterwards only those with the new."""
    post.register(ACME, server.url)
    post.do(RotateWebhookSecret(ACME, 1, "api-key:test"))
    rotated_at = post.now
    counts = []
    for age in (timedelta(hours=23), timedelta(hours=24)):
        post.now = rotated_at + age
        post.due(ACME, f"deposit-{age}")
        post.deliver()
        asked = server.asked[-1]
        verify(webhook_secret(MASTER, ACME, 2), asked.headers, asked.body, int(post.now.timestamp()))
        counts.append(len(asked.headers["webhook-signature"].split()))
    assert counts == [2, 1]


def test_an_unreachable_endpoint_is_tried_again(post: Post) -> None:
    """An endpoint that takes no connection is a failed attempt with its reason."""
    post.register(ACME, "http://127.0.0.1:1/hook")
    event_id = post.due(ACME, "deposit-1")
    post.deliver()
    kept = post.of(ACME, event_id)
    assert (kept.status, kept.attempts) == ("pending", 1)
    assert kept.last_error is not None
    assert kept.last_error == "the URL's port is refused"


def test_a_defect_in_a_post_costs_one_attempt(
    post: Post, server: HttpServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception nobody thought of is logged, counts as a failed attempt, and stops no other account's webhook."""
    honest = Poster.post

    def defective(self: Poster, url: str, headers: dict[str, str], body: bytes) -> object:
        if "bad" in url:
            raise LookupError("nobody thought of this")
        return honest(self, url, headers, body)

    monkeypatch.setattr(Poster, "post", defective)
    post.register(SLOW, "http://bad.example/")
    post.register(ACME, server.url)
    bad, good = post.due(SLOW, "deposit-1"), post.due(ACME, "deposit-1")
    post.deliver()
    assert post.of(ACME, good).status == "delivered"
    assert post.of(SLOW, bad).last_error == "the attempt failed"
    assert "nobody thought of this" in caplog.text


def test_without_the_development_setting_loopback_gets_no_webhook(post: Post, server: HttpServer) -> None:
    """An account whose URL leads to this machine is refused at connection time."""
    post.deliverer._poster = Poster()
    post.register(ACME, server.url)
    event_id = post.due(ACME, "deposit-1")
    post.deliver()
    assert server.asked == []
    assert post.of(ACME, event_id).last_error == "the URL leads to an address that is not public"
