"""What the operator is told of the store: its name, the mark, and what is held against it."""

from core.ports.store_watch import Watched
from core.streams.signing import StopOlderStore
from core.streams.store import NameStore
from tests.gateways.http.harness import World
from tests.support.history import execute

NAME = "0d1b2c3d-0000-4000-8000-000000000001"


def test_before_a_signer_has_looked_nothing_is_known(api: World) -> None:
    """No name, no mark, nothing against it."""
    shown = api.operator.get("/v1/store").json()
    assert (shown["store_id"], shown["high_water"], shown["older"], shown["signers"]) == (None, None, None, [])
    assert shown["last_backup"] is None


def test_an_older_store_is_shown_and_is_not_ready(api: World) -> None:
    """With what was seen, by whom, and why; a signer that waits for the chain is a warning alone."""
    execute(api.signer.ledger, NameStore(NAME, "system:payouts"))
    for watched in (Watched("payouts", 16, ""), Watched("payouts", 17, "the scanner"), Watched("sweeps", 12, "")):
        api.signer.store_watch.put(watched)
    ready = api.client("").get("/readyz").json()
    assert ready["warnings"] == ["the process payouts signs nothing yet: it waits for the scanner"]
    shown = api.operator.get("/v1/store").json()
    assert (shown["store_id"], shown["high_water"]) == (NAME, 17)
    assert shown["signers"][1] == {"process": "sweeps", "high_water": 12, "waits_for": ""}
    assert api.client("").get("/readyz").status_code == 200
    execute(api.signer.ledger, StopOlderStore(2, 17, "behind", "it is an old copy", "system:payouts"))
    shown = api.operator.get("/v1/store").json()
    assert shown["older"] == {"doubt": "behind", "seen": 17, "sentence": "it is an old copy"}
    answer = api.client("").get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["wrong"] == ["nothing is signed, and no address given out: it is an old copy"]


def test_it_is_the_operators_alone(api: World) -> None:
    """A client learns nothing of the installation."""
    assert api.company().get("/v1/store").status_code == 403
