"""GET /v1/projections and the rebuilds behind it, as an operator turns them over HTTP."""

from collections.abc import Iterator

import psycopg
import pytest

from gateways.processes.rebuild import Rebuilding
from projections.views import VIEWS
from tests.gateways.http.harness import World
from tests.support.patience import until


@pytest.fixture
def process(api: World) -> Iterator[Rebuilding]:
    """The step of the process `rebuild`."""
    step = Rebuilding(api.projector_url)
    yield step
    step.close()


def finish(process: Rebuilding) -> None:
    """Until there is nothing to do now; it may listen for a while first, because clients are served."""
    until(lambda: not process())


def test_every_view_is_listed(api: World) -> None:
    """Each view has its position and how far it is behind; what was never rebuilt says so."""
    api.company()
    api.project()
    views = api.operator.shown("/v1/projections")["data"]
    assert [view["name"] for view in views] == sorted(VIEWS)
    assert {(view["behind"], view["rebuild"], view["rollback_position"]) for view in views} == {(0, None, None)}
    assert api.operator.shown("/v1/projections/balances") == next(v for v in views if v["name"] == "balances")


def test_a_rebuild_from_wish_to_rollback(api: World, process: Rebuilding) -> None:
    """It is asked for, worked on, compared, serves, and is rolled back; each act is in the audit log."""
    company = api.company(usdt="10")
    api.project()
    before = company.shown("/v1/balances")
    asked = api.operator.made("/v1/projections/balances/rebuild", {})
    assert (asked["rebuild"]["state"], asked["rebuild"]["wish"]) == ("requested", "go")
    again = api.operator.post("/v1/projections/balances/rebuild", json={})
    assert (again.status_code, again.json()["code"]) == (409, "rebuild_goes_on")
    finish(process)
    done = api.operator.shown("/v1/projections/balances")
    assert (done["rebuild"]["state"], done["rebuild"]["percent"]) == ("done", 100)
    assert done["rebuild"]["tables"]["balances"]["changed"] == 0
    assert done["rollback_position"] == done["position"]
    assert company.shown("/v1/balances") == before
    api.operator.made("/v1/projections/balances/rollback", None)
    finish(process)
    assert api.operator.shown("/v1/projections/balances")["rebuild"]["state"] == "rolled back"
    assert company.shown("/v1/balances") == before
    acts = [entry["action"] for entry in api.operator.shown("/v1/audit-logs")["data"]]
    assert acts[:2] == ["projection.rollback", "projection.rebuild"]


def test_held_paused_resumed_cancelled(api: World, process: Rebuilding) -> None:
    """A held rebuild waits for resume, a paused one stands, a cancelled one is over."""
    company = api.company(usdt="10")
    api.project()
    with psycopg.connect(api.projector_url) as conn:
        conn.execute("UPDATE balances SET amount_minor = 7 WHERE code = 'User_Liability'")
    api.operator.made("/v1/projections/balances/rebuild", {"hold": True})
    finish(process)
    held = api.operator.shown("/v1/projections/balances")["rebuild"]
    assert (held["state"], held["tables"]["balances"]["changed"]) == ("verified", 1)
    assert "7" in [str(row["amount_minor"]) for row in company.shown("/v1/balances")["data"]]
    api.operator.made("/v1/projections/balances/resume", None)
    finish(process)
    assert "7" not in [str(row["amount_minor"]) for row in company.shown("/v1/balances")["data"]]
    api.operator.made("/v1/projections/payouts/rebuild", {})
    assert api.operator.made("/v1/projections/payouts/pause", None)["rebuild"]["wish"] == "pause"
    finish(process)
    assert api.operator.shown("/v1/projections/payouts")["rebuild"]["state"] in ("requested", "building")
    api.operator.made("/v1/projections/payouts/cancel", None)
    finish(process)
    assert api.operator.shown("/v1/projections/payouts")["rebuild"]["state"] == "cancelled"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/projections/nothing/rebuild", 404, "not_found"),
        ("/v1/projections/balances/pause", 409, "no_rebuild_goes_on"),
        ("/v1/projections/balances/resume", 409, "no_rebuild_goes_on"),
        ("/v1/projections/balances/cancel", 409, "no_rebuild_goes_on"),
        ("/v1/projections/balances/rollback", 409, "nothing_to_roll_back"),
    ],
)
def test_what_cannot_be_done(api: World, path: str, status: int, code: str) -> None:
    """Each refusal has its code."""
    answer = api.operator.post(path, json={} if path.endswith("rebuild") else None)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_clients_cannot_turn_it(api: World) -> None:
    """Rebuilds are the operator's alone."""
    company = api.company()
    for path in ("rebuild", "pause", "resume", "cancel", "rollback"):
        assert company.post(f"/v1/projections/balances/{path}").status_code == 403


def test_the_api_tells_how_long_requests_take(api: World) -> None:
    """While clients are served, the 95th percentile of their requests is where a rebuild can hear it."""

    def told() -> bool:
        api.operator.shown("/v1/projections")
        with psycopg.connect(api.projector_url) as conn:
            rows = conn.execute("SELECT p95_ms FROM foreground WHERE told_at > now() - interval '3 s'").fetchall()
        return bool(rows) and all(p95_ms > 0 for (p95_ms,) in rows)

    until(told)
