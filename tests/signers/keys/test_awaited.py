"""Keys whose holder did not answer at the start: known by their addresses, and opened where they first sign."""

import pytest

from core.ports.unavailable import Unavailable
from signers.keys.awaited import AwaitedKeys
from signers.keys.keys import KeyNotHeld, Keys, SoftwareKey

pytestmark = pytest.mark.fast

KEY, OTHER = SoftwareKey(bytes([1]) * 32), SoftwareKey(bytes([2]) * 32)
DIGEST = bytes(32)


class Held:
    def __init__(self, key: SoftwareKey) -> None:
        self._key = key

    def key(self, key_id: str) -> SoftwareKey:
        return self._key


def test_a_key_that_opens_later_signs_later() -> None:
    """Its address is known at once; each try asks again, and the first answer is kept."""
    answers = iter([Unavailable("KMS"), Unavailable("KMS"), Held(KEY)])

    def opening() -> Keys:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    keys = AwaitedKeys(opening, {"kms:hot": KEY.address})
    key = keys.key("kms:hot")
    assert key.address == KEY.address
    for _ in range(2):
        with pytest.raises(Unavailable):
            key.sign_digest(DIGEST)
    assert key.sign_digest(DIGEST) == key.sign_digest(DIGEST) == KEY.sign_digest(DIGEST)
    assert keys.key("kms:hot") is KEY


def test_an_unknown_key_is_opened_at_once() -> None:
    """Of a key that the history does not know there is nothing to watch."""
    with pytest.raises(Unavailable):
        AwaitedKeys(lambda: _shut(), {}).key("kms:hot")


def test_another_key_than_the_historys_signs_nothing() -> None:
    """An alias may be moved while nobody looks."""
    key = AwaitedKeys(lambda: Held(OTHER), {"kms:hot": KEY.address}).key("kms:hot")
    with pytest.raises(KeyNotHeld, match=f"the history knows it as {KEY.address}'s"):
        key.sign_digest(DIGEST)


def _shut() -> Keys:
    raise Unavailable("KMS")
