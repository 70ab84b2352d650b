"""A thousand deposits of mixed sizes, swept at each price: nothing runs out of energy, nothing drifts, little is burned."""

import pytest

from tests.bench.treasury import DEPOSITS, deposits, fixed_pump, ours

AIMS = {True: 0.35, False: 0.60}
"""With stake and without: of what a fixed pump of 40 TRX for every deposit burns."""


@pytest.mark.parametrize(
    ("price", "stake"),
    [
        pytest.param(100, False, id="100 sun, no stake"),
        pytest.param(210, True, id="210 sun, stake"),
        pytest.param(420, False, id="420 sun, no stake"),
    ],
)
def test_a_thousand_deposits_are_swept_to_the_unit(price: int, stake: bool) -> None:
    """Every transaction of ours succeeds, books and chain agree address by address, and the aim is met."""
    result, world = ours(price, stake=stake)
    assert set(result.ended) == {"SUCCESS"}
    world.assert_books_are_the_chain()
    paid = sum(amount for made in deposits(1) for _, amount in made)
    assert sum(len(made) for made in deposits(1)) == DEPOSITS
    assert result.swept_minor + result.left_minor == paid
    assert result.left_minor < paid * 4 // 100
    assert not world.node.delegation_index(world.gas).receivers
    reference = fixed_pump(price, threshold_minor=1)
    assert result.burned_sun <= AIMS[stake] * reference.burned_sun
