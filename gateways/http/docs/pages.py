"""The documentation as pages: the document itself, its page, and the guides. No key is needed."""

import asyncio
import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import Any, Final

from gateways.http.docs.layout import api_page, guide_page
from gateways.http.endpoint import Api, Reply, endpoint

_INLINE: Final = re.compile(rb"<(style|script)>(.*?)</\1>", re.DOTALL)


@endpoint("GET", "/openapi.json", None, dict[str, Any], public=True)
async def openapi_document(api: Api) -> Reply:
    """This document. No key is needed."""
    return Reply(200, await asyncio.to_thread(api.document), is_document=True)


@endpoint("GET", "/docs", None, str, public=True, media_type="text/html")
async def docs(api: Api) -> Reply:  # noqa: ARG001
    """The documentation as a page that loads nothing from elsewhere. No key is needed."""
    return _page(api_page())


@endpoint("GET", "/docs/integrate", None, str, public=True, media_type="text/html")
async def integrate(api: Api) -> Reply:  # noqa: ARG001
    """How a client integrates, as a page. No key is needed."""
    return _guide("integrate")


@endpoint("GET", "/docs/operate", None, str, public=True, media_type="text/html")
async def operate(api: Api) -> Reply:  # noqa: ARG001
    """How an operator runs an installation, as a page. No key is needed."""
    return _guide("operate")


@endpoint("GET", "/docs/verify", None, str, public=True, media_type="text/html")
async def verify(api: Api) -> Reply:  # noqa: ARG001
    """How an auditor verifies the history, as a page. No key is needed."""
    return _guide("verify")


@endpoint("GET", "/docs/security", None, str, public=True, media_type="text/html")
async def security(api: Api) -> Reply:  # noqa: ARG001
    """What each attacker can take, and two security standards requirement by requirement, as a page. No key is needed."""
    return _guide("security")


@endpoint("GET", "/docs/extend", None, str, public=True, media_type="text/html")
async def extend(api: Api) -> Reply:  # noqa: ARG001
    """How an engineer extends this program, as a page. No key is needed."""
    return _guide("extend")


@endpoint("GET", "/docs/glossary", None, str, public=True, media_type="text/html")
async def glossary(api: Api) -> Reply:  # noqa: ARG001
    """What each word means here, as a page. No key is needed."""
    return _guide("glossary")


def _guide(name: str) -> Reply:
    return _page(guide_page(name))


def _page(html: bytes) -> Reply:
    policy = (b"content-security-policy", _policy(html))
    return Reply(200, html, b"text/html; charset=utf-8", (policy,), is_document=True)


@cache
def _policy(html: bytes) -> bytes:
    """Lets in the page's own style and script, by their hashes, and nothing else."""
    inline: dict[bytes, list[bytes]] = {b"style": [], b"script": []}
    for kind, text in _INLINE.findall(html):
        inline[kind].append(b"'sha256-" + b64encode(sha256(text).digest()) + b"'")
    return (
        b"default-src 'none'; style-src %s; script-src %s; connect-src 'self'; base-uri 'none'; form-action 'none';"
        b" frame-ancestors 'none'" % (b" ".join(inline[b"style"]), b" ".join(inline[b"script"]))
    )
