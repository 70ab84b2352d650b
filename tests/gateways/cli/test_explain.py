"""What an operator asks at the command line: what changed, and why something is where it is."""

import json
from pathlib import Path

import pytest

from core.ledger.journal import TREASURY
from core.ledger.ledger import Ledger
from gateways.cli.audit.difference import show_difference
from gateways.cli.console import Output
from gateways.cli.explain import show_deposits, show_payout
from gateways.postgres.event_store import PostgresEventStore
from gateways.settings import Settings, load
from gateways.user_error import UserError
from projections.engine.tracking import ViewTracking
from tests.support.history import ALICE, BOB, append_history, order, txid
from tests.support.postgres import Database
from tests.support.views import project


@pytest.fixture
def settings(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, tmp_path: Path
) -> Settings:
    append_history(ledger)
    project(store, tracking)
    return load({}, database_url=database.owner_url, data=tmp_path)


def test_what_changed_is_a_table_or_json(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Each balance with what it was and is, each event with its share of it."""
    show_difference(settings, 0, None, BOB, Output())
    text = capsys.readouterr().out
    assert any(
        line.split()[:5] == [BOB, "User_Liability", "0.000000", "+8.000000", "8.000000"] for line in text.splitlines()
    )
    assert "deposit.confirmed/1" in text
    show_difference(settings, 0, None, BOB, Output(as_json=True))
    told = json.loads(capsys.readouterr().out)
    [liability] = [each for each in told["data"] if each["ledger_account"] == "User_Liability"]
    assert (liability["before"], liability["change"], liability["after_minor"]) == ("0.000000", "8.000000", 8_000_000)
    assert [event["change"] for event in liability["events"]] == ["7.000000", "1.000000"]
    show_difference(settings, 2, 2, TREASURY, Output())
    assert capsys.readouterr().out == "no balance changed between 2 and 2\n"


def test_a_story_is_a_table_or_json(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Of every deposit of a transaction, and of a payout."""
    show_deposits(settings, txid("a"), Output())
    show_payout(settings, order(ALICE, "p1", 0).payout_id, Output())
    text = capsys.readouterr().out
    assert text.count("credited)\n") == 2
    assert "now   2.000000 USDT arrived at" in text
    show_deposits(settings, txid("a"), Output(as_json=True))
    assert [each["state"] for each in json.loads(capsys.readouterr().out)] == ["confirmed", "confirmed"]
    show_payout(settings, order(ALICE, "p3", 0).payout_id, Output(as_json=True))
    assert json.loads(capsys.readouterr().out)["now"]["about"] == {"failure_code": "reverted"}


def test_what_cannot_be_compared_is_refused(settings: Settings) -> None:
    """With a sentence; so is what is not there."""
    for after, upto, account, sentence in ((5, 4, None, "must begin"), (0, 4, "nobody", "is no account")):
        with pytest.raises(UserError, match=sentence):
            show_difference(settings, after, upto, account, Output())
    for show in (show_deposits, show_payout):
        with pytest.raises(UserError, match=r"no (deposit|payout)"):
            show(settings, "nothing", Output())
