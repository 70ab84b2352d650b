"""Which stores are signed for: the newest of their name, and no other (I16)."""

import pytest

from core.ledger.ledger import Accepted, Refused
from core.ports.high_water import Mark, Sight
from core.ports.unavailable import Unavailable
from core.streams.signing import ResumeSigning
from core.streams.store import StoreIsOlder, StoreNamed, TellPosition
from signers.fence import TRIES_MAX
from tests.support.high_water import MemoryHighWater, Site

pytestmark = pytest.mark.fast

AHEAD = Sight(True, "archive_ahead", 90, "the archive has checkpoint 9")
RESUME = ResumeSigning(("store_is_older",), "looked", "operator:1")


def running() -> Site:
    """A store that was signed for at its head."""
    site = Site(MemoryHighWater())
    site.happen("alice")
    assert site.fence.raise_mark()
    return site


def vouch(site: Site, position: int) -> None:
    [outcome] = site.ledger.execute([TellPosition(position, "there is no other", "operator:1")])
    assert isinstance(outcome, Accepted)


def test_the_first_signer_names_the_store_and_makes_the_mark() -> None:
    """With the mark's own name, also in a store with a history from before there were names; the second changes nothing."""
    site = Site(MemoryHighWater())
    site.happen("alice")
    assert site.fence.holds()
    named = site.store.events[-1].event
    assert isinstance(named, StoreNamed)
    assert site.water.mark == Mark(named.store_id, 0, "")
    assert site.signer().holds()
    assert site.state.store_id == named.store_id
    assert isinstance(site.store.events[-1].event, StoreNamed)
    assert site.store.events[-1].version == 1


def test_a_death_between_mark_and_name_is_made_good() -> None:
    """The next signer gives the store the name that the mark has."""
    site = Site(MemoryHighWater())
    site.water.move(None, Mark("given", 0, ""))
    assert site.fence.holds()
    assert site.state.store_id == "given"


def test_the_mark_follows_the_head_and_never_falls() -> None:
    """Each raise moves it to the last append; nothing new moves nothing."""
    site = running()
    head = site.store.last_seal()
    assert head is not None
    assert site.water.mark == Mark(site.state.store_id or "", head.position, head.hash)
    moves = site.water.moves
    assert site.fence.raise_mark()
    assert site.water.moves == moves


@pytest.mark.parametrize("goes_on", [False, True])
def test_an_old_copy_signs_nothing_whether_it_has_gone_on_or_not(goes_on: bool) -> None:
    """It ends before the mark, or holds something else there; that is recorded once, stops signing and rings once."""
    site = running()
    old = site.copied()
    for name in ("bob", "carol", "dave"):
        site.happen(name)
    assert site.fence.raise_mark()
    if goes_on:
        for name in ("eve", "frank", "grace", "heidi"):
            old.happen(name)
    assert not old.fence.raise_mark()
    assert not old.fence.raise_mark()
    [older] = [it.event for it in old.store.events if isinstance(it.event, StoreIsOlder)]
    assert older.doubt == ("differs" if goes_on else "behind")
    assert site.water.mark is not None
    assert older.seen == site.water.mark.position
    assert old.stopped
    assert [name for name, _ in old.alarms] == ["store_is_older"]
    assert site.fence.raise_mark()
    assert not site.alarms


def test_a_resume_does_not_lift_it_while_it_holds() -> None:
    """Nor does a word of the operator's: the mark knows of a later store."""
    site = running()
    old = site.copied()
    site.happen("bob")
    assert site.fence.raise_mark()
    assert not old.fence.holds()
    [outcome] = old.ledger.execute([RESUME])
    assert isinstance(outcome, Refused)
    assert outcome.refusal.code == "store_is_older"
    vouch(old, 1)
    assert not old.fence.holds()


def test_when_the_mark_is_of_this_history_again_a_person_resumes() -> None:
    """What was held against the store is taken back by the signer, and what stopped signing by the operator."""
    site = running()
    mark = site.water.mark
    site.water.mark = Mark(site.state.store_id or "", 1_000, "ff" * 32)
    assert not site.fence.holds()
    site.water.mark = mark
    assert site.fence.holds()
    assert site.state.older is None
    assert site.stopped
    [outcome] = site.ledger.execute([RESUME])
    assert isinstance(outcome, Accepted)
    assert not site.stopped
    assert site.fence.raise_mark()


def test_of_two_copies_that_run_at_once_the_second_to_write_is_stopped() -> None:
    """Both stood at the mark; what each recorded since is its own, and only one moves the mark to it."""
    site = running()
    twin = site.copied()
    site.happen("bob")
    twin.happen("eve")
    assert twin.fence.raise_mark()
    assert not site.fence.raise_mark()
    assert site.stopped
    assert not twin.stopped


def test_a_copy_that_moves_the_mark_in_between_wins() -> None:
    """Between the look and the write: the condition fails, and the second look sees why."""
    site = running()
    twin = site.copied()
    site.happen("bob")
    twin.happen("eve")

    def the_twin_is_faster() -> None:
        site.water.before_move = lambda: None
        assert twin.fence.raise_mark()

    site.water.before_move = the_twin_is_faster
    assert not site.fence.raise_mark()
    assert site.stopped


def test_signers_of_one_store_move_the_mark_for_each_other() -> None:
    """A write that comes between look and write is of the same history: the mark covers what each had recorded."""
    site = running()
    other = site.signer()
    site.happen("bob")
    mine = site.store.head()

    def the_other_is_faster() -> None:
        site.water.before_move = lambda: None
        site.happen("carol")
        assert other.raise_mark()

    site.water.before_move = the_other_is_faster
    assert site.fence.raise_mark()
    assert site.water.mark is not None
    assert site.water.mark.position == site.store.head() > mine
    assert not site.alarms


def test_a_mark_that_never_stands_still_is_waited_for() -> None:
    """Nothing is signed meanwhile, and nothing is held against the store."""
    site = running()
    other = site.signer()
    names = iter(range(2 * TRIES_MAX))

    def always_faster() -> None:
        site.water.before_move = lambda: None
        site.happen(f"account {next(names)}")
        assert other.raise_mark()
        site.happen(f"account {next(names)}")
        site.water.before_move = always_faster

    site.happen("bob")
    site.water.before_move = always_faster
    with pytest.raises(Unavailable, match="moved by others"):
        site.fence.raise_mark()
    assert not site.stopped


def test_another_store_with_the_same_keys_signs_nothing() -> None:
    """An empty database that was made by mistake, or that of another installation."""
    site = running()
    empty = Site(site.water)
    assert not empty.fence.raise_mark()
    assert empty.state.older is not None
    assert empty.state.older.doubt == "another_store"
    named = Site(MemoryHighWater())
    assert named.fence.holds()
    named.water = site.water
    assert not named.signer().raise_mark()


def test_a_lost_mark_is_made_anew_where_the_archive_agrees() -> None:
    """At the head. Where the archive knows of a later checkpoint, the store stays stopped."""
    site = running()
    site.water.mark = None
    site.archive.sight = AHEAD
    assert not site.fence.holds()
    assert site.water.mark is None
    site.archive.sight = Sight(checkpoints=True)
    assert site.fence.holds()
    assert site.water.mark is not None
    assert site.water.mark.position > 0


def test_with_mark_and_archive_lost_an_operator_tells_the_position() -> None:
    """One behind the head says that a newer store is missing, and does not help; one in it does, after a resume."""
    site = running()
    head = site.store.head()
    site.water.mark = None
    assert not site.fence.raise_mark()
    assert site.state.older is not None
    assert site.state.older.doubt == "mark_lost"
    vouch(site, head + 100)
    assert not site.fence.raise_mark()
    assert site.state.older.doubt == "behind"
    vouch(site, head)
    assert site.fence.raise_mark()
    assert site.state.older is None
    assert site.stopped
    assert isinstance(site.ledger.execute([RESUME])[0], Accepted)


def test_a_copied_mark_counts_for_nothing_until_an_operator_vouches() -> None:
    """Also where the archive agrees: it lags by a minute, and whoever has the original may be signing."""
    site = running()
    site.water.copied = "it was copied"
    site.archive.sight = Sight(checkpoints=True)
    assert not site.fence.raise_mark()
    assert site.state.older is not None
    assert (site.state.older.doubt, site.state.older.sentence) == ("copied", "it was copied")
    vouch(site, 1)
    site.archive.sight = AHEAD
    assert not site.fence.raise_mark()
    vouch(site, 1)
    site.archive.sight = Sight(checkpoints=True)
    assert site.fence.raise_mark()


@pytest.mark.parametrize("doubt", ["archive_ahead", "archive_differs"])
def test_what_the_archive_knows_stops_signing_whatever_the_mark_says(doubt: str) -> None:
    """A store and its mark that were rolled back together."""
    site = running()
    site.archive.sight = Sight(True, doubt, 90, "the archive knows")  # type: ignore[arg-type]
    assert not site.fence.raise_mark()
    assert site.state.older is not None
    assert (site.state.older.doubt, site.state.older.seen) == (doubt, 90)


def test_an_archive_that_is_silent_holds_up_only_who_has_no_mark() -> None:
    """The mark alone proves the history up to it; without one, nobody knows."""
    site = running()

    def silent() -> Sight:
        raise Unavailable("the bucket does not answer")

    site.archive.look = silent  # type: ignore[method-assign]
    assert site.fence.raise_mark()
    site.water.mark = None
    with pytest.raises(Unavailable):
        site.fence.raise_mark()


def test_an_alarm_of_the_same_kind_rings_again_after_it_was_over() -> None:
    """And a restarted process says it once more: whoever starts it should know."""
    site = running()
    mark, later = site.water.mark, Mark(site.state.store_id or "", 1_000, "ff" * 32)
    for _ in range(2):
        site.water.mark = later
        assert not site.fence.holds()
        site.water.mark = mark
        assert site.fence.holds()
    assert len(site.alarms) == 2
    site.water.mark = later
    assert not site.signer().holds()
    assert len(site.alarms) == 3
    assert "an old copy" in site.alarms[-1][1]
