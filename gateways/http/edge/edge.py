"""The path every request takes: identify, authenticate, limit, validate, do it once, answer, or say what is wrong.

An ASGI application per path. It is plain code instead of a stack of middleware: the order is the safety.
"""

import itertools
import logging
import re
import secrets
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope, Send

from core.ports.clients import ApiKey
from core.ports.unavailable import Unavailable
from gateways.http.auth import must_have
from gateways.http.edge.documents import NOT_MODIFIED, as_asked
from gateways.http.edge.fields import fields_of, has, must_be_plain
from gateways.http.edge.idempotency import key_of, once
from gateways.http.edge.rates import Count, RateLimiter, WrongKeys
from gateways.http.edge.receipt_header import PREFERRED, promises
from gateways.http.endpoint import BODY_BYTES_MAX, Api, Call, Endpoint, Reply
from gateways.http.errors import (
    PROBLEM_JSON,
    BodyTooLarge,
    FieldError,
    InternalError,
    MalformedJson,
    MethodNotAllowed,
    Overloaded,
    PathNotFound,
    RequestRefused,
    ServiceUnavailable,
    UnsupportedMediaType,
    ValidationFailed,
    WritingHasEnded,
    headers_of,
    invalid,
    problem_of,
)
from gateways.http.fields import Query, Read, field_errors, repeatable
from gateways.http.group_commit import Busy, WritingEnded
from gateways.http.strict_json import InvalidJson, is_clean, parse
from gateways.telemetry.request_span import request_span
from gateways.user_error import NotReady

log = logging.getLogger(__name__)
access_log = logging.getLogger("counterfoil.access")

QUERY_BYTES_MAX: Final = 4 * 1024
_UNCLEAN: Final = "holds a control character"
_PROCESS: Final = secrets.token_hex(8)
_LOADS_NOTHING: Final = (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
"""For whoever opens an answer in a browser; a page has a policy of its own."""
_NUMBERS: Final = itertools.count(1)
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Edge:
    """All endpoints of one path."""

    def __init__(
        self, api: Api, limiter: RateLimiter, wrong_keys: WrongKeys, path: str, endpoints: Iterable[Endpoint]
    ) -> None:
        self._api = api
        self._limiter = limiter
        self._wrong_keys = wrong_keys
        self._path = path
        self._by_method: dict[str, Endpoint] = {endpoint.method: endpoint for endpoint in endpoints}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request = Request(scope)
        request_id = request.id
        under_way = request_span(self._api.platform.tracing, dict(scope["headers"]))
        try:
            answer = await self._answer(scope, request, receive)
        except Exception as error:
            answer = problem_reply(error, request_id)
        await send_reply(send, answer, request_id, request.counted.headers if request.counted else ())
        seconds = time.perf_counter() - began - answer.rested_s
        self._api.metrics.answered(_known_method(scope["method"]), self._path, answer.status, seconds)
        self._api.foreground.answered(seconds)
        if access_log.isEnabledFor(logging.INFO):
            access_log.info(
                "%s %s %d",
                scope["method"],
                self._path,
                answer.status,
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "route": self._path,
                    "status": answer.status,
                    "ms": round(seconds * 1000, 2),
                    "api_key_id": request.caller.id if request.caller else None,
                },
            )
        if under_way is not None:
            under_way.end(_known_method(scope["method"]), self._path, answer.status, request_id)

    async def _answer(self, scope: Scope, request: "Request", receive: Receive) -> Reply:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        endpoint = self._by_method.get(method)
        if endpoint is None:
            allowed = ", ".join([*self._by_method, *(["HEAD"] if "GET" in self._by_method else [])])
            raise RequestRefused(MethodNotAllowed(allowed=allowed), headers={"allow": allowed})
        headers = fields_of(scope["headers"])
        if endpoint.public:
            return await as_asked(await endpoint.handle(self._api), headers)
        address = self._api.peers.address(scope, headers)
        caller = request.caller = await self._caller(request, headers, address)
        request.counted = self._limiter.count(caller)
        self._limiter.must_be_within(request.counted)
        must_have(caller, endpoint.permission, operator_too=endpoint.operator_too)
        call = Call(self._api, caller, scope["path_params"], request.id, address, self._path)
        query = _query(endpoint.query, scope["query_string"])
        if isinstance(query, Read):
            if query.min_position is not None:
                call.min_position = self._api.positions.read(caller, query.min_position)
            answer = await endpoint.handle(call, query)
            assert call.position is not None, f"{endpoint.name} does not say which position it reflects"
            position = str(call.shown(call.position)).encode()
            return answer._replace(headers=(*answer.headers, (b"counterfoil-position", position)))
        if endpoint.creates != "nothing":
            call.idempotency_key = key_of(headers.get(b"idempotency-key"))
        body = _body(endpoint.body, await _read_body(headers, receive, endpoint.body_bytes_max))
        if (more := endpoint.weight(body) - 1) > 0:
            request.counted = self._limiter.count_all(caller, more)
        if endpoint.body is None:
            answer = await endpoint.handle(call)
        elif endpoint.creates == "stored":
            answer = await once(call, f"{method} {scope['path']}", body, lambda: endpoint.handle(call, body))
        else:
            answer = await endpoint.handle(call, body)
        if has(headers, b"prefer", PREFERRED):
            answer = answer._replace(headers=(*answer.headers, *promises(call)))
        return answer

    async def _caller(self, request: "Request", headers: dict[bytes, bytes], address: str | None) -> ApiKey:
        """Whose key it is. Raises RequestRefused (401, 429), Unavailable."""
        presented, keyring = headers.get(b"x-api-key"), self._api.keyring
        request.counted = self._wrong_keys.count(address)
        if presented and not keyring.was_good(presented):
            self._wrong_keys.must_be_within(request.counted)
        try:
            return await keyring.caller(presented)
        except RequestRefused:
            if presented:
                request.counted = self._wrong_keys.count(address, wrong=True)
            raise


class Request:
    """What is known of a request before it is understood, for its answer and the log."""

    def __init__(self, scope: Scope) -> None:
        self.id = request_id_of(scope["headers"])
        self.caller: ApiKey | None = None
        self.counted: Count | None = None


class Nowhere:
    """Every path that is none of ours."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        request_id = request_id_of(scope["headers"])
        await send_reply(send, problem_reply(RequestRefused(PathNotFound()), request_id), request_id)
        self._api.metrics.answered(_known_method(scope["method"]), "none", 404, 0.0)


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's X-Request-Id where it stands once and is harmless, else one of ours."""
    given = [value for name, value in headers if name == b"x-request-id"]
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return f"{_PROCESS}-{next(_NUMBERS)}"


def problem_reply(error: Exception, request_id: str) -> Reply:
    """What went wrong, as the client may know it."""
    refused = refusal_of(error, request_id)
    body = msgspec.json.encode(problem_of(refused.refusal, request_id, refused.errors))
    headers = {**headers_of(refused.refusal), **refused.headers}
    return Reply(
        refused.refusal.status,
        body,
        PROBLEM_JSON,
        tuple((name.encode(), value.encode()) for name, value in headers.items()),
    )


def refusal_of(error: Exception, request_id: str) -> RequestRefused:
    """What a request, or a part of it, is refused with. A defect is logged with its trace, and answered without (I13)."""
    match error:
        case RequestRefused():
            return error
        case Unavailable() | NotReady():
            log.warning("a request was refused: %s", error, extra={"request_id": request_id})
            return RequestRefused(Overloaded() if isinstance(error, Busy) else ServiceUnavailable())
        case WritingEnded():
            return RequestRefused(WritingHasEnded())
    log.error("a request failed", exc_info=error, extra={"request_id": request_id})
    return RequestRefused(InternalError())


async def send_reply(send: Send, answer: Reply, request_id: str, more: Iterable[tuple[bytes, bytes]] = ()) -> None:
    headers = [
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-cache" if answer.is_document else b"no-store"),
        *more,
        *answer.headers,
    ]
    if all(name != _LOADS_NOTHING[0] for name, _ in answer.headers):
        headers.append(_LOADS_NOTHING)
    if answer.status != NOT_MODIFIED:
        headers += [(b"content-type", answer.media_type), (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _read_body(headers: dict[bytes, bytes], receive: Receive, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """The whole body. Raises RequestRefused (413) before more than the limit is kept, 415."""
    must_be_plain(headers)
    declared = headers.get(b"content-length", b"0")
    if not declared.isdigit() or int(declared[:20]) > bytes_max:
        raise RequestRefused(BodyTooLarge(limit_bytes=bytes_max))
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestRefused(MalformedJson(reason="the connection ended before the body did"))
        body += message.get("body", b"")
        if len(body) > bytes_max:
            raise RequestRefused(BodyTooLarge(limit_bytes=bytes_max))
        more = message.get("more_body", False)
    media_type = headers.get(b"content-type", b"application/json").split(b";")[0].strip().lower()
    if body and media_type != b"application/json" and not media_type.endswith(b"+json"):
        raise RequestRefused(UnsupportedMediaType())
    return body


def _body(model: type[BaseModel] | None, raw: bytes) -> Any:
    """The validated body. Raises RequestRefused (400, 422)."""
    if model is None:
        if raw.strip() not in (b"", b"{}"):
            raise invalid("#", "no body is taken here: send none, or {}")
        return None
    if not raw and not any(field.is_required() for field in model.model_fields.values()):
        return model()
    try:
        return model.model_validate(parse(raw))
    except InvalidJson as error:
        if error.malformed:
            raise RequestRefused(MalformedJson(reason=error.detail)) from None
        raise invalid(f"#{error.pointer}", error.detail) from None
    except ValidationError as error:
        raise RequestRefused(ValidationFailed(), field_errors(error)) from None


@lru_cache(maxsize=64)
def _unasked(model: type[Query]) -> Query:
    return model()


def _query(model: type[Query], raw: bytes) -> Query:
    """The validated query parameters. Raises RequestRefused (422)."""
    if not raw and not any(field.is_required() for field in model.model_fields.values()):
        return _unasked(model)
    if len(raw) > QUERY_BYTES_MAX:
        raise invalid("?", f"the query is longer than {QUERY_BYTES_MAX} bytes")
    try:
        text = raw.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict") if text else []
    except ValueError:
        raise invalid("?", "is no well-formed query") from None
    given: dict[str, Any] = dict(pairs)
    for name in repeatable(model) & given.keys():
        given[name] = [value for each, value in pairs if each == name]
    names = [name for name, _ in pairs]
    twice = [name for name in given if isinstance(given[name], str) and names.count(name) > 1]
    if twice:
        raise RequestRefused(ValidationFailed(), [FieldError(f"?{name}", "is given twice") for name in twice])
    unclean = [FieldError(f"?{name}", _UNCLEAN) for name, value in pairs if not is_clean(value)]
    if unclean:
        raise RequestRefused(ValidationFailed(), unclean)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise RequestRefused(ValidationFailed(), field_errors(error, query=True)) from None


def _known_method(method: str) -> str:
    """A label that strangers cannot multiply."""
    return method if method in ("GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS") else "other"
