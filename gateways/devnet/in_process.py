"""A client's way in without a network: a transport for httpx2 that hands requests to a node in the same process.

Nothing waits: a timeout is raised at once, `passed` is told how long the client would have waited, and a hand-turned
clock may move on by it. `TronNode("http://devnet", transport=InProcess(node))` then speaks with the node.
"""

from collections.abc import Callable

import httpx2

from gateways.devnet.http import door
from gateways.devnet.node import Node
from gateways.devnet.requests import Request, Silence


def _nothing(_: int) -> None:
    """The clock stands."""


class InProcess(httpx2.BaseTransport):
    """All sync and deterministic: one request at a time, answered in the caller's thread."""

    def __init__(self, node: Node, passed: Callable[[int], None] = _nothing) -> None:
        self._node = node
        self._passed = passed

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises ReadTimeout and RemoteProtocolError as a network's client would."""
        url = request.url
        asked = Request(request.method, url.path, dict(url.params), request.read(), f"{url.scheme}://{url.host}")
        answered = door.answer(self._node, asked)
        if isinstance(answered, Silence):
            raise self._silent(request, answered)
        headers = {"content-type": answered.media_type}
        return httpx2.Response(answered.status, headers=headers, content=answered.body, request=request)

    def _silent(self, request: httpx2.Request, silence: Silence) -> httpx2.TransportError:
        patience_s = request.extensions.get("timeout", {}).get("read")
        if patience_s is not None and silence.hold_ms > patience_s * 1000:
            self._passed(int(patience_s * 1000))
            return httpx2.ReadTimeout("the devnet does not answer", request=request)
        self._passed(silence.hold_ms)
        return httpx2.RemoteProtocolError("the devnet cut the connection without an answer", request=request)
