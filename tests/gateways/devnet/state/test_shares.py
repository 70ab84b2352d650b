"""A share's arithmetic: what stake gives, linear recovery, windows that merge; beside exact fractions, to a unit."""

import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateways.devnet.state.shares import WINDOW, WINDOW_SLOTS, Share, Total, decayed, slot_of

pytestmark = pytest.mark.fast

ENERGY = Total(180_000_000_000, 16_307_698_552)
"""Mainnet's in February 2025."""

TRX = 1_000_000
units = st.integers(0, 200_000_000)
slots = st.integers(0, 2 * WINDOW_SLOTS)


def test_a_recorded_stake_gives_its_recorded_energy() -> None:
    """403 TRX gave 4,448 energy on mainnet."""
    assert ENERGY.units(403 * TRX) == ENERGY.units_in_machine(403 * TRX) == 4_448


@given(st.integers(0, 10**15))
def test_the_machine_counts_whole_trx(stake_sun: int) -> None:
    """The virtual machine drops what is below a whole TRX; everything around it does not."""
    assert ENERGY.units_in_machine(stake_sun) == ENERGY.units(stake_sun // TRX * TRX) <= ENERGY.units(stake_sun)


def test_nobody_staked_gives_nothing() -> None:
    """Where the network's weight is 0, stake gives no units, and units stand for no stake where there is no limit."""
    assert Total(10**9, 0).units(TRX) == Total(10**9, 0).units_in_machine(TRX) == Total(0, 10**9).stake(5) == 0


@given(units, slots)
@example(9324, 26366)
def test_one_use_recovers_linearly_over_a_day(used: int, passed: int) -> None:
    """What is left of a use is the rest of its 28,800 slots, to a unit and the rounding of its average; nothing after them."""
    share = Share().use(used, 1_000)
    exact = Fraction(used * max(0, WINDOW_SLOTS - passed), WINDOW_SLOTS)
    rounding = (
        Fraction(3, 2) / 1_000_000
    )  # the average a slot is in millionths: rounded up once, and once to the nearest
    assert abs(share.used_at(1_000 + passed) - exact) < 1 + WINDOW_SLOTS * rounding
    assert share.used_at(1_000 + WINDOW_SLOTS) == 0


@given(units, slots, slots)
def test_recovery_never_turns_back(used: int, first: int, more: int) -> None:
    """Later there is never more in use than before."""
    share = Share().use(used, 0)
    assert used >= share.used_at(first) >= share.used_at(first + more) >= 0


def by_the_rule(share: Share, units: int, now: int) -> tuple[int, int]:
    """(usage, window) after a use, by the rule's own words: averages per slot in millionths, rounded up; decay rounded."""
    window_v2 = share.window or 28_800_000
    window = window_v2 // 1_000
    passed = now - share.slot
    average_last = math.ceil(Fraction(share.used * 1_000_000, window))
    if passed >= window:
        average_last = 0
    elif passed:
        decay = (window - passed) / window
        average_last = math.floor(Fraction(average_last * decay) + Fraction(1, 2))
    average_new = math.ceil(Fraction(units * 1_000_000, 28_800))
    usage = (average_last * window + average_new * 28_800) // 1_000_000
    remain = average_last * window // 1_000_000
    if not remain:
        return usage, 28_800_000
    merged = math.ceil(Fraction(remain * (window_v2 - passed * 1_000) + units * 28_800_000, usage))
    return usage, min(merged, 28_800_000)


@example(1_000, 14_400, 5, WINDOW)
@given(units, slots, units, st.integers(1_000, WINDOW))
def test_a_use_follows_the_rule_to_the_unit(used: int, passed: int, more: int, window: int) -> None:
    """Usage and window after a use are the rule's, every rounding in its place."""
    share = Share(used=used, slot=10, window=window)
    after = share.use(more, 10 + passed)
    assert (after.used, after.window) == by_the_rule(share, more, 10 + passed)
    assert share.used_at(10 + passed) == by_the_rule(share, 0, 10 + passed)[0]


@given(units, slots, units, st.integers(1_000, WINDOW), st.integers(1, WINDOW))
def test_usage_that_comes_over_follows_the_rule(used: int, passed: int, more: int, window: int, theirs: int) -> None:
    """The owner's usage is brought up to date first; then both windows merge by weight, rounded up."""
    share = Share(used=used, slot=10, window=window)
    left, remaining = by_the_rule(share, 0, 10 + passed)
    after = share.take_over(more, theirs, 10 + passed)
    merged = math.ceil(Fraction(left * remaining + more * theirs, left + more)) if left + more else WINDOW
    assert (after.used, after.window, after.slot) == (left + more, min(merged, WINDOW), 10 + passed)


def test_looking_changes_nothing() -> None:
    """A share can be asked at any slot, and says the same when it is asked again."""
    share = Share().use(64_285, 100)
    assert [share.used_at(now) for now in (100, 14_500, 28_899, 28_900, 14_500)] == [64_285, 32_142, 2, 0, 32_142]


@given(units.filter(bool), st.integers(0, WINDOW_SLOTS - 1), units.filter(bool))
def test_two_uses_share_a_window(first: int, passed: int, second: int) -> None:
    """The merged window is the mean of what is left of each use's day, weighted by what is left of each use."""
    share = Share().use(first, 0)
    left = share.used_at(passed)
    merged = share.use(second, passed)
    assert abs(merged.used - left - second) <= 1
    assert merged.slot == passed
    if left:
        mean = Fraction(left * (WINDOW - passed * 1_000) + second * WINDOW, left + second)
        assert abs(merged.window - mean) <= 1 + mean / merged.used  # a unit of usage is lost or won in rounding
    else:
        assert merged.window == WINDOW
    assert merged.used_at(passed + merged.window_slots) == 0


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 10**7)), min_size=1, max_size=30))
def test_a_window_is_never_longer_than_a_day(uses: list[tuple[int, int]]) -> None:
    """However uses follow each other, all of it is back a day after the last, and never more is used than was."""
    share, now, total = Share(), 5, 0
    for passed, used in uses:
        now, total = now + passed, total + used
        share = share.use(used, now)
        assert 0 < share.window <= WINDOW
        assert used - 1 <= share.used <= total + 1
    assert share.used_at(now + WINDOW_SLOTS) == 0


@given(units, units, st.integers(0, WINDOW_SLOTS), st.integers(1, WINDOW))
def test_usage_that_comes_over_is_added(mine: int, theirs: int, passed: int, window: int) -> None:
    """Another account's usage adds to one's own as it is now, and the windows merge by weight."""
    share = Share().use(mine, 0)
    left = share.used_at(passed)
    after = share.take_over(theirs, window, passed)
    assert after.used == left + theirs
    assert after.slot == passed
    if theirs and not left:
        assert after.window == window
    if not after.used:
        assert after.window == WINDOW


def test_the_free_allowance_uses_the_same_decay() -> None:
    """Free bytes recover over a day's slots of three seconds, rounded as java-tron rounds them."""
    assert [decayed(345, 0, slot_of(ms)) for ms in (0, 43_200_000, 86_397_000, 86_400_000)] == [345, 172, 0, 0]


def test_stake_counts_where_it_is() -> None:
    """Stake that is here and stake that others lend give units; own stake counts in the network's weight wherever it is."""
    share = Share(frozen_sun=3 * TRX, delegated_sun=5 * TRX + 999_999, acquired_sun=7 * TRX)
    assert (share.stake_sun, share.weight_trx) == (10 * TRX, 8)
    assert share.left(ENERGY, 0) == ENERGY.units(10 * TRX)
    assert Share(acquired_sun=TRX, used=10**6).left(ENERGY, 0) == 0
