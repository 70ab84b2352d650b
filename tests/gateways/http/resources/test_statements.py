"""Statements over HTTP: the account's own book in a period, in two forms, of nobody else."""

import json
from pathlib import Path

import pytest

from core.proofs.notes import NoteKey
from projections.audit.statements import check
from tests.gateways.http.harness import World
from tests.support.checkpoints import Desk
from tests.support.postgres import Database

PERIOD = "from=2020-01-01T00:00:00Z&until=2024-01-01T00:00:00Z"


def test_a_client_gets_its_signed_statement(api: World, database: Database, tmp_path: Path) -> None:
    """From one moment to another, byte for byte the same when it is asked again; the key is shown beside."""
    acme = api.company(usdt="10")
    began = api.platform.clock()
    api.company("Other", usdt="5")
    api.project()
    desk = Desk(database, tmp_path / "archive")
    desk.run()
    desk.login.close()
    period = f"from=2020-01-01T00:00:00Z&until={began:%Y-%m-%dT%H:%M:%S.%fZ}"
    key = next(each["key"] for each in acme.shown("/v1/verification-keys")["data"] if each["purpose"] == "statements")
    for path in (f"/v1/statements?{period}", f"/v1/statements.csv?{period}"):
        answer = acme.get(path)
        assert answer.status_code == 200, answer.text
        assert f"statement of {acme.account_id}" in check(answer.content, [NoteKey.parse(key)])
        assert acme.get(path).content == answer.content
    told = json.loads(acme.get(f"/v1/statements?{period}").content)["statement"]
    held = {each["ledger_account"]: each["closing_minor"] for each in told["balances"]}
    assert held == {"User_Liability": 10_000_000, "Clearing_Account": 0, "System_Hot_Wallet_Asset": 10_000_000}
    assert [line["event_type"] for line in told["lines"]] == ["adjustment", "adjustment"]


def test_a_quiet_installation_s_statement_is_signed_at_once(api: World) -> None:
    """Nothing happened since the period was over: it is final all the same, and stays as it is."""
    acme = api.company(usdt="10")
    api.project()
    until = api.platform.clock()
    path = f"/v1/statements?from=2020-01-01T00:00:00Z&until={until:%Y-%m-%dT%H:%M:%S.%fZ}"
    key = next(each["key"] for each in acme.shown("/v1/verification-keys")["data"] if each["purpose"] == "statements")
    first = acme.get(path)
    assert first.json()["statement"]["final"] is True
    assert f"statement of {acme.account_id}" in check(first.content, [NoteKey.parse(key)])
    head = api.platform.store.head()
    api.fund(acme.account_id, "5")
    api.project()
    assert acme.get(path).content == first.content
    assert api.platform.store.head() == head + 1
    for _ in range(3):
        late = api.platform.clock()
        acme.get(f"/v1/statements?from=2020-01-01T00:00:00Z&until={late:%Y-%m-%dT%H:%M:%S.%fZ}")
    assert api.platform.store.head() == head + 1, "who asks again and again adds one event a minute"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "?from"),
        ("from=2020-01-01T00:00:00Z", "?until"),
        ("from=2020-01-01T00:00:00Z&until=2020-01-01T00:00:00Z", "?until"),
        ("from=2020-01-01T00:00:00Z&until=2999-01-01T00:00:00Z", "?until"),
        ("from=2020-01-01&until=2021-01-01T00:00:00Z", "?from"),
    ],
)
def test_a_period_that_is_none_is_refused(shared: World, query: str, pointer: str) -> None:
    """The parameter is named."""
    refused = shared.company().get(f"/v1/statements?{query}")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)


def test_a_key_that_may_not_read_the_ledger_gets_none(shared: World) -> None:
    """ledger:read is asked for."""
    refused = shared.company(permissions=["payins:read"]).get(f"/v1/statements?{PERIOD}")
    assert refused.status_code == 403
