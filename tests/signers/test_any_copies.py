"""Whatever is copied, rolled back and run side by side: nothing is signed by a store that lacks what was signed before (I16).

The same machine is run on fences that each lack one guard, and finds all of them.
"""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.ports.high_water import Mark, MarkMoved
from core.streams.store import Store
from signers.fence import Fence
from tests.support.high_water import MemoryHighWater, Site

pytestmark = pytest.mark.fast

SITES_MAX = 4
SITES = st.integers(0, SITES_MAX - 1)


class Copies(RuleBasedStateMachine):
    """Stores that share one mark, each with a history of its own from where it was copied."""

    def __init__(self, fence: Callable[..., Fence] = Fence) -> None:
        super().__init__()
        self._fence = fence
        self._signed: list[tuple[int, str]] = []
        """The head, as its seal, of each store at the moment when something was signed over it."""
        self._events = 0

    @initialize()
    def begin(self) -> None:
        self.sites = [Site(MemoryHighWater(), fence=self._fence)]
        assert self.sites[0].fence.holds()

    def _site(self, number: int) -> Site:
        return self.sites[number % len(self.sites)]

    @rule(number=SITES)
    def happen(self, number: int) -> None:
        self._events += 1
        self._site(number).happen(f"account {self._events}")

    @precondition(lambda self: len(self.sites) < SITES_MAX)
    @rule(number=SITES)
    def copy(self, number: int) -> None:
        self.sites.append(self._site(number).copied())

    @precondition(lambda self: len(self.sites) > 1)
    @rule(number=SITES)
    def restore(self, number: int) -> None:
        """The store is gone, and the copy goes on in its place."""
        self.sites.remove(self._site(number))

    @rule(number=SITES)
    def restart(self, number: int) -> None:
        site = self._site(number)
        site.fence = site.signer()

    @rule(number=SITES, between=st.none() | SITES)
    def sign(self, number: int, between: int | None) -> None:
        """As a signer does: the mark to the head, the signature, its event, and the mark again before it is sent."""
        site = self._site(number)
        if between is not None and self._site(between) is not site:
            other = self._site(between)

            def faster() -> None:
                site.water.before_move = lambda: None
                self._sign(other)

            site.water.before_move = faster
        self._sign(site)
        site.water.before_move = lambda: None

    def _sign(self, site: Site) -> None:
        if not site.fence.raise_mark() or site.stopped:
            return
        known = site.store.last_seal()
        assert known is not None
        for position, seal in self._signed:
            assert site.store.seal_at(position) == seal, "a store signs that lacks what was signed before"
        self._signed.append(known)
        self._events += 1
        site.happen(f"signed {self._events}")

    @invariant()
    def whoever_is_stopped_knows_why(self) -> None:
        for site in getattr(self, "sites", []):
            assert not site.stopped or site.state.older is not None


def walk(fence: Callable[..., Fence]) -> None:
    few = settings(
        max_examples=60,
        stateful_step_count=20,
        phases=(Phase.generate,),
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(partial(Copies, fence), settings=few)


def test_no_store_signs_that_lacks_what_was_signed_before() -> None:
    """Copies, restores, restarts, and writers that come in between, in any order."""
    walk(Fence)


class ByPosition(Fence):
    """Compares heights alone: an old copy that has gone on is taken for the newest."""

    def _against_mark(self, mark: Mark, known: Store):  # type: ignore[no-untyped-def]
        found = super()._against_mark(mark, known)
        return None if found is not None and found.doubt == "differs" else found


class LooksOnly(Fence):
    """Looks at the mark and moves it nowhere."""

    def raise_mark(self) -> bool:
        return self.holds()


class Overwrites(Fence):
    """Writes the mark whatever stands there by now."""

    def _move(self, before: Mark | None, after: Mark) -> None:
        try:
            super()._move(before, after)
        except MarkMoved as moved:
            super()._move(moved.there, after)


class NeverLooks(Fence):
    """Reads the mark and holds nothing against it."""

    def _against_mark(self, mark: Mark, known: Store) -> None:
        return None


class LooksOnce(Fence):
    """Takes a condition that failed for a mark that another signer of the same store has moved on."""

    def raise_mark(self) -> bool:
        try:
            head = self._store.last_seal()
            if not self.holds() or head is None or self.mark is None:
                return False
            if head.position > self.mark.position:
                self._move(self.mark, Mark(self.mark.store_id, head.position, head.hash))
        except MarkMoved:
            pass
        return True


@pytest.mark.parametrize("broken", [ByPosition, LooksOnly, Overwrites, NeverLooks, LooksOnce])
def test_a_fence_that_lacks_a_guard_is_found(broken: type[Fence]) -> None:
    """The machine holds what it says: each of these lets an old or a second store sign."""
    with pytest.raises(AssertionError):
        walk(broken)
