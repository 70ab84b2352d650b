"""A defect of ours is told to the log, with its trace, and to the client not at all."""

import logging
from typing import Any

import pytest

from gateways.http.auth import Keyring
from gateways.http.reading.queries import Queries
from tests.gateways.http.harness import World

SECRET = "postgresql://admin:hunter2@10.0.0.7"
INSIDE = ("hunter2", "10.0.0.7", "Traceback", "ZeroDivisionError", ".py", "line ")


def broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError(SECRET)


@pytest.mark.parametrize("place", ["the key", "the query", "the command"])
def test_a_defect_shows_a_client_nothing_of_the_inside(
    api: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    """Wherever it happens: the fields of every other problem, no name, no path, no trace; the log has them all."""
    acme = api.company(usdt="5")
    usual = acme.get("/v1/nothing").json()
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        match place:
            case "the key":
                patch.setattr(Keyring, "caller", broken)
                answer = acme.get("/v1/balances")
            case "the query":
                patch.setattr(Queries, "read", broken)
                answer = acme.get("/v1/balances")
            case _:
                patch.setattr(type(api.platform.ledger), "execute", broken)
                answer = acme.post(
                    "/v1/transfers",
                    json={"from_ledger_account": "User_Liability", "to_ledger_account": "b", "amount": "1"},
                )
    told = answer.text + str(answer.headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.json().keys() == usual.keys()
    assert [word for word in INSIDE if word in told] == []
    assert {str(record.exc_info[1]) for record in caplog.records if record.exc_info} == {SECRET}
    assert acme.get("/v1/balances").status_code == 200
