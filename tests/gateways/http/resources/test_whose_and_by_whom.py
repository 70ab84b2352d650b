"""What rows that were there before an upgrade are given is what a rebuild would give them (I4)."""

from pathlib import Path

import psycopg

import schema
from core.tron.address import Address
from tests.gateways.http.harness import PAYEE, World
from tests.support.history import USDT, detect, execute, transfer

MIGRATION = Path(schema.__file__).parent / "migrations" / "0171_whose_and_by_whom.sql"
OBJECTS = "SELECT id::text, row::text FROM client_objects ORDER BY id"
ASKED = "SELECT id::text, requested_by FROM payout_requests ORDER BY id"


def test_a_migration_gives_what_a_rebuild_gives(api: World) -> None:
    """Which key asked for a payout and what an address was given out for, to the letter; also of odd references."""
    api.fill_pool(3)
    acme = api.company(usdt="10")
    for reference in ("customer 42", 'ümlaut "and" \\ more', None):
        acme.made("/v1/payins", {"client_reference": reference} if reference else {})
    acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    api.project()
    statements = [
        each for each in MIGRATION.read_text().split(";\n") if "UPDATE payout" in each or "INSERT INTO" in each
    ]
    assert len(statements) == 2
    with psycopg.connect(api.projector_url, autocommit=True) as projector:
        folded = projector.execute(OBJECTS).fetchall(), projector.execute(ASKED).fetchall()
        assert [by for _, by in folded[1]] == [acme.key_id]
        projector.execute(
            "DELETE FROM client_objects WHERE row ->> 'client_reference' IS NOT NULL OR row ->> 'state' IS NULL"
        )
        projector.execute("UPDATE payout_requests SET requested_by = NULL")
        for statement in statements:
            projector.execute(statement)
        assert (projector.execute(OBJECTS).fetchall(), projector.execute(ASKED).fetchall()) == folded


def test_a_deposit_says_who_sent_it_and_for_what_its_address_was_given(api: World) -> None:
    """In the list, in the event and for the operator alike; a deposit of an address without a request says null."""
    api.fill_pool(1)
    acme = api.company()
    payin = acme.made("/v1/payins", {"client_reference": "customer 42"})
    fact = transfer("of customer 42", Address.from_base58(payin["address"]["tron_address_base58"]), USDT)
    stray = transfer("to nobody's", Address.from_base58(PAYEE), USDT)
    execute(api.recorder.ledger, detect(fact), detect(stray))
    api.project()
    [deposit] = acme.shown("/v1/deposits")["data"]
    assert (deposit["from_address"], deposit["payin_id"]) == (fact.from_address, payin["id"])
    assert deposit["client_reference"] == "customer 42"
    assert acme.shown("/v1/events")["data"][0]["data"] == deposit
    theirs = {it["tx_hash"]: it for it in api.operator.shown("/v1/deposits")["data"]}
    assert theirs[fact.txid]["client_reference"] == "customer 42"
    assert (theirs[stray.txid]["payin_id"], theirs[stray.txid]["client_reference"]) == (None, None)
