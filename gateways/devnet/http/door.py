"""The node's door: a request in, java-tron's answer, TronGrid's or /devnet's out, through whatever faults are armed.

java-tron answers 200 nearly always; what went wrong stands in the body as {"Error": "class ... : message"}. No sockets
here: http.py serves this door, in_process.py lets a client in without a network.

Every path also answers behind /node/{name}, as another node of the same chain would: a fault whose path names that node
strikes its answers only.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from core.tron.protobuf import MalformedProtobuf
from gateways.devnet.faults import HEADS
from gateways.devnet.http import forms, trongrid
from gateways.devnet.http.ask import Ask
from gateways.devnet.http.calls.building import BuildRefused
from gateways.devnet.http.calls.contracts import other_error
from gateways.devnet.http.controls import CONTROLS, BadControl
from gateways.devnet.http.parsing import BadRequest
from gateways.devnet.http.wallet import SOLIDITY, WALLET, Handler
from gateways.devnet.node import Node
from gateways.devnet.requests import NodeAnswer, Request, Silence, Silenced

BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""java-tron's node.http.maxMessageSize by default."""

_STATUS_BY_METHOD: Final[Mapping[str, int]] = {"OPTIONS": 200, "PATCH": 501}
_CALLS: Final[Mapping[str, Mapping[str, Handler]]] = {"wallet": WALLET, "walletsolidity": SOLIDITY}


def answer(node: Node, request: Request) -> NodeAnswer | Silence:
    """Carry out one request; faults never touch /devnet."""
    if len(request.body) > BODY_BYTES_MAX:
        return NodeAnswer(413, b"")
    path = _own_path(request.path)
    area, _, call = path.removeprefix("/").partition("/")
    if area == "devnet":
        return _control(node, request, call)
    if area == "healthcheck":
        return _json("OK")
    if instead := node.faults.instead(request.path, node.clock_ms(), node.chain.block_ms):
        return instead
    try:
        reply = _grid(node, request, path) if area == "v1" else _wallet(node, request, area, call)
    except Silenced as silenced:
        return silenced.silence
    return msgspec.structs.replace(reply, body=node.faults.garble(request.path, reply.body))


def _own_path(path: str) -> str:
    """The path as java-tron knows it, without the /node/{name} before it."""
    parts = path.split("/", 3)
    return "/" + "".join(parts[3:]) if parts[1:2] == ["node"] else path


def _wallet(node: Node, request: Request, area: str, call: str) -> NodeAnswer:
    handler = _CALLS.get(area, {}).get(call)
    if request.method not in ("GET", "POST", "HEAD"):
        return NodeAnswer(_STATUS_BY_METHOD.get(request.method, 405), b"", "text/html")
    if handler is None:
        return _unknown(request.method)
    try:
        parameters = _read(request, call)
        asks_head = call in HEADS and not parameters.get("id_or_num")
        lag = node.faults.lag(request.path, asks_head=asks_head)
        lead = node.faults.lead(request.path)
        ask = Ask(node, parameters, solid=area == "walletsolidity", lag=lag, lead=lead, path=request.path)
        return _json(node.faults.distort(request.path, handler(ask)))
    except _CannotCall as refused:
        return _json(refused.answer)
    except BuildRefused as error:
        return _json({"Error": f"class org.tron.core.exception.ContractValidateException : {error}"})
    except BadRequest as error:
        return _json({"Error": f"class {error.kind} : {error}"})
    except MalformedProtobuf as error:
        return _json({"Error": f"class com.google.protobuf.InvalidProtocolBufferException : {error}"})
    except msgspec.DecodeError as error:
        return _json({"Error": f"class com.alibaba.fastjson.JSONException : {error}"})


class _CannotCall(Exception):
    """The parameters of a contract's call cannot be read; `answer` says so in such a call's own form."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer


def _read(request: Request, call: str) -> dict[str, Any]:
    try:
        return forms.parameters(request, call)
    except BadRequest as error:
        if call in forms.CALLS_OF_CONTRACTS:
            raise _CannotCall(
                other_error(error, visible=b'"visible":true' in request.body.replace(b" ", b""))
            ) from None
        raise


def _unknown(method: str) -> NodeAnswer:
    """What the server in front of java-tron's calls says of a path that it does not have."""
    title = "Error 404 Not Found" if method != "POST" else "Error 405 HTTP method POST is not supported by this URL"
    body = f"<html>\n<head>\n<title>{title}</title>\n</head>\n</html>\n".encode()
    return NodeAnswer(404 if method != "POST" else 405, body, "text/html")


def _grid(node: Node, request: Request, path: str) -> NodeAnswer:
    if request.method != "GET":
        return _json({"success": False, "error": "method not allowed", "statusCode": 405}, 405)
    lag = node.faults.lag(request.path, asks_head=False)
    try:
        ask = Ask(node, dict(request.query), lag=lag)
        status, body = trongrid.answer(ask, path, urlsplit(request.base_url + request.path))
    except BadRequest as error:
        return _json({"success": False, "error": str(error), "statusCode": 400}, 400)
    return _json(body, status) if body is not None else NodeAnswer(status, b"")


def _control(node: Node, request: Request, call: str) -> NodeAnswer:
    handler = CONTROLS.get((request.method, call))
    if handler is None:
        return _json({"error": f"there is no {request.method} {request.path}"}, 404)
    try:
        return _json(handler(Ask(node, _parameters(request))))
    except (BadControl, BadRequest, msgspec.DecodeError) as error:
        return _json({"error": str(error)}, 400)


def _parameters(request: Request) -> dict[str, Any]:
    """The query of a GET; of a POST the JSON object or the form in its body, whatever its content type says."""
    query = dict(request.query)
    if request.method != "POST" or not request.body.strip():
        return query
    if request.body.lstrip()[:1] != b"{":
        return query | dict(parse_qsl(request.body.decode(errors="replace")))
    return query | msgspec.json.decode(request.body, type=dict[str, Any])


def _json(body: Any, status: int = 200) -> NodeAnswer:
    return NodeAnswer(status, msgspec.json.encode(body))
