"""RefusedCommands: one code each, one sentence each, and the same after they were recorded."""

from typing import get_origin

import msgspec
import pytest

import core.streams.all_events  # noqa: F401  declares what the streams refuse with
from core.ledger.refusals import REJECTIONS, Refusal, code_of, data_of, restore, sentence_of

pytestmark = pytest.mark.fast


def example(kind: type[Refusal]) -> Refusal:
    """Each field as itself, a number as one that nothing else says, a list empty."""

    def value(place: int, each: msgspec.structs.FieldInfo) -> object:
        if get_origin(each.type) is tuple:
            return ()
        return 70_001 + place if each.type is int else f"<{each.name}>"

    return kind(**{each.name: value(place, each) for place, each in enumerate(msgspec.structs.fields(kind))})


def test_codes_are_unique_and_known() -> None:
    """No two refusals share a code, and every one is found by it."""
    kinds = [kind for kind in _subclasses(Refusal) if kind.__module__ == "core.ledger.refusals"]
    assert len({code_of(kind) for kind in kinds}) == len(kinds)
    assert all(REJECTIONS[code_of(kind)] is kind for kind in kinds)


@pytest.mark.parametrize("code", sorted(REJECTIONS))
def test_a_refusal_is_a_sentence(code: str) -> None:
    """Its docstring ends as a sentence does, uses every field that is no list, and leaves no braces behind."""
    refusal = example(REJECTIONS[code])
    assert refusal.code == code
    assert code == code.lower()
    assert sentence_of(type(refusal)).endswith(".")
    assert not set("{}") & set(refusal.detail)
    for value in data_of(refusal).values():
        assert isinstance(value, tuple) or str(value) in refusal.detail
    assert 400 <= refusal.status < 600


@pytest.mark.parametrize("code", sorted(REJECTIONS))
def test_a_recorded_refusal_comes_back(code: str) -> None:
    """Code and data as JSON give the same refusal for ever: the same key answers the same."""
    refusal = example(REJECTIONS[code])
    assert restore(code, msgspec.json.decode(msgspec.json.encode(data_of(refusal)))) == refusal


def test_braces_in_a_clients_text_are_only_text() -> None:
    """What a client wrote is put into the sentence as it is."""
    refusal = REJECTIONS["ledger_account_not_found"](ledger_account="{0} {available} %s")  # type: ignore[call-arg]
    assert "{0} {available} %s" in refusal.detail


def _subclasses(kind: type[Refusal]) -> list[type[Refusal]]:
    return [kind, *(found for below in kind.__subclasses__() for found in _subclasses(below))][kind is Refusal :]
