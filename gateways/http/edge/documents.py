"""Documents, which change only with the program: an ETag for who has them already, compressed for who takes that."""

import asyncio
import gzip
import hashlib
from functools import lru_cache
from typing import Final

from gateways.http.endpoint import Reply

NOT_MODIFIED: Final = 304
_VARY: Final = (b"vary", b"accept-encoding")


async def as_asked(answer: Reply, headers: dict[bytes, bytes]) -> Reply:
    """The answer as these request headers want it; what is no document stays as it is."""
    if not answer.is_document or answer.status != 200:
        return answer
    tag = _tag(answer.body)
    kept = (*answer.headers, (b"etag", tag), _VARY)
    if _has_it(headers.get(b"if-none-match", b""), tag):
        return answer._replace(status=NOT_MODIFIED, body=b"", headers=kept)
    if _takes_gzip(headers.get(b"accept-encoding", b"")):
        body = await asyncio.to_thread(_compressed, answer.body)
        return answer._replace(body=body, headers=(*kept, (b"content-encoding", b"gzip")))
    return answer._replace(headers=kept)


@lru_cache(maxsize=16)
def _tag(body: bytes) -> bytes:
    """Weak: compressed or not, it is the same document."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'.encode()


@lru_cache(maxsize=16)
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def _has_it(given: bytes, tag: bytes) -> bool:
    """If-None-Match compares weakly (RFC 9110, 13.1.2)."""
    opaque = tag.removeprefix(b"W/")
    return any(each.strip().removeprefix(b"W/") in (opaque, b"*") for each in given.split(b","))


def _takes_gzip(given: bytes) -> bool:
    """Named, and not at a weight of zero (RFC 9110, 12.5.3)."""
    for each in given.split(b","):
        name, _, parameters = each.strip().lower().partition(b";")
        if name.strip() in (b"gzip", b"*"):
            weight = parameters.replace(b" ", b"").removeprefix(b"q=")
            return weight.strip(b"0.") != b"" if parameters else True
    return False
