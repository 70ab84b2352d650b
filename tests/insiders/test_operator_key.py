"""One operator key over HTTP: it can adjust books, resume signing and hurry a payout, and pays nothing by that alone."""

from pathlib import Path

from tests.gateways.http.harness import PAYEE
from tests.gateways.http.harness import world as api_over
from tests.insiders.world import Insiders
from tests.support.postgres import Database


def test_an_operator_alone_moves_nothing(database: Database, tmp_path: Path, world: Insiders) -> None:
    """It makes a company and a key for it, gives it a million by an adjustment, asks for payouts and hurries them: 0 coins."""
    with api_over(database, tmp_path) as api:
        thief = api.company("Mallory", "1000000")
        asked = [thief.made("/v1/payouts", {"to_address": PAYEE, "amount": "90", "currency": "USDT"}) for _ in range(3)]
        world.live()
        for each in asked:
            api.operator.made(f"/v1/payouts/{each['id']}/expedite", {"reason": "soon, please"})
        world.live()
        assert world.paid_minor == 0
        assert "adjustment" in world.alarms()["above_signer_limit"]
        api.project()
        shown = thief.shown(f"/v1/payouts/{asked[0]['id']}")
        assert (shown["state"], shown["waiting"]["reason"]) == ("requested", "above_signer_limit")
        [lane] = api.operator.shown("/v1/payout-lanes")["data"]
        assert (lane["waiting"], lane["reasons"]) == (3, ["above_signer_limit"])
