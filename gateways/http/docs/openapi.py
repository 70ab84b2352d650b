"""The OpenAPI 3.1 document, generated from what validates (pydantic models) and what is encoded (msgspec structs).

schema/openapi.json holds a copy that a test compares, so that a change of the contract is seen in review.
"""

import re
from typing import Any, Final

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from core.ledger.refusals import (
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    Refusal,
    code_of,
)
from gateways import VERSION
from gateways.http.answer import Answer
from gateways.http.docs.catalogue import NOUNS, PATHS, TAG_OF
from gateways.http.endpoint import ENDPOINTS, Endpoint
from gateways.http.errors import (
    ApiKeyExpired,
    ApiKeyInvalid,
    BodyTooLarge,
    HeaderRepeated,
    InternalError,
    MalformedJson,
    Overloaded,
    PermissionDenied,
    PositionBeyondHead,
    Problem,
    ProjectionBehind,
    RateLimited,
    ServiceUnavailable,
    UnsupportedContentEncoding,
    UnsupportedMediaType,
    ValidationFailed,
    WritingHasEnded,
    WrongKeysLimited,
    catalogue,
)

_REF: Final = "#/components/schemas/{}"
_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": _REF.format("Problem")}}}
_DESCRIPTION: Final = """\
A custodial gateway for USDT on Tron.

**Money** is a decimal string, with the integer in minor units beside it in answers. **Times** are RFC 3339 UTC.
**Lists** run from the newest; give `next_cursor` as `after` for the next page.
**Idempotency**: every POST that creates needs an `Idempotency-Key`; repeated, it gets the first answer again, byte for
byte, with `Idempotency-Replayed: true`. A batch has a key for each of its items instead.
**Consistency**: a write answers with `position`; a GET with `?min_position=` waits until its view reflects it.
**Receipts** prove offline that what was answered stands in the history, which is signed every minute: GET /v1/receipts.
**Errors** are `application/problem+json` (RFC 9457) with a stable `code`; every code is listed below. `retryable` says
whether the same request may be answered otherwise after `Retry-After` seconds.
**Limits**: `RateLimit` and `RateLimit-Policy` tell how many requests are left to the key.
"""


def document() -> dict[str, Any]:
    """The whole document, JSON-able."""
    schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for declared in sorted(ENDPOINTS, key=lambda each: PATHS.index(each.handle.__module__)):
        paths.setdefault(declared.path, {})[declared.method.lower()] = _operation(declared, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Counterfoil",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": noun.sentence} for name, noun in NOUNS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
        "x-error-catalogue": catalogue(),
    }


def _schemas() -> dict[str, Any]:
    """Requests by pydantic, answers by msgspec; the names of the two never meet."""
    bodies = sorted({item.body for item in ENDPOINTS if item.body is not None}, key=lambda model: model.__name__)
    _, requests = models_json_schema([(model, "validation") for model in bodies], ref_template=_REF.format("{model}"))
    answers = [item.answer for item in ENDPOINTS if isinstance(item.answer, type) and issubclass(item.answer, Answer)]
    _, encoded = msgspec.json.schema_components([*dict.fromkeys(answers), Problem], ref_template=_REF.format("{name}"))
    found = requests["$defs"] | encoded
    assert len(found) == len(requests["$defs"]) + len(encoded), "a body and an answer have one name"
    return {name: _plain(found[name]) for name in sorted(found)}


def _plain(schema: Any) -> Any:
    """Without the titles that pydantic makes of field names, and with docstrings as running text."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _plain(value) for name, value in schema.items() if name != "title" or not isinstance(value, str)}
    if isinstance(plain.get("description"), str):
        plain["description"] = " ".join(plain["description"].split())
    return plain


def _operation(declared: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    refusals = _refusals(declared)
    operation: dict[str, Any] = {
        "operationId": declared.name,
        "tags": [TAG_OF[declared.handle.__module__]],
        "summary": declared.sentence,
        "parameters": _parameters(declared),
        "responses": {str(declared.status): _answer(declared)} | _otherwise(declared) | _problems(refusals),
        "security": [] if declared.public else [{"ApiKey": []}],
    }
    if declared.permission is not None:
        operation["x-permission"] = declared.permission
    if declared.body is not None:
        assert declared.body.__name__ in schemas
        operation["requestBody"] = {
            "required": any(field.is_required() for field in declared.body.model_fields.values()),
            "content": {"application/json": {"schema": {"$ref": _REF.format(declared.body.__name__)}}},
        }
    if not operation["parameters"]:
        del operation["parameters"]
    return operation


def _answer(declared: Endpoint) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-Id": _header("Names this request in our logs.")}
    if not declared.public:
        headers["RateLimit-Policy"] = _header('`"api-key";q=600;w=60`: so many requests in so many seconds.')
        headers["RateLimit"] = _header('`"api-key";r=599;t=42`: so many are left, for so many seconds.')
    if declared.method == "GET" and "min_position" in declared.query.model_fields:
        headers["Counterfoil-Position"] = _header("The position in the history that this answer reflects.")
    if declared.creates != "nothing":
        headers["Idempotency-Replayed"] = _header("`true` on a repetition of the first answer.")
        headers["Counterfoil-Receipt"] = _header("`position=...; entry=<SHA-256>` of each event, for Prefer: receipt.")
    answer: dict[str, Any] = {"description": declared.sentence, "headers": headers}
    if declared.answer is not None:
        answer["content"] = {declared.media_type: {"schema": _schema(declared.answer)}}
    return answer


def _otherwise(declared: Endpoint) -> dict[str, Any]:
    return {
        str(status): {"description": declared.sentence, "content": {declared.media_type: {"schema": _schema(kind)}}}
        for status, kind in declared.otherwise.items()
    }


def _schema(kind: Any) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {"$ref": _REF.format(kind.__name__)}
    return msgspec.json.schema(kind)


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _parameters(declared: Endpoint) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", declared.path)
    ]
    parameters += _query_parameters(declared.query)
    if declared.creates != "nothing":
        text = {"type": "string", "minLength": 1, "maxLength": 255}
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "description": "Any text of your own that names this wish; the same key is the same wish.",
                "schema": text,
            }
        )
        parameters.append(
            {
                "name": "Prefer",
                "in": "header",
                "required": False,
                "description": "`receipt`: the answer names the hash of what it wrote, in Counterfoil-Receipt.",
                "schema": {"type": "string", "enum": ["receipt"]},
            }
        )
    return parameters


def _query_parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    parameters = []
    described = query.model_json_schema()
    for name, schema in described.get("properties", {}).items():
        parameter = {"name": name, "in": "query", "required": name in described.get("required", ())}
        description = schema.pop("description", None)
        if description:
            parameter["description"] = " ".join(description.split())
        parameters.append(parameter | {"schema": _plain(_without_null(schema))})
    return parameters


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter that is not given is absent, never null."""
    options = [option for option in schema.pop("anyOf", []) if option != {"type": "null"}]
    if schema.get("default", 0) is None:
        del schema["default"]
    return {**options[0], **schema} if options else schema


def _refusals(declared: Endpoint) -> list[type[Refusal]]:
    """Every refusal the endpoint may answer: its own, and those of the path that all requests take."""
    if declared.public:
        return [HeaderRepeated]
    found: list[type[Refusal]] = [
        HeaderRepeated,
        ApiKeyInvalid,
        ApiKeyExpired,
        WrongKeysLimited,
        RateLimited,
        ValidationFailed,
    ]
    if declared.permission is not None:
        found.append(PermissionDenied)
    if "min_position" in declared.query.model_fields:
        found += [PositionBeyondHead, ProjectionBehind]
    else:
        found += [MalformedJson, BodyTooLarge, UnsupportedMediaType, UnsupportedContentEncoding, WritingHasEnded]
    if declared.creates != "nothing":
        found += [IdempotencyKeyMissing, IdempotencyKeyInvalid, IdempotencyKeyReused]
    if declared.creates == "stored":  # where a stream remembers the key, who comes second waits for the first answer
        found.append(IdempotencyInProgress)
    return [*found, Overloaded, ServiceUnavailable, InternalError, *declared.refusals]


def _problems(refusals: list[type[Refusal]]) -> dict[str, Any]:
    """One answer per status, which names its codes."""
    codes: dict[int, list[str]] = {}
    for refusal in refusals:
        codes.setdefault(refusal.status, []).append(code_of(refusal))
    return {
        str(status): {"description": ", ".join(f"`{code}`" for code in sorted(codes[status])), "content": _PROBLEM}
        for status in sorted(codes)
    }
