"""Each guard of rows and clocks, taken away: the test that holds it must notice."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from core.ledger import clock, history, ledger
from core.ledger.money import LINE_MAX
from core.streams import payouts
from tests.core.ledger import test_clock, test_set_aside
from tests.core.ledger.test_clock import NOW, SECOND

pytestmark = pytest.mark.fast

UNREADABLE = test_set_aside.test_what_cannot_be_read_is_set_aside
POSTED = test_set_aside.adjustment(("User_Liability", "credit", 10 * LINE_MAX), ("X", "debit", 10 * LINE_MAX))


@pytest.mark.parametrize(
    ("where", "name", "broken", "held_by"),
    [
        (ledger, "stopped", lambda _: False, test_set_aside.test_a_stopped_stream_takes_nothing_until_it_is_settled),
        (history, "_wrong_with", lambda *_: None, lambda: UNREADABLE("adjustment.posted/1", POSTED, "")),
        (history, "LINE_MAX", 2**70, lambda: UNREADABLE("adjustment.posted/1", POSTED, "more than")),
        (history, "check_balanced", lambda _: None, lambda: _unbalanced()),
        (
            clock,
            "APART_MAX",
            timedelta(days=365),
            lambda: test_clock.test_a_wrong_clock_waits_and_rings_once(NOW + 61 * SECOND, NOW, NOW, "61 s ahead"),
        ),
        (clock, "max", lambda now, _: now, test_clock.test_a_small_step_back_takes_the_last_events_time),
        (payouts, "must_not_be_frozen", lambda *_: None, lambda: _frozen()),
    ],
)
def test_a_guard_that_is_taken_away_is_missed(
    where: object, name: str, broken: object, held_by: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of each guard holds with it and fails without it."""
    held_by()
    monkeypatch.setattr(where, name, broken, raising=False)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        held_by()


def _unbalanced() -> None:
    UNREADABLE("adjustment.posted/1", test_set_aside.adjustment(("A", "credit", 5), ("B", "debit", 4)), "off by")


def _frozen() -> None:
    test_set_aside.test_a_frozen_account_pays_nothing_out()
