"""The devnet over HTTP: an ASGI application, and the connections that it can cut."""

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from gateways.devnet import requests
from gateways.devnet.http import door
from gateways.devnet.node import Node
from gateways.devnet.requests import NodeAnswer

Connections = dict[tuple[str, int], asyncio.Transport]
"""The client's host and port -> its connection."""


class Application:
    """The ASGI application over one node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.connections: Connections = {}
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Let go of every client that is kept waiting."""
        self._closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the devnet speaks HTTP, not {scope['type']}")
        request = Request(scope, receive)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return
        query = dict(request.query_params)
        base_url = f"{request.url.scheme}://{request.url.netloc}"
        asked = requests.Request(request.method, request.url.path, query, body, base_url)
        answered = door.answer(self.node, asked)
        if isinstance(answered, NodeAnswer):
            await Response(answered.body, answered.status, media_type=answered.media_type)(scope, receive, send)
            return
        await self._hold(receive, answered.hold_ms / 1000)
        self._cut(scope["client"])
        await receive()

    def protocol(self) -> Any:
        """The protocol for uvicorn: its own, and known by the client's address while it lasts."""
        connections = self.connections

        class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
            def connection_made(self, transport: asyncio.Transport) -> None:
                super().connection_made(transport)
                connections[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                connections.pop(self.client, None)

        return Protocol

    async def _hold(self, receive: Receive, seconds: float) -> None:
        """Returns when the client has given up, the server stops, or so long has passed."""

        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        ends = {asyncio.create_task(gone()), asyncio.create_task(self._closing.wait())}
        _, waiting = await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for end in waiting:
            end.cancel()

    def _cut(self, client: tuple[str, int]) -> None:
        connection = self.connections.get(client)
        if connection:
            connection.abort()


async def _body(request: Request) -> bytes:
    """The body, or its first part where it is longer than is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > door.BODY_BYTES_MAX:
            break
    return bytes(body)
