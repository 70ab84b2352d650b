"""What is told of a difference between ledger and chain, where no node need be asked."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.ledger.books import COLD_WALLET, GAS_WALLET, STAKED
from core.ports.scanning import Cursor
from gateways.wiring.ledger_beside_chain import explainer
from gateways.wiring.platform import Platform
from projections.audit.on_chain import Difference

pytestmark = pytest.mark.fast

COLD = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"


def told(difference: Difference, *, read: int = 1_000) -> str:
    """By an installation that has read solid blocks up to `read`."""
    cursors = SimpleNamespace(load=lambda name: Cursor(read, "ab" * 32))
    return explainer(cast("Platform", cast("Any", SimpleNamespace(cursors=cursors))))(difference)


def test_an_observer_that_is_behind_is_named() -> None:
    """With the block it has come to; one that is not behind is not."""
    late = Difference(GAS_WALLET, COLD, "TRX", 5, 6, 1_001)
    assert told(late) == "the process observe has read solid blocks up to 1000 only"
    assert told(late, read=1_001) == ""


def test_fees_of_the_cold_wallets_owner_are_his_to_tell() -> None:
    """TRX that cold storage lacks were burned by transfers made elsewhere; TRX that it has too many were not."""
    assert "POST /v1/adjustments" in told(Difference(COLD_WALLET, COLD, "TRX", 6, 5, 900))
    assert told(Difference(COLD_WALLET, COLD, "TRX", 5, 6, 900)) == ""


def test_stake_that_differs_was_moved_by_hand() -> None:
    """The program's own freezes are booked from their receipts."""
    assert "counterfoil stake" in told(Difference(STAKED, None, "TRX", 5, 6, 900))
