"""Payouts in lanes over HTTP: urgent ones, later ones, a client's own place, and what the operator sees and does."""

from datetime import UTC, datetime, timedelta

from core.ports.payout_lanes import LaneNumbers
from core.streams.payout.turns import WaitPayout
from core.streams.payouts import PayoutOrder, PayoutRequested, payout_stream
from tests.gateways.http.harness import EVERYTHING, PAYEE, World
from tests.support.history import execute, send
from tests.support.numbers import samples

BODY = {"to_address": PAYEE, "amount": "1"}


def order_of(api: World, payout_id: str) -> PayoutOrder:
    [first, *_] = api.platform.store.histories([payout_stream(payout_id)])[payout_stream(payout_id)]
    assert isinstance(first.event, PayoutRequested)
    return first.event.order


def test_high_priority_takes_its_permission(shared: World) -> None:
    """A key without payouts:priority is refused, and what it asks for as usual is accepted."""
    plain = shared.company(usdt="100", permissions=EVERYTHING)
    refused = plain.post("/v1/payouts", json=BODY | {"priority": "high"})
    assert (refused.status_code, refused.json()["code"]) == (403, "priority_not_allowed")
    assert plain.made("/v1/payouts", BODY)["priority"] == "normal"
    urgent = shared.company(usdt="100", permissions=[*EVERYTHING, "payouts:priority"])
    assert urgent.made("/v1/payouts", BODY | {"priority": "high"})["priority"] == "high"


def test_a_payout_for_later_reserves_now(shared: World) -> None:
    """Within 90 days it is accepted and reserves; beyond them it is refused, and the same key answers the same."""
    acme = shared.company(usdt="100")
    at = (datetime.now(UTC) + timedelta(days=89)).replace(microsecond=0)
    made = acme.made("/v1/payouts", BODY | {"not_before": at.isoformat()})
    assert datetime.fromisoformat(made["not_before"]) == at
    assert made["waiting"] is None
    late = BODY | {"not_before": (at + timedelta(days=2)).isoformat()}
    answers = [acme.post("/v1/payouts", json=late, headers={"idempotency-key": "late"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [422] * 2
    assert [answer.json()["code"] for answer in answers] == ["not_before_out_of_range"] * 2
    assert "90 days" in answers[0].json()["detail"]


def test_a_client_sees_its_own_place_only(shared: World) -> None:
    """How many of its own go first, whatever others ask for (I12); nothing once it is no longer waiting."""
    urgent_too = [*EVERYTHING, "payouts:priority"]
    acme, other = shared.company(usdt="100", permissions=urgent_too), shared.company("Other", usdt="100")
    other.made("/v1/payouts", BODY)
    first, second, urgent = (
        acme.made("/v1/payouts", BODY | {"priority": priority}) for priority in ("normal", "normal", "high")
    )
    shared.project()
    ahead = [acme.shown(f"/v1/payouts/{it['id']}")["lane"]["ahead"] for it in (first, second, urgent)]
    assert ahead == [1, 2, 0]
    execute(shared.signer.ledger, *send(order_of(shared, urgent["id"])))
    shared.project()
    assert "lane" not in acme.shown(f"/v1/payouts/{urgent['id']}")
    assert acme.shown(f"/v1/payouts/{second['id']}")["lane"] == {"ahead": 1}


def test_what_a_payout_waits_for_is_shown_and_sent(api: World) -> None:
    """The reason and since when, never how much is missing: that is the operator's."""
    acme = api.company(usdt="100")
    made = acme.made("/v1/payouts", BODY)
    order = order_of(api, made["id"])
    execute(api.signer.ledger, WaitPayout(order, "system:payouts", reason="coins", since_ms=1_767_225_600_000))
    api.project()
    shown = acme.shown(f"/v1/payouts/{made['id']}")
    assert shown["waiting"] == {"reason": "coins", "since": "2026-01-01T00:00:00Z"}
    [told] = [it for it in acme.shown("/v1/events")["data"] if it["type"] == "payout.waiting"]
    assert told["data"] == {name: value for name, value in shown.items() if name != "lane"}
    execute(api.signer.ledger, *send(order))
    api.project()
    assert acme.shown(f"/v1/payouts/{made['id']}")["waiting"] is None


def test_the_operator_sees_the_lanes_and_puts_one_first(api: World) -> None:
    """Each account that waits, with what its head lacks; an expedited payout heads its own lane, and says so again."""
    acme = api.company("Acme", usdt="100")
    first, second = (acme.made("/v1/payouts", BODY) for _ in range(2))
    api.project()
    path = f"/v1/payouts/{second['id']}/expedite"
    assert acme.post(path, json={"reason": "please"}).status_code == 403
    for _ in range(2):
        assert api.operator.made(path, {"reason": "the client called"})["id"] == second["id"]
    api.project()
    assert acme.shown(f"/v1/payouts/{second['id']}")["lane"] == {"ahead": 0}
    assert acme.shown(f"/v1/payouts/{first['id']}")["lane"] == {"ahead": 1}
    api.signer.lane_board.put([LaneNumbers(acme.account_id, 3_002, 1_250)])
    [lane] = api.operator.shown("/v1/payout-lanes")["data"]
    assert (lane["account_id"], lane["name"], lane["waiting"]) == (acme.account_id, "Acme", 2)
    assert (lane["short_minor"], lane["earmarked_minor"]) == (3_002, 1_250)
    assert lane["oldest_at"] == first["created_at"]
    api.signer.lane_board.put([])
    [lane] = api.operator.shown("/v1/payout-lanes")["data"]
    assert (lane["short_minor"], lane["earmarked_minor"]) == (0, 0)
    execute(api.signer.ledger, *send(order_of(api, first["id"])))
    gone = api.operator.post(f"/v1/payouts/{first['id']}/expedite", json={"reason": "late"})
    assert (gone.status_code, gone.json()["code"]) == (409, "payout_not_waiting")


def test_the_operator_takes_back_what_a_suspended_account_asked_for(shared: World) -> None:
    """The reserve is the account's again; another company's key still finds no such payout (I12)."""
    acme = shared.company("Acme", usdt="100")
    made = acme.made("/v1/payouts", BODY)
    assert shared.operator.patch(f"/v1/accounts/{acme.account_id}", json={"status": "suspended"}).status_code == 200
    path = f"/v1/payouts/{made['id']}/cancel"
    assert shared.company("Other").post(path).status_code == 404
    for _ in range(2):
        assert shared.operator.made(path, None)["state"] == "cancelled"
    shared.project()
    amounts = {row["code"]: row["amount"] for row in acme.shown("/v1/balances")["data"]}
    assert amounts["User_Liability"] == "100.000000"


def test_how_long_payouts_wait_is_a_number(api: World) -> None:
    """By reason, for whoever watches: 0 where nothing waits."""
    acme = api.company(usdt="100")
    made = acme.made("/v1/payouts", BODY)
    since_ms = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    execute(
        api.signer.ledger, WaitPayout(order_of(api, made["id"]), "system:payouts", reason="coins", since_ms=since_ms)
    )
    api.project()
    found = samples(api.operator.get("/metrics").text)
    assert 3600 <= found["counterfoil_payout_oldest_seconds{reason=coins}"] < 3720
    assert found["counterfoil_payout_oldest_seconds{reason=energy}"] == 0
