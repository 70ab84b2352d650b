"""Position tokens: opaque, bound to their account, and nothing else is taken for one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ports.clients import ApiKey
from gateways.http.errors import RequestRefused
from gateways.http.reading.positions import Positions

pytestmark = pytest.mark.fast

POSITIONS = Positions(bytes(range(32)))


def caller(account_id: str) -> ApiKey:
    return ApiKey("k", account_id, "n", (), "active", datetime(2026, 1, 1, tzinfo=UTC), None)


@given(st.integers(0, 2**63 - 1))
def test_a_position_comes_back(position: int) -> None:
    """Clients and operators get back the position that their token or number was made of."""
    for who in ("0196b5a0-0000-7000-8000-000000000000", "operator"):
        assert POSITIONS.read(caller(who), str(POSITIONS.shown(caller(who), position))) == position


def test_tokens_tell_nothing() -> None:
    """Neighbouring positions have unlike tokens, and two accounts have different ones for one position."""
    tokens = [str(POSITIONS.shown(caller("a"), position)) for position in range(200)]
    assert len(set(tokens)) == 200
    assert len({token[:4] for token in tokens}) > 190
    assert POSITIONS.shown(caller("a"), 7) != POSITIONS.shown(caller("b"), 7)


@given(st.text(max_size=30) | st.from_regex(r"[A-Za-z0-9_-]{22}", fullmatch=True))
def test_made_up_tokens_are_refused(text: str) -> None:
    """Anything that was not given out is refused, another account's token too."""
    with pytest.raises(RequestRefused):
        POSITIONS.read(caller("a"), text)
    with pytest.raises(RequestRefused):
        POSITIONS.read(caller("a"), str(POSITIONS.shown(caller("b"), 5)))


@pytest.mark.parametrize("text", ["", "-1", "1.0", " 1", "9223372036854775808", "١"])
def test_operators_give_numbers(text: str) -> None:
    """For operators only a number in range is a position."""
    with pytest.raises(RequestRefused):
        POSITIONS.read(caller("operator"), text)
