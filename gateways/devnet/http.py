"""The devnet's front door: java-tron's paths, TronGrid's and /devnet, one dispatch each.

java-tron answers 200 nearly always; what went wrong stands in the body as {"Error": "class ... : message"}.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.protobuf import MalformedProtobuf
from gateways.devnet import trongrid
from gateways.devnet.ask import Ask
from gateways.devnet.calls.building import BuildRefused
from gateways.devnet.controls import CONTROLS, BadControl, NotBuilt
from gateways.devnet.node import Node
from gateways.devnet.parsing import BadRequest
from gateways.devnet.wallet import SOLIDITY, WALLET

BODY_BYTES_MAX = 4 * 1024 * 1024
"""java-tron's node.http.maxMessageSize by default."""

Answering = Callable[[Request], Awaitable[Response]]
Fault = Callable[[Request, Answering], Awaitable[Response]]
"""What may come between a request and its answer."""


async def no_fault(request: Request, answer: Answering) -> Response:
    return await answer(request)


class TooLarge(Exception):
    """The body exceeds what a node reads."""


def application(node: Node, fault: Fault = no_fault) -> Starlette:
    """The ASGI application over one node; every answer passes through `fault`."""

    async def wallet(request: Request) -> Response:
        solid = request.url.path.startswith("/walletsolidity/")
        handler = (SOLIDITY if solid else WALLET).get(request.path_params["call"].lower())
        if handler is None:
            return _json({"Error": "this API is unavailable due to config"}, 404)
        try:
            ask = Ask(node, await _parameters(request), solid=solid)
            return _json(handler(ask))
        except TooLarge:
            return Response(status_code=413)
        except BuildRefused as error:
            return _json({"Error": f"class org.tron.core.exception.ContractValidateException : {error}"})
        except BadRequest as error:
            return _json({"Error": f"class {error.kind} : {error}"})
        except MalformedProtobuf as error:
            return _json({"Error": f"class com.google.protobuf.InvalidProtocolBufferException : {error}"})
        except msgspec.DecodeError as error:
            return _json({"Error": f"class com.alibaba.fastjson.JSONException : {error}"})

    async def grid(request: Request) -> Response:
        try:
            status, answer = trongrid.answer(Ask(node, dict(request.query_params)), request.url)
        except BadRequest as error:
            return _json({"success": False, "error": str(error), "statusCode": 400}, 400)
        return _json(answer, status) if answer is not None else Response(status_code=status)

    async def control(request: Request) -> Response:
        handler = CONTROLS.get((request.method, request.path_params["call"]))
        if handler is None:
            return _json({"error": f"there is no {request.method} {request.url.path}"}, 404)
        try:
            return _json(handler(Ask(node, await _parameters(request))))
        except TooLarge:
            return Response(status_code=413)
        except (BadControl, BadRequest, msgspec.DecodeError) as error:
            return _json({"error": str(error)}, 400)
        except NotBuilt as error:
            return _json({"error": str(error)}, 501)

    def guarded(answer: Answering) -> Answering:
        async def answered(request: Request) -> Response:
            return await fault(request, answer)

        return answered

    any_method = ["GET", "POST"]
    return Starlette(
        routes=[
            Route("/wallet/{call}", guarded(wallet), methods=any_method),
            Route("/walletsolidity/{call}", guarded(wallet), methods=any_method),
            Route("/v1/{rest:path}", guarded(grid), methods=["GET"]),
            Route("/devnet/{call}", control, methods=["GET", "POST", "DELETE"]),
        ]
    )


async def _parameters(request: Request) -> dict[str, Any]:
    """The query of a GET; of a POST the JSON object or the form in its body, whatever its content type says."""
    query = dict(request.query_params)
    if request.method != "POST":
        return query
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise TooLarge
    if not body.strip():
        return query
    if body.lstrip()[:1] != b"{":
        return query | dict(parse_qsl(body.decode(errors="replace")))
    return query | msgspec.json.decode(body, type=dict[str, Any])


def _json(answer: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")
