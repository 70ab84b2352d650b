"""Another key for the hot or the gas wallet: an operator asks for it, and sees how far it has come."""

import asyncio
from typing import Annotated, Literal, get_args

from pydantic import Field

from core.ledger.refusals import NotFound, RotationUnderWay
from core.streams.accounts import OPERATOR
from core.streams.wallet.rotation import AskWalletRotation, RotatedRole
from gateways.http.answer import Answer, Time
from gateways.http.endpoint import Call, Reply, endpoint, reply
from gateways.http.errors import RequestRefused
from gateways.http.fields import Body, Read
from projections.explain.wallet_rotation import LEFT, last_rotation


class RotateWallet(Body):
    """`kms_key` names, on AWS, the key that takes over, by id, ARN or alias. On one machine the key is made."""

    kms_key: Annotated[str, Field(max_length=2048)] = ""


class WalletRotation(Answer, frozen=True):
    """The last rotation of a wallet's key. `retired` is the end of one: nothing was left at the address before."""

    role: Literal["hot", "gas"]
    state: Literal["none", "asked", "given_up", "under_way", "retired"]
    from_address: str | None
    to_address: str | None
    asked_at: Time | None
    begun_at: Time | None
    sentence: str


@endpoint("GET", "/v1/wallets/{role}/rotation", OPERATOR, WalletRotation, refusals=(NotFound,))
async def get_wallet_rotation(call: Call, _: Read) -> Reply:
    """How far the last rotation of this wallet's key has come."""
    return reply(await _found(call, _role(call)))


@endpoint(
    "POST",
    "/v1/wallets/{role}/rotate",
    OPERATOR,
    WalletRotation,
    body=RotateWallet,
    refusals=(NotFound, RotationUnderWay),
)
async def rotate_wallet(call: Call, body: RotateWallet) -> Reply:
    """Ask for another key: payouts or fees go on from its address, and the one before is emptied into it and retired."""
    role = _role(call)
    await call.submit(AskWalletRotation(role, call.actor, key=body.kms_key))
    await call.audit("wallet.rotate", OPERATOR, role=role, kms_key=body.kms_key)
    return reply(await _found(call, role))


def _role(call: Call) -> RotatedRole:
    for role in get_args(RotatedRole):
        if call.path["role"] == role:
            return role  # type: ignore[no-any-return]
    raise RequestRefused(NotFound(noun="wallet with a key of ours"))


async def _found(call: Call, role: RotatedRole) -> WalletRotation:
    last = await asyncio.to_thread(last_rotation, call.api.platform.store, role)
    [left] = await call.read("sweeps", LEFT, **last.asked)
    return WalletRotation(
        role=role,
        state=last.state,
        from_address=last.from_address or None,
        to_address=last.to_address or None,
        asked_at=last.asked_at,
        begun_at=last.begun_at,
        sentence=last.sentence(left),
    )
