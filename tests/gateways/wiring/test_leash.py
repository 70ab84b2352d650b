"""What a person must have written before real coins are signed away, and which process is told of it."""

import pytest

from gateways.processes.registry import PROCESSES
from gateways.settings import InvalidSettings, Network, Settings, load
from gateways.signer_settings import limit_minor
from gateways.user_error import UserError
from gateways.wiring.homes import cold_of
from gateways.wiring.leash import APPROVALS, LIMITS, must_be_limited, withheld
from tests.support.chain import PAYER

pytestmark = pytest.mark.fast


def test_mainnet_starts_with_no_limit_by_forgetting() -> None:
    """Each must be set by name, "unlimited" too; what is missing is named. Elsewhere nothing is asked."""
    settings = Settings(network="mainnet")
    for name in LIMITS:
        with pytest.raises(UserError, match=f"COUNTERFOIL_{name.upper()}"):
            must_be_limited(settings)
        settings = settings.model_copy(update={name: "unlimited"})
    must_be_limited(settings)
    other: Network
    for other in ("devnet", "nile"):
        must_be_limited(Settings(network=other))


def test_mainnet_signs_for_nobody_who_has_not_named_the_cold_address() -> None:
    """An evacuation is no time to learn that coins have nowhere to go; that there is no cold storage is a value, too."""
    with pytest.raises(UserError, match="COUNTERFOIL_SIGNER_COLD_ADDRESS"):
        cold_of(Settings(network="mainnet"))
    assert cold_of(load({"COUNTERFOIL_NETWORK": "mainnet", "COUNTERFOIL_SIGNER_COLD_ADDRESS": "None"})) is None
    named = load({"COUNTERFOIL_NETWORK": "mainnet", "COUNTERFOIL_SIGNER_COLD_ADDRESS": PAYER.base58})
    assert cold_of(named) == PAYER
    assert cold_of(Settings(network="nile")) == "any"


@pytest.mark.parametrize(
    ("text", "minor"),
    [("unlimited", None), ("Unlimited", None), ("0", 0), ("0.00", 0), ("12.5", 12_500_000), ("", None)],
)
def test_a_limit_is_an_amount_or_the_word(text: str, minor: int | None) -> None:
    """0 lets nothing go without an approval."""
    assert limit_minor(load({"COUNTERFOIL_SIGNER_DAY_MAX": text}).signer_day_max) == minor


@pytest.mark.parametrize("text", ["-1", "many", "1e6", "1,000", "0.0000001"])
def test_anything_else_is_refused(text: str) -> None:
    """A typing mistake is no limit."""
    with pytest.raises(InvalidSettings, match="SIGNER_HOUR_MAX"):
        load({"COUNTERFOIL_SIGNER_HOUR_MAX": text})


def test_only_who_signs_is_told() -> None:
    """Limits are for who signs payouts, approvers for whoever signs; `up` gives them to no other."""
    told = {name: [need for need in process.needs if need.startswith("SIGNER_")] for name, process in PROCESSES.items()}
    assert {name for name, needs in told.items() if needs} == {"payouts", "sweeps"}
    assert set(told["sweeps"]) == {"SIGNER_APPROVERS", "SIGNER_COLD_ADDRESS"}
    assert set(withheld(PROCESSES["sweeps"].needs)) == set(LIMITS)
    assert set(withheld(PROCESSES["api"].needs)) == {*LIMITS, *APPROVALS}
    assert not withheld(PROCESSES["payouts"].needs)
