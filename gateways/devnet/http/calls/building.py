"""Unsigned transactions, built for the asker; and who has signed one so far."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from core.tron.address import Address, InvalidAddress
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
from gateways.devnet.chain.pool import Malformed, allows, signer_of, weigh
from gateways.devnet.execution.execution import actuate
from gateways.devnet.execution.outcome import Refused
from gateways.devnet.http import parsing, rendering
from gateways.devnet.http.ask import Answer, Ask
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import OWNER_PERMISSION, Account, Permission
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
    """Whose signatures a transaction bears, allowed to sign or not. SUCCESS is number 0, and a default does not print."""
    transaction = parsing.transaction(ask.body)
    signers, result = [], {}
    try:
        _must_exist(ask, transaction)
        signers = [signer_of(transaction, signature) for signature in transaction.signatures]
    except NoAccount as error:
        result = {"code": "OTHER_ERROR", "message": f"class {PERMISSION_EXCEPTION} : {error}"}
    except Refused as refused:
        result = _result_of(refused)
    printed = [rendering.hex_or_base58(signer, visible=ask.visible) for signer in signers]
    return rendering.without_defaults({"approved_list": printed}) | {"result": result} | _signed(ask, transaction)


def get_sign_weight(ask: Ask) -> Answer:
    """Who has signed so far, against the permission that the transaction names; the transaction packed from its JSON.

    ENOUGH_PERMISSION is number 0, and a default does not print.
    """
    transaction = parsing.transaction(ask.body)
    fields: dict[str, Any] = {}
    try:
        permission = _permission_of(ask, transaction)
        fields["permission"] = rendering.permission(permission, visible=ask.visible)
        weight, signers = weigh(permission, transaction)
        fields["approved_list"] = [rendering.hex_or_base58(signer, visible=ask.visible) for signer in signers]
        fields["current_weight"] = weight
        result = {} if weight >= permission.threshold else {"code": "NOT_ENOUGH_PERMISSION"}
    except NoAccount as error:
        result = {"code": "PERMISSION_ERROR", "message": str(error)}
    except Refused as refused:
        result = _result_of(refused)
    return rendering.without_defaults(fields) | {"result": result} | _signed(ask, transaction)


PERMISSION_EXCEPTION: Final = "org.tron.core.exception.PermissionException"


class NoAccount(Exception):
    """Nobody can have signed for what is not there."""


def _must_exist(ask: Ask, transaction: Transaction) -> Account:
    account = accounts.find(ask.chain.state, transaction.owner)
    if account is None:
        raise NoAccount("Account does not exist!")
    return account


def _permission_of(ask: Ask, transaction: Transaction) -> Permission:
    """Raises NoAccount, Refused (SIGERROR)."""
    permission = _must_exist(ask, transaction).permission(transaction.permission_id)
    if permission is None:
        raise Refused("SIGERROR", "Permission for this, does not exist!")
    if permission.id != OWNER_PERMISSION and not allows(permission.operations, transaction.kind):
        raise Refused("SIGERROR", "Permission denied!")
    return permission


def _result_of(refused: Refused) -> Answer:
    """A signature that is too short, one that nobody can have made, or one that does not count here."""
    unreadable = refused.__cause__ is not None or refused.reason.startswith("Header byte")
    code = "COMPUTE_ADDRESS_ERROR" if unreadable else "PERMISSION_ERROR"
    return {"code": "SIGNATURE_FORMAT_ERROR" if isinstance(refused, Malformed) else code, "message": refused.reason}


def _signed(ask: Ask, transaction: Transaction) -> Answer:
    printed = rendering.transaction(transaction, visible=ask.visible)
    return {"transaction": {"result": {"result": True}, "txid": transaction.txid, "transaction": printed}}
