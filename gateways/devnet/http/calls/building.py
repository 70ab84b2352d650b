"""Unsigned transactions, built for the asker; and who has signed one so far."""

from collections.abc import Callable
from typing import Any

import msgspec

from core.tron.secp256k1 import InvalidSignature, recover
from core.tron.transactions import CONTRACT_TYPES, contract_of
from gateways.devnet.execution.execution import actuate
from gateways.devnet.execution.outcome import Refused
from gateways.devnet.http import parsing, rendering
from gateways.devnet.http.ask import Answer, Ask
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Account
from gateways.devnet.state.state import Overlay
from gateways.devnet.state.transaction import Transaction, of_raw

EXPIRATION_MS = 60_000


class BuildRefused(Exception):
    """A transaction that the node will not build; printed as java-tron's ContractValidateException."""


def build(kind: int) -> Callable[[Ask], Answer]:
    """The call that builds a contract of this type from its JSON fields, if it would be valid now."""

    def built(ask: Ask) -> Answer:
        fields = parsing.parameter(CONTRACT_TYPES[kind], ask.body, visible=ask.visible)
        if not fields.get("owner_address"):
            raise BuildRefused("Invalid ownerAddress!")
        transaction = unsigned(ask, kind, fields)
        try:
            actuate(Overlay(ask.state), transaction, msgspec.structs.replace(ask.chain.context, building=True))
        except Refused as refused:
            raise BuildRefused(refused.reason) from refused
        return rendering.built(transaction, visible=ask.visible)

    return built


def unsigned(ask: Ask, kind: int, fields: dict[str, Any], fee_limit_sun: int = 0) -> Transaction:
    """On the solid block, good for a minute of the chain's time."""
    head, reference = ask.head, ask.solid_head.block_id
    raw: dict[str, Any] = {
        "ref_block_bytes": bytes.fromhex(reference[12:16]),
        "ref_block_hash": bytes.fromhex(reference[16:32]),
        "expiration": head.timestamp_ms + EXPIRATION_MS,
        "timestamp": ask.node.clock_ms(),
        "contract": [contract_of(kind, fields, permission_id=ask.integer("Permission_id"))],
    }
    if fee_limit_sun:
        raw["fee_limit"] = fee_limit_sun
    return of_raw(raw)


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
        code = "ENOUGH_PERMISSION"
    printed = rendering.transaction(transaction, visible=ask.visible)
    return rendering.without_defaults(
        {
            "permission": rendering.permission(permission, visible=ask.visible) if permission else None,
            "approved_list": signers,
            "current_weight": weight,
            "result": rendering.without_defaults({"code": code, "message": message}),
            "transaction": {"result": {"result": True}, "txid": transaction.txid, "transaction": printed},
        }
    )
