"""The header fields of a request: trimmed, by their names, and what matters stands once."""

from collections.abc import Iterable
from typing import Final

from gateways.http.errors import HeaderRepeated, RequestRefused, UnsupportedContentEncoding

ONCE: Final = frozenset(
    {
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"x-api-key",
        b"x-request-id",
    }
)
"""Two of these are two wishes in one request: which one a proxy, a log or we would follow is nobody's to guess."""


def fields_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Values by lower-case names, those of a list that came in pieces joined. Raises RequestRefused (400)."""
    fields: dict[bytes, bytes] = {}
    for name, value in raw:
        trimmed = value.strip(b" \t")
        if name not in fields:
            fields[name] = trimmed
        elif name in ONCE:
            raise RequestRefused(HeaderRepeated(header=name.decode("ascii")))
        else:
            fields[name] += b", " + trimmed
    return fields


def has(fields: dict[bytes, bytes], name: bytes, token: bytes) -> bool:
    """Whether a list field, such as Prefer, has this token."""
    return any(each.split(b";")[0].strip().lower() == token for each in fields.get(name, b"").split(b","))


def must_be_plain(fields: dict[bytes, bytes]) -> None:
    """A body comes as it is. Raises RequestRefused (415)."""
    if fields.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
        raise RequestRefused(UnsupportedContentEncoding(), headers={"accept-encoding": "identity"})
