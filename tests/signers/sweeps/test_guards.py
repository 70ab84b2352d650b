"""Each guard of a sweep against slow calls and pending state, taken away: a test of the sweeps notices."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from core.ports.chain import CallNotMade
from signers.outgoing.funds import usdt_of
from tests.signers.sweeps import test_sweeps as sweeps

pytestmark = [pytest.mark.fast, pytest.mark.long]


class _Nothing(Exception):
    """Never raised."""


def _pending_counts(node: Any, address: Any, token: Any, *, solid: bool = True) -> int:
    return usdt_of(node, address, token, solid=False)


BROKEN: dict[str, tuple[Callable[[], Any], Callable[[], None]]] = {
    "a slow call begins every sweep anew": (
        lambda: patch("signers.sweeps.sweeps.CallNotMade", _Nothing),
        lambda: sweeps.test_one_slow_call_holds_up_one_sweep_and_begins_no_round_anew("fuelling"),
    ),
    "a slow call ends a plan": (
        lambda: patch("signers.sweeps.plan.CallNotMade", _Nothing),
        lambda: sweeps.test_one_slow_call_holds_up_one_sweep_and_begins_no_round_anew("planned"),
    ),
    "a hot wallet that is about to hold coins holds them": (
        lambda: patch("signers.outgoing.needs.usdt_of", _pending_counts),
        lambda: sweeps.test_a_sweep_into_a_hot_wallet_that_is_only_about_to_hold_coins_does_not_fail(0),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_without_its_guard_a_test_of_the_sweeps_fails(name: str) -> None:
    """Each of these defects is noticed."""
    defect, test = BROKEN[name]
    with defect(), pytest.raises((AssertionError, CallNotMade)):
        test()
