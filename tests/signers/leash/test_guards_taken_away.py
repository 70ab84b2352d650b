"""Each guard of the leash, taken away: the test that holds it must notice."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest

from signers.leash import covered, leash, limits, reading
from signers.leash.approvers import Approvers
from signers.leash.covered import Covered, Held
from signers.leash.leash import Leash
from signers.leash.limits import SignerLimits
from signers.outgoing.payouts import Payouts
from tests.signers.leash import test_approvals, test_covered, test_limits
from tests.signers.leash.limited import Limited

pytestmark = pytest.mark.fast


LEFT = SignerLimits.left


def _by_history(self: SignerLimits, *spent: Mapping[int, int], now: datetime) -> int | None:
    return LEFT(self, spent[0], now=now)


def _put_proven(self: Held, minor: int, _: int) -> None:
    self.total += minor
    self.proven += minor


def _approved_by(forged: str) -> None:
    test_approvals.test_no_other_signature_lets_it_go(Limited(), forged)


def _rewritten() -> None:
    test_covered.test_a_rewritten_history_is_not_the_checkpoint_s(False)


COVERED = test_covered.test_what_is_not_covered_is_not_paid


class Forgetful(limits.Counted):
    """Counts nothing."""

    def add(self, *_: Any) -> None:
        return


@pytest.mark.parametrize(
    ("where", "name", "broken", "held_by"),
    [
        (reading, "verify", lambda rows, *_: rows[-1][0], test_covered.test_a_changed_event_stops_signing),
        (reading.SealedReading, "_hold_to_checkpoint", lambda *_: None, _rewritten),
        (Covered, "_wrong", lambda *_: None, lambda: COVERED("more")),
        (covered, "_NO_PAYER", frozenset(), lambda: COVERED("clearing")),
        (Payouts, "_stops", lambda _: [], lambda: COVERED("nobody")),
        (Covered, "may_pay", lambda *_: True, test_covered.test_a_suspended_account_is_not_paid_by_the_leash_alone),
        (Held, "take", lambda _, minor: minor, test_covered.test_what_is_paid_is_gone),
        (limits, "DAY_S", 0, lambda: test_limits.test_a_day_s_limit_holds_whatever_the_hours(Limited())),
        (limits, "HOUR_S", 0, lambda: test_limits.test_an_hour_s_limit_ends_with_the_hour(Limited())),
        (leash, "Counted", Forgetful, lambda: test_limits.test_a_worker_that_begins_anew_counts_the_same(Limited())),
        (
            SignerLimits,
            "left",
            _by_history,
            lambda: test_limits.test_a_worker_that_begins_anew_counts_the_same(Limited()),
        ),
        (
            Leash,
            "_approved",
            lambda *_: True,
            lambda: test_limits.test_what_is_above_a_payout_s_limit_waits_alone(Limited()),
        ),
        (Approvers, "approver_of", lambda *said: said[2].approver, lambda: _approved_by("another's key")),
        (Held, "put", _put_proven, lambda: test_limits.test_coins_of_an_adjustment_need_an_approval(Limited())),
        (Payouts, "_granted", lambda _, given: given, test_covered.test_the_hour_is_asked_before_each_signature),
    ],
)
def test_a_guard_that_is_taken_away_is_missed(
    where: object, name: str, broken: object, held_by: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of each guard holds with it and fails without it."""
    held_by()
    monkeypatch.setattr(where, name, broken)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        held_by()
