"""The signers' database login alone: what it says of our wallets' permissions is believed with an approver's signature only."""

from typing import Any

import psycopg
import pytest

from core.streams.signing import SIGNING, PermissionsAgreed
from core.streams.treasury import RegisterWallet
from core.streams.wallet.permissions import PermissionsApproved, PermissionsDeclared, permissions_digest
from core.tron.permissions import Grant, KeyWeight, PermissionSet
from gateways.postgres.roles import API, RECORDER, SIGNER
from tests.insiders.world import COINS, HOT, Forged, Insiders, forged
from tests.signers.leash.limited import ANN, MALLORY
from tests.signers.payments import STRANGER
from tests.support.history import ACTOR, TickingClock

BY: dict[str, Any] = {"occurred_at": TickingClock()(), "actor": "system:payouts"}
KEYS = (KeyWeight(HOT.base58), KeyWeight(STRANGER.base58))
DECLARED = PermissionsDeclared(
    role="hot",
    address=HOT.base58,
    number=1,
    permissions=PermissionSet(Grant(0, 1, KEYS), (Grant(2, 1, KEYS[:1], ("TriggerSmartContract",)),)),
    **BY,
)


def approved(signature: bytes, approver: str = "ann") -> Forged:
    digest = permissions_digest(DECLARED).hex()
    fields = {"role": "hot", "address": HOT.base58, "number": 1, "approver": approver, "digest": digest}
    return forged("wallet-hot", 3, PermissionsApproved(signature=signature.hex(), **fields, **BY))  # type: ignore[arg-type]


@pytest.fixture
def robbed(world: Insiders) -> Insiders:
    """Another key may sign for the hot wallet, and a payout was asked for."""
    world.do(RegisterWallet("hot", HOT.base58, "keystore:hot", ACTOR))
    world.node.hijack(HOT, STRANGER)
    world.asked("honest", 50 * COINS)
    return world


def test_a_declaration_that_nobody_approved_lets_nothing_go(robbed: Insiders) -> None:
    """The thief's key stands in a declaration of the login's own: nothing is paid, and it rings."""
    robbed.append_as(SIGNER, forged("wallet-hot", 2, DECLARED))
    robbed.live(5)
    assert robbed.paid_minor == 0
    assert robbed.causes() == ("wallet_permission_changed",)
    assert STRANGER.base58 in robbed.alarms()["wallet_permissions_differ"]


def test_a_stranger_s_approval_lets_nothing_go(robbed: Insiders) -> None:
    """Under an approver's name and by another key, and under a name that is on no list."""
    signature = MALLORY.sign(permissions_digest(DECLARED))
    robbed.append_as(SIGNER, forged("wallet-hot", 2, DECLARED), approved(signature))
    robbed.live(5)
    assert robbed.paid_minor == 0


def test_saying_that_all_is_well_lets_nothing_go(robbed: Insiders) -> None:
    """It ends the cause by itself: the next look before a signature stops signing again."""
    robbed.live(3)
    streams = (f"permissions-{HOT}",)
    robbed.append_as(SIGNER, forged(SIGNING, 2, PermissionsAgreed(streams=streams, **BY)))
    robbed.live(5)
    assert robbed.paid_minor == 0
    assert robbed.causes() == ("wallet_permission_changed",)


def test_what_an_approver_signed_lets_go(robbed: Insiders) -> None:
    """The same declaration with Ann's own signature: the operator knows of the second key."""
    signature = ANN.sign(permissions_digest(DECLARED))
    robbed.append_as(SIGNER, forged("wallet-hot", 2, DECLARED), approved(signature))
    difference = robbed.worker._permissions
    difference.read()
    assert difference.declared(HOT.base58) == DECLARED.permissions


@pytest.mark.parametrize("role", [API, RECORDER])
def test_no_other_login_declares_or_approves(world: Insiders, role: str) -> None:
    """The database refuses both events, and the end of that cause, to the API and the recorder."""
    world.do(RegisterWallet("hot", HOT.base58, "keystore:hot", ACTOR))
    agreed = forged(SIGNING, 1, PermissionsAgreed(streams=(), **BY))
    for row in (forged("wallet-hot", 2, DECLARED), approved(b"", "ann"), agreed):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.append_as(role, row)
