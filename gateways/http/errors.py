"""Every refusal of the API as RFC 9457 problem+json.

Codes of business stand in core/ledger/refusals.py, those of HTTP here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec

from core.ledger.refusals import REJECTIONS, Refusal, code_of, data_of, sentence_of

PROBLEM_JSON: Final = b"application/problem+json"
RETRY_AFTER_S: Final = {
    "stream_stopped": 60,
    "not_switched_on": 60,
    "rate_limited": 1,
    "idempotency_in_progress": 1,
    "addresses_exhausted": 5,
    "writing_has_ended": 30,
}
"""Seconds after which trying again makes sense; whatever else is worth it says 1."""
_RETRYABLE: Final = frozenset({408, 429, 500, 503})
"""Statuses that speak of the moment, not of the request."""


class ValidationFailed(Refusal, frozen=True):
    """The request is not as the documentation has it; `errors` names each place."""


class MalformedJson(Refusal, frozen=True):
    """The body is not JSON as it is understood here: {reason}."""

    status: ClassVar[int] = 400

    reason: str


class MalformedRequest(Refusal, frozen=True):
    """This is no well-formed HTTP request: {reason}."""

    status: ClassVar[int] = 400

    reason: str


class HeaderRepeated(Refusal, frozen=True):
    """The header {header} stands in the request more than once: send it once."""

    status: ClassVar[int] = 400

    header: str


class UnsupportedContentEncoding(Refusal, frozen=True):
    """The body is compressed: send it as it is, without Content-Encoding."""

    status: ClassVar[int] = 415


class UnsupportedMediaType(Refusal, frozen=True):
    """The body must be JSON: send it with Content-Type: application/json."""

    status: ClassVar[int] = 415


class PathNotFound(Refusal, frozen=True):
    """There is nothing at this path: every path there is stands in /docs."""

    status: ClassVar[int] = 404


class MethodNotAllowed(Refusal, frozen=True):
    """This path answers to {allowed} only."""

    status: ClassVar[int] = 405

    allowed: str


class RequestTimeout(Refusal, frozen=True):
    """The request did not arrive within {seconds} seconds."""

    status: ClassVar[int] = 408

    seconds: int


class BodyTooLarge(Refusal, frozen=True):
    """The body is larger than {limit_bytes} bytes."""

    status: ClassVar[int] = 413

    limit_bytes: int


class HeadersTooLarge(Refusal, frozen=True):
    """Request line and headers are larger than {limit_bytes} bytes, or more than {limit_count}."""

    status: ClassVar[int] = 431

    limit_bytes: int
    limit_count: int


class ApiKeyInvalid(Refusal, frozen=True):
    """The x-api-key header is missing, or its key is unknown or revoked."""

    status: ClassVar[int] = 401


class ApiKeyExpired(Refusal, frozen=True):
    """The API key has expired: ask the operator for a new one."""

    status: ClassVar[int] = 401


class PermissionDenied(Refusal, frozen=True):
    """The API key lacks the permission {permission}."""

    status: ClassVar[int] = 403

    permission: str


class RateLimited(Refusal, frozen=True):
    """This API key may make {limit} requests: wait for Retry-After seconds."""

    status: ClassVar[int] = 429

    limit: str


class WrongKeysLimited(Refusal, frozen=True):
    """Too many unknown API keys came from this address ({limit}): check the key, and wait for Retry-After seconds."""

    status: ClassVar[int] = 429

    limit: str


class RebuildGoesOn(Refusal, frozen=True):
    """A rebuild of {view} goes on already: see GET /v1/projections/{view}, or cancel it."""

    status: ClassVar[int] = 409

    view: str


class NoRebuildGoesOn(Refusal, frozen=True):
    """No rebuild of {view} goes on."""

    status: ClassVar[int] = 409

    view: str


class NothingToRollBack(Refusal, frozen=True):
    """There is no version of {view} that served before, or a rebuild of it goes on: cancel that first."""

    status: ClassVar[int] = 409

    view: str


class WebhookUrlMissing(Refusal, frozen=True):
    """The account has no webhook_url: ask the operator to set one."""

    status: ClassVar[int] = 409


class PositionBeyondHead(Refusal, frozen=True):
    """min_position is beyond the last event there is: it must be a position that this server gave out."""


class PeriodTooLong(Refusal, frozen=True):
    """The period has more than {lines_max} lines: ask for shorter ones."""

    lines_max: int


class QueryTooShort(Refusal, frozen=True):
    """What you look for has fewer than {characters_min} characters: give more of it."""

    characters_min: int


class LooksLikeASecret(Refusal, frozen=True):
    """What you look for looks like a key or a secret: it was not looked for and not kept. Have it replaced."""


class RangeTooLong(Refusal, frozen=True):
    """The range has more than {events_max} events: ask for shorter ones."""

    events_max: int


class ProjectionBehind(Refusal, frozen=True):
    """The view has not reached min_position yet: try again in a moment."""

    status: ClassVar[int] = 503


class Overloaded(Refusal, frozen=True):
    """More requests are waiting than can be served soon: nothing was done, try again in a moment."""

    status: ClassVar[int] = 503


class ServiceUnavailable(Refusal, frozen=True):
    """A part of the service cannot be reached: nothing was done, try again in a moment."""

    status: ClassVar[int] = 503


class WritingHasEnded(Refusal, frozen=True):
    """No change is accepted now, and nothing was done: the operator has an alarm. Reading goes on."""

    status: ClassVar[int] = 503


class InternalError(Refusal, frozen=True):
    """Something is wrong on our side: tell the operator the request_id. If this created something, repeat it with the same
    Idempotency-Key."""

    status: ClassVar[int] = 500


class FieldError(msgspec.Struct, frozen=True):
    """Where (a JSON pointer into the body, "?name" for a query parameter) and what is wrong there."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is wrong and what to do, as RFC 9457 has it. `code` is stable; `data` holds the facts in `detail`.

    `retryable`: the same request, with its Idempotency-Key, may be answered otherwise after Retry-After seconds.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    retryable: bool
    errors: list[FieldError] | None = None
    data: dict[str, Any] | None = None


class RequestRefused(Exception):
    """Ends a request with a refusal. `errors` name fields, `headers` go along."""

    def __init__(
        self,
        refusal: Refusal,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.errors = errors
        self.headers = dict(headers or {})


def invalid(pointer: str, detail: str) -> RequestRefused:
    """A 422 about one place."""
    return RequestRefused(ValidationFailed(), [FieldError(pointer, detail)])


def problem_of(refusal: Refusal, request_id: str, errors: Sequence[FieldError] = ()) -> Problem:
    code = refusal.code
    return Problem(
        type=f"/docs#{code}",
        title=title_of(code),
        status=refusal.status,
        detail=refusal.detail,
        code=code,
        request_id=request_id,
        retryable=is_retryable(type(refusal)),
        errors=list(errors) or None,
        data=data_of(refusal) or None,
    )


def is_retryable(kind: type[Refusal]) -> bool:
    """Whether the same request, sent again later, may be answered otherwise."""
    return kind.status in _RETRYABLE or code_of(kind) in RETRY_AFTER_S


def headers_of(refusal: Refusal) -> dict[str, str]:
    """Headers that belong to a status: when to come back, how to authenticate."""
    if refusal.status == 401:
        return {"www-authenticate": 'ApiKey realm="counterfoil", header="x-api-key"'}
    if is_retryable(type(refusal)):
        return {"retry-after": str(RETRY_AFTER_S.get(refusal.code, 1))}
    return {}


def title_of(code: str) -> str:
    return code.replace("_", " ").replace("api key", "API key").capitalize().replace("Api key", "API key")


INTERNAL: Final = frozenset({"address_taken", "conflicting_facts", "wrong_state", "payin_not_disablable"})
"""RefusedCommands between the parts of the program, which no client ever sees."""


def catalogue() -> list[dict[str, Any]]:
    """Every code a client can meet, with its status, its sentence and whether to try again: for /docs and the document."""
    return [
        {
            "code": code,
            "title": title_of(code),
            "status": kind.status,
            "retryable": is_retryable(kind),
            "detail": sentence_of(kind),
        }
        for code, kind in sorted(REJECTIONS.items(), key=lambda item: (item[1].status, item[0]))
        if code not in INTERNAL
    ]
