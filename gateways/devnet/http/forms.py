"""What each of java-tron's calls reads of a request: a message, a JSON object, or nothing at all.

A message's fields are named here where it is no contract; the calls that build one read the contract's own.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from core.tron.protobuf import Field, Message
from core.tron.transactions import TRIGGER
from gateways.devnet.http import json_format
from gateways.devnet.http.calls.building import BUILT
from gateways.devnet.http.parsing import NULL_POINTER, BadRequest, is_true
from gateways.devnet.requests import Request
from gateways.devnet.state.kinds import KINDS

_NUMBER: Final = Message("NumberMessage", Field(1, "num", "int"))
_BYTES: Final = Message("BytesMessage", Field(1, "value", "bytes"))
_TEXT: Final = Message("BytesMessage", Field(1, "value", "text"))
_OF_AN_ADDRESS: Final = frozenset({"getcontract", "getcontractinfo", "getdelegatedresourceaccountindexv2"})
"""Their value is an address: made hex before the message is read, where it is visible."""
_ACCOUNT: Final = Message("Account", Field(3, "address", "bytes"))
_OWNER: Final = Message("Owner", Field(1, "owner_address", "bytes"))

MESSAGES: Final[Mapping[str, Message]] = {
    "getblock": Message("BlockReq", Field(1, "id_or_num", "text"), Field(2, "detail", "bool")),
    "getblockbynum": _NUMBER,
    "getblockbyid": _BYTES,
    "getblockbylimitnext": Message("BlockLimit", Field(1, "startNum", "int"), Field(2, "endNum", "int")),
    "getblockbylatestnum": _NUMBER,
    "gettransactioncountbyblocknum": _NUMBER,
    "gettransactionbyid": _BYTES,
    "gettransactioninfobyid": _BYTES,
    "gettransactioninfobyblocknum": _NUMBER,
    "gettransactionfrompending": _BYTES,
    "getaccount": _ACCOUNT,
    "getaccountnet": _ACCOUNT,
    "getcontract": _BYTES,
    "getcontractinfo": _BYTES,
    "getdelegatedresourcev2": Message(
        "DelegatedResourceMessage", Field(1, "fromAddress", "bytes"), Field(2, "toAddress", "bytes")
    ),
    "getdelegatedresourceaccountindexv2": _BYTES,
    "getcandelegatedmaxsize": Message(
        "CanDelegatedMaxSizeRequestMessage", Field(1, "type", "int"), Field(2, "owner_address", "bytes")
    ),
    "getavailableunfreezecount": _OWNER,
    "getcanwithdrawunfreezeamount": Message(
        "CanWithdrawUnfreezeAmountRequestMessage", Field(1, "owner_address", "bytes"), Field(2, "timestamp", "int")
    ),
    **{name: KINDS[kind] for name, kind in BUILT.items()},
}

CALLS_OF_CONTRACTS: Final = frozenset({"triggerconstantcontract", "estimateenergy", "triggersmartcontract"})
"""They look for their parameters first, read the message then, and say what is wrong in their own form."""

NOTHING: Final = frozenset(
    {
        "getnowblock",
        "getchainparameters",
        "getenergyprices",
        "getbandwidthprices",
        "getmemofee",
        "getnodeinfo",
        "getpendingsize",
        "gettransactionlistfrompending",
        "getnextmaintenancetime",
        "listnodes",
        "listwitnesses",
        "getassetissuelist",
    }
)
"""They read no body, whatever it is."""

_NULLS: Final[Mapping[str, tuple[str, int]]] = {
    "broadcasttransaction": ("getJSONObject(String)", 2),
    "getsignweight": ("getJSONObject(String)", 2),
    "getapprovedlist": ("getJSONObject(String)", 2),
    "getaccountresource": ("getString(String)", 4),
    "triggerconstantcontract": ("getString(String)", 1),
    "estimateenergy": ("getString(String)", 1),
    "triggersmartcontract": ("getString(String)", 2),
}
"""What an empty body is to the calls that read a JSON object."""

_NO_OBJECT: Final = (
    'Cannot invoke "com.alibaba.fastjson.JSONObject.getString(String)" because the return value of'
    ' "com.alibaba.fastjson.JSONObject.parseObject(String)" is null'
)


def parameters(request: Request, call: str) -> dict[str, Any]:
    """The query of a GET; of a POST what the call reads of its body, a form's included. Raises BadRequest."""
    query = dict(request.query)
    text = request.body.decode(errors="replace")
    if request.method != "POST":
        _check_query(query, call)
        return query
    if _is_form(text):
        return query | dict(parse_qsl(text))
    if call in NOTHING:
        return query | _object_if_any(text)
    if call == "broadcasthex" and text.strip() in ("", "null"):
        raise BadRequest(_NO_OBJECT, NULL_POINTER)
    body = json_format.object_of(text)
    if not text.strip() and call in _NULLS:
        raise json_format.nothing(*_NULLS[call])
    message = MESSAGES.get(call)
    if call in CALLS_OF_CONTRACTS:
        _must_be_set(call, body)
        message = KINDS[TRIGGER]
    visible = is_true(body.get("visible"))
    if visible and call in _OF_AN_ADDRESS:
        message = _TEXT
    if message is not None and (text or call != "getblock"):
        json_format.check(text, message, visible=visible)
        body = json_format.message_of(body, message)
    return query | body


def _check_query(query: Mapping[str, Any], call: str) -> None:
    """A query is made a message of, too: what is no hex in it is refused."""
    message = MESSAGES.get(call)
    visible = is_true(query.get("visible"))
    if message is None or call in BUILT or (visible and call in _OF_AN_ADDRESS):
        return
    given = {name: query[name] for name, field in message.by_name.items() if field.kind == "bytes" and query.get(name)}
    if given:
        json_format.check(msgspec.json.encode(given).decode(), message, visible=visible)


def _must_be_set(call: str, body: Mapping[str, Any]) -> None:
    kind = "java.security.InvalidParameterException"
    if not body.get("owner_address"):
        raise BadRequest("owner_address isn't set.", kind)
    if call == "triggersmartcontract" and not body.get("contract_address"):
        raise BadRequest("contract_address isn't set.", kind)
    if not body.get("contract_address") and not body.get("data"):
        raise BadRequest("At least one of contract_address and data must be set.", kind)


def _is_form(text: str) -> bool:
    """name=value&…: java-tron knows by the content type, which does not come this far."""
    name, equals, _ = text.partition("=")
    return bool(equals) and name.isidentifier()


def _object_if_any(text: str) -> dict[str, Any]:
    try:
        return json_format.object_of(text)
    except BadRequest:
        return {}
