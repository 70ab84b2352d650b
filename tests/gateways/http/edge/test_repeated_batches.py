"""A client that never saw its answers asks again."""

import json
import socket
from contextlib import ExitStack
from typing import Any

from core.streams.payouts import PayoutRequested
from tests.gateways.http.harness import PAYEE, Client, World
from tests.support.patience import HANG_S, until

PAYOUTS = 12


def post(api: World, client: Client, key: str, body: dict[str, Any]) -> socket.socket:
    """Send a whole request, whose answer nobody reads."""
    host, port = api.url.removeprefix("http://").split(":")
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/payouts HTTP/1.1\r\nhost: {host}\r\nx-api-key: {client.headers['x-api-key']}\r\n"
        f"idempotency-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    connection = socket.create_connection((host, int(port)), timeout=HANG_S)
    connection.sendall(head.encode() + content)
    return connection


def test_a_batch_that_is_sent_again_after_a_timeout_pays_once(api: World) -> None:
    """Every payout was taken, no answer arrived; the same keys again, twice, give the first payouts and move nothing more."""
    acme = api.company(usdt="100")
    bodies = {f"batch-{number}": {"to_address": PAYEE, "amount": f"{number}.5"} for number in range(1, PAYOUTS + 1)}
    store = api.platform.store

    def requested() -> list[str]:
        events = [recorded.event for recorded in store.read(0, 10_000)]
        return [event.order.payout_id for event in events if isinstance(event, PayoutRequested)]

    with ExitStack() as connections:
        for key, body in bodies.items():
            connections.enter_context(post(api, acme, key, body))
        taken = until(lambda: requested() if len(requested()) == PAYOUTS else None)
    answers: list[list[bytes]] = []
    for _ in range(2):
        replies = [
            acme.post("/v1/payouts", json=body, headers={"idempotency-key": key}) for key, body in bodies.items()
        ]
        assert {reply.status_code for reply in replies} == {202}
        assert {reply.json()["id"] for reply in replies} == set(taken)
        answers.append([reply.content for reply in replies])
    assert answers[0] == answers[1]
    assert requested() == taken
    api.project()
    assert len(acme.shown("/v1/payouts")["data"]) == PAYOUTS
    amounts = {row["code"]: row["amount_minor"] for row in acme.shown("/v1/balances")["data"]}
    reserved = sum(number * 1_000_000 + 500_000 + 1_000_000 for number in range(1, PAYOUTS + 1))
    assert (amounts["User_Liability"], amounts["Clearing_Account"]) == (100_000_000 - reserved, reserved)
