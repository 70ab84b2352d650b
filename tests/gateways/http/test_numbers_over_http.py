"""What /metrics tells of the whole installation."""

import psycopg

from tests.gateways.http.harness import PAYEE, World
from tests.support.numbers import samples


def test_the_api_tells_of_the_whole_installation(api: World) -> None:
    """Views, relay, payouts, the treasury's balances, addresses, queues and webhooks, as they stand when it is asked."""
    acme = api.company(usdt="25")
    api.fill_pool(3)
    acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "5"})
    found = samples(api.operator.get("/metrics").text)
    head = api.platform.store.head()
    assert found["counterfoil_projection_lag_events{view=payouts}"] == head
    assert 0 < found["counterfoil_projection_lag_seconds{view=payouts}"] < 120
    assert found["counterfoil_payouts_open{state=requested}"] == 0  # no view shows it yet
    api.project()
    with psycopg.connect(api.platform.owner_url, autocommit=True) as conn:
        conn.execute("UPDATE payout_requests SET created_at = now() - interval '1 hour'")
    found = samples(api.operator.get("/metrics").text)
    assert {value for name, value in found.items() if "projection_lag" in name} == {0}
    assert found["counterfoil_payouts_open{state=requested}"] == 1
    assert found["counterfoil_payouts_open{state=broadcasted}"] == 0
    assert 3600 <= found["counterfoil_payouts_oldest_age_seconds{state=requested}"] < 3720
    assert found["counterfoil_payouts_oldest_age_seconds{state=broadcasted}"] == 0
    hot = "counterfoil_treasury_balance{currency=USDT,ledger_account=Hot_Wallet_Asset}"
    assert found[hot] == 25
    assert found["counterfoil_addresses_ready"] == 3
    assert found["counterfoil_queue_messages{queue=deposit-events}"] == 0
    assert found["counterfoil_queue_age_seconds{queue=deposit-events}"] == 0
    assert found["counterfoil_webhook_backlog"] == 0
    assert found["counterfoil_outstanding_reports"] == 0
    assert found["counterfoil_database_reachable"] == 1


def test_what_is_over_is_not_looked_at(api: World) -> None:
    """Payouts below the signer's low-water mark cost nothing, whatever their rows say."""
    acme = api.company(usdt="25")
    acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "5"})
    api.project()
    api.signer.bookmarks.save("payouts", api.platform.store.head())
    assert samples(api.operator.get("/metrics").text)["counterfoil_payouts_open{state=requested}"] == 0
