"""The stand-alone verifier holds declarations to their wallet and approvals to their declaration, by code of its own."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from core.ledger.events import Event, encode
from core.streams.treasury import SystemWalletRegistered
from core.streams.wallet.permissions import (
    PermissionsApproved,
    PermissionsDeclared,
    PermissionsDiffer,
    permissions_digest,
)
from core.tron.permissions import Grant, KeyWeight, PermissionSet
from tests.support.exports import impossible_stories
from tests.support.history import ACTOR

pytestmark = pytest.mark.fast
BY: dict[str, Any] = {"occurred_at": datetime(2026, 11, 30, tzinfo=UTC), "actor": ACTOR}
HOT, ANN, BOB = (
    "TXdfMkuVqdBAVJSMGdtN8Db6Die2DFhr5J",
    "TX4CcPmJwGTqJdLkW6QRTDXcMZGV95NhRd",
    "TULpWhZGUjAxUKvracT8PkMEAnRPui1Exq",
)
REGISTERED = SystemWalletRegistered(role="hot", address=HOT, key_id=None, **BY)
DECLARED = PermissionsDeclared(
    role="hot",
    address=HOT,
    number=1,
    permissions=PermissionSet(
        Grant(0, 3, (KeyWeight(ANN, 2), KeyWeight(BOB))),
        (Grant(2, 1, (KeyWeight(HOT),), ("TransferContract", "TriggerSmartContract")),),
    ),
    **BY,
)
APPROVED = PermissionsApproved(
    role="hot", address=HOT, number=1, approver="ann", digest=permissions_digest(DECLARED).hex(), signature="00", **BY
)
DIFFER = PermissionsDiffer(wallet="hot", address=HOT, difference="the owner permission is another", **BY)


def told(*events: tuple[str, Event]) -> list[str]:
    versions: dict[str, int] = {}
    rows = []
    for position, (stream, happened) in enumerate(events, start=1):
        versions[stream] = versions.get(stream, 0) + 1
        rows.append((position, stream, versions[stream], *encode(happened)))
    return impossible_stories(rows)


def test_what_is_declared_and_approved_is_a_possible_story() -> None:
    """Its digest is computed anew from the stored fields."""
    wallet = "wallet-hot"
    assert told((wallet, REGISTERED), (wallet, DECLARED), (wallet, APPROVED), (f"permissions-{HOT}", DIFFER)) == []


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([("wallet-hot", DECLARED)], "is not the wallet that plays the role"),
        ([("wallet-hot", REGISTERED), ("wallet-gas", DECLARED)], "is not the wallet that plays the role"),
        (
            [("wallet-hot", REGISTERED), ("wallet-hot", DECLARED), ("wallet-hot", DECLARED)],
            "declaration 1 is the wallet's 2th",
        ),
        ([("wallet-hot", REGISTERED), ("wallet-hot", APPROVED)], "approves what was never declared"),
        (
            [
                ("wallet-hot", REGISTERED),
                ("wallet-hot", DECLARED),
                ("wallet-hot", msgspec.structs.replace(APPROVED, digest="ab" * 32)),
            ],
            "digest is not the declaration's",
        ),
        (
            [
                ("wallet-hot", REGISTERED),
                (
                    "wallet-hot",
                    msgspec.structs.replace(
                        DECLARED,
                        permissions=msgspec.structs.replace(
                            DECLARED.permissions, owner=Grant(0, 4, DECLARED.permissions.owner.keys)
                        ),
                    ),
                ),
            ],
            "nobody can sign by its permission 0",
        ),
        ([("permissions-x", DIFFER)], "not named by its address"),
    ],
)
def test_what_cannot_be_is_named(events: list[tuple[str, Event]], words: str) -> None:
    """Another wallet's, one declared out of turn, an approval of something else, a threshold that nobody reaches."""
    assert any(words in sentence for sentence in told(*events)), told(*events)
