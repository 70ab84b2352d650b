"""The first answer again, byte for byte, for every repetition of a request that creates something.

Most answers are kept by the port IdempotencyKeys for 24 hours. The stream of a payout or a transfer is its own memory and lasts
for ever: who comes while the first request is being decided waits for its answer.
Ids follow from (account, key), so a crash between the work and the note of its answer creates nothing twice.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
from pydantic import BaseModel

from core.ledger.ledger import Accepted, Repeated
from core.ledger.refusals import (
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    restore,
)
from gateways.http.endpoint import JSON, Call, Reply
from gateways.http.errors import PROBLEM_JSON, RequestRefused, problem_of
from gateways.http.fields import by_meaning

KEY_LENGTH_MAX = 255
REPLAYED = (b"idempotency-replayed", b"true")


class _Kept(msgspec.Struct, frozen=True):
    """An answer as the store keeps it."""

    status: int
    body: str
    problem: bool = False


def key_of(header: bytes | None) -> str:
    """The Idempotency-Key. Raises RequestRefused (400)."""
    if header is None:
        raise RequestRefused(IdempotencyKeyMissing())
    if not 1 <= len(header) <= KEY_LENGTH_MAX or not all(0x20 <= byte <= 0x7E for byte in header):
        raise RequestRefused(IdempotencyKeyInvalid())
    return header.decode("ascii")


async def once(call: Call, scope: str, body: BaseModel, work: Callable[[], Awaitable[Reply]]) -> Reply:
    """Do the work, or give its first answer again. A refusal is an answer too, unless trying again may help (5xx)."""
    store = call.api.platform.idempotency_keys
    account_id, key = call.account_id, call.idempotency_key
    hashes = field_hashes(body)
    now = call.api.platform.clock()
    known = await asyncio.to_thread(store.begin, account_id, scope, key, hashes, now)
    if known is not None:
        return _again(known.field_hashes, hashes, known.response)
    try:
        answer = await work()
        kept = _Kept(answer.status, (answer.stored or answer.body).decode())
    except RequestRefused as refused:
        if refused.refusal.status >= 500:
            await asyncio.to_thread(store.abandon, account_id, scope, key)
            raise
        problem = msgspec.json.encode(problem_of(refused.refusal, call.request_id, refused.errors))
        answer = Reply(refused.refusal.status, problem, PROBLEM_JSON)
        kept = _Kept(answer.status, problem.decode(), problem=True)
    except BaseException:
        await asyncio.to_thread(store.abandon, account_id, scope, key)
        raise
    await asyncio.to_thread(store.complete, account_id, scope, key, msgspec.json.encode(kept))
    return answer


def _again(before: dict[str, str], hashes: dict[str, str], response: bytes | None) -> Reply:
    differing = sorted(name for name in before.keys() | hashes.keys() if before.get(name) != hashes.get(name))
    if differing:
        raise RequestRefused(IdempotencyKeyReused(fields=", ".join(differing)))
    if response is None:
        raise RequestRefused(IdempotencyInProgress())
    kept = msgspec.json.decode(response, type=_Kept)
    return Reply(kept.status, kept.body.encode(), PROBLEM_JSON if kept.problem else JSON, (REPLAYED,))


def field_hashes(body: BaseModel) -> dict[str, str]:
    """A hash per field, of what it means, so that differing fields can be named without keeping them."""
    return {
        name: hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
        for name, value in by_meaning(body).items()
    }


def answer_of(outcome: Accepted | Repeated, answer: Reply) -> Reply:
    """The answer that a stream remembers, marked when the stream knew it before."""
    return answer if isinstance(outcome, Accepted) else answer._replace(headers=(*answer.headers, REPLAYED))


class RefusedForEver(Protocol):
    """An event that is what a key is answered."""

    @property
    def code(self) -> str: ...
    @property
    def data(self) -> dict[str, Any]: ...


def refused(call: Call, event: RefusedForEver, wish_id: str) -> Reply:
    """The problem, byte for byte the same each time: it has the wish's id in the place of the request's."""
    refusal = restore(event.code, event.data)
    call.api.metrics.rejected(refusal.code)
    return Reply(refusal.status, msgspec.json.encode(problem_of(refusal, wish_id)), PROBLEM_JSON)
