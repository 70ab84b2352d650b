"""A payout queue that nobody can block: whose turn it is, what is set aside for whom, and what is said of who waits (I20)."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.streams.payout.turns import ExpeditePayout
from core.streams.payouts import PayoutWaiting
from signers.outgoing import lanes as subject
from signers.outgoing.earmarks import EARMARK_AFTER_MS, Earmarks
from signers.outgoing.lanes import Lane, Place, turn
from signers.outgoing.payouts import SAID_AFTER_MS
from tests.signers.outgoing.world import COINS, World
from tests.support.devnet import BLOCK_MS
from tests.support.history import execute

pytestmark = [pytest.mark.fast, pytest.mark.long]

SAID_BLOCKS = SAID_AFTER_MS // BLOCK_MS + 2


def lane(name: str, *amounts: int, served_at: int = 0, first: int = 1) -> Lane:
    """Payouts of these amounts, asked for one after the other."""
    places = [Place(f"{name}{number}", first + number, amount) for number, amount in enumerate(amounts)]
    return Lane(name, places, served_at)


# The turn


def test_a_lane_that_is_short_is_passed_over() -> None:
    """Who cannot be paid waits, with what stands behind it in the same lane; everybody else is paid."""
    found = turn([lane("a", 8_000, 1), lane("b", 1, first=10)], 4_998, {}, 50)
    assert found.made == ["b0"]
    assert found.short == {"a0": 3_002}


def test_ten_thousand_payouts_of_one_account_do_not_delay_anothers() -> None:
    """Each lane gives one in its turn, the one unserved for longest first, and a turn is full at its most."""
    flood, other = lane("a", *[1] * 10_000, served_at=7), lane("b", 1, 1, 1, served_at=9, first=20_000)
    found = turn([flood, other], 10**9, {}, 50)
    assert found.made[:6] == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert len(found.made) == 50


def test_what_is_set_aside_for_one_is_no_others() -> None:
    """An earmark keeps small payouts off the coins that came for a large one, which takes them when they suffice."""
    lanes = [lane("big", 100), lane("small", 5, 5, first=10)]
    assert turn(lanes, 60, {"big0": 56}, 50).made == []
    assert turn(lanes, 61, {"big0": 56}, 50).made == ["small0"]
    assert turn(lanes, 105, {"big0": 100}, 50).made == ["big0", "small0"]


def test_the_older_earmark_goes_first_where_coins_are_missing() -> None:
    """If the wallet has less than was set aside, the oldest claim is served."""
    lanes = [lane("young", 50), lane("old", 50, first=10)]
    assert turn(lanes, 60, {"old0": 50, "young0": 50}, 50).made == ["old0"]


def test_high_priority_goes_first_in_its_own_lane_only_and_one_in_five() -> None:
    """A client's urgent payouts overtake its own, never all of them, and nobody else's."""
    mine = [Place(f"n{at}", at, 1) for at in range(1, 11)] + [
        Place(f"h{at}", 20 + at, 1, high=True) for at in (1, 2, 3)
    ]
    found = turn([Lane("a", mine), lane("b", 1, served_at=0, first=0)], 1_000, {}, 8)
    assert found.made == ["b0", "h1", "n1", "n2", "n3", "n4", "h2", "n5"]


def test_an_expedited_payout_heads_its_lane() -> None:
    """An operator's word goes before age and priority, in that lane."""
    mine = [Place("n", 1, 1), Place("h", 2, 1, high=True), Place("x", 3, 1, expedited=True)]
    assert turn([Lane("a", mine), lane("b", 1, first=0)], 10, {}, 50).made == ["b0", "x", "h", "n"]


AMOUNTS = st.lists(st.integers(1, 100), min_size=1, max_size=6)
LANES = st.lists(st.tuples(AMOUNTS, st.integers(0, 9)), max_size=8).map(
    lambda drawn: [
        Lane(f"{at}", [Place(f"{at}.{n}", n * 10 + at, amount) for n, amount in enumerate(amounts)], served)
        for at, (amounts, served) in enumerate(drawn)
    ]
)


def check_turn(lanes: Sequence[Lane], free_minor: int, aside: Mapping[str, int], most: int) -> None:
    """What holds of every turn, whatever there is."""
    found = turn(lanes, free_minor, aside, most)
    amounts = {place.key: place.amount_minor for each in lanes for place in each.places}
    made = found.made
    assert len(made) <= most
    assert len(set(made)) == len(made)
    assert sum(amounts[key] for key in made) <= max(0, free_minor), "no more than the wallet has"
    for last, key in enumerate(made):
        if key not in aside:
            so_far = made[: last + 1]
            others = sum(minor for other, minor in aside.items() if other not in so_far)
            assert sum(amounts[each] for each in so_far) + others <= free_minor, "what is set aside is nobody else's"
    for each in lanes:
        keys = [place.key for place in each.places]
        mine = [key for key in made if key in keys]
        assert mine == keys[: len(mine)], "in order within a lane"
        if len(made) < most and len(mine) < len(keys):
            assert keys[len(mine)] in found.short, "who is not served is short, or the turn is full"
    given = {each.account_id: sum(key.split(".")[0] == each.account_id for key in made) for each in lanes}
    for each in lanes:
        rest = [place.key for place in each.places][given[each.account_id] :]
        if rest and rest[0] not in found.short:
            assert max(given.values(), default=0) <= given[each.account_id] + 1, "each in its turn"


@given(LANES, st.integers(0, 600), st.integers(1, 12), st.data())
def test_every_turn_is_fair_ordered_and_covered(
    lanes: list[Lane], free_minor: int, most: int, data: st.DataObject
) -> None:
    """Whatever there is: order within a lane, one each in turn, nothing spent twice or taken from an earmark."""
    heads = [each.places[0] for each in lanes]
    earmarked = data.draw(st.lists(st.sampled_from(heads), unique=True)) if heads else []
    aside = {place.key: data.draw(st.integers(0, place.amount_minor)) for place in earmarked}
    check_turn(lanes, free_minor, aside, most)


def some_turns(draw: random.Random) -> None:
    """The same, of so many drawn with one seed: for what is broken, where nobody needs the smallest example."""
    for _ in range(300):
        lanes = []
        for at in range(draw.randint(1, 6)):
            amounts = [draw.randint(1, 100) for _ in range(draw.randint(1, 6))]
            places = [Place(f"{at}.{number}", number * 10 + at, amount) for number, amount in enumerate(amounts)]
            lanes.append(Lane(f"{at}", places, draw.randint(0, 9)))
        heads = [each.places[0] for each in lanes if draw.random() < 0.5]
        aside = {place.key: draw.randint(0, place.amount_minor) for place in heads}
        check_turn(lanes, draw.randint(0, 600), aside, draw.randint(1, 12))


def spends_earmarks(lanes: Sequence[Lane], free_minor: int, _: Mapping[str, int], most: int) -> subject.Turn:
    return subject.turn(lanes, free_minor, {}, most)


def stops_at_the_first_short(
    lanes: Sequence[Lane], free_minor: int, earmarks: Mapping[str, int], most: int
) -> subject.Turn:
    """As it was: the first that must wait ends the turn."""
    found = subject.turn(lanes, free_minor, earmarks, most)
    return subject.Turn([] if found.short else found.made, found.short)


def serves_one_lane_after_another(
    lanes: Sequence[Lane], free_minor: int, earmarks: Mapping[str, int], most: int
) -> subject.Turn:
    made: list[str] = []
    short: dict[str, int] = {}
    amounts = {place.key: place.amount_minor for each in lanes for place in each.places}
    for each in lanes:
        found = subject.turn([each], free_minor, earmarks, most - len(made))
        made += found.made
        short |= found.short
        free_minor -= sum(amounts[key] for key in found.made)
    return subject.Turn(made, short)


def goes_on_behind_a_short_head(
    lanes: Sequence[Lane], free_minor: int, earmarks: Mapping[str, int], most: int
) -> subject.Turn:
    alone = [Lane(place.key, [place], each.served_at) for each in lanes for place in each.places]
    return subject.turn(alone, free_minor, earmarks, most)


def counts_no_coins(lanes: Sequence[Lane], free_minor: int, earmarks: Mapping[str, int], most: int) -> subject.Turn:
    return subject.turn(lanes, 10**12, earmarks, most)


@pytest.mark.parametrize(
    "broken",
    [
        spends_earmarks,
        stops_at_the_first_short,
        serves_one_lane_after_another,
        goes_on_behind_a_short_head,
        counts_no_coins,
    ],
)
def test_a_turn_without_one_of_its_rules_is_noticed(broken: object) -> None:
    """The property fails for each broken rule, and with none broken it holds of the same turns."""
    some_turns(random.Random(0))
    with patch(f"{__name__}.turn", broken), pytest.raises(AssertionError):
        some_turns(random.Random(0))


# What is set aside


def test_what_comes_in_is_set_aside_in_order_until_each_is_covered() -> None:
    """Only coins that came after five minutes of waiting, never more than the payout, the older claim first."""
    earmarks = Earmarks()
    earmarks.claim("a", 100, 0)
    earmarks.claim("b", 50, 1_000)
    earmarks.arrived(30, EARMARK_AFTER_MS - 1)
    assert earmarks.set_aside == {}
    earmarks.arrived(120, EARMARK_AFTER_MS + 1_000)
    assert earmarks.set_aside == {"a": 100, "b": 20}
    earmarks.arrived(999, EARMARK_AFTER_MS + 2_000)
    assert earmarks.set_aside == {"a": 100, "b": 50}


def test_an_earmark_ends_with_its_payout() -> None:
    """One that was paid has spent its coins; one that was taken back leaves them to the next."""
    for paid, left in ((True, 0), (False, 50)):
        earmarks = Earmarks()
        earmarks.claim("a", 100, 0)
        earmarks.claim("b", 50, 0)
        earmarks.arrived(100, EARMARK_AFTER_MS)
        earmarks.ended("a", paid=paid)
        assert earmarks.set_aside.get("b", 0) == left


def test_coins_in_flight_are_not_set_aside_as_well() -> None:
    """Bytes on their way hold their coins themselves; if they die, they are the payout's again."""
    earmarks = Earmarks()
    earmarks.claim("a", 100, 0)
    earmarks.arrived(60, EARMARK_AFTER_MS)
    earmarks.tried("a", in_flight=True)
    assert earmarks.set_aside == {}
    earmarks.tried("a", in_flight=False)
    assert earmarks.set_aside == {"a": 60}


# The worker


def test_one_clients_large_payout_does_not_hold_up_anothers() -> None:
    """8,000 of a wallet with 4,998 are waited for; another client's 1 is confirmed, and the alarm says whose waits."""
    world = World(usdt_minor=4_998 * COINS)
    acme, bob = world.client("Acme", 9_000 * COINS), world.client("Bob", 10 * COINS)
    large = world.request("large", 8_000 * COINS, account_id=acme)
    small = world.request("small", 1 * COINS, account_id=bob)
    world.live(SAID_BLOCKS)
    assert world.payout(small).state == "confirmed"
    assert world.payout(large).state == "requested"
    [waiting] = world.events(PayoutWaiting)
    assert isinstance(waiting, PayoutWaiting)
    assert (waiting.payout_id, waiting.reason) == (large.payout_id, "coins")
    assert world.alarms == ["hot_wallet_short"]
    [sentence] = world.sentences
    assert sentence.startswith("Acme: 8,000.00 waits for coins since ")
    assert "3,003.01 short, 0.00 set aside; others unaffected" in sentence
    assert sentence.endswith("`counterfoil cold prepare 3004`")


def besieged() -> str:
    """A large payout, and another client's small ones that always want as much as comes in; -> what became of the large one."""
    world = World(usdt_minor=20 * COINS, sun=10**6 * COINS)
    acme, bob = world.client("Acme", 900 * COINS), world.client("Bob", 900 * COINS)
    large = world.request("large", 60 * COINS, account_id=acme)
    for number in range(18):
        for small in range(3):
            world.request(f"small {number} {small}", 4 * COINS, account_id=bob)
        world.live(10)
        world.refill(f"refill {number}", 12 * COINS)
    assert 10 * BLOCK_MS * 10 >= EARMARK_AFTER_MS
    return world.payout(large).state


def test_a_large_payout_cannot_starve() -> None:
    """What comes in after five minutes is its, until it is covered; without earmarks it would wait for ever."""
    assert besieged() in ("broadcasted", "confirmed")
    with patch("signers.outgoing.payouts.turn", spends_earmarks):
        assert besieged() == "requested"


def test_a_payout_for_later_reserves_now_and_is_made_then() -> None:
    """Its client is told that it waits for its time, and it holds nobody up."""
    world = World()
    at_ms = world.node.head().timestamp_ms + 2 * SAID_AFTER_MS
    later = world.request("later", not_before=datetime.fromtimestamp(at_ms / 1000, UTC))
    now = world.request("now")
    world.live(SAID_BLOCKS)
    assert world.payout(now).state == "confirmed"
    assert world.payout(later).state == "requested"
    assert [waiting.reason for waiting in world.events(PayoutWaiting)] == ["not_before"]
    while not world.payout(later).attempts.made:
        world.node.mine()
        world.work()
    assert 0 <= world.node.head().timestamp_ms - at_ms < 2 * BLOCK_MS
    world.live()
    assert world.payout(later).state == "confirmed"


def test_shortage_of_trx_is_everybodys_and_said_once_for_each_lane() -> None:
    """Without TRX the turn ends; each lane's head says why it waits, once however long that lasts."""
    world = World(sun=5 * COINS)
    bob = world.client("Bob", 10 * COINS)
    heads = [world.request("a"), world.request("b", COINS, account_id=bob)]
    world.request("behind", COINS, account_id=bob)
    world.live(3 * SAID_BLOCKS)
    assert [(it.payout_id, it.reason) for it in world.events(PayoutWaiting)] == [
        (wished.payout_id, "energy") for wished in heads
    ]


def test_less_than_a_minute_is_not_said() -> None:
    """A payout that waits for a moment is on its way: no event, no webhook, no alarm."""
    world = World(usdt_minor=COINS)
    wished = world.request("a", 5 * COINS)
    world.live(SAID_AFTER_MS // BLOCK_MS - 2)
    world.refill("refill", 10 * COINS)
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert not world.events(PayoutWaiting)
    assert not world.alarms


def test_an_expedited_payout_is_made_first() -> None:
    """The operator's word moves a payout to its lane's head; a lane that was short goes on with it."""
    world = World(usdt_minor=10 * COINS)
    first, second = world.request("a", 20 * COINS), world.request("b", 5 * COINS)
    world.live(3)
    execute(world.ledger, ExpeditePayout(second, "operator:test", reason="the client called"))
    world.live()
    assert (world.payout(first).state, world.payout(second).state) == ("requested", "confirmed")


def test_a_thousand_short_lanes_are_one_quick_look() -> None:
    """One turn over a thousand accounts that each lack coins asks the chain nothing about any of them."""
    lanes = [lane(f"{at}.", 10, first=at) for at in range(1_000)]
    assert len(turn(lanes, 9, {f"{at}.0": 1 for at in range(9)}, 50).short) == 1_000
