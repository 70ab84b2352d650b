"""Unsigned transactions, built for the asker; and who has signed one so far."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from core.tron.address import Address, InvalidAddress
from core.tron.secp256k1 import InvalidSignature, recover
from core.tron.transactions import (
    CANCEL_UNFREEZES,
    CREATE_ACCOUNT,
    DELEGATE,
    FREEZE,
    TRANSFER,
    TYPE_URL_PREFIX,
    UNDELEGATE,
    UNFREEZE,
    UPDATE_PERMISSIONS,
    WITHDRAW_UNFROZEN,
)
from gateways.devnet.execution.execution import actuate
from gateways.devnet.execution.outcome import Refused
from gateways.devnet.http import parsing, rendering
from gateways.devnet.http.ask import Answer, Ask
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Account
from gateways.devnet.state.kinds import KINDS, UPDATE_ACCOUNT, VOTE, WITHDRAW_REWARD
from gateways.devnet.state.state import Overlay
from gateways.devnet.state.transaction import Transaction, of_raw

EXPIRATION_MS = 60_000


BUILT: Final[Mapping[str, int]] = {
    "createtransaction": TRANSFER,
    "createaccount": CREATE_ACCOUNT,
    "transferasset": 2,
    "votewitnessaccount": VOTE,
    "updateaccount": UPDATE_ACCOUNT,
    "withdrawbalance": WITHDRAW_REWARD,
    "accountpermissionupdate": UPDATE_PERMISSIONS,
    "freezebalancev2": FREEZE,
    "unfreezebalancev2": UNFREEZE,
    "withdrawexpireunfreeze": WITHDRAW_UNFROZEN,
    "delegateresource": DELEGATE,
    "undelegateresource": UNDELEGATE,
    "cancelallunfreezev2": CANCEL_UNFREEZES,
}
"""The calls that build a contract, and its type."""

_OWNERS: Final[Mapping[int, str]] = {
    TRANSFER: "Invalid ownerAddress!",
    CREATE_ACCOUNT: "Invalid ownerAddress",
    2: "Invalid ownerAddress",
    UPDATE_ACCOUNT: "Invalid ownerAddress",
    UPDATE_PERMISSIONS: "invalidate ownerAddress",
}
"""What java-tron says of an owner that is no address; of every other contract's, "Invalid address"."""


class BuildRefused(Exception):
    """A transaction that the node will not build; printed as java-tron's ContractValidateException."""


def build(kind: int) -> Callable[[Ask], Answer]:
    """The call that builds a contract of this type from its JSON fields, if it would be valid now."""

    def built(ask: Ask) -> Answer:
        fields = parsing.parameter(KINDS[kind], ask.body, visible=ask.visible)
        if not _is_address(fields.get("owner_address", b"")):
            raise BuildRefused(_OWNERS.get(kind, "Invalid address"))
        transaction = unsigned(ask, kind, fields)
        try:
            actuate(Overlay(ask.state), transaction, msgspec.structs.replace(ask.chain.context, building=True))
        except Refused as refused:
            raise BuildRefused(refused.reason) from refused
        return rendering.built(transaction, visible=ask.visible)

    return built


def _is_address(raw: bytes) -> bool:
    try:
        Address(raw)
    except InvalidAddress:
        return False
    return True


def deploy_contract(_: Ask) -> Answer:
    """Raises BuildRefused: there is no virtual machine here."""
    raise BuildRefused("this devnet deploys no contracts: a java-tron of your own does")


def unsigned(ask: Ask, kind: int, fields: dict[str, Any], fee_limit_sun: int = 0) -> Transaction:
    """On the solid block, good for a minute of the chain's time."""
    head, reference = ask.head, ask.solid_head.block_id
    raw: dict[str, Any] = {
        "ref_block_bytes": bytes.fromhex(reference[12:16]),
        "ref_block_hash": bytes.fromhex(reference[16:32]),
        "expiration": head.timestamp_ms + EXPIRATION_MS,
        "timestamp": ask.node.clock_ms(),
        "contract": [_contract(kind, fields, ask.integer("Permission_id"))],
    }
    if ask.body.get("extra_data") not in (None, ""):
        raw["data"] = parsing.memo(ask.body["extra_data"], visible=ask.visible)
    if fee_limit_sun:
        raw["fee_limit"] = fee_limit_sun
    return of_raw(raw)


def _contract(kind: int, fields: dict[str, Any], permission_id: int) -> dict[str, Any]:
    message = KINDS[kind]
    packed = {"type_url": TYPE_URL_PREFIX + message.name, "value": message.encode(fields)}
    contract: dict[str, Any] = {"type": kind, "parameter": packed}
    return contract | ({"Permission_id": permission_id} if permission_id > 0 else {})


def get_approved_list(ask: Ask) -> Answer:
    """Whose signatures a transaction bears, allowed to sign or not."""
    transaction = parsing.transaction(ask.body)
    signers, result = [], {}
    for signature in transaction.signatures:
        try:
            signer = recover(bytes.fromhex(transaction.txid), signature)
        except InvalidSignature as error:
            result = {"code": "SIGNATURE_FORMAT_ERROR", "message": str(error)}
            break
        signers.append(rendering.hex_or_base58(signer, visible=ask.visible))
    printed = rendering.transaction(transaction, visible=ask.visible)
    return rendering.without_defaults({"approved_list": signers}) | {
        "result": result,
        "transaction": {"result": {"result": True}, "txid": transaction.txid, "transaction": printed},
    }


def get_sign_weight(ask: Ask) -> Answer:
    """Who has signed so far, against the permission that the transaction names; the transaction packed from its JSON."""
    transaction = parsing.transaction(ask.body)
    account = accounts.find(ask.chain.state, transaction.owner) or Account(transaction.owner, created_ms=0)
    permission = account.permission(transaction.permission_id)
    weights = dict(permission.keys) if permission else {}
    signers, weight = [], 0
    code, message = "NOT_ENOUGH_PERMISSION", ""
    for signature in transaction.signatures:
        try:
            signer = recover(bytes.fromhex(transaction.txid), signature)
        except InvalidSignature as error:
            code, message = "SIGNATURE_FORMAT_ERROR", str(error)
            break
        signers.append(rendering.hex_or_base58(signer, visible=ask.visible))
        weight += weights.get(signer, 0)
    if permission is None:
        code, message = "PERMISSION_ERROR", "permission isn't exit"
    elif weight >= permission.threshold:
        code = ""  # ENOUGH_PERMISSION is number 0, and a default does not print
    printed = rendering.transaction(transaction, visible=ask.visible)
    return rendering.without_defaults(
        {
            "permission": rendering.permission(permission, visible=ask.visible) if permission else None,
            "approved_list": signers,
            "current_weight": weight,
        }
    ) | {
        "result": rendering.without_defaults({"code": code, "message": message}),
        "transaction": {"result": {"result": True}, "txid": transaction.txid, "transaction": printed},
    }
