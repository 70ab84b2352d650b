"""The stand-alone verifier knows what an approver signs, by code of its own."""

from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest

from core.streams.payout.approvals import payout_digest
from schema.verify import Stories
from tests.support.history import ALICE, order

pytestmark = pytest.mark.fast
PLAIN = order(ALICE, "p1", 5, 1)
WISHED = msgspec.structs.replace(
    PLAIN,
    client_reference='Zahlung "7" für Zoë \\ 東京',
    not_before=datetime(2026, 11, 30, 12, 0, 0, 250_000, tzinfo=UTC),
)


@pytest.mark.parametrize("wished", [PLAIN, WISHED], ids=["plain", "any text, a time"])
def test_the_digest_is_the_order_s(wished: object) -> None:
    """Of the order as it is stored, whatever text it holds; another payout's digest is a story that cannot be."""
    stored = msgspec.json.decode(msgspec.json.encode(wished))
    told = SimpleNamespace(payout=lambda _: SimpleNamespace(order=stored))
    right, wrong = (payout_digest(each).hex() for each in (wished, order(ALICE, "p2", 5, 1)))  # type: ignore[arg-type]
    assert Stories.payout_approved(told, "payout-x", 2, {"digest": right})[1] is None
    assert Stories.payout_approved(told, "payout-x", 2, {"digest": wrong})[1] is not None


def test_an_order_of_before_is_signed_as_it_is_read_now() -> None:
    """The first version of a request had neither priority nor a time; what is signed has both."""
    stored = msgspec.json.decode(msgspec.json.encode(PLAIN))
    del stored["priority"], stored["not_before"]
    told = SimpleNamespace(payout=lambda _: SimpleNamespace(order=stored))
    assert Stories.payout_approved(told, "payout-x", 2, {"digest": payout_digest(PLAIN).hex()})[1] is None
