"""The documentation as pages: the document itself, its page, and the guides. No key is needed."""

import asyncio
from typing import Any, Final

from gateways.http.docs.layout import api_page, guide_page
from gateways.http.endpoint import Api, Reply, endpoint

_POLICY: Final = (
    b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self';"
    b" base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


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
    return Reply(200, html, b"text/html; charset=utf-8", ((b"content-security-policy", _POLICY),), is_document=True)
