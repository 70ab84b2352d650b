"""JSON as a payment API must read it."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.http.strict_json import DEPTH_MAX, InvalidJson, NotInteger, parse

pytestmark = pytest.mark.fast

_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2000, exclude_categories=["Cc", "Cs"]), max_size=8)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(_VALUES)
def test_what_is_allowed_is_read_as_written(value: Any) -> None:
    """Every value without floats and control characters comes back as it was."""
    assert parse(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_nothing_else_is_raised(body: bytes) -> None:
    """Any bytes are read or refused with InvalidJson."""
    with contextlib.suppress(InvalidJson):
        parse(body)


@pytest.mark.parametrize("text", ["1.0", "1e3", "-0.5", "1E400"])
def test_fractions_are_kept_as_text(text: str) -> None:
    """No float is ever made."""
    value = parse(text.encode())
    assert isinstance(value, NotInteger)
    assert value.text == text


def test_depth_is_bounded() -> None:
    """The deepest allowed nesting is read, one more is refused, and brackets within strings do not count."""
    assert parse(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)
    with pytest.raises(InvalidJson, match="nested"):
        parse(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1))
    assert parse(json.dumps('\\"[' * 30).encode()) == '\\"[' * 30


def test_a_repeated_field_is_found_where_it_stands() -> None:
    """The pointer leads to the repeated field, however deep."""
    with pytest.raises(InvalidJson) as caught:
        parse(b'{"a": [{"b": 1, "b": 1}]}')
    assert caught.value.pointer == "/a/0/b"
