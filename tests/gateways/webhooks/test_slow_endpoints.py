"""An endpoint that is slow, silent or dying costs only its own client time."""

import threading
from datetime import timedelta

from core.ports.clients import WEBHOOK_LEASE
from gateways.webhooks.deliveries import POSTS_MAX, POSTS_PER_ACCOUNT_MAX, TURN_MAX
from tests.gateways.webhooks.world import ACME, SLOW, Post
from tests.support.http_server import Answered, Asked, HttpServer, serving
from tests.support.patience import HANG_S


def test_a_slow_endpoint_delays_nobody_else(post: Post, server: HttpServer) -> None:
    """While one endpoint keeps all its posts waiting, another's arrive, however many the first has (FAILURES 24)."""
    release = threading.Event()

    def hold(asked: Asked) -> Answered:
        release.wait(HANG_S)
        return Answered(204)

    with serving(hold) as slow:
        post.register(SLOW, slow.url)
        post.register(ACME, server.url)
        late = [post.due(SLOW, f"deposit-{number}") for number in range(150)]
        post.until(lambda: len(slow.asked) == POSTS_PER_ACCOUNT_MAX)
        quick = [post.due(ACME, f"deposit-{number}") for number in range(20)]
        post.until(lambda: all(post.of(ACME, event_id).status == "delivered" for event_id in quick))
        assert len(slow.asked) == POSTS_PER_ACCOUNT_MAX
        assert len(post.deliverer._waiting) < POSTS_MAX
        release.set()
        post.deliver()
        post.now += WEBHOOK_LEASE
        post.deliver()
        assert {post.of(SLOW, event_id).status for event_id in late} == {"delivered"}
        assert len(slow.asked) == len(late)


def test_a_silent_endpoint_holds_one_post_at_a_time(post: Post, server: HttpServer) -> None:
    """An account whose last post got no answer is given one post at once until it answers again."""
    silent = True
    most, now = 0, 0
    met = threading.Condition()

    def answer(asked: Asked) -> Answered:
        nonlocal most, now
        with met:
            now += 1
            most = max(most, now)
            met.notify_all()
            if silent:
                met.wait(0.05)  # room for a second one, which must not come
            else:
                met.wait_for(lambda: most > 1, HANG_S)
        with met:
            now -= 1
        return Answered(204, cut=silent)

    server.answer = answer
    post.register(ACME, server.url)
    post.due(ACME, "deposit-0")
    post.deliver()
    ids = [post.due(ACME, f"deposit-{number}") for number in range(1, 6)]
    post.deliver()
    assert most == 1
    silent = False
    post.now += timedelta(seconds=6)
    post.deliver()
    assert {post.of(ACME, event_id).status for event_id in ids} == {"delivered"}
    assert 1 < most <= POSTS_PER_ACCOUNT_MAX


def test_what_waited_too_long_for_its_turn_is_left_to_the_outbox(post: Post) -> None:
    """A delivery that could not start in time is dropped here, and handed out again when its lease is over."""
    release = threading.Event()

    def hold(asked: Asked) -> Answered:
        release.wait(HANG_S)
        return Answered(204)

    with serving(hold) as slow:
        post.register(SLOW, slow.url)
        ids = [post.due(SLOW, f"deposit-{number}") for number in range(POSTS_PER_ACCOUNT_MAX + 3)]
        post.until(lambda: len(slow.asked) == POSTS_PER_ACCOUNT_MAX)
        assert len(post.deliverer._waiting) == 3
        post.now += TURN_MAX
        release.set()
        post.deliver()
        assert len(slow.asked) == POSTS_PER_ACCOUNT_MAX
        post.now += WEBHOOK_LEASE
        post.deliver()
        assert {post.of(SLOW, event_id).status for event_id in ids} == {"delivered"}
