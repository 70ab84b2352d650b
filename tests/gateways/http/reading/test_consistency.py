"""Reading what one has written: positions, waiting readers, and views that are behind."""

import threading

import httpx2
import pytest

from gateways.http.endpoint import ENDPOINTS
from gateways.http.reading import queries
from projections.views import VIEWS
from tests.gateways.http.harness import PAYEE, World, template_of
from tests.support.patience import HANG_S, until


def test_a_reader_waits_for_its_position(api: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GET with min_position is answered as soon as the view is there, and reflects it."""
    acme = api.company(usdt="10")
    api.project()
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    assert acme.get(f"/v1/payouts/{payout['id']}").status_code == 404
    answers: list[httpx2.Response] = []
    bookmarks, looks = queries.Queries.bookmarks, 0

    async def look(reader: queries.Queries) -> dict[str, int]:
        nonlocal looks
        looks += 1
        return await bookmarks(reader)

    monkeypatch.setattr(queries.Queries, "bookmarks", look)
    monkeypatch.setattr(queries, "REACH_S", HANG_S)

    def read() -> None:
        with api.client(acme.headers["x-api-key"]) as client:
            answers.append(client.get(f"/v1/payouts/{payout['id']}?min_position={payout['position']}"))

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: looks > 3, "that somebody waits for the view")
    assert not answers
    api.project()
    reader.join(HANG_S)
    assert answers[0].status_code == 200
    assert answers[0].headers["counterfoil-position"] == payout["position"]


def test_a_view_that_stays_behind(api: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the waiting time the answer is a 503 with Retry-After."""
    monkeypatch.setattr(queries, "REACH_S", 0.2)
    acme = api.company(usdt="10")
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    behind = acme.get(f"/v1/balances?min_position={payout['position']}")
    assert (behind.status_code, behind.json()["code"]) == (503, "projection_behind")
    assert behind.headers["retry-after"]


def test_waiting_readers_are_bounded(api: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit a reader that would have to wait is refused at once."""
    monkeypatch.setattr(queries, "READERS_WAITING_MAX", 0)
    account = api.operator.made("/v1/accounts", {"name": "A"})
    refused = api.operator.get(f"/v1/accounts?min_position={account['position']}")
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")


def test_a_position_that_does_not_exist(api: World) -> None:
    """A number beyond the head is refused at once, and so is a token of another account."""
    account = api.operator.made("/v1/accounts", {"name": "A"})
    beyond = api.operator.get(f"/v1/accounts?min_position={account['position'] + 1}")
    assert (beyond.status_code, beyond.json()["code"]) == (422, "position_beyond_head")
    acme, other = api.company(usdt="5"), api.company("Other")
    position = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})["position"]
    foreign = other.get(f"/v1/balances?min_position={position}")
    assert (foreign.status_code, foreign.json()["code"]) == (422, "validation_failed")


def test_positions_are_opaque_to_clients(api: World) -> None:
    """Operators see numbers, clients tokens of one length that tell no volume."""
    account = api.operator.made("/v1/accounts", {"name": "A"})
    assert isinstance(account["position"], int)
    acme = api.company(usdt="9")
    tokens = [acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})["position"] for _ in range(3)]
    assert {len(token) for token in tokens} == {22}
    assert len({token[:6] for token in tokens}) == 3


def test_every_get_says_what_it_reflects(api: World) -> None:
    """The header Counterfoil-Position stands in every GET's answer and can be given as min_position."""
    api.fill_pool()
    acme = api.company(usdt="9")
    payout, payin = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"}), acme.made("/v1/payins", {})
    api.project()
    entry = acme.shown("/v1/journal-entries")["data"][0]
    ids = {
        "/v1/payouts/{id}": payout["id"],
        "/v1/payouts/{id}/explanation": payout["id"],
        "/v1/payins/{id}": payin["id"],
        "/v1/payin-addresses/{id}": payin["address"]["id"],
        "/v1/journal-entries/{id}": entry["id"],
    }
    period = {"from": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z"}
    queries = {
        "/v1/receipts": {"subject": f"payout-{payout['id']}"},
        "/v1/audit/diff": {"from": 0, "to": 2},
        "/v1/find": {"q": payout["id"]},
        "/v1/statements": period,
        "/v1/statements.csv": period,
    }
    asked = 0
    # There is neither a deposit nor a sweep nor a checkpoint here, nor a wallet that is replaced.
    unasked = ("/metrics", "/v1/deposits/{id}", "/v1/deposits/{id}/explanation", "/v1/checkpoints/{number}")
    unasked += ("/v1/sweeps/{id}", "/v1/inclusion-proofs/{position}", "/v1/wallets/{role}/rotation")
    for declared in ENDPOINTS:
        if declared.method != "GET" or declared.public or declared.path in unasked:
            continue
        path = declared.path.replace("{account_id}", acme.account_id).replace("{address}", PAYEE)
        path = path.replace("{id}", ids.get(declared.path, "")).replace("{position}", payout["position"])
        path = path.replace("{view}", "balances")
        client = api.operator if declared.permission == "operator" else acme
        query = queries.get(declared.path, {})
        answer = client.get(path, params=query)
        assert answer.status_code == 200, path
        assert template_of(path) == declared.path
        position = answer.headers["counterfoil-position"]
        assert client.get(path, params={**query, "min_position": position}).status_code == 200
        asked += 1
    assert asked > 20


def test_projections_show_their_progress(api: World) -> None:
    """Every view's position and distance, which is zero once all are projected; the answer waits for nobody."""
    api.company()
    before = api.operator.shown("/v1/projections")["data"]
    assert {view["name"] for view in before} == set(VIEWS)
    assert all(view["behind"] > 0 for view in before)
    api.project()
    until(lambda: all(view["behind"] == 0 for view in api.operator.shown("/v1/projections")["data"]))
